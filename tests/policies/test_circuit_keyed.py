"""A circuit breaker with a key: a circuit for each host, tenant or shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from _worlds import Answer, Facts, World
from svcgov import Pipeline, circuit_breaker, retry
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.facts import CallRefused, CircuitChanged, PredicateFailed, ThresholdExceeded
from svcgov.policies import circuit_breaker as module
from svcgov.policies._circuit import Circuit, LockedCircuit

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def first(call: Any) -> Any:
    """The key is the first argument."""
    return call.args[0] if call.args else None


def fail_for(*keys: Any) -> Any:
    """A step that fails for some keys."""

    def step(key: Any = None) -> Any:
        if key in keys:
            raise OSError(key)
        return key

    return step


def breaker(clock: ManualClock, **given: Any) -> Any:
    return circuit_breaker(**{"consecutive_failures": 2, "key": first, "clock": clock, "open_jitter": 0.0, **given})


def test_each_key_has_a_circuit_to_itself(world: World) -> None:
    """What is down is refused, and everything else goes on."""
    gate = breaker(world.clock)
    call = world.governed(gate, fail_for("down"))
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            call("down")
    with pytest.raises(CircuitOpenError) as refused:
        call("down")
    assert refused.value.retry_after == 30.0
    assert call("up") == "up"
    assert call() is None
    assert [gate.of(key).current_state for key in ("down", "up", "unknown")] == ["open", "closed", "closed"]
    assert gate.current_state == "closed"
    assert gate.would_admit()
    assert not gate.of("down").would_admit()
    world.clock.advance(30)
    assert gate.of("down").would_admit()


def test_whether_calls_without_a_key_would_get_in(clock: ManualClock) -> None:
    """That is what the breaker as a whole is asked for: by its own clock."""
    gate = breaker(clock)
    gate.open(for_=30)
    gate.of("acme").close()
    assert (gate.would_admit(), gate.of("acme").would_admit()) == (False, True)
    clock.advance(30)
    assert gate.would_admit()


def test_the_snapshot_of_a_key_and_of_the_whole(world: World) -> None:
    """That of the whole has the calls without a key, all refusals, and how many keys there are."""
    gate = breaker(world.clock, failure_rate=0.5, min_calls=1)
    call = world.governed(gate, fail_for("down", None))
    for key in ("down", "down", "up", None):
        try:
            call(*([] if key is None else [key]))
        except (OSError, CircuitOpenError):
            pass
    both = {"slow": 0, "slow_call_rate": None}
    assert gate.of("down").snapshot() == {
        **both, "state": "open", "calls": 1, "failed": 1, "failure_rate": 1.0, "refused": 1
    }  # fmt: skip
    assert gate.of("up").snapshot() == {
        **both, "state": "closed", "calls": 1, "failed": 0, "failure_rate": 0.0, "refused": 0
    }  # fmt: skip
    assert gate.snapshot() == {
        **both, "state": "open", "calls": 1, "failed": 1, "failure_rate": 1.0, "refused": 1, "keys": 2, "keys_overflow": 0
    }  # fmt: skip
    assert "keys" not in circuit_breaker(clock=world.clock).snapshot()


def test_facts_say_whose_circuit_it_is(world: World, facts: Facts) -> None:
    """A change, a refusal, and what an observer would have done."""
    gate = breaker(world.clock)
    gate.listen(facts)
    call = world.governed(gate, fail_for("down", "away"))
    for key in ("down", "away", "down", "away", "down"):
        with pytest.raises((OSError, CircuitOpenError)):
            call(key)
    assert [(fact.key, fact.before, fact.after) for fact in facts.of(CircuitChanged)] == [
        ("down", "closed", "open"),
        ("away", "closed", "open"),
    ]
    assert [fact.key for fact in facts.of(CallRefused)] == ["down"]
    gate.of("away").observe()
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            call("away")
    assert [fact.key for fact in facts.of(ThresholdExceeded)] == ["away"]
    gate.open()
    assert facts.of(CircuitChanged)[-1].key == "away"


def test_each_refusal_of_a_key_is_told_and_counted(clock: ManualClock, facts: Facts) -> None:
    """For the key and for the whole, with the moment at which it was."""
    gate = breaker(clock)
    gate.listen(facts, CallRefused)
    acme = gate.of("acme")
    acme.force_open()
    for refused in (1, 2, 3):
        clock.advance(1)
        with pytest.raises(CircuitOpenError), acme:
            pass
        assert (acme.refused, gate.refused, gate.of("other").refused) == (refused, refused, 0)
    assert [(fact.at, fact.key) for fact in facts.of(CallRefused)] == [(1.0, "acme"), (2.0, "acme"), (3.0, "acme")]


def test_the_hand_on_the_whole_says_for_how_long(clock: ManualClock) -> None:
    """To every key that is known."""
    gate = breaker(clock)
    gate(fail_for())("known")
    gate.open(for_=5)
    clock.advance(4.9)
    assert (gate.would_admit(), gate.of("known").would_admit()) == (False, False)
    clock.advance(0.2)
    assert (gate.would_admit(), gate.of("known").would_admit()) == (True, True)
    gate.of("known").open(for_=2)
    assert not gate.of("known").would_admit()
    clock.advance(2)
    assert gate.of("known").would_admit()


def test_the_hand_on_one_key_moves_no_other(world: World) -> None:
    """Also before its first call."""
    gate = breaker(world.clock)
    call = world.governed(gate, fail_for())
    acme = gate.of("acme")
    for verb, state in [
        (acme.force_open, "forced-open"),
        (acme.disable, "disabled"),
        (acme.observe, "metrics-only"),
        (acme.half_open, "half-open"),
        (acme.open, "open"),
        (acme.close, "closed"),
    ]:
        verb()
        assert acme.current_state == state
        assert gate.of("other").current_state == gate.current_state == "closed"
    acme.force_open()
    with pytest.raises(CircuitOpenError, match="forced_open"):
        call("acme")
    assert (acme.refused, gate.refused) == (1, 1)
    acme.reset()
    assert (acme.refused, gate.refused, gate.fail_counter) == (0, 1, 0)
    assert call("acme") == "acme"


def test_the_hand_on_the_whole_moves_every_key(world: World) -> None:
    """Those too that come later, until another hand, or a setting, says otherwise."""
    gate = breaker(world.clock)
    call = world.governed(gate, fail_for())
    call("known")
    gate.force_open()
    for key in ("known", "new"):
        with pytest.raises(CircuitOpenError):
            call(key)
    assert (gate.current_state, gate.of("unknown").current_state) == ("forced-open", "forced-open")
    assert gate.of("new").refused == 1
    gate.reset()
    assert [call("known"), call("new"), call("newer")] == ["known", "new", "newer"]
    assert gate.of("new").refused == gate.refused == 0
    gate.disable()
    gate.reconfigure({"force": "open"})
    assert [gate.of(key).current_state for key in ("known", "later")] == ["forced-open", "forced-open"]
    gate.reconfigure({})
    assert [gate.of(key).current_state for key in ("known", "later")] == ["closed", "closed"]


def test_a_hand_on_the_whole_reaches_a_key_that_is_just_being_made(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its circuit was made before, and would come in after: it is made again."""
    gate = breaker(clock)
    make, made = type(gate).gate_for, []

    def gate_for(self: Any, key: Any) -> Any:
        made.append(make(self, key))
        if len(made) == 1:
            gate.force_open()
        return made[-1]

    monkeypatch.setattr(type(gate), "gate_for", gate_for)
    with pytest.raises(CircuitOpenError):
        gate(fail_for())("a")
    assert gate.machine.by_key["a"] is made[1]


def test_other_settings_reach_every_key(world: World) -> None:
    """Each keeps its state and its counts."""
    gate = breaker(world.clock)
    call = world.governed(gate, fail_for("a", "b"))
    for key in ("a", "a", "b"):
        with pytest.raises(OSError):
            call(key)
    gate.reconfigure({"consecutive_failures": 3})
    with pytest.raises(OSError, match="b"):
        call("b")
    assert [gate.of(key).current_state for key in "ab"] == ["open", "closed"]
    with pytest.raises(OSError, match="b"):
        call("b")
    assert gate.of("b").current_state == "open"


@pytest.mark.parametrize("wrong", [None, 7], ids=["taken away", "no key"])
def test_a_key_is_there_from_the_beginning_or_never(wrong: Any, clock: ManualClock) -> None:
    """There is no telling which circuit would be whose."""
    gate = breaker(clock)
    with pytest.raises(ConfigError) as refused:
        gate.reconfigure({"key": wrong})
    assert (refused.value.path, refused.value.value) == ("circuit_breaker.key", wrong)
    assert (refused.value.expected == "a key, as it was made with") is (wrong is None)
    with pytest.raises(ConfigError) as refused:
        circuit_breaker(clock=clock).reconfigure({"key": first})
    assert (refused.value.path, refused.value.value) == ("circuit_breaker.key", first)
    assert refused.value.expected == "none, as it was made with"
    gate.reconfigure({"key": "arg:key"})


def test_a_breaker_without_a_key_has_no_circuits_of_keys(clock: ManualClock) -> None:
    """The error says how there would be some."""
    with pytest.raises(TypeError, match="make it with key="):
        circuit_breaker(clock=clock).of("acme")


def test_results_and_errors_are_judged_for_each_key(world: World) -> None:
    """By ``on_result``, by ``ignore``, by a Retry-After; for a function that one key's breaker governs too."""
    gate = breaker(world.clock, on_result=lambda result: result == "bad", ignore=KeyError)
    call = world.governed(gate, lambda key, result: result)
    for _ in range(2):
        assert call("a", "bad") == "bad"
    assert (gate.of("a").current_state, gate.of("b").current_state) == ("open", "closed")
    only = world.governed(gate.of("b"), "bad")
    assert [only("a"), only("c")] == ["bad", "bad"]
    assert (gate.of("b").current_state, gate.of("c").current_state) == ("open", "closed")
    world.governed(gate.of("d"), KeyError).fails(KeyError, times=4)
    assert gate.of("d").snapshot()["calls"] == 0


def test_an_answer_opens_the_circuit_of_its_key(world: World) -> None:
    """For as long as it asks."""
    gate = breaker(world.clock, open_from_answer=True)
    call = world.governed(gate, Answer(503, Retry_After="7"))
    with pytest.raises(Answer):
        call("a")
    with pytest.raises(CircuitOpenError) as refused:
        call("a")
    assert refused.value.retry_after == 7.0
    assert gate.of("b").would_admit()


def test_what_a_hand_has_opened_refuses_though_the_breaker_observes(clock: ManualClock, facts: Facts) -> None:
    """For one key as for the whole; and who listens to one hears of all that are the breaker's."""
    gate = breaker(clock, mode="observe")
    acme = gate.of("acme")
    acme.listen(facts, CallRefused)
    gate.force_open()
    for governed in (acme(fail_for()), gate.of("other")(fail_for())):
        with pytest.raises(CircuitOpenError):
            governed()
    assert [fact.key for fact in facts.of(CallRefused)] == ["acme", "other"]


def test_it_stands_anywhere_in_a_pipeline(world: World) -> None:
    """Inside a retry each attempt counts, and the refusal ends it."""
    gate = breaker(world.clock)
    call = world.governed(Pipeline(retry(on=OSError, attempts=5, backoff=0, budget=None, clock=world.clock), gate), fail_for("a"))
    with pytest.raises(OSError, match="a"):
        call("a")
    assert call.count == 2
    assert call("b") == "b"


def test_a_key_function_that_raises_is_told(world: World, facts: Facts) -> None:
    """Its call goes by the circuit of those without a key."""
    gate = breaker(world.clock, key=lambda call: 1 / 0)
    gate.listen(facts)
    world.governed(gate, OSError).fails(OSError, times=2)
    assert gate.current_state == "open"
    assert len(facts.of(PredicateFailed)) == 1


def test_pybreaker_s_call_has_a_key_too(world: World) -> None:
    """The function comes first, its arguments are those that the key is found in."""
    gate = breaker(world.clock)
    step = fail_for("down")

    async def astep(key: str) -> Any:
        return step(key)

    def call(key: str) -> Any:
        return gate.call(step, key) if world.name == "sync" else world.run(gate.call_async, astep, key)

    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            call("down")
    assert gate.of("down").current_state == "open"
    assert call("up") == "up"
    assert gate.current_state == "closed"


def test_a_listener_of_pybreaker_s_hears_of_every_key(world: World) -> None:
    """It is told of the breaker, which is what it knows."""
    heard: list[tuple[Any, str, str]] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            heard.append((cb, old_state.name, new_state.name))

    gate = breaker(world.clock, listeners=[Listener()])
    for key in "ab":
        gate.of(key).open()
    assert heard == [(gate, "closed", "open")] * 2


def test_it_is_described_as_the_breaker_that_it_is(clock: ManualClock) -> None:
    """The whole, and one key's."""
    gate = breaker(clock, name="hosts")
    for one in (gate, gate.of("acme")):
        assert "hosts" in Pipeline(one).describe()
    with pytest.raises(ConfigError, match="expected nothing: reconfigure the circuit breaker that has the keys"):
        gate.of("acme").reconfigure({"window": 3})


@pytest.mark.parametrize("variant", [Circuit, LockedCircuit])
def test_the_circuits_of_keys_are_of_the_right_variant(
    variant: type[Circuit], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a lock where numbers need one."""
    monkeypatch.setattr(module, "LOCKED", lambda: variant is LockedCircuit)
    gate = breaker(clock)
    gate.of("a").open()
    assert {type(one) for one in gate.machine.gates()} == {variant}
