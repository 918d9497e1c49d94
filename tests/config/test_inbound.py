"""The table ``inbound``: what a document says of the ways in."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, Rate, bulkhead, rate_limit, retry
from svcgov.errors import BulkheadFullError, RateLimitedError
from svcgov.facts import DocumentRefused
from svcgov.testing import ManualClock

REFUSED = 429


def document(**slots: Any) -> dict[str, Any]:
    """A document about the ways in."""
    return {"inbound": slots}


def event() -> dict[str, Any]:
    """A request through an API."""
    return {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}}


def statuses(handle: Any, times: int) -> list[Any]:
    """How so many requests are answered."""
    answers = [handle(event(), None) for _ in range(times)]
    return [answer["statusCode"] for answer in answers]


def answer(request: Any, context: Any) -> dict[str, Any]:
    """A handler."""
    return {"statusCode": 200, "body": ""}


async def aanswer(request: Any, context: Any) -> dict[str, Any]:
    """Likewise."""
    return {"statusCode": 200, "body": ""}


@pytest.mark.parametrize("fn", [answer, aanswer], ids=["sync", "async"])
@pytest.mark.parametrize("first", [True, False], ids=["document first", "handler first"])
def test_a_way_in_without_policies_gets_those_of_the_document(fn: Any, first: bool) -> None:
    """Whichever of both comes first, and until the document says no more of it."""
    clock = ManualClock()
    governor = Governor(service="orders", clock=clock)
    if first:
        assert governor.apply(document(rate_limit="2/hour"))
    handle = governor.handler(fn)
    if not first:
        assert statuses(handle, 3) == [200] * 3
        assert governor.apply(document(rate_limit="2/hour"))
    assert statuses(handle, 4) == [200, 200, REFUSED, REFUSED]
    assert governor.apply({})
    assert statuses(handle, 3) == [200] * 3


def test_all_ways_in_share_one_gate_of_the_document() -> None:
    """A limit is that of the process."""
    governor = Governor(service="orders", clock=ManualClock())
    one, other = governor.handler(answer), governor.handler(answer)
    governor.apply(document(rate_limit="2/hour"))
    assert statuses(one, 1) + statuses(other, 1) == [200, 200]
    assert statuses(one, 1) + statuses(other, 1) == [REFUSED, REFUSED]


def test_the_code_s_own_policies_are_changed_in_place() -> None:
    """And what it has not is added, where it belongs."""
    pipeline = Pipeline(rate_limit("2/hour"))
    governor = Governor(service="orders")
    governor.handler(policy=pipeline)(answer)
    assert governor.apply(document(rate_limit="5/hour", bulkhead=3))
    assert [policy.kind for policy in pipeline.policies] == ["bulkhead", "rate_limit"]
    own: Any = pipeline.own[0]
    assert own.settings.limit == Rate(5, 3600)


def test_a_way_in_whose_policies_have_a_name_goes_by_that() -> None:
    """It is not meant."""
    named = Pipeline(bulkhead(3), name="orders")
    governor = Governor(service="orders")
    governor.handler(policy=named)(answer)
    assert governor.apply(document(bulkhead=1))
    gate: Any = named.policies[0]
    assert gate.settings.limit == 3


def test_the_name_of_a_gate_of_the_code_is_another_one() -> None:
    """A bulkhead that the code calls inbound is no bulkhead of a way in."""
    gate = bulkhead(7, name="inbound")
    governor = Governor(service="orders")
    handle = governor.handler(lambda event, context: gate.settings.limit)
    assert governor.apply({**document(bulkhead=1), "policies": {"inbound": {"bulkhead": 5}}})
    assert handle({}, None) == 5
    with gate, gate:
        pass


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_what_calls_twice_cannot_stand_around_an_application(kind: str) -> None:
    """The whole document is refused, with the place."""
    governor = Governor(service="orders")
    held = getattr(governor, kind)(lambda *given: None)
    refused: Any = governor.apply(document(retry={"on": "timeout"}))
    assert not refused
    assert refused.errors[0].path == "inbound.retry"
    del held


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_document_that_was_there_before_stops_no_application_from_starting(kind: str) -> None:
    """What calls twice is left out of it, and told; a handler, which may be called twice, has it."""
    governor = Governor(service="orders")
    assert governor.apply(document(retry={"on": "timeout"}))
    refused: list[Any] = []
    stop = svcgov.listen(refused.append, DocumentRefused)
    held = getattr(governor, kind)(lambda *given: None)
    stop()
    assert [(one.layer, one.path) for one in refused] == [("names", "inbound.retry")]
    del held


def test_several_of_a_kind_are_not_meant() -> None:
    """Nobody could say which."""
    governor = Governor(service="orders")
    handle = governor.handler(policy=[bulkhead(1), bulkhead(2)])(answer)
    refused: Any = governor.apply(document(bulkhead=1))
    assert str(refused.errors[0]).startswith("inbound.bulkhead: expected one bulkhead in [inbound]; with several")
    del handle


def test_an_overlay_and_a_shorthand_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do everything else; ``unset`` takes it back."""
    monkeypatch.setenv("SVCGOV_COLOUR", "blue")
    governor = Governor(service="orders", clock=ManualClock())
    handle = governor.handler(answer)
    assert governor.apply({**document(rate_limit="9/hour"), "overlay": {"colour": {"blue": document(rate_limit="1/hour")}}})
    assert statuses(handle, 2) == [200, REFUSED]
    assert governor.apply({**document(rate_limit="1/hour"), "overlay": {"colour": {"blue": {"unset": ["inbound.rate_limit"]}}}})
    assert statuses(handle, 3) == [200] * 3
    assert governor.apply({**document(rate_limit="1/hour"), "overlay": {"colour": {"blue": {"inbound": None}}}})
    assert statuses(handle, 3) == [200] * 3


def test_a_call_under_way_ends_as_it_began() -> None:
    """What it has entered it leaves, and nothing else."""
    governor = Governor(service="orders")
    seen: list[Any] = []

    @governor.handler
    def handle(request: Any, context: Any) -> str:
        if request == "outer":
            governor.apply(document(bulkhead=1))
            seen.append(handle("inner", None))
            governor.apply({})
        return str(request)

    assert handle("outer", None) == "outer"
    assert seen == ["inner"]


def test_a_refusal_to_who_is_no_browser_is_raised() -> None:
    """As with the code's own policies."""
    governor = Governor(service="orders", clock=ManualClock())

    @governor.handler
    def handle(request: Any, context: Any) -> Any:
        return handle("inner", None) if request == "outer" else request

    governor.apply(document(bulkhead=1))
    with pytest.raises(BulkheadFullError):
        handle("outer", None)
    governor.apply(document(rate_limit="1/hour"))
    assert handle("one", None) == "one"
    with pytest.raises(RateLimitedError):
        handle("two", None)


def test_a_retry_of_the_code_stays() -> None:
    """A handler may have one, and a document may change it."""
    again = retry(on=OSError, attempts=2, backoff=0)
    governor = Governor(service="orders")
    tries: list[int] = []

    @governor.handler(policy=again)
    def handle(request: Any, context: Any) -> None:
        tries.append(1)
        raise OSError("gone")

    assert governor.apply(document(retry={"attempts": 4}))
    with pytest.raises(OSError, match="gone"):
        handle({}, None)
    assert len(tries) == 4
