"""Whether a function of Knative is alive and ready: what it says itself, and what its dependencies say."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov import Governor, circuit_breaker
from svcgov.errors import ConfigError
from svcgov.testing import ManualClock

from .making import raising


def made(*, requires: Any = (), governor: Governor | None = None, **answers: Any) -> Any:
    """A governed function whose object answers so."""

    class Shop:
        """A function."""

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            """Handle it."""

    def new() -> Any:
        return Shop()

    for name, answer in answers.items():
        setattr(Shop, name, lambda self, answer=answer: answer)
    return (governor or Governor()).knative(new, requires=requires)()


def test_a_function_that_says_nothing_is_alive_and_ready() -> None:
    """It answers, and it requires nothing."""
    assert (made().alive(), made().ready()) == ((True, "ok"), (True, "ok"))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (True, (True, "ok")),
        ((True, "fine"), (True, "fine")),
        ((False, "no disk"), (False, "no disk")),
        (None, None),
    ],
)
def test_what_it_says_itself_is_said(own: Any, said: Any) -> None:
    """A truth, or that and a text; nothing is no yes."""
    function = made(alive=own, ready=own)
    assert function.alive() == (said or (False, "not alive"))
    assert function.ready() == (said or (False, "not ready"))


def test_it_may_say_what_svcgov_found() -> None:
    """`svcgov.ready` in its own ``ready``: the reasons are handed on."""
    breaker = circuit_breaker("payments", clock=ManualClock())
    breaker.force_open()
    assert made(ready=svcgov.ready("payments")).ready() == (False, "payments: forced-open")
    breaker.close()
    assert made(ready=svcgov.ready("payments")).ready() == (True, "ok")


def test_both_have_to_say_yes() -> None:
    """Its own word, and the dependencies that it requires; they are named."""
    payments, stock = (circuit_breaker(name, clock=ManualClock()) for name in ("payments", "stock"))
    function = made(requires=[payments, "stock"], ready=(True, "warm"))
    assert function.ready() == (True, "warm")
    payments.open()
    stock.force_open()
    assert function.ready() == (False, "payments: open; stock: forced-open")
    assert function.alive() == (True, "ok")
    assert made(requires=["stock"]).ready() == (False, "stock: forced-open")
    assert made(requires=["stock"], ready=(False, "cold")).ready() == (False, "cold")


def test_it_is_ready_again_without_traffic() -> None:
    """An instance out of traffic would never send the probe that closes the circuit."""
    clock = ManualClock()
    breaker = circuit_breaker("payments", open_for=30.0, open_jitter=0.0, clock=clock)
    function = made(requires=["payments"])
    breaker.open()
    assert function.ready() == (False, "payments: open")
    clock.advance(30.0)
    assert function.ready() == (True, "ok")
    assert breaker.current_state == "open"


def test_a_governor_looks_in_its_own_scope() -> None:
    """Policies of the same name in different scopes are different policies."""
    shop = Governor(scope="shop")
    shop.circuit_breaker("payments").force_open()
    assert made(requires=["payments"], governor=shop).ready()[0] is False
    circuit_breaker("payments")
    assert made(requires=["payments"]).ready()[0] is True


def test_what_cannot_be_found_out_counts_as_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of ours takes no instance out of traffic; it is reported once."""
    breaker: Any = circuit_breaker("payments")
    function = made(requires=[breaker], ready=(True, "warm"))
    breaker.would_admit = raising(OSError("broken"))
    assert [function.ready(), function.ready()] == [(True, "warm")] * 2
    assert capsys.readouterr().err.count("could not be found out: OSError('broken')") == 1


@pytest.mark.parametrize("wrong", ["payments", 7, [7], [object()]])
def test_what_is_required_is_a_list_of_breakers_or_names(wrong: Any) -> None:
    """A name alone would be a list of letters."""
    with pytest.raises(ConfigError, match=r"knative\.requires: expected a (list of )?circuit breaker"):
        made(requires=wrong)
