"""What every fault of a network becomes with every client: measured, and written as a table for the docs.

After a change that is meant, write the table anew: ``cd tests && python -m engines.faults --write``.
"""

from __future__ import annotations

import socket
import sys
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from svcgov import bulkhead, circuit_breaker, retry, timeout
from svcgov._core._matching import Matcher

from .askers import ASKERS
from .handshakes import HANDSHAKES
from .misbehaving import FAULTS, Misbehaving

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = {"has_no_address", "refuses"}  # no server of ours is there
# Cancelled in a handshake, this client does not close its connection, governed or not.
LEFT_TO_THE_COLLECTOR = ("stalls_in_the_handshake", "httpx2-async")
ALL = [*FAULTS, *HANDSHAKES, *sorted(NOBODY)]
FILE = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """# Faults of a network

What a fault becomes, for each client: the word that policies have for it, or the status, or *other* for an error that is neither
a `connection` error nor a `timeout`; how often the server was asked (in requests, or in connections where none of them got as
far as a request); and how many failures a circuit breaker counted. With `retry(attempts=2)`, a breaker, and a time-out for each
attempt.

The table is measured: the tests run each row against a server that misbehaves in just that way, count what it was asked, look for
what is left behind (a connection, a permit, a thread), and compare.

"""


class Expected(NamedTuple):
    """How it ends: a status, a word for the error, or None for an error that policies have no word for."""

    end: int | str | None
    asked: int  # requests that the server reads, or connections that it accepts if it reads none
    failures: int  # that the breaker counts

    def __str__(self) -> str:
        end = "*other*" if self.end is None else f"`{self.end}`" if isinstance(self.end, str) else str(self.end)
        return f"{end} {self.asked} {self.failures}"


class Left(NamedTuple):
    """What is left behind, once the client is closed."""

    connections: int
    permits: int


def end_of(asker: Any, url: str) -> Any:
    """A status, a word for the error, or None; more than one word would be a muddle."""
    try:
        status, _ = asker.get(url)
    except Exception as error:
        words = [word for word in ("connection", "timeout") if Matcher(word, "on").matches(error)]
        assert len(words) < 2
        return words[0] if words else None
    return status


class Nobody:
    """In the place of a server."""

    heads: tuple[()] = ()
    accepted = 0

    def __init__(self, url: str) -> None:
        self.url = url

    def still_open(self) -> int:
        """Nothing is."""
        return 0


@contextmanager
def running(fault: str) -> Iterator[Any]:
    """A server with this *fault*."""
    if fault == "has_no_address":
        yield Nobody("http://svcgov.invalid/")
    elif fault == "refuses":
        with socket.socket() as bound:  # and nobody listens
            bound.bind(("127.0.0.1", 0))
            yield Nobody(f"http://127.0.0.1:{bound.getsockname()[1]}/")
    else:
        server = Misbehaving(FAULTS[fault]) if fault in FAULTS else Misbehaving(HANDSHAKES[fault], "https")
        try:
            yield server
        finally:
            server.close()


@cache
def measured(fault: str, client: str) -> tuple[Expected, Left]:
    """One cell of the table, and what was left behind."""
    gate, breaker = bulkhead(1), circuit_breaker(consecutive_failures=50)
    limit = timeout(0.15 if fault.startswith("stalls") else 5.0)
    with running(fault) as server:
        asker = ASKERS[client](timeout(10.0), gate, retry(attempts=2, backoff=0, budget=None), breaker, limit)
        try:
            end = end_of(asker, server.url)
        finally:
            asker.close()
        with warnings.catch_warnings():
            if (fault, client) == LEFT_TO_THE_COLLECTOR:
                warnings.simplefilter("ignore", ResourceWarning)
            held = server.still_open()
        asked = len(server.heads) or server.accepted
    return Expected(end, asked, breaker.snapshot()["failed"]), Left(held, gate.snapshot()["in_use"])


def table() -> str:
    """The page."""
    rows = [f"| the server | {' | '.join(ASKERS)} |", f"|---|{'---|' * len(ASKERS)}"]
    for fault in ALL:
        cells = [str(measured(fault, client)[0]) for client in ASKERS]
        rows.append(f"| {fault.replace('_', ' ')} | {' | '.join(cells)} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    text = table()
    if "--write" in sys.argv:
        FILE.write_text(text)
    sys.stdout.write(text)
