"""What code of the user's may do wrong where a policy asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcgov import retry
from svcgov._core._mishaps import Answered, noted, said
from svcgov.facts import PredicateFailed

if TYPE_CHECKING:
    import pytest

    from _worlds import Facts
    from svcgov.testing import ManualClock


class Mute(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError


class Frozen(Exception):
    """An error that nothing can be set on, as frozen records are."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Unavailable(Answered):
    """An answer that travels as an error."""

    answered = 503


def test_an_answer_is_said_by_its_status() -> None:
    """Its class is nobody's business."""
    assert said(Unavailable("answered 503")) == "503: answered 503"


def test_each_function_is_told_once_a_minute(clock: ManualClock, facts: Facts) -> None:
    """To who listens; another function of the same policy has a minute of its own."""
    mishaps = retry(on=KeyError, clock=clock).mishaps
    mishaps._owner.listen(facts)
    clock.advance(1000)
    for setting in ("on", "on", "backoff", "on"):
        mishaps.tell(setting, ValueError("x"), "no matter")
    clock.advance(59.999)
    mishaps.tell("on", ValueError("x"), "no matter")
    assert [(fact.at, fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [
        (1000.0, "on", "ValueError: x"),
        (1000.0, "backoff", "ValueError: x"),
    ]
    clock.advance(0.001)
    mishaps.tell("on", ValueError("y"), "no matter")
    assert facts[-1] == PredicateFailed(policy="retry", at=1060.0, setting="on", error="ValueError: y")


def test_with_no_listener_it_is_said_once(clock: ManualClock, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, for each function; and who listens later on hears of the next one."""
    mishaps = retry(on=KeyError, clock=clock).mishaps
    for _ in range(3):
        mishaps.tell("on", Mute(), "the error was not retried")
    assert capsys.readouterr().err == "svcgov: retry.on raised Mute; the error was not retried (said once)\n"
    mishaps.tell("backoff", Mute(), "it was not waited")
    assert capsys.readouterr().err == "svcgov: retry.backoff raised Mute; it was not waited (said once)\n"
    mishaps._owner.listen(facts)
    mishaps.tell("on", Mute(), "no matter")
    assert [fact.error for fact in facts.of(PredicateFailed)] == ["Mute"]


def test_an_error_is_said_in_a_short_line() -> None:
    """By its name alone where it cannot be printed."""
    assert said(ValueError("x")) == "ValueError: x"
    assert said(Mute()) == "Mute"
    assert len(said(ValueError("x" * 10_000))) == 200


def test_a_note_is_added_once() -> None:
    """And not at all where it cannot be."""
    error = ValueError()
    for note in ("a", "b", "a"):
        noted(error, note)
    assert error.__notes__ == ["a", "b"]
    frozen = Frozen()
    noted(frozen, "a")
    assert not hasattr(frozen, "__notes__")
