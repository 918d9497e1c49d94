"""A handler that does what it is told, for tests."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import svcgov
from svcgov import Governor

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Made:
    """A handler of either kind, which does what it is told and writes down what it saw."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.seen: list[Any] = []
        self.steps: list[Callable[[], Any]] = []
        self.governor = Governor(service="orders", version="7", colours=["blue"], clock=options.pop("clock", None))

        def now(event: Any, context: Any) -> Any:
            """Handle it."""
            self.seen.append(svcgov.current())
            return self.steps.pop(0)() if self.steps else event

        async def later(event: Any, context: Any) -> Any:
            """Handle it."""
            await asyncio.sleep(0)
            return now(event, context)

        self.handler: Any = self.governor.handler(**options)(now if kind == "sync" else later)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of calls so far."""
    return [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line["event"] == "svcgov.call"]


def raising(error: BaseException) -> Callable[[], Any]:
    """A step that raises."""

    def step() -> Any:
        raise error

    return step
