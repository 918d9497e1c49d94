"""What all policies are: checked settings, a name, a machine that is tuned while it is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from _gates import NoSettings
from svcgov import bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._core._call import Call
from svcgov._core._schema import integer
from svcgov._policy import Enterable, GateSettings, Policy
from svcgov.errors import BulkheadFullError, ConfigError, RateLimitedError
from svcgov.facts import CallRefused
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import Facts, World

MAKERS: dict[str, Any] = {
    "retry": lambda **options: retry(on=OSError, **options),
    "timeout": lambda **options: timeout(1, **options),
    "bulkhead": lambda **options: bulkhead(1, **options),
    "rate_limit": lambda **options: rate_limit("1/s", **options),
    "circuit_breaker": lambda **options: circuit_breaker(options.pop("name", None), **options),
}


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kinds of policies."""
    return str(request.param)


def test_a_policy_is_known_by_its_name_or_else_its_kind(kind: str) -> None:
    """In errors, facts and its own text."""
    named, unnamed = MAKERS[kind](name="payments"), MAKERS[kind]()
    assert (named.name, named.label) == ("payments", "payments")
    assert (unnamed.name, unnamed.label, unnamed.kind) == (None, kind, kind)
    assert repr(named) == f"<{type(named).__name__} payments>"
    assert repr(unnamed) == f"<{type(unnamed).__name__} {kind}>"


def test_one_name_is_one_policy(kind: str) -> None:
    """Written twice, it is the same object; without a name each has its own state."""
    assert MAKERS[kind](name="payments") is MAKERS[kind](name="payments")
    assert MAKERS[kind]() is not MAKERS[kind]()


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 200, 3])
def test_a_name_that_cannot_be_is_refused(name: Any, kind: str) -> None:
    """The error says whose name it is."""
    with pytest.raises(ConfigError, match=rf"{kind}\.name"):
        MAKERS[kind](name=name)


def test_a_class_checks_the_name_it_is_given() -> None:
    """Also where no factory has looked at it."""
    gate = bulkhead(1)
    with pytest.raises(ConfigError, match=r"bulkhead\.name"):
        type(gate)({"limit": 1}, name="a b")


def test_settings_are_changed_all_or_none() -> None:
    """What cannot be leaves the policy as it was; the error names the place as the author wrote it."""
    gate = bulkhead(3, name="payments")
    for changes in ({"limit": 0}, {"limit": 5, "size": 1}, 5, None, [("limit", 5)]):
        with pytest.raises(ConfigError, match=r"bulkhead\[payments\]"):
            gate.reconfigure(changes)  # type: ignore[arg-type]
        assert gate.settings.limit == gate.snapshot()["limit"] == 3


def test_changes_are_to_what_was_declared() -> None:
    """A document that says less than the one before takes its changes back."""
    breaker = circuit_breaker(window=50, min_calls=5)
    breaker.reconfigure({"min_calls": 7})
    breaker.reconfigure({"window": 60})
    assert (breaker.settings.window, breaker.settings.min_calls) == (60, 5)


def test_what_was_fixed_when_it_was_made_stays(world: World) -> None:
    """The same value is no change."""
    limit = timeout(1, clock=world.clock)
    limit.reconfigure({"enforce": "deadline", "seconds": 2})
    with pytest.raises(ConfigError, match=r"timeout\.enforce: expected 'deadline', which it was made with, got 'thread'"):
        limit.reconfigure({"enforce": "thread"})
    assert limit.settings.seconds == 2.0


def test_counts_and_permits_outlive_a_change(world: World) -> None:
    """What is out comes back to the same machine."""
    gate = bulkhead(2, clock=world.clock)

    def shrink() -> dict[str, int]:
        gate.reconfigure({"limit": 1})
        return gate.snapshot()

    assert world.governed(gate, shrink)() == {"limit": 1, "in_use": 1, "waiting": 0, "refused": 0}
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


def test_what_was_said_anew_is_declared() -> None:
    """A module that is loaded again: later changes are to its new settings."""
    gate = bulkhead(2, name="payments")
    gate.redefine({"limit": 5})
    gate.reconfigure({})
    assert gate.settings.limit == 5


@pytest.mark.parametrize(
    ("said", "final"),
    [({}, False), ({"final": False}, False), ({"final": True}, True), ({"final": ["limit"]}, ("limit",)), ({"final": ()}, ())],
)
def test_what_no_document_may_change_is_no_setting(said: Any, final: Any) -> None:
    """It is all, nothing, or what is listed; said anew it is what was said last."""
    gate = bulkhead(2, name="payments", **said)
    assert gate.final == final
    gate.redefine({"limit": 3, "final": ["mode"]})
    assert gate.final == ("mode",)
    gate.redefine({"limit": 3, **said})
    assert (gate.final, gate.settings.limit) == (final, 3)


@pytest.mark.parametrize("final", [None, "limit", ["size"], ["limit", "size"], 1, {"limit": True}])
def test_what_is_final_is_listed_by_the_names_of_settings(final: Any) -> None:
    """The error says which there are."""
    with pytest.raises(ConfigError) as wrong:
        bulkhead(2, name="payments", final=final)
    names = ", ".join(bulkhead(2).settings.as_dict())
    assert (wrong.value.path, wrong.value.value) == ("bulkhead[payments].final", final)
    assert wrong.value.expected == f"true, false, or a list of some of {names}"


def test_what_a_document_says_stands_until_it_says_something_else() -> None:
    """Beside what is said for a while, and what the code says anew; the error names the place in the document."""
    gate = bulkhead(2, name="payments")
    said = {"max_waiting": 7}
    gate.document(said, gate.with_document(said, "place"))
    gate.reconfigure({"limit": 3})
    assert (gate.settings.limit, gate.settings.max_waiting) == (3, 7)
    gate.redefine({"limit": 5})
    assert (gate.settings.limit, gate.settings.max_waiting) == (5, 7)
    with pytest.raises(ConfigError, match=r"^place\.limit: expected"):
        gate.with_document({"limit": 0}, "place")


def test_what_a_document_says_gives_way_where_it_does_not_go_with_what_the_code_says_anew() -> None:
    """The code is right by itself, and the document is written for the code that was."""
    breaker = circuit_breaker("payments", open_for=30)
    said = {"max_open_for": 60, "window": 50}
    breaker.document(said, breaker.with_document(said, "place"))
    breaker.redefine({"open_for": 90, "min_calls": 7})
    assert (breaker.settings.open_for, breaker.settings.window, breaker.settings.min_calls) == (90, 100, 7)
    breaker.reconfigure({"min_calls": 8})
    assert (breaker.settings.open_for, breaker.settings.window, breaker.settings.min_calls) == (90, 100, 8)


def test_what_was_fixed_when_it_was_made_is_not_said_anew() -> None:
    """The error names the policy."""
    limit = timeout(1, name="payments")
    with pytest.raises(ConfigError, match=r"^timeout\[payments\]\.enforce: expected 'deadline', which it was made with"):
        limit.redefine({"seconds": 2, "enforce": "thread"})
    assert limit.settings.seconds == 1.0


def test_a_listener_hears_one_policy(world: World, facts: Facts) -> None:
    """And not its neighbour."""
    gates: list[Any] = [bulkhead(1, clock=world.clock), bulkhead(1, clock=world.clock)]
    gate, other = gates
    gate.machine.used = other.machine.used = 1
    stop = gate.listen(facts, CallRefused)
    world.governed(gate).fails(BulkheadFullError)
    world.governed(other).fails(BulkheadFullError)
    stop()
    world.governed(gate).fails(BulkheadFullError)
    assert len(facts) == 1


class Unfinished(Policy):
    """A kind of policy whose author has forgotten something."""

    kind = "unfinished"
    shape = "gate"
    settings_class = NoSettings


class Bare:
    """A machine that need not be told anything."""


class Fixed(Unfinished):
    """It has a machine by now."""

    def _build(self) -> None:
        self.machine = Bare()


def test_a_kind_without_a_machine_says_so() -> None:
    """When the first one is made."""
    with pytest.raises(NotImplementedError, match="Unfinished makes no machine"):
        Unfinished({})


def test_a_kind_that_cannot_be_tuned_says_so() -> None:
    """When it is reconfigured."""
    with pytest.raises(NotImplementedError, match="Fixed cannot be reconfigured"):
        Fixed({}).reconfigure({})


def test_a_kind_that_is_the_same_for_all_calls_says_so() -> None:
    """When a call is to have another."""
    with pytest.raises(NotImplementedError, match="Fixed is the same for all calls"):
        Fixed({}).varied({})


class Machine:
    """A machine that writes down what its policy tells it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def forked(self) -> None:
        self.told.append("forked")

    def restored(self) -> None:
        self.told.append("restored")


class Made(Policy):
    """A kind of policy that has the machine it is given."""

    kind = "made"
    shape = "gate"
    settings_class = NoSettings
    machines: ClassVar[list[Any]] = []

    def _build(self) -> None:
        self.machine = self.machines.pop()


def test_a_machine_is_told_of_a_fork_and_of_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cares."""
    machine = Machine()
    monkeypatch.setattr(Made, "machines", [Bare(), machine])
    policy, other = Made({}), Made({})
    for one in (policy, other):
        one.forked()
        one.restored()
    assert machine.told == ["forked", "restored"]


def test_a_policy_that_is_its_own_machine_is_told_once() -> None:
    """It does not go on telling itself."""

    class Own(Policy):
        kind = "own"
        shape = "gate"
        settings_class = NoSettings

        times = 0

        def _build(self) -> None:
            self.machine = self

        def forked(self) -> None:
            self.times += 1
            super().forked()

    policy = Own({})
    policy.forked()
    assert policy.times == 1


def test_a_policy_that_is_tuned_is_told_what_it_was() -> None:
    """Both settings are at hand then."""

    class Tuned(Policy):
        kind = "tuned"
        shape = "gate"
        settings_class = GateSettings

        def _build(self) -> None:
            self.machine = Bare()

        def _tune(self, before: Any) -> None:
            now: Any = self.settings
            self.tuned = (before.mode, now.mode)

    policy = Tuned({})
    policy.reconfigure({"mode": "off"})
    assert policy.tuned == ("enforce", "off")


def test_a_gate_lists_its_own_settings_first() -> None:
    """What all gates share comes last, in errors and in the reference."""

    class Own(GateSettings):
        width: int = integer(default=1, low=1, high=9)

    assert list(Own._fields) == ["width", "mode", "when"]
    assert Own.of({"mode": "off"}, "own").as_dict() == {"width": 1, "mode": "off", "when": None}


def test_settings_said_anew_are_checked_as_those_of_the_policy() -> None:
    """The error names it."""
    with pytest.raises(ConfigError, match=r"^bulkhead\[payments\]\.limit: expected"):
        bulkhead(2, name="payments").redefine({"limit": 0})


def test_a_kind_that_can_be_entered_says_what_is_entered() -> None:
    """Or it cannot be."""
    with pytest.raises(NotImplementedError, match="Enterable does not say what is entered"), Enterable():
        pass


def test_it_can_be_entered_for_a_call_that_gates_look_at() -> None:
    """By the clock of its policies; it is left as any block."""
    gate = rate_limit("1/second", key=lambda call: call.args[0], clock=ManualClock())
    for who in ("acme", "other"):
        assert gate.enter_for(Call(print, (who,), {})).owner is gate
    with pytest.raises(RateLimitedError) as error:
        gate.enter_for(Call(print, ("acme",), {}))
    assert error.value.retry_after == 1.0
    for _ in range(2):
        gate.__exit__(None, None, None)
