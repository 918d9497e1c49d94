"""One line sets the logs of an application up: the ids are in them, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

import svcgov
from _worlds import in_child
from svcgov import Governor, logs

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No handlers but those of the test, structlog as it is when it is loaded, and no lines of ours."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def handler(format: str = "%(message)s %(trace_id)s") -> logging.StreamHandler[io.StringIO]:  # noqa: A002  # as logging has it
    """A handler that writes where it can be read."""
    made = logging.StreamHandler(io.StringIO())
    made.setFormatter(logging.Formatter(format, defaults={"trace_id": "-"}))
    return made


def called(body: Any) -> str:
    """Call *body* inside of a call; the id of its trace."""

    def served(event: Any, context: Any) -> str:
        body()
        here = svcgov.current().trace
        assert here is not None
        return here.trace_id

    return str(Governor(service="shop").handler(served)({}, None))


def test_every_handler_of_the_root_logger_is_set_up() -> None:
    """Records of all loggers come to them; a second time changes nothing."""
    one, other = handler(), handler()
    logging.getLogger().addHandler(one)
    logging.getLogger().addHandler(other)
    logs.setup()
    logs.setup()
    logger = logging.getLogger("shop.orders")
    trace_id = called(lambda: logger.warning("paid by %s", f"Bearer {SECRET}"))
    logger.warning("done")
    assert one.stream.getvalue() == other.stream.getvalue() == f"paid by Bearer [redacted] {trace_id}\ndone -\n"
    assert one.filters == [logs.correlate, logs.redact]


def test_handlers_may_be_named() -> None:
    """Then it is these; what the author writes may be left as it is."""
    mine, roots = handler(), handler()
    logging.getLogger().addHandler(roots)
    logs.setup(mine, secrets=False)
    assert (mine.filters, roots.filters) == ([logs.correlate], [])


def rendered(out: io.StringIO, *processors: Any, **options: Any) -> Any:
    """structlog, configured to write JSON."""
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
        **options,
    )
    return structlog.get_logger()


@pytest.mark.parametrize("cached", [False, True])
def test_the_processors_of_structlog_are_set_up(cached: bool) -> None:
    """Of loggers that are bound already too; what the author has bound to the context or the logger wins."""
    out = io.StringIO()
    logger = rendered(out, structlog.contextvars.merge_contextvars, cache_logger_on_first_use=cached)
    bound = logger.bind(version="mine")
    logger.info("before")
    logs.setup()
    logs.setup()

    def body() -> None:
        with structlog.contextvars.bound_contextvars(service="mine"):
            bound.info("paid", token=SECRET)
        logger.info("done")

    trace_id = called(body)
    before, paid, done = map(json.loads, out.getvalue().splitlines())
    assert before == {"event": "before"}
    assert (paid["service"], paid["version"], paid["token"], paid["trace_id"]) == ("mine", "mine", "[redacted]", trace_id)
    assert (done["service"], done["trace_id"]) == ("shop", trace_id)
    assert len(structlog.get_config()["processors"]) == 4


def test_processors_that_cannot_be_changed_are_configured_anew() -> None:
    """A tuple; here nothing is merged, and fields are left as they are."""
    out = io.StringIO()
    rendered(out)
    structlog.configure(processors=tuple(structlog.get_config()["processors"]))
    logs.setup(secrets=False)
    called(lambda: structlog.get_logger().info("paid", token=SECRET))
    line = json.loads(out.getvalue())
    assert (line["service"], line["token"]) == ("shop", SECRET)


def test_structlog_that_is_only_being_loaded_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the import of it goes on in another thread."""
    monkeypatch.setitem(sys.modules, "structlog", type(sys)("structlog"))
    logging.getLogger().addHandler(made := handler())
    logs.setup()
    assert made.filters == [logs.correlate, logs.redact]


def test_nothing_is_loaded_for_it() -> None:
    """A function that logs by print has neither of the two."""
    code = "import json, sys, svcgov; svcgov.logs.setup(); print(json.dumps(sorted(sys.modules)))"
    loaded = set(in_child(code))
    assert "svcgov.telemetry.redaction" in loaded
    assert not loaded & {"logging", "structlog", "svcgov.governor", "svcgov.telemetry.access_log"}
