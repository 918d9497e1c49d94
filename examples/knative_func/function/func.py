"""An order that is placed by way of a Knative function."""

import json

import svcgov
from svcgov import bulkhead, circuit_breaker

warehouse = circuit_breaker("warehouse", consecutive_failures=1)


@warehouse
def reserve(path):
    if path == "/nothing":
        raise ConnectionError("the warehouse does not answer")
    return path.strip("/")


class Orders:
    """One for each process."""

    async def handle(self, scope, receive, send):
        body = json.dumps({"reserved": reserve(scope["path"]), "colour": svcgov.current().colour}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})


def new():
    return Orders()


new = svcgov.knative(new, service="orders", policy=bulkhead(50), errors="map", requires=["warehouse"])
