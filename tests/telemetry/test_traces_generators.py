"""Spans of governed generators: one for each, current in its steps, and between them not. Sync and async."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace

from svcgov import Pipeline, bulkhead, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError
from svcgov.telemetry import traces
from svcgov.testing import ManualClock

from .spanning import events, failed, ids, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .spanning import Told

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def _begun(told: Told) -> None:
    """As in a program that has no way in."""
    traces.begin()


def current() -> tuple[str, str] | None:
    """The span that is current, if there is one."""
    span = trace.get_current_span()
    return ids(span) if span.get_span_context().is_valid else None


class Lines:
    """A governed generator of either kind, and where its steps stood."""

    def __init__(self, kind: str, *policies: Any) -> None:
        self.kind = kind
        self.seen: list[Any] = []

        def plain() -> Iterator[int]:
            for n in range(3):
                self.seen.append(current())
                yield n

        async def other() -> AsyncIterator[int]:
            for n in range(3):
                self.seen.append(current())
                yield n

        pipeline = Pipeline(*(policies or (bulkhead(1),)), name="lines")
        self.made: Any = pipeline(plain) if kind == "sync" else pipeline(other)

    def read(self, most: int = 10) -> list[Any]:
        """So many items, and what was current after each of them; then it is closed."""
        return self._read(most) if self.kind == "sync" else asyncio.run(self._aread(most))

    def _read(self, most: int) -> list[Any]:
        got, lines = [], self.made()
        for n in lines:
            got.append((n, current()))
            if len(got) == most:
                break
        lines.close()
        return got

    async def _aread(self, most: int) -> list[Any]:
        got, lines = [], self.made()
        async for n in lines:
            got.append((n, current()))
            if len(got) == most:
                break
        await lines.aclose()
        return got


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Plain generators, then async ones."""
    known: str = request.param
    return known


def test_a_generator_is_one_span_that_is_current_in_its_steps(told: Told, kind: str) -> None:
    """Its consumer sees nothing of it."""
    lines = Lines(kind)
    assert lines.read() == [(0, None), (1, None), (2, None)]
    span = told.one("INTERNAL")
    assert lines.seen == [ids(span)] * 3
    assert (span.name, said(span), failed(span)) == ("lines", {"svcgov.outcome": "ok"}, False)
    assert current() is None


def test_what_its_consumer_has_current_is_so_again_after_each_step(told: Told) -> None:
    """Whatever it is by then."""
    lines = Lines("sync").made()
    tracer = told.provider.get_tracer("tests")
    for _ in range(2):
        with tracer.start_as_current_span("consumer") as consumer:
            next(lines)
            assert current() == ids(consumer)
    assert context.get_current() == {}


def test_a_generator_that_is_closed_was_left(told: Told, kind: str) -> None:
    """That is nobody's failure."""
    Lines(kind).read(1)
    span = told.one("INTERNAL")
    assert (said(span), failed(span)) == ({"svcgov.outcome": "left"}, False)


def test_a_generator_that_is_refused_says_so(told: Told, kind: str) -> None:
    """At its first step."""
    pool = bulkhead(1, name="pool")
    with pool, pytest.raises(BulkheadFullError):
        Lines(kind, pool).read()
    span = told.one("INTERNAL")
    assert said(span)["svcgov.outcome"] == "refused"
    assert [name for name, _ in events(span)] == ["svcgov.call_refused"]


def test_a_generator_whose_time_is_over_has_timed_out(told: Told) -> None:
    """Its gates and its time-out tell inside of its span."""
    clock = ManualClock()
    lines = Lines("sync", timeout(1.0, clock=clock)).made()
    next(lines)
    clock.advance(2.0)
    with pytest.raises(CallTimeoutError):
        next(lines)
    span = told.one("INTERNAL")
    assert said(span)["svcgov.outcome"] == "timed_out"
    assert [name for name, _ in events(span)] == ["svcgov.timed_out"]


def test_a_generator_that_goes_on_after_it_was_closed_has_no_span_any_more(told: Told) -> None:
    """It is governed no more, either."""

    @bulkhead(1)
    def stubborn() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    lines: Any = stubborn()
    next(lines)
    assert lines.throw(GeneratorExit) == 2
    assert said(told.one("INTERNAL"))["svcgov.outcome"] == "left"
    assert list(lines) == []
    assert len(told.spans) == 1
