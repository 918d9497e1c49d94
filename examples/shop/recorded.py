"""``python recorded.py orders payments FILE``: the application in uvicorn, and a tape around what it sends to payments.

A free port is taken, and said on the standard output and, as a platform would, in ``SVCGOV_ADDRESS``. The module is loaded, the
tape put around its client, and the application handed to uvicorn, which runs it as ``uvicorn orders:app`` would. The module knows
nothing of it. It all ends at SIGTERM, and with its parent: when standard input is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import threading

import uvicorn

from tape import Tape

_KEEP_ALIVE = 60  # seconds: a client lets go of a connection first, so that none is closed while somebody begins to use it


def main() -> None:
    """Say where, load, watch, hand over."""
    name, target, path = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    os.environ["SVCGOV_ADDRESS"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps({"address": os.environ["SVCGOV_ADDRESS"]}), flush=True)
    module = importlib.import_module(name)
    Tape(path).around(getattr(module, target), target)
    server = uvicorn.Server(uvicorn.Config(module.app, access_log=False, timeout_keep_alive=_KEEP_ALIVE))

    def until_the_parent_ends() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=until_the_parent_ends, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
