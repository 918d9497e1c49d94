"""A minimal application under uvicorn, plain and governed; prints its port. Run as a program of its own."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn

import svcgov

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")]}
BODY = {"type": "http.response.body", "body": b"ok"}


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """Say ok."""
    await send(HEAD)
    await send(BODY)


governed = svcgov.asgi(plain, service="orders")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Both, by their paths."""
    await (governed if scope["path"] == "/governed" else plain)(scope, receive, send)


def main() -> None:
    """Serve until the process is ended."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio does not send at once
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
