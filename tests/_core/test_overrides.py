"""Changes for some calls: which are meant, and what they make. How they are used is tested with `svcgov.override`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from svcgov._core import _live, _overrides
from svcgov._core._clock import SYSTEM
from svcgov._core._overrides import Given, changed, meant

if TYPE_CHECKING:
    import pytest

    from svcgov.typing import Clock


class Added:
    """A change that adds a word to the policies. Inside of another it says both."""

    def __init__(self, word: str) -> None:
        self.word = word

    def inside(self, outer: Any) -> Any:
        return self if outer is None else Added(f"{outer.word} {self.word}")

    def made(self, policies: tuple[Any, ...], clock: Clock) -> tuple[Any, ...]:
        return (*policies, (self.word, clock))


class Route:
    """A governed function, as far as frames go."""

    def __init__(self) -> None:
        self.route = "plain"
        self.nestings = 0

    def nested(self) -> str:
        self.nestings += 1
        return f"nested, in use: {_overrides.in_use}"


class Other:
    """Something in use that is no governed function."""


def words(*given: Given, known_as: frozenset[object] = frozenset({"orders"})) -> dict[str, str]:
    """What is meant, as words by their places."""
    return {place: change.word for place, change in meant(given, known_as).items()}  # type: ignore[attr-defined]  # ours


def test_a_change_is_meant_for_all_or_for_one() -> None:
    """By any name that it is known as."""
    assert words(Given(None, {"retry": Added("more")})) == {"retry": "more"}
    assert words(Given("orders", {"retry": Added("more")})) == {"retry": "more"}
    assert words(Given("stock", {"retry": Added("more")})) == {}


def test_in_one_place_the_inner_change_is_told_of_the_outer() -> None:
    """In another place it stands alone."""
    outer = Given(None, {"retry": Added("more"), "timeout": Added("long")})
    inner = Given("orders", {"retry": Added("once"), "bulkhead": Added("wide")})
    assert words(outer, inner) == {"retry": "more once", "timeout": "long", "bulkhead": "wide"}


def test_all_changes_are_made() -> None:
    """One after the other, by the clock of the call."""
    policies: tuple[Any, ...] = ("first",)
    made = changed(policies, {"retry": Added("more"), "timeout": Added("long")}, SYSTEM)
    assert made == ("first", ("more", SYSTEM), ("long", SYSTEM))


def test_when_it_is_used_first_all_frames_are_nested_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; what is nested meanwhile knows that it is in use."""
    monkeypatch.setattr(_live, "_live", set())
    monkeypatch.setattr(_overrides, "in_use", False)
    monkeypatch.setattr(_overrides, "_nested", False)
    function, other = Route(), Other()
    for thing in (function, other):
        _live.born(thing)
    for _ in range(2):
        _overrides.use()
    assert (function.route, function.nestings, vars(other)) == ("nested, in use: True", 1, {})
    assert _overrides.in_use
