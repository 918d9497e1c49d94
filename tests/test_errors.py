"""The errors: their tree, what they say, and that they travel."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pybreaker
import pytest

import svcgov
from svcgov import errors
from svcgov.errors import (
    BatchFailedError,
    BudgetExhaustedError,
    BulkheadFullError,
    CallTimeoutError,
    CircuitOpenError,
    ConfigError,
    ConfigWarning,
    ConflictError,
    DeadlineExceededError,
    RateLimitedError,
    RegistryError,
    RejectedError,
    SvcgovError,
    TimeoutWarning,
)

REFUSALS = [CircuitOpenError, BulkheadFullError, RateLimitedError, BudgetExhaustedError, DeadlineExceededError]
ALL: list[SvcgovError] = [
    *[kind("payments", "reason", 2.5) for kind in REFUSALS],
    *[kind("payments", "reason") for kind in REFUSALS],
    RejectedError("payments", "reason"),
    CallTimeoutError("payments", "total", 2.5),
    BatchFailedError(2, 10),
    RegistryError("memory://a", "away"),
    ConflictError("memory://a", "another revision", 7),
    ConfigError("retry.attempts", 0, "an integer >= 1"),
]


def open_circuit() -> CircuitOpenError:
    """As a breaker raises it."""
    breaker = svcgov.circuit_breaker("payments", open_jitter=0.0)
    breaker.open()
    with pytest.raises(CircuitOpenError) as refused, breaker:
        pass
    return refused.value


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every error is drawn, under the one it is a kind of."""
    drawn = str(errors.__doc__)
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert f"-- {name} " in drawn or f"\n    {name}\n" in drawn
        assert issubclass(kind, SvcgovError) or kind in (ConfigWarning, TimeoutWarning)


@pytest.mark.parametrize(
    ("kind", "status", "bases"),
    [
        (CircuitOpenError, 503, (RejectedError,)),
        (BulkheadFullError, 503, (RejectedError,)),
        (RateLimitedError, 429, (RejectedError,)),
        (BudgetExhaustedError, 503, (RejectedError,)),
        (DeadlineExceededError, 504, (RejectedError, TimeoutError)),
        (CallTimeoutError, 504, (SvcgovError, TimeoutError)),
    ],
)
def test_an_error_has_its_status_and_its_bases(kind: Any, status: int, bases: tuple[type, ...]) -> None:
    """``except TimeoutError`` catches both that took too long, and only one of them is a refusal."""
    assert kind.status == status
    assert kind.__bases__ == bases


def test_a_time_out_of_a_call_is_no_refusal() -> None:
    """It began: so it counts, and may be retried."""
    assert not issubclass(CallTimeoutError, RejectedError)


def test_a_wrong_setting_is_a_value_error() -> None:
    """And no refusal."""
    assert issubclass(ConfigError, ValueError)
    assert not issubclass(ConfigError, RejectedError)
    assert issubclass(ConfigWarning, UserWarning)
    assert issubclass(TimeoutWarning, RuntimeWarning)


def test_a_refusal_says_who_why_and_for_how_long() -> None:
    """Where nobody knows how long, it does not say."""
    assert str(CircuitOpenError("payments", "open", 12.34567)) == "payments: open, retry after 12.3 s"
    assert str(BulkheadFullError("bulkhead", "full")) == "bulkhead: full"
    assert repr(RateLimitedError("p", "limited", 0.5)) == "RateLimitedError(policy='p', reason='limited', retry_after=0.5)"


def test_a_time_out_says_how_long_it_was_given() -> None:
    """And whether that was for an attempt or for all."""
    assert str(CallTimeoutError("payments", "attempt", 2.5)) == "payments: not done within 2.5 s (attempt)"


def test_a_failed_batch_says_how_much_of_it() -> None:
    """As a share of the whole."""
    assert str(BatchFailedError(2, 10)) == "2 of 10 records were not done"


def test_a_wrong_setting_says_place_expectation_and_value() -> None:
    """In one line."""
    assert str(ConfigError("retry.attempts", "x", "an integer >= 1")) == "retry.attempts: expected an integer >= 1, got 'x'"


def test_a_wrong_setting_does_not_print_a_whole_document() -> None:
    """Nor does it stumble over a value that cannot be shown."""

    class Unshowable:
        def __repr__(self) -> str:
            raise RuntimeError("no words")

    long = str(ConfigError("p", "x" * 1000, "less"))
    assert long == "p: expected less, got '" + "x" * 116 + "..."
    assert str(ConfigError("p", "x" * 118, "less")).endswith("x'")
    assert str(ConfigError("p", Unshowable(), "words")) == "p: expected words, got <Unshowable>"
    assert str(ConfigError("p", 10**5000, "less")) == "p: expected less, got <int>"


@pytest.mark.parametrize("error", ALL, ids=repr)
@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_an_error_travels(again: Any, error: SvcgovError) -> None:
    """To another process and back: its class, its fields, its notes, and whatever was put on it."""
    error.add_note("a note")
    error.injected = True  # type: ignore[attr-defined]  # as users do
    found = again(error)
    assert type(found) is type(error)
    assert (str(found), repr(found), vars(found)) == (str(error), repr(error), vars(error))
    assert found.__notes__ == error.__notes__


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_refusal_travels_by_every_protocol(protocol: int) -> None:
    """The oldest ones too; and what is pybreaker's error as well stays both."""
    error = open_circuit()
    found = pickle.loads(pickle.dumps(error, protocol))
    assert type(found) is type(error)
    assert issubclass(type(found), pybreaker.CircuitBreakerError)
    assert (found.policy, found.reason, found.retry_after) == (error.policy, error.reason, error.retry_after)


def test_a_wrong_value_that_does_not_pickle_travels_as_what_it_looked_like() -> None:
    """A function, for instance: the message is the same, the rest of it too."""
    error = ConfigError("retry.on", lambda error: True, "exception types")
    found = pickle.loads(pickle.dumps(error))
    assert str(found) == str(error)
    assert (found.path, found.expected) == (error.path, error.expected)
    assert callable(error.value)


def test_an_error_without_fields_travels_too() -> None:
    """The root, raised by nobody but a user."""
    assert repr(pickle.loads(pickle.dumps(SvcgovError()))) == "SvcgovError()"
