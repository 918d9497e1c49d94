"""Work that can wait: done after answers, by a keeper, and at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from svcgov._core._chores import NEVER, Chores
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def clock() -> ManualClock:
    """Time by hand."""
    return ManualClock()


@pytest.fixture
def chores(clock: ManualClock) -> Chores:
    """Chores that no thread looks after."""
    made = Chores(clock)
    made.mode = "off"
    return made


class Done:
    """What was done, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.log: list[tuple[str, float]] = []

    def by(self, name: str, takes: float = 0.0) -> Callable[[], None]:
        """A chore that writes down its name."""

        def do() -> None:
            self.log.append((name, self.clock.monotonic()))
            self.clock.advance(takes)

        return do


@pytest.fixture
def done(clock: ManualClock) -> Done:
    """Nothing yet."""
    return Done(clock)


def test_nothing_is_due_where_there_is_nothing_to_do(chores: Chores) -> None:
    """Who has ended a call compares two numbers, and goes on."""
    assert chores.due == NEVER
    chores.answered(NEVER)


def test_a_chore_is_done_when_it_is_due(chores: Chores, clock: ManualClock, done: Done) -> None:
    """Not before, and again after as long."""
    chores.add("beat", done.by("beat"), every=10)
    for _ in range(5):
        chores.answered(NEVER)
        clock.advance(5)
    chores.answered(NEVER)
    assert done.log == [("beat", 10.0), ("beat", 20.0)]
    assert chores.due == 30.0


def test_after_a_freeze_it_is_done_once(chores: Chores, clock: ManualClock, done: Done) -> None:
    """What was missed is not made up for."""
    chores.add("beat", done.by("beat"), every=10)
    clock.freeze(1000)
    chores.answered(NEVER)
    chores.answered(NEVER)
    assert done.log == [("beat", 1000.0)]


def test_the_longest_overdue_comes_first_and_the_others_wait_when_the_time_is_used_up(
    chores: Chores, clock: ManualClock, done: Done
) -> None:
    """A call spends so much on them, and no more than one chore beyond it."""
    chores.add("slow", done.by("slow", takes=1.0), every=10)
    chores.add("early", done.by("early", takes=0.02), every=5)
    chores.add("late", done.by("late"), every=11)
    clock.advance(12)
    chores.turn(0.05)
    assert done.log == [("early", 12.0), ("slow", 12.02)]
    chores.turn(0.05)
    assert done.log[2:] == [("late", 13.02)]


def test_a_chore_that_raises_is_reported_and_has_its_turn_again(
    chores: Chores, clock: ManualClock, done: Done, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are done all the same."""

    def broken() -> None:
        done.by("broken")()
        raise OSError("disk full")

    chores.add("broken", broken, every=10)
    chores.add("beat", done.by("beat"), every=10)
    for _ in range(2):
        clock.advance(10)
        chores.answered(NEVER)
    assert [name for name, _ in done.log] == ["broken", "beat"] * 2
    assert capsys.readouterr().err.count("broken raised OSError: disk full; it is tried again") == 1


def test_each_chore_that_raises_is_reported(chores: Chores, clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Not only the first of them."""

    def broken() -> None:
        raise OSError("disk full")

    for name in ("figures", "lease"):
        chores.add(name, broken, every=10)
    clock.advance(10)
    chores.answered(NEVER)
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["figures", "lease"]


def test_nobody_does_them_twice_at_a_time(chores: Chores, clock: ManualClock, done: Done) -> None:
    """Whoever finds them in another's hands goes on, also in the same thread."""

    def again() -> None:
        done.by("again")()
        clock.advance(10)
        chores.answered(NEVER)

    chores.add("again", again, every=10)
    clock.advance(10)
    chores.answered(NEVER)
    assert len(done.log) == 1
    chores.answered(NEVER)
    assert len(done.log) == 2


def test_a_chore_that_is_stopped_is_done_no_more(chores: Chores, clock: ManualClock, done: Done) -> None:
    """And nothing is due for it."""
    stop = chores.add("beat", done.by("beat"), every=10)
    stop()
    stop()
    clock.advance(10)
    chores.answered(NEVER)
    assert (done.log, chores.due) == ([], NEVER)


def test_a_keeper_does_them_when_they_are_due() -> None:
    """No call has to come. It ends when there is nothing left to do."""
    chores = Chores()
    chores.mode = "on"
    twice = threading.Event()
    times: list[str] = []

    def do() -> None:
        times.append(threading.current_thread().name)
        if len(times) == 2:
            twice.set()

    stop = chores.add("beat", do, every=0.01)
    (keeper,) = [one for one in threading.enumerate() if one.name == "svcgov-keeper"]
    assert twice.wait(5)
    stop()
    woken: Any = chores._keeper
    woken.set()
    keeper.join(5)
    assert not keeper.is_alive()
    assert chores._keeper is None
    assert set(times) == {"svcgov-keeper"}


def test_where_there_is_a_keeper_no_call_does_what_is_due() -> None:
    """Nobody who waits for an answer waits for that."""
    chores = Chores()
    chores.mode = "on"
    asleep, go = threading.Event(), threading.Event()
    times: list[str] = []

    def do() -> None:
        times.append(threading.current_thread().name)
        asleep.set()
        go.wait(5)

    stop = chores.add("slow", do, every=0.001)
    assert asleep.wait(5)
    (keeper,) = [one for one in threading.enumerate() if one.name == "svcgov-keeper"]
    chores.answered(NEVER)
    stop()
    go.set()
    keeper.join(5)
    assert times == ["svcgov-keeper"]


def test_a_keeper_that_has_not_woken_yet_is_one(chores: Chores, clock: ManualClock) -> None:
    """What is due waits for it. It does not keep the process from ending."""
    chores.keep("on")
    done: list[str] = []
    stop = chores.add("beat", lambda: done.append("by a call"), every=1000)
    (keeper,) = [one for one in threading.enumerate() if one.name == "svcgov-keeper"]
    clock.advance(2000)
    chores.answered(NEVER)
    assert (done, keeper.daemon) == ([], True)
    stop()
    chores.keep("off")
    keeper.join(5)


class Woken:
    """What a keeper sleeps on, in a test that moves the time."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.log: list[object] = []

    def set(self) -> None:
        """Somebody wakes it."""
        self.log.append("woken")

    def clear(self) -> None:
        """It has seen that."""
        self.log.append("seen")

    def wait(self, seconds: float) -> None:
        """It sleeps."""
        self.log.append(seconds)
        self.clock.advance(seconds)


def test_a_keeper_sleeps_until_the_next_chore_is_due_and_is_woken_by_a_new_one(chores: Chores, clock: ManualClock) -> None:
    """For an hour at most; with the last chore it ends."""
    woken, done = Woken(clock), list[float]()
    chores.mode, chores._keeper = "on", woken

    def do() -> None:
        done.append(clock.monotonic())
        if len(done) == 2:
            stop()

    stop = chores.add("rare", do, every=5000.0)
    chores._keep(woken)
    assert (done, chores._keeper) == ([5000.0, 10000.0], None)
    assert woken.log == ["woken", *(3600.0, "seen", 1400.0, "seen") * 2]


def test_a_keeper_wakes_in_time_for_what_is_due_often(chores: Chores, clock: ManualClock) -> None:
    """As soon as it is due, and at once if it has been for a while."""
    woken, done = Woken(clock), list[float]()
    chores.mode, chores._keeper = "on", woken

    def do() -> None:
        done.append(clock.monotonic())
        clock.advance(0.5 * len(done))
        if len(done) == 2:
            stop()

    stop = chores.add("often", do, every=0.25)
    chores._keep(woken)
    assert done == [0.25, 0.75]
    assert woken.log == ["woken", 0.25, "seen", 0.0, "seen"]


def test_a_keeper_is_not_there_before_there_is_a_chore(chores: Chores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that has nothing to look after is none."""
    monkeypatch.setattr("threading.Thread", None)  # it would be an error to begin one
    chores.keep("on")
    assert chores._keeper is None


def test_a_keeper_comes_and_goes_as_configured() -> None:
    """For the chores that there are already, too."""
    chores = Chores()
    chores.mode = "off"
    stop = chores.add("beat", lambda: None, every=1000)
    assert chores._keeper is None
    chores.keep("on")
    (keeper,) = [one for one in threading.enumerate() if one.name == "svcgov-keeper"]
    chores.keep("off")
    keeper.join(5)
    assert not keeper.is_alive()
    assert chores._keeper is None
    stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_chore_that_ends_its_thread_leaves_the_rest_to_the_calls() -> None:
    """As where there is no keeper; another one begins with the next chore."""
    chores = Chores()
    chores.mode = "on"

    def ends() -> None:
        raise GeneratorExit

    stop = chores.add("ends", ends, every=0.001)
    for one in threading.enumerate():
        if one.name == "svcgov-keeper":
            one.join(5)
    stop()
    assert chores._keeper is None
    stop = chores.add("beat", lambda: None, every=1000)
    (keeper,) = [one for one in threading.enumerate() if one.name == "svcgov-keeper"]
    stop()
    woken: Any = chores._keeper
    woken.set()
    keeper.join(5)


def test_a_call_spends_no_more_on_them_than_it_has_left(chores: Chores, clock: ManualClock, done: Done) -> None:
    """Its deadline counts, where that comes before the budget."""
    for name in ("first", "second"):
        chores.add(name, done.by(name, takes=0.02), every=10)
    clock.advance(10)
    chores.answered(0.01)
    assert [name for name, _ in done.log] == ["first"]


def test_one_keeper_looks_after_all() -> None:
    """Another chore wakes it, if it is due earlier."""
    chores = Chores()
    chores.mode = "on"
    fast = threading.Event()
    stops = [chores.add("slow", lambda: None, every=1000), chores.add("fast", fast.set, every=0.01)]
    assert fast.wait(5)
    keepers = [one for one in threading.enumerate() if one.name == "svcgov-keeper"]
    assert len(keepers) == 1
    for stop in stops:
        stop()
    woken: Any = chores._keeper
    woken.set()
    keepers[0].join(5)


@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        ({}, True),
        ({"SVCGOV_KEEPER": "off"}, False),
        ({"SVCGOV_KEEPER": "on", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, True),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, False),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_LAMBDA_MAX_CONCURRENCY": "4"}, True),
    ],
)
def test_a_process_that_is_frozen_between_its_calls_has_no_keeper(
    environment: dict[str, str], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread would be frozen with it."""
    for name in ("AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_MAX_CONCURRENCY", "SVCGOV_KEEPER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Chores()._keeps() is kept


def test_a_forked_child_has_no_keeper_yet(chores: Chores, clock: ManualClock, done: Done) -> None:
    """The chores are there, and nobody has them in hand."""
    chores.add("beat", done.by("beat"), every=10)
    chores._busy = True
    chores._keeper = object()
    chores._forked()
    clock.advance(10)
    chores.answered(NEVER)
    assert (chores._keeper, done.log) == (None, [("beat", 10.0)])
