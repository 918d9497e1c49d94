"""Our errors in the client's clothes."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest

from svcgov import errors
from svcgov.outbound._dressed import _rebuild, clothes_of
from svcgov.outbound._dressed import dress as dress_in
from svcgov.policies.circuit_breaker import BrokenCircuitError

if TYPE_CHECKING:
    from svcgov.errors import SvcgovError

packages = pytest.mark.parametrize("package", [httpx2, httpx], ids=["httpx2", "httpx"])
REFUSALS: list[SvcgovError] = [
    BrokenCircuitError("payments", "open", 1.5),
    errors.CircuitOpenError("payments", "open", 1.5),
    errors.BulkheadFullError("pool", "full"),
    errors.RateLimitedError("limit", "limited", 0.25),
]
LATE: list[SvcgovError] = [
    errors.DeadlineExceededError("payments", "expired"),
    errors.CallTimeoutError("timeout", "attempt", 0.5),
]


def dress(error: SvcgovError, package: Any, request: Any, like: BaseException | None = None) -> SvcgovError:
    """In the clothes of one of the packages."""
    clothes = clothes_of(package, root="TransportError", refused="TransportError", late="TimeoutException")
    return dress_in(error, clothes, request, like)


def fresh(error: SvcgovError) -> Any:
    """The error, undressed and unraised."""
    return pickle.loads(pickle.dumps(error))


@packages
@pytest.mark.parametrize("plain", REFUSALS + LATE, ids=lambda error: type(error).__name__)
def test_it_is_an_error_of_both_sides(package: Any, plain: SvcgovError) -> None:
    """Existing ``except`` clauses for the client go on working, and so do ours."""
    error = fresh(plain)
    dress(error, package, package.Request("GET", "http://a/"))
    assert error.request.url == "http://a/"
    assert isinstance(error, package.TransportError)
    assert isinstance(error, type(plain))
    assert str(error) == str(plain)
    assert type(error).__name__ == type(plain).__name__


@packages
@pytest.mark.parametrize("plain", LATE, ids=lambda error: type(error).__name__)
def test_what_came_too_late_is_a_time_out_of_the_client(package: Any, plain: SvcgovError) -> None:
    """``except TimeoutException`` catches it."""
    error = fresh(plain)
    dress(error, package, None)
    assert isinstance(error, package.TimeoutException)


@packages
def test_the_stage_is_kept(package: Any) -> None:
    """A time-out while connecting is a ConnectTimeout."""
    error = errors.CallTimeoutError("deadline", "attempt", 0.5)
    dress(error, package, None, like=package.ConnectTimeout("late"))
    assert isinstance(error, package.ConnectTimeout)


@packages
def test_a_class_that_the_package_does_not_offer_is_replaced_by_the_nearest_that_it_does(package: Any) -> None:
    """A transport's own subclass could not be found again after pickling."""
    special = type("SpecialReadTimeout", (package.ReadTimeout,), {})
    error = errors.CallTimeoutError("deadline", "attempt", 0.5)
    dress(error, package, None, like=special("late"))
    assert isinstance(error, package.ReadTimeout)
    assert not isinstance(error, special)


@packages
def test_it_stays_the_same_object_with_all_that_it_has(package: Any) -> None:
    """Traceback, cause and notes are those of the error that was raised."""
    cause = KeyError("cause")
    try:
        raise errors.CircuitOpenError("payments", "open") from cause
    except errors.CircuitOpenError as error:
        before = error.__traceback__
        error.add_note("a note")
        dress(error, package, None)
        assert error.__traceback__ is before
        assert error.__cause__ is cause
        assert error.__notes__ == ["a note"]


@packages
def test_one_class_is_made_for_a_pair(package: Any) -> None:
    """A thousand refusals do not make a thousand classes."""
    first, second = errors.CircuitOpenError("a", "open"), errors.CircuitOpenError("b", "open")
    dress(first, package, None)
    dress(second, package, None)
    assert type(first) is type(second)


@packages
def test_dressing_twice_changes_nothing(package: Any) -> None:
    """An error that passes two governed transports wears one dress."""
    error = errors.CircuitOpenError("a", "open")
    dress(error, package, 1)
    once = type(error)
    dress(error, package, 2)
    assert type(error) is once
    assert error.request == 1  # type: ignore[attr-defined]


@packages
@pytest.mark.parametrize("plain", REFUSALS + LATE, ids=lambda error: type(error).__name__)
def test_it_pickles(package: Any, plain: SvcgovError) -> None:
    """Process pools and queues carry it: fields, notes, request and both sides come back."""
    error = fresh(plain)
    dress(error, package, package.Request("GET", "http://a/"))
    error.add_note("a note")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert repr(back) == repr(error)
    assert back.__notes__ == ["a note"]
    assert back.request.url == "http://a/"


def test_without_the_package_it_comes_back_plain() -> None:
    """A collector that has no HTTP client can still read the queue."""
    back = _rebuild(errors.CircuitOpenError, ("payments", "open", None), "no_such_package", "TransportError")
    assert type(back) is errors.CircuitOpenError
