"""The server of the `http` section: answers every request on a kept-alive connection with the same few bytes.

Run as a program: prints its port, ends with its parent (when standard input is closed).
"""

from __future__ import annotations

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n" + b'{"ok": true}'
END = b"\r\n\r\n"


class Answering(asyncio.Protocol):
    """One answer for each blank line that ends a request's head; requests have no body here."""

    def __init__(self) -> None:
        self.unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request that has come."""
        *heads, self.unread = (self.unread + data).split(END)
        if heads and isinstance(self.transport, asyncio.Transport):
            self.transport.write(ANSWER * len(heads))


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
