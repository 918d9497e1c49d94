"""The ids in the author's own lines: of structlog and of ``logging``, in calls of either kind, and nowhere else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import structlog

import svcgov
from svcgov import Governor, retry
from svcgov.logs import Correlate, correlate, ids
from svcgov.testing import ManualClock

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
EVENT = {
    "version": "2.0",
    "requestContext": {"http": {"method": "POST", "path": "/orders"}},
    "headers": {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "x-svcgov-colour": "blue"},
}
KNOWN = {"trace_id": TRACE_ID, "request_id": "r1", "service": "shop", "version": "7", "colour": "blue"}


class Context:
    """The platform's context, as much of it as is used."""

    aws_request_id = "r1"
    client_context = None

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the call is ended."""
        return 30_000


class Kept(logging.Handler):
    """Keeps its records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []
        self.addFilter(correlate)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.__dict__)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lines but the author's."""
    monkeypatch.setenv("SVCGOV_LOG", "off")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What the author logs by ``logging``, in a logger below the one that has the handler."""
    kept = Kept()
    monkeypatch.setattr(logging.getLogger("shop"), "handlers", [kept])
    return kept


def by_logging(**fields: Any) -> Any:
    """The author's line; where it is written."""
    logging.getLogger("shop.orders").warning("found %d", 3, extra=fields)
    return svcgov.current()


def by_structlog(**fields: Any) -> dict[str, Any]:
    """The author's event, as the processor leaves it."""
    return dict(correlate(None, "info", {"event": "found", **fields}))


def served(kind: str, body: Any) -> Any:
    """What *body* returns inside of a call."""
    governor = Governor(service="shop", version="7", colours=["blue"])

    def plain(event: Any, context: Any) -> Any:
        return body()

    async def waiting(event: Any, context: Any) -> Any:
        return body()

    return governor.handler(plain if kind == "sync" else waiting)(EVENT, Context())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_record_has_the_ids_of_the_call(kind: str, kept: Kept) -> None:
    """In plain handlers and in coroutine functions."""
    here = served(kind, by_logging)
    (record,) = kept.records
    assert {name: record[name] for name in (*KNOWN, "span_id", "attempt")} == {
        **KNOWN,
        "span_id": here.trace.span_id,
        "attempt": 1,
    }
    assert (record["msg"], record["args"]) == ("found %d", (3,))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_event_has_the_ids_of_the_call(kind: str) -> None:
    """Behind what the author says."""
    event = served(kind, lambda: by_structlog(order=7))
    assert list(event) == ["event", "order", "trace_id", "span_id", "request_id", "service", "version", "colour", "attempt"]
    assert {name: event[name] for name in KNOWN} == KNOWN


def test_a_line_of_ours_is_left_as_it_is() -> None:
    """It has its ids, the same as without structlog."""
    seen: list[dict[str, Any]] = []
    served("sync", lambda: seen.append(dict(correlate(None, "info", {"event": "svcgov.call", "outcome": "ok"}))))
    assert seen == [{"event": "svcgov.call", "outcome": "ok"}]


def test_outside_of_a_call_nothing_is_added(kept: Kept) -> None:
    """Also in a colour of one's own, and after a call."""
    served("sync", lambda: None)
    with svcgov.colour("blue"):
        by_logging()
    assert (by_structlog(), ids()) == ({"event": "found"}, {})
    assert not set(kept.records[0]) & {*KNOWN, "span_id", "attempt"}


def test_what_is_not_known_is_left_out() -> None:
    """Here there is no colour, no id and no version."""
    handler = Governor(service="shop").handler(lambda event, context: ids())
    assert list(handler({}, None)) == ["trace_id", "span_id", "service", "attempt"]


def test_what_the_author_has_bound_stays(kept: Kept) -> None:
    """Whatever it is, nothing included."""
    mine = {"trace_id": "mine", "colour": None, "attempt": "third"}
    event = served("sync", lambda: (by_logging(**mine), by_structlog(**mine))[1])
    for found in (event, kept.records[0]):
        assert {name: found[name] for name in mine} == mine
        assert found["service"] == "shop"


def test_the_attempt_is_that_of_the_retry() -> None:
    """Each of its lines says which one it was."""
    clock, seen = ManualClock(auto=True), []

    @retry(on=ConnectionError, attempts=3, backoff=1, clock=clock)
    def charge() -> None:
        seen.append(by_structlog()["attempt"])
        raise ConnectionError

    def body() -> None:
        with pytest.raises(ConnectionError):
            charge()

    served("sync", body)
    assert seen == [1, 2, 3]


def test_threads_that_are_begun_in_a_call_have_its_ids(kept: Kept) -> None:
    """Those of `spawn`, and of an executor with `copy_context`."""
    event = served("sync", lambda: svcgov.spawn(by_structlog).result(5))
    assert {name: event[name] for name in KNOWN} == KNOWN
    copied = served("sync", svcgov.copy_context)
    copied.run(by_logging)
    assert {name: kept.records[0][name] for name in KNOWN} == KNOWN


def test_tasks_that_are_begun_in_a_call_have_its_ids() -> None:
    """Also where the call has ended before them."""

    async def later() -> dict[str, Any]:
        return by_structlog()

    async def body(event: Any, context: Any) -> dict[str, Any]:
        return await svcgov.spawn(later)

    event: Any = Governor(service="shop", version="7", colours=["blue"]).handler(body)(EVENT, Context())
    assert {name: event[name] for name in KNOWN} == KNOWN


def test_every_call_has_its_own() -> None:
    """A warm process shows none of the last call's."""
    first, second = (served("sync", ids)["span_id"] for _ in range(2))
    assert first != second


def test_it_may_be_named_in_a_configuration(kept: Kept) -> None:
    """As ``logging.config.dictConfig`` makes filters: by their class."""
    assert isinstance(correlate, Correlate)
    kept.filters = [Correlate()]
    served("sync", by_logging)
    assert kept.records[0]["service"] == "shop"


def test_structlog_takes_it_as_a_processor() -> None:
    """What is bound to the context comes first, so it wins."""
    told: list[Any] = []

    def rendered(logger: Any, method: str, event: Any) -> Any:
        told.append(dict(event))
        raise structlog.DropEvent

    logger = structlog.wrap_logger(
        structlog.PrintLogger(), processors=[structlog.contextvars.merge_contextvars, correlate, rendered]
    )

    def body() -> None:
        with structlog.contextvars.bound_contextvars(service="mine"):
            logger.info("found")

    served("sync", body)
    assert (told[0]["service"], told[0]["version"], told[0]["event"]) == ("mine", "7", "found")


def test_an_event_may_be_no_text() -> None:
    """structlog takes anything."""
    assert correlate(None, "info", {"event": 42}) == {"event": 42}
