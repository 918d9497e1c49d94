"""Functions that documents may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, circuit_breaker, rate_limit, retry
from svcgov._core._predicates import Registered, near_miss
from svcgov.errors import ConfigError
from svcgov.facts import PredicateFailed

if TYPE_CHECKING:
    from _worlds import Facts, World


def busy(error: Exception) -> bool:
    """An error that is meant."""
    return str(error) == "busy"


def test_a_document_names_what_the_code_has_registered(world: World) -> None:
    """Beside words and statuses, also before it is registered."""
    governor = Governor(
        document={"policies": {"payments": {"retry": {"on": ["timeout", "is_busy"], "backoff": 0}}}}, clock=world.clock
    )
    svcgov.predicate("is_busy", busy)
    call = world.governed(Pipeline(retry(on=OSError, clock=world.clock), name="payments"), ValueError("busy"), "done")
    assert call() == "done"
    other = world.governed(Pipeline(retry(on=OSError, clock=world.clock), name="payments"), ValueError("full"))
    other.fails(ValueError)
    assert governor.apply({})


def test_a_result_a_key_and_a_call_can_be_asked_about() -> None:
    """Wherever the code may give a function."""
    svcgov.predicate("is_bad", lambda result: result == "bad")
    svcgov.predicate("tenant", lambda call: call.args[0])
    svcgov.predicate("is_api", lambda call: True)
    slots = {
        "rate_limit": {"limit": "1/minute", "key": "tenant", "when": "is_api"},
        "circuit_breaker": {"on_result": "is_bad", "failures": 1},
    }
    Governor(document={"policies": {"payments": slots}})
    pipeline = svcgov.policy("payments")
    assert pipeline.call(lambda tenant: tenant, "acme") == "acme"
    assert pipeline.call(lambda tenant: "bad", "other") == "bad"
    assert circuit_breaker("payments").current_state == "open"
    with pytest.raises(svcgov.errors.RateLimitedError):
        pipeline.call(lambda tenant: tenant, "acme")
    assert rate_limit("1/minute", name="payments").snapshot()["keys"] == 2


def test_words_for_keys_are_no_names() -> None:
    """They say where in the call the key stands."""
    for key in ("colour", "path", "ip", "header:x-tenant"):
        assert Governor().apply({"policies": {"payments": {"rate_limit": {"limit": "1/minute", "key": key}}}})


def test_a_name_that_nobody_has_registered(facts: Facts) -> None:
    """The policy that asks says so, and goes on."""
    svcgov.listen(facts, PredicateFailed)
    Governor(document={"policies": {"payments": {"circuit_breaker": {"on": "is_busy", "failures": 1}}}})
    breaker = circuit_breaker("payments")
    with pytest.raises(OSError), breaker:
        raise OSError
    assert breaker.current_state == "closed"
    assert "no function is registered as is_busy" in facts[0].error  # type: ignore[attr-defined]  # as this fact has


@pytest.mark.parametrize("name", ["", "1st", "a b", "a:b", "x" * 129, 7, None])
def test_what_cannot_be_a_name(name: Any) -> None:
    """It has to stand in documents beside words and statuses."""
    with pytest.raises(ConfigError, match=r"predicate\.name: expected a letter or _") as error:
        svcgov.predicate(name, busy)
    assert error.value.value == name


@pytest.mark.parametrize("name", ["f", "_", "x" * 128, "is_busy.v-2"])
def test_what_can_be_a_name(name: str) -> None:
    """From one character to 128."""
    svcgov.predicate(name, busy)
    assert Registered(name)(ValueError("busy"))


async def later(error: Exception) -> bool:
    """A coroutine function, which nobody would await."""
    return True


@pytest.mark.parametrize("fn", [None, "busy", ValueError, later])
def test_what_cannot_be_asked(fn: Any) -> None:
    """Only a plain function answers."""
    with pytest.raises(ConfigError, match=r"predicate\[is_busy\]: expected a plain function") as error:
        svcgov.predicate("is_busy", fn)
    assert error.value.value is fn


def test_a_name_is_that_of_one_function() -> None:
    """The same function may be registered again, as when its module is imported anew."""
    svcgov.predicate("is_busy", busy)
    svcgov.predicate("is_busy", busy)
    with pytest.raises(ConfigError, match=r"predicate\[is_busy\]: expected another name") as error:
        svcgov.predicate("is_busy", near_miss)
    assert error.value.value is near_miss


def test_a_name_is_told_from_a_slip() -> None:
    """Unless it is registered."""
    assert near_miss("conection", ["connection", "timeout"]) == "connection"
    svcgov.predicate("conection", busy)
    assert near_miss("conection", ["connection", "timeout"]) is None
    for name in ("is_busy", "timer"):
        assert near_miss(name, ["connection", "timeout"]) is None


def test_what_stands_for_a_function_is_told_by_its_name() -> None:
    """So that a document that says the same changes nothing."""
    assert Registered("a") == Registered("a") != Registered("b")
    assert hash(Registered("a")) == hash(Registered("a"))
    assert Registered("a") != "a"
    assert repr(Registered("a")) == "the function registered as a"
