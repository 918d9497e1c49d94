"""Two functions of Google's functions-framework: one that is asked, and one that is told."""

import functions_framework

import svcgov
from svcgov import bulkhead, retry

told = []


@functions_framework.http
@svcgov.http(service="orders", policy=bulkhead(20))
def orders(request):
    here = svcgov.current()
    return {"method": here.method, "colour": here.colour, "left": svcgov.remaining()}


@functions_framework.cloud_event
@svcgov.cloud_event(service="orders")
@retry(on=ConnectionError, attempts=3, backoff=0.05)
def placed(event):
    told.append(event["id"])
    if len(told) < 2:
        raise ConnectionError("the warehouse does not answer")
