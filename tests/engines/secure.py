"""What TLS needs: an authority that nobody else knows, and what it has signed; and a server of HTTP/2."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """One that signs, and its certificates as files in *folder*, as most clients want them."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._client = self._authority.issue_cert("shop@shop.test")
        self.file = folder / "authority.pem"
        self.client_file = folder / "client.pem"
        self._authority.cert_pem.write_to_path(str(self.file))
        self._client.private_key_and_cert_chain_pem.write_to_path(str(self.client_file))

    def server(self, name: str = "127.0.0.1", *, required: bool = False, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        """For a server of this *name*; whether it wants a certificate of its clients."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.maximum_version = ssl.TLSVersion.TLSv1_2  # by 1.3 a client hears only later that it was not let in
        self._authority.issue_cert(name).configure_cert(made)
        self._authority.configure_trust(made)
        made.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_NONE
        if protocols:
            made.set_alpn_protocols(list(protocols))
        return made

    def client(self, *, trusting: bool = True, certified: bool = False) -> ssl.SSLContext:
        """For a client that trusts this authority, and shows a certificate of it."""
        made = ssl.create_default_context()
        if trusting:
            self._authority.configure_trust(made)
        if certified:
            self._client.configure_cert(made)
        return made


class Http2:
    """A server of HTTP/2 by TLS, on a loop in a thread of its own: it says what it was asked, and keeps it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.seen: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.connections: set[tuple[str, int]] = set()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"

        class Secure(Config):
            ssl_enabled = True

            def create_ssl_context(self) -> ssl.SSLContext:
                return context

        self._config = Secure()
        self._config.bind = [f"fd://{self._socket.detach()}"]
        self._config.errorlog = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        await serve(self._app, self._config, shutdown_trigger=self._over.wait)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            self._ready.set()
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        whole, more = b"", True
        while more:
            message = await receive()
            whole, more = whole + message["body"], message["more_body"]
        self.connections.add(tuple(scope["client"]))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        said = {key: scope[key] for key in ("http_version", "method", "path")}
        self.seen.append({**said, "headers": headers, "body": whole.decode()})
        status = self.statuses.pop(0) if self.statuses else 200
        moved = [(b"location", b"/moved")] if status in {302, 307} else []
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), *moved]})
        for number in range(3):
            part = json.dumps({**said, "part": number}).encode() + b"\n"
            await send({"type": "http.response.body", "body": part, "more_body": number < 2})

    def close(self) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
