"""The governor: who is running, and what is made for it."""

from __future__ import annotations

import inspect
from typing import Any

import httpx2
import pytest

import svcgov
from svcgov import Governor, _default
from svcgov._default import DEFAULT
from svcgov.errors import ConfigError
from svcgov.testing import ManualClock


def client() -> Any:
    """A client without a network."""
    return httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200)))


# -- who is running ---------------------------------------------------------------------------------------------------


def test_the_environment_says_who_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our variables before the platform's, and AWS Lambda's before those of Knative and Cloud Run."""
    monkeypatch.setenv("K_SERVICE", "orders-dev")
    monkeypatch.setenv("K_REVISION", "orders-dev-00001")
    assert (Governor().identity.service, Governor().identity.version) == ("orders-dev", "orders-dev-00001")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders-prod")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "41")
    assert (Governor().identity.service, Governor().identity.version) == ("orders-prod", "41")
    monkeypatch.setenv("SVCGOV_SERVICE", "orders")
    monkeypatch.setenv("SVCGOV_VERSION", "v2")
    assert (Governor().identity.service, Governor().identity.version) == ("orders", "v2")


def test_what_is_given_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code knows best."""
    monkeypatch.setenv("SVCGOV_SERVICE", "orders")
    monkeypatch.setenv("SVCGOV_VERSION", "v2")
    monkeypatch.setenv("SVCGOV_COLOURS", "blue")
    identity = Governor(service="payments", version="v3", colours=["green"]).identity
    assert (identity.service, identity.version, identity.colours) == ("payments", "v3", frozenset({"green"}))


def test_the_environment_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are set after the import are found."""
    made = Governor()
    monkeypatch.setenv("SVCGOV_SERVICE", "orders")
    assert made.identity.service == "orders"


@pytest.mark.parametrize(
    ("value", "colours"), [("", set()), ("blue", {"blue"}), (" blue , green,", {"blue", "green"}), ("*", {"*"})]
)
def test_colours_of_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, colours: set[str]) -> None:
    """Between commas; none by default."""
    monkeypatch.setenv("SVCGOV_COLOURS", value)
    assert Governor().identity.colours == colours


def test_a_colour_of_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake there is an error, no silent default."""
    monkeypatch.setenv("SVCGOV_COLOURS", "blue,light blue")
    with pytest.raises(ConfigError, match=r"SVCGOV_COLOURS: expected .* got 'light blue'"):
        svcgov.handler(lambda event, context: None)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"service": "two words"}, "Governor.service"),
        ({"service": 7}, "Governor.service"),
        ({"scope": "a/b"}, "Governor.scope"),
        ({"colours": "blue"}, "Governor.colours"),
        ({"colours": ["b" * 65]}, "Governor.colours"),
        ({"colours": [None]}, "Governor.colours"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], path: str) -> None:
    """At the door, with its place."""
    with pytest.raises(ConfigError) as caught:
        Governor(**options)
    assert caught.value.path == path


# -- what is made -----------------------------------------------------------------------------------------------------


def test_two_scopes_two_states() -> None:
    """The same name, and nothing shared."""
    one, two = Governor(scope="one"), Governor(scope="two")
    assert one.circuit_breaker("payments") is one.circuit_breaker("payments")
    assert one.circuit_breaker("payments") is not two.circuit_breaker("payments")
    assert svcgov.circuit_breaker("payments") not in (one.circuit_breaker("payments"), two.circuit_breaker("payments"))


def test_budgets_of_targets_are_kept_apart_too() -> None:
    """The retries at `payments` of one scope cost the other one nothing."""
    one, two = Governor(scope="one"), Governor(scope="two")
    first, again, other = one.retry(), one.retry(), two.retry()
    one.govern(client(), target="payments", policy=first)
    one.govern(client(), target="payments", policy=again)
    two.govern(client(), target="payments", policy=other)
    assert first.budget is again.budget
    assert first.budget is not other.budget


def test_policies_get_the_clock_of_their_governor() -> None:
    """And an explicit one stands."""
    clock, other = ManualClock(), ManualClock()
    made = Governor(clock=clock)
    assert made.bulkhead(1).clock is clock
    assert made.bulkhead(1, clock=other).clock is other
    assert made.Pipeline(made.timeout(1.0)).policies[0].clock is clock


def test_every_policy_can_be_made_through_it() -> None:
    """By the names of the package, and by no others."""
    made = Governor()
    assert [
        type(made.retry(on=OSError)).__name__,
        type(made.rate_limit("1/second")).__name__,
        type(made.budget()).__name__,
        type(made.Pipeline()).__name__,
    ] == ["Retry", "RateLimit", "Budget", "Pipeline"]
    with pytest.raises(AttributeError, match="'Governor' object has no attribute 'errors'"):
        _ = made.errors  # type: ignore[attr-defined]  # that is the point


def test_the_functions_of_the_package_are_those_of_one_governor() -> None:
    """One process, one service, unless somebody wants it otherwise."""
    svcgov.handler(lambda event, context: None, service="orders")
    assert DEFAULT.identity.service == "orders"
    with pytest.raises(ConfigError, match=r"handler\.service"):
        svcgov.handler(service="payments")(lambda event, context: None)


@pytest.mark.parametrize("name", [name for name in _default.__all__ if name != "DEFAULT"])
def test_a_function_of_the_package_is_called_as_the_method_is(name: str) -> None:
    """The same arguments, with the same defaults."""
    function, method = (inspect.signature(getattr(one, name)) for one in (svcgov, DEFAULT))
    assert function == method


@pytest.mark.parametrize("policy", [7, {"retry": {}}])
def test_a_policy_that_is_none_is_refused(policy: Any) -> None:
    """With the place it stood in."""
    with pytest.raises(ConfigError, match=r"govern\.policy: expected a policy, a pipeline, the name of one, or a list of them"):
        svcgov.govern(client(), policy=policy)
    with pytest.raises(ConfigError, match=r"handler\.policy: expected a policy"):
        svcgov.handler(policy=policy)(lambda event, context: None)


def test_a_client_is_governed_in_place() -> None:
    """The same object comes back, and its requests pass the policies."""
    gate, plain = svcgov.bulkhead(1), client()
    governed = svcgov.govern(plain, target="payments", policy=[gate])
    assert governed is plain
    with gate, pytest.raises(svcgov.errors.BulkheadFullError):
        governed.get("http://payments/")


def test_a_listener_hears_every_policy_of_the_process() -> None:
    """Until it is told to stop."""
    heard: list[Any] = []
    stop = svcgov.listen(heard.append, svcgov.facts.CallRefused)
    gate = svcgov.bulkhead(1)
    with gate, pytest.raises(svcgov.errors.BulkheadFullError), gate:
        pass
    stop()
    with gate, pytest.raises(svcgov.errors.BulkheadFullError), gate:
        pass
    assert [fact.reason for fact in heard] == ["full"]
