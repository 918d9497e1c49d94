"""Orders from a queue: those that cannot be shipped come again, the others do not."""

import json

import svcgov
from svcgov import bulkhead, retry


@retry(on=ConnectionError, attempts=2, backoff=0.05)
@bulkhead(5)
def ship(order):
    if order.get("to") == "nowhere":
        raise ConnectionError("the carrier does not answer")


@svcgov.handler(service="shipping")
def handler(event, context):
    batch = svcgov.batch(event, reserve="500ms")
    for message in batch:
        with message:
            ship(json.loads(message.body))
    return batch.response()
