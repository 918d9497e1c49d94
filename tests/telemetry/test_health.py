"""Whether a service is alive, and whether it is ready for more calls."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov import Governor, bulkhead, circuit_breaker
from svcgov.errors import ConfigError
from svcgov.telemetry.health import Health
from svcgov.testing import ManualClock


def test_who_can_say_so_is_alive() -> None:
    """True, without a reason; of any governor."""
    assert (svcgov.alive(), Governor().alive()) == (Health(), Health())
    assert bool(svcgov.alive())
    assert str(svcgov.alive()) == "ok"


def test_who_requires_nothing_is_ready() -> None:
    """Nothing could be missing."""
    assert svcgov.ready() == Health()


def test_a_dependency_that_would_not_be_asked_is_a_reason() -> None:
    """By the breaker itself or by its name; the others are none."""
    payments, stock = circuit_breaker("payments"), circuit_breaker("stock")
    payments.force_open()
    found = svcgov.ready(payments, "stock", "payments")
    assert not found
    assert found.reasons == ("payments: forced-open", "payments: forced-open")
    assert str(found) == "payments: forced-open; payments: forced-open"
    stock.open()
    assert svcgov.ready("stock").reasons == ("stock: open",)


@pytest.mark.parametrize("state", ["close", "disable", "observe", "half_open"])
def test_a_breaker_that_would_let_a_call_through_is_no_reason(state: str) -> None:
    """Closed, switched off, only looking on, or waiting for a probe."""
    breaker = circuit_breaker("payments")
    breaker.open()
    getattr(breaker, state)()
    assert svcgov.ready("payments")


def test_a_service_is_ready_again_when_the_wait_is_over() -> None:
    """Without traffic: the next call would be the probe. Looking changes nothing."""
    clock = ManualClock()
    breaker = circuit_breaker("payments", open_for=30.0, open_jitter=0.0, clock=clock)
    breaker.open()
    clock.advance(29.9)
    assert not svcgov.ready("payments")
    clock.advance(0.1)
    before = breaker.snapshot()
    assert [bool(svcgov.ready("payments")) for _ in range(3)] == [True] * 3
    assert (breaker.snapshot(), breaker.current_state) == (before, "open")


def test_a_half_open_breaker_without_room_is_a_reason() -> None:
    """Its probes are under way: one more would not be asked."""
    clock = ManualClock()
    breaker = circuit_breaker("payments", half_open_calls=1, clock=clock)
    breaker.half_open()
    assert svcgov.ready("payments")
    with breaker:
        assert svcgov.ready("payments").reasons == ("payments: half-open",)


def test_a_name_that_nobody_has_made_yet_is_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """A module may not be loaded yet; a slip of the pen is reported, once."""
    assert [bool(svcgov.ready("paymens")), bool(svcgov.ready("paymens"))] == [True] * 2
    assert capsys.readouterr().err == "svcgov: no circuit breaker is called paymens: it is taken for ready (said once)\n"


def test_a_name_is_looked_for_in_the_governor_s_scope() -> None:
    """And nowhere else."""
    shop = Governor(scope="shop")
    shop.circuit_breaker("payments").force_open()
    assert not shop.ready("payments")
    circuit_breaker("payments")
    assert svcgov.ready("payments")


@pytest.mark.parametrize("wrong", [7, None, bulkhead(1)])
def test_only_a_circuit_breaker_can_be_required(wrong: Any) -> None:
    """Another policy has nothing to say about the dependency."""
    with pytest.raises(ConfigError, match=r"ready\.requires: expected a circuit breaker, or the name of one"):
        svcgov.ready(wrong)
