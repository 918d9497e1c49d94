"""What a test makes up is what the code under test sees, and no longer than it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import bulkhead, testing, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import BulkheadFullError, ConfigError, DeadlineExceededError
from svcgov.facts import CallRefused, TimedOut

if TYPE_CHECKING:
    from _worlds import World


def test_an_invocation_is_the_current_one_inside() -> None:
    """With what the test says of it, and something sensible for the rest."""
    with testing.invocation(service="orders", colour="blue", headers={"x-tenant": "acme"}) as made:
        here = svcgov.current()
        assert here is made
        assert (here.platform, here.trigger, here.service, here.colour) == ("test", "direct", "orders", "blue")
        assert here.headers == {"x-tenant": "acme"}
        assert len(here.request_id) == 36
        assert (here.deadline, svcgov.remaining()) == (None, None)
    assert svcgov.current().platform == "none"


def test_an_invocation_has_the_time_that_is_left(world: World) -> None:
    """Its deadline is that of the governed calls inside; with none left, they are refused."""
    call = world.governed(timeout(60), svcgov.remaining)
    with testing.by_hand() as clock, testing.invocation(remaining="2s") as made:
        assert (made.deadline, svcgov.remaining(), call()) == (2.0, 2.0, 2.0)
        clock.advance(2)
        call.fails(DeadlineExceededError)
    assert DEADLINE.get() is None


def test_an_invocation_without_a_deadline_takes_away_the_one_around_it() -> None:
    """It is another call; afterwards the first one goes on."""
    with testing.invocation(remaining=5):
        with testing.invocation():
            assert svcgov.remaining() is None
        assert svcgov.remaining() is not None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"color": "blue"}, "invocation.color: expected one of remaining, platform"),
        ({"deadline": 5.0}, "invocation.deadline: expected one of remaining"),
        ({"colour": "sky blue"}, "invocation.colour: expected 1 to 64 letters"),
        ({"remaining": -1}, "invocation.remaining: expected a duration"),
    ],
)
def test_an_invocation_that_cannot_be_is_refused(fields: dict[str, Any], error: str) -> None:
    """As any setting."""
    with pytest.raises(ConfigError, match=error), testing.invocation(**fields):
        pass


def test_the_colour_of_a_test_is_the_colour() -> None:
    """Allowed or not: the test is no caller from outside."""
    with testing.colour("blue"):
        assert svcgov.current().colour == "blue"
    assert svcgov.current().colour is None


def test_a_handler_takes_the_context_for_the_platforms(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that is left, the id of the call, and what a direct caller hands along."""
    monkeypatch.setenv("SVCGOV_LOG", "json")

    @svcgov.handler(service="orders")
    def handle(event: Any, context: Any) -> Any:
        return svcgov.remaining(), svcgov.current().request_id, svcgov.current().headers["x-tenant"]

    with testing.by_hand():
        context = testing.LambdaContext(remaining=2, request_id="r-1", headers={"x-tenant": "acme"})
        left, request_id, tenant = handle({}, context)
    assert (request_id, tenant) == ("r-1", "acme")
    assert left is not None
    assert 1.5 < left <= 2.0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["request_id"] == "r-1"


def test_the_time_of_the_context_goes_by() -> None:
    """By the clock of the process, or the one that stands in for it; never below nothing."""
    with testing.by_hand() as clock:
        context = testing.LambdaContext(remaining="3s")
        clock.advance(1)
        assert context.get_remaining_time_in_millis() == 2000
        clock.advance(9)
        assert context.get_remaining_time_in_millis() == 0


def test_the_context_says_what_the_platform_documents() -> None:
    """The attributes by their names there."""
    context = testing.LambdaContext(function_name="orders", function_version="7", memory_limit_in_mb=512)
    assert (context.function_name, context.function_version, context.memory_limit_in_mb) == ("orders", "7", 512)
    assert context.invoked_function_arn.endswith(":function:orders")
    assert context.log_group_name == "/aws/lambda/orders"
    assert "[7]" in context.log_stream_name
    assert (context.identity, context.client_context) == (None, None)
    assert len(context.aws_request_id) == 36


def test_facts_are_kept_in_order(world: World) -> None:
    """And found by their kind."""
    heard = testing.Facts()
    gate = bulkhead(1)
    gate.listen(heard.append)
    with gate:
        world.governed(gate).fails(BulkheadFullError, times=2)
    assert [fact.reason for fact in heard.of(CallRefused)] == ["full", "full"]
    assert heard.of(TimedOut) == []
