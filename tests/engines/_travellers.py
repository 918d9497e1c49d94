"""Three services in a row, each in a process of its own: every one says what it sees, and asks the next.

Run as a script it serves: ``_travellers.py asgi http://127.0.0.1:8001`` prints the port, and then a line for each call.
"""

from __future__ import annotations

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import httpx2

import svcgov
from svcgov import retry, timeout
from svcgov.testing import LambdaContext

PATIENCE = 20.0


def here() -> dict[str, Any]:
    """What is seen now."""
    current = svcgov.current()
    assert current.trace is not None
    return {
        "service": current.service,
        "trace": current.trace.trace_id,
        "span": current.trace.span_id,
        "colour": current.colour,
        "tenant": current.baggage.get("tenant"),
        "id": current.headers.get("x-request-id"),
        "shop": current.headers.get("x-shop"),
        "remaining": svcgov.remaining(),
    }


def governed(client: Any) -> Any:
    """The client of the next service."""
    return svcgov.govern(client, target="next", policy=[timeout(PATIENCE), retry(attempts=2)])


def said(port: int) -> None:
    """Say where it serves."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def asgi(following: str) -> None:
    """An application in a task, by uvicorn."""
    import uvicorn

    client = governed(httpx2.AsyncClient(base_url=following, timeout=PATIENCE))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps([here(), *(await client.get("/second")).json()]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen(64)
    said(door.getsockname()[1])
    config = uvicorn.Config(svcgov.asgi(app, service="first"), log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[door])


def wsgi(following: str) -> None:
    """An application on a thread, by the standard library's own server."""
    client = governed(httpx2.Client(base_url=following, timeout=PATIENCE))

    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = json.dumps([here(), *client.get("/third").json()]).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    class Quiet(WSGIRequestHandler):
        def log_message(self, *given: Any) -> None:
            """Say nothing."""

    server = WSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(svcgov.wsgi(app, service="second"))
    said(server.server_port)
    server.serve_forever()


def handler(_: str) -> None:
    """A function of events, behind a gateway that makes an event of each request."""

    @svcgov.handler(service="third")
    def function(event: Any, context: Any) -> dict[str, Any]:
        return {"statusCode": 200, "body": json.dumps([here()])}

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """An event for each request."""
            http = {"method": "GET", "path": self.path}
            headers = {name.lower(): value for name, value in self.headers.items()}
            event = {"version": "2.0", "requestContext": {"http": http}, "headers": headers}
            answer = function(event, LambdaContext(remaining=PATIENCE))
            body = answer["body"].encode()
            self.send_response(answer["statusCode"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    said(server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    {"asgi": asgi, "wsgi": wsgi, "handler": handler}[sys.argv[1]](sys.argv[2])
