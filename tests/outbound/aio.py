"""Sessions of aiohttp, which have a loop that lives as long as the test, and a server of our own to talk to.

No made-up wire: what stands below our edge is all of aiohttp.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp

from svcgov import Pipeline
from svcgov.outbound.govern import govern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from svcgov.pipeline import Policy


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: bytes
    history: tuple[Any, ...]


class Sessions:
    """Makes them, and closes them when the test ends."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._opened: list[Any] = []

    def run(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What the coroutine function *fn* returns."""
        return self._runner.run(fn(*args, **options), context=copy_context())

    def plain(self, kind: Any = aiohttp.ClientSession, **options: Any) -> Any:
        """A session, not governed."""

        async def made() -> Any:
            return kind(**options)

        session = self.run(made)
        self._opened.append(session)
        return session

    def governed(self, *policies: Policy, target: str | None = "payments", **options: Any) -> Any:
        """A governed session."""
        return govern(self.plain(**options), target=target, pipeline=Pipeline(*policies))

    def ask(self, session: Any, method: str, url: str, **options: Any) -> Answer:
        """An answer, read to its end."""

        async def asked() -> Answer:
            async with session.request(method, url, **options) as response:
                return Answer(response.status, response.headers, await response.read(), response.history)

        answer: Answer = self.run(asked)
        return answer

    def get(self, session: Any, url: str, **options: Any) -> Answer:
        """As `ask`, for a GET."""
        return self.ask(session, "GET", url, **options)

    def close(self) -> None:
        """Close what the test has opened."""
        for session in self._opened:
            self.run(session.close)
        self._runner.close()


def opened() -> Iterator[Sessions]:
    """For fixtures: sessions that are closed afterwards."""
    sessions = Sessions()
    try:
        yield sessions
    finally:
        sessions.close()
