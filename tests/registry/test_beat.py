"""The beat: when it is due, what it does, and that the end of the process is the end of what it has registered."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_child
from svcgov._core._chores import NEVER, Chores
from svcgov.errors import RegistryError
from svcgov.registry import Registry
from svcgov.registry.backends.memory import MemoryBackend
from svcgov.registry.beat import Beat
from svcgov.testing import ManualClock

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from pathlib import Path

INTERVAL = TTL / 3


class Process:
    """One process: a registry, its beat, and chores that are done when the test says so."""

    def __init__(self, name: str, clock: ManualClock, chance: float = 0.0) -> None:
        self.clock = clock
        self.chance = chance
        self.chores = Chores(clock)
        self.chores.mode = "off"
        self.registry = Registry(MemoryBackend(name, clock), ttl=TTL, clock=clock, chores=self.chores)
        self.registry._beat = Beat(self.registry, self.chores, random=lambda: self.chance)
        self.asked: list[str] = []
        self.away = False
        real: Any = self.registry.backend

        class Counted:
            """Writes down what is asked."""

            url, blocks, forked = real.url, False, real.forked

            def __getattr__(_, verb: str) -> Any:  # noqa: N805  # the other self is meant
                def ask(*given: Any) -> Any:
                    self.asked.append(verb)
                    if self.away:
                        raise RegistryError(real.url, "away")
                    return getattr(real, verb)(*given)

                return ask

        self.registry.backend = Counted()

    def passes(self, seconds: float, step: float = 0.5) -> list[float]:
        """Time passes, and calls end; when there was a beat."""
        beats = []
        for _ in range(int(seconds / step)):
            self.clock.advance(step)
            self.asked.clear()
            self.chores.answered(NEVER)
            if self.asked:
                beats.append(self.clock.monotonic())
        return beats


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Process:
    """One."""
    return Process(request.node.name, ManualClock())


def test_nothing_is_due_before_something_is_registered_or_asked_for(process: Process) -> None:
    """A registry that nobody uses costs nothing."""
    assert process.chores.due == NEVER
    process.registry.instances("orders")
    assert process.chores.due < NEVER


@pytest.mark.parametrize(("chance", "first", "between"), [(0.0, 0.5, 12.0), (0.5, 6.0, 11.0), (0.99, 12.0, 10.0)])
def test_the_first_beat_is_anywhere_in_an_interval_and_the_others_are_about_one_apart(
    process: Process, chance: float, first: float, between: float
) -> None:
    """By chance, so that those who have begun together do not stay together."""
    process.chance = chance
    process.registry.register(instance())
    beats = process.passes(60.0)
    assert beats[0] == pytest.approx(first, abs=0.5)
    assert [after - before for before, after in pairwise(beats)] == pytest.approx([between] * (len(beats) - 1), abs=0.5)


@pytest.mark.parametrize(("chance", "looks"), [(0.0, [3.0, 6.0, 9.0, 12.0]), (0.5, [2.25, 4.5, 6.75, 9.0, 10.8])])
def test_between_two_beats_it_is_looked_a_few_times_whether_one_is_due(
    process: Process, chance: float, looks: list[float]
) -> None:
    """A quarter of an interval apart, or up to half of that earlier; the last time when one is."""
    process.chance = chance
    process.registry.register(instance())
    process.passes(6.0)
    process.registry.beat._left = 0.0
    process.registry.beat.turn()
    began, due = process.clock.monotonic(), []
    for _ in looks:
        due.append(process.chores.due - began)
        process.clock.advance(process.chores.due - process.clock.monotonic())
        process.chores.answered(NEVER)
    assert due == pytest.approx(looks)


def test_a_beat_renews_and_asks_for_all_that_is_known(process: Process) -> None:
    """In one go."""
    process.registry.register(instance())
    for service in ("orders", "payments"):
        process.registry.instances(service)
    also: list[str] = []
    process.registry.beat.also = (lambda: also.append("documents"),)
    process.asked.clear()
    assert process.registry.beat.once()
    assert process.asked == ["renew", "listed", "listed"]
    assert also == ["documents"]


def test_a_beat_looks_at_the_list_of_what_is_registered_here(process: Process) -> None:
    """Somebody may have told an instance of ours to drain; what is no longer ours is not looked at for that."""
    process.registry.register(instance())
    process.asked.clear()
    assert process.registry.watched() == ["orders"]
    assert process.registry.beat.once()
    assert process.asked == ["renew", "listed"]
    process.registry.refresh("payments")
    process.registry.register(instance(service="mails"))
    assert process.registry.watched() == ["mails", "orders", "payments"]


def test_a_beat_ends_with_the_first_trip_that_fails(process: Process) -> None:
    """And the next one is anywhere in an interval: who has lost the registry with others does not come back with them."""
    process.registry.register(instance())
    process.registry.instances("orders")
    process.away = True
    process.asked.clear()
    assert not process.registry.beat.once()
    assert process.asked == ["renew"]
    process.registry.mine.clear()
    assert not process.registry.beat.once()
    assert process.asked == ["renew", "listed"]
    process.chance = 0.5
    beats = process.passes(26.0)
    assert [after - before for before, after in pairwise(beats)] == pytest.approx([6.0] * 4, abs=0.5)


@pytest.mark.parametrize("chance", [0.1, 0.7, 0.9])
def test_who_is_answered_again_before_its_lease_ends_has_lost_nothing(process: Process, chance: float) -> None:
    """However late that is, and whatever chance says: there is always another try before the end, and no hurry after it."""
    process.registry.register(instance())
    reader = Process(process.registry.backend.url.removeprefix("memory://"), process.clock)
    for late in (12.5, 20.0, 30.0, 35.0):
        assert process.passes(13.0, step=0.1)
        process.away, process.chance = True, chance
        process.passes(late - (process.clock.monotonic() - process.registry.beat._renewed), step=0.1)
        process.away = False
        process.passes(36.3 - late, step=0.1)
        assert ids(reader.registry.instances("orders")) == ["a"]
        process.chance = 0.0
    process.away, process.chance = True, chance
    process.passes(40.0, step=0.1)
    tries = process.passes(60.0, step=0.1)
    assert [after - before for before, after in pairwise(tries)] == pytest.approx([12 * chance] * (len(tries) - 1), abs=0.3)


def test_a_beat_ends_when_its_time_is_used_up(process: Process) -> None:
    """What is left is asked for by the next one, or by the next: nobody is held up for longer."""
    for service in ("orders", "payments"):
        process.registry.instances(service)
    real = process.registry.refresh

    def slow(service: str) -> bool:
        process.clock.advance(0.06)
        return real(service)

    process.registry.refresh = slow  # type: ignore[method-assign]  # takes its time
    process.asked.clear()
    before = [process.registry.known(service).checked for service in ("orders", "payments")]
    assert not process.registry.beat.once()
    assert process.asked == ["listed"]
    assert not process.registry.beat.once()
    after = [process.registry.known(service).checked for service in ("orders", "payments")]
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_whoever_is_heard_of_in_time_is_there_all_along(process: Process) -> None:
    """With calls that come often enough."""
    reader = Process(process.registry.backend.url.removeprefix("memory://"), process.clock)
    process.registry.register(instance())
    for _ in range(40):
        process.passes(5.0, step=5.0)
        assert ids(reader.registry.instances("orders")) == ["a"]


def test_a_process_that_was_frozen_is_there_again_with_its_next_call(process: Process) -> None:
    """It finds its beat due, and its lease lost."""
    process.chance = 0.5
    process.registry.register(instance())
    process.passes(20.0)
    process.clock.freeze(1000.0)
    process.chores.answered(NEVER)
    assert ids(process.registry.instances("orders")) == ["a"]


def test_a_freeze_is_seen_by_the_wall_clock_where_the_other_one_has_stood_still(process: Process) -> None:
    """Within a quarter of an interval."""
    process.registry.register(instance())
    process.passes(1.0)
    process.clock.step_wall(1000.0)
    assert process.passes(INTERVAL / 4)


def test_a_wall_clock_that_steps_back_changes_nothing(process: Process) -> None:
    """The other one goes on."""
    process.registry.register(instance())
    process.passes(1.0)
    process.clock.step_wall(-1000.0)
    assert len(process.passes(26.0)) == 2


def test_a_second_beginning_is_none(process: Process) -> None:
    """One beat for all."""
    for key in "ab":
        process.registry.register(instance(key))
    assert len(process.chores._chores) == 2


def test_a_beat_that_was_stopped_comes_no_more(process: Process) -> None:
    """Also one that was due already."""
    process.registry.register(instance())
    process.registry.beat.stop()
    process.registry.beat.turn()
    assert process.passes(60.0) == []


def test_closing_takes_away_what_is_registered(process: Process) -> None:
    """And what is registered afterwards is there."""
    process.registry.register(instance())
    process.registry.close()
    assert process.registry.mine == {}
    assert process.chores._chores == []
    process.registry.register(instance("b"))
    assert ids(process.registry.instances("orders")) == ["b"]
    assert process.passes(13.0)


def test_closing_a_registry_that_nobody_used_is_nothing(process: Process) -> None:
    """Nobody beats."""
    process.registry.close()
    assert process.chores._chores == []


def test_the_end_of_the_process_is_the_end_of_what_it_has_registered(process: Process) -> None:
    """It is among the last chores."""
    process.registry.register(instance())
    process.chores.end()
    assert ids(process.registry.instances("orders")) == []


LIVES = """
import json, os, signal, sys
from svcgov._core._chores import CHORES
from svcgov.registry import Instance, connect
CHORES.mode = "off"
connect("sqlite://{file}").register(Instance(service="orders", id="a", address="http://a.test"))
"""


@pytest.mark.parametrize(
    "how", ["", "os.kill(os.getpid(), signal.SIGTERM)", "if os.fork() == 0: sys.exit(0)\nos.wait()\nos._exit(0)"]
)
def test_the_ways_a_process_ends(how: str, tmp_path: Path) -> None:
    """By itself or when it is asked to, it goes; a child of it that ends takes nothing away."""
    code = f"""
import json, subprocess, sys
subprocess.run([sys.executable, "-c", {LIVES.format(file=tmp_path / "r.db") + how!r}])
from svcgov.registry import connect
print(json.dumps([one.id for one in connect("sqlite://{tmp_path / "r.db"}").instances("orders")]))
"""
    assert in_child(code) == (["a"] if "fork" in how else [])
