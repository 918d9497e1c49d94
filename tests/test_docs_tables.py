"""The tables that are made from the code are on their pages as they are made, and nothing is missing in them.

After a change that is meant, write the pages anew: ``python tests/_tables.py --write``.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from _tables import ATTRIBUTES, MADE, PAGES, TABLES, drawn, found_attributes, kinds, logged, written
from svcgov import Governor
from svcgov.telemetry import access_log, correlation
from svcgov.telemetry._span_words import SAID
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_table_is_as_it_is_made(page: Path) -> None:
    """A row that is missing, or says something else than the code: write the page anew."""
    text = page.read_text()
    assert written(text) == text, "python tests/_tables.py --write"


def test_every_table_has_its_place() -> None:
    """On one page, and every place its table."""
    places = [found[2] for page in PAGES for found in MADE.finditer(page.read_text())]
    assert sorted(places) == sorted(TABLES)
    assert sum(page.read_text().count("<!-- made:") for page in PAGES) == len(TABLES)


def test_every_attribute_of_a_span_is_in_the_table() -> None:
    """All that the code of spans names, and no other."""
    assert set(ATTRIBUTES) == found_attributes()


def test_every_field_of_a_fact_that_is_told_is_one() -> None:
    """In the log, and on spans."""
    for kind in kinds():
        told = {name.strip("`") for name in logged(kind)[1].split()} | set(SAID.get(kind, ()))
        assert told <= set(kind._fields), kind.__name__


def called(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The keys of lines of calls in which everything that can be there is there."""
    clock = ManualClock()
    governor = Governor(service="shop", version="7", colours=["blue"], clock=clock)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.advance(5)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        raise LookupError

    given = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-svcgov-colour": "blue",
        "x-request-id": "id-1",
        "x-request-deadline-ms": "2000",
    }
    headers = [(name.encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": "GET", "path": "/orders", "headers": headers}

    async def send(message: Any) -> None:
        """To nobody."""

    with pytest.raises(LookupError):
        asyncio.run(governor.asgi(app)(scope, None, send))
    batch = governor.batch({"Records": [{"eventSource": "aws:sqs", "messageId": "m-1", "body": "{}"}]})
    for item in batch:
        with item:
            raise LookupError
    return {name for line in capsys.readouterr().out.splitlines() for name in json.loads(line)}


def test_every_key_of_the_access_log_is_in_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All that a line can have, and no other."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    said = {name for names, _ in drawn(access_log) for name in names}
    assert called(capsys) == said


def test_every_key_of_the_authors_own_lines_is_in_the_table() -> None:
    """All that is added to them."""
    from svcgov._core._context import INVOCATION, Invocation, Trace

    trace = Trace(trace_id="a" * 32, span_id="b" * 16, sampled=True)
    known: dict[str, Any] = {"platform": "lambda", "service": "shop", "version": "7", "colour": "blue", "request_id": "id-1"}
    token = INVOCATION.set(Invocation(trace=trace, **known))
    try:
        added = set(correlation.ids())
    finally:
        INVOCATION.reset(token)
    assert added == {name for names, _ in drawn(correlation) for name in names}
