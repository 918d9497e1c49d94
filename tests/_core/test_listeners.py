"""Who hears what happened."""

from __future__ import annotations

import threading
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Facts, hasty_switches, in_threads
from svcgov._core import _listeners
from svcgov._core._listeners import PROCESS, Listeners
from svcgov.errors import ConfigError
from svcgov.facts import CallRefused, Fact, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def refused(at: float) -> CallRefused:
    return CallRefused(policy="p", at=at, kind="bulkhead", reason="full")


def late(at: float) -> TimedOut:
    return TimedOut(policy="p", at=at, seconds=1.0, late=True)


def test_nobody_hears_until_somebody_listens(facts: Facts) -> None:
    """Then it is worth making a fact; when the last one has gone, it is not."""
    ears = Listeners()
    heard = [ears.heard]
    stop = ears.add(facts)
    heard.append(ears.heard)
    stop()
    heard.append(ears.heard)
    assert heard == [False, True, False]
    ears.tell(refused(1))
    assert facts == []


def test_facts_are_told_in_order(facts: Facts) -> None:
    """What was put in line first is told first."""
    ears = Listeners()
    ears.add(facts)
    ears.post(refused(1))
    ears.post(late(2))
    assert facts == []
    ears.tell(refused(3))
    assert [fact.at for fact in facts] == [1, 2, 3]


def test_a_listener_may_want_some_kinds_only(facts: Facts) -> None:
    """Others pass it by; the base of all is all of them."""
    ears, every = Listeners(), Facts()
    ears.add(facts, (TimedOut,))
    ears.add(every, (Fact,))
    ears.tell(refused(1))
    ears.tell(late(2))
    assert [fact.at for fact in facts] == [2]
    assert [fact.at for fact in every] == [1, 2]


def test_one_stops_the_others_go_on(facts: Facts) -> None:
    """Stopping twice is stopping once; a listener that was added twice is two."""
    ears = Listeners()
    stop = ears.add(facts)
    ears.add(facts)
    ears.tell(refused(1))
    stop()
    stop()
    ears.tell(refused(2))
    assert [fact.at for fact in facts] == [1, 1, 2]


def test_a_fact_is_heard_in_the_context_of_the_call_it_happened_in() -> None:
    """Also where another call tells it, which was there before; and that one finds its own context as it was."""
    ears, name = Listeners(), ContextVar("name", default="nobody")
    heard: list[tuple[float, str]] = []

    def listener(fact: Fact) -> None:
        heard.append((fact.at, name.get()))
        if fact.at == 1:
            context = copy_context()
            context.run(name.set, "second")
            context.run(ears.tell, refused(2))
        name.set("listener")

    ears.add(listener)
    name.set("first")
    ears.tell(refused(1))
    assert (heard, name.get()) == ([(1, "first"), (2, "second")], "first")


def test_whoever_listens_to_the_process_hears_every_policy() -> None:
    """After those of the policy itself."""
    ears = Listeners(PROCESS)
    order: list[tuple[str, Fact]] = []
    PROCESS.add(lambda fact: order.append(("process", fact)))
    assert ears.heard
    ears.add(lambda fact: order.append(("policy", fact)))
    ears.tell(refused(1))
    assert order == [("policy", refused(1)), ("process", refused(1))]


def test_a_listener_that_raises_is_reported_once(facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """The others hear the fact all the same, and nobody else notices."""
    ears = Listeners()

    def burst(fact: Fact) -> None:
        raise ValueError("burst")

    ears.add(burst)
    ears.add(facts)
    for at in range(5):
        ears.tell(refused(at))
    assert len(facts) == 5
    assert capsys.readouterr().err == "svcgov: a listener of CallRefused raised ValueError: burst (said once)\n"


def test_each_listener_that_raises_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """One does not speak for the other."""
    ears = Listeners()

    def burst(fact: Fact) -> None:
        raise ValueError("burst")

    def crack(fact: Fact) -> None:
        raise ValueError("crack")

    ears.add(burst)
    ears.add(crack)
    ears.tell(refused(1))
    assert capsys.readouterr().err.count("said once") == 2


def test_an_error_that_cannot_be_shown_is_reported_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does an unhashable listener go unheard of."""

    class Unshowable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

        __repr__ = __str__

    class Burst(list[Fact]):
        def __call__(self, fact: Fact) -> None:
            raise Unshowable

    ears = Listeners()
    ears.add(Burst())
    ears.tell(refused(1))
    assert "a listener of CallRefused raised Unshowable" in capsys.readouterr().err


def test_an_interrupted_listener_leaves_the_line_open(facts: Facts) -> None:
    """Ctrl-C goes on to the program; the next fact is told as ever."""
    ears = Listeners()

    def interrupt(fact: Fact) -> None:
        stop()
        raise KeyboardInterrupt

    stop = ears.add(interrupt)
    ears.add(facts)
    with pytest.raises(KeyboardInterrupt):
        ears.tell(refused(1))
    ears.tell(refused(2))
    assert [fact.at for fact in facts] == [2]


def test_a_listener_that_causes_a_fact_hears_it_next(facts: Facts) -> None:
    """Not in the middle of the present one: facts keep their order for everybody."""
    ears = Listeners()

    def chain(fact: Fact) -> None:
        if fact.at < 3:
            ears.tell(refused(fact.at + 1))

    ears.add(chain)
    ears.add(facts)
    ears.tell(refused(1))
    assert [fact.at for fact in facts] == [1, 2, 3]


def test_one_teller_at_a_time() -> None:
    """A thread that finds another one telling leaves its fact to it, and does not wait."""
    ears = Listeners()
    told: list[tuple[float, int]] = []
    telling, left = threading.Event(), threading.Event()

    def slow(fact: Fact) -> None:
        told.append((fact.at, threading.get_ident()))
        telling.set()
        left.wait(timeout=10)

    ears.add(slow)
    teller = threading.Thread(target=ears.tell, args=(refused(1),))
    teller.start()
    telling.wait(timeout=10)
    ears.tell(refused(2))
    assert [at for at, _ in told] == [1]
    left.set()
    teller.join(timeout=10)
    assert [at for at, _ in told] == [1, 2]
    assert len({thread for _, thread in told}) == 1


def test_no_fact_is_lost_or_told_twice_among_threads() -> None:
    """Each thread's facts come in their order, whoever tells them."""
    ears, heard = Listeners(PROCESS), Facts()
    ears.add(heard)

    def tell(number: int) -> None:
        for one in range(300):
            ears.tell(CallRefused(policy=str(number), at=one, kind="k", reason="r"))

    with hasty_switches():
        assert in_threads(6, tell) == []
    for number in range(6):
        assert [fact.at for fact in heard if fact.policy == str(number)] == list(range(300))


def test_no_listener_is_lost_among_threads() -> None:
    """Many begin and cease to listen at the same time; those who stay all hear."""
    ears = Listeners()
    stay = [Facts() for _ in range(8)]

    def come_and_go(number: int) -> None:
        for _ in range(200):
            ears.add(lambda fact: None)()
        ears.add(stay[number])

    with hasty_switches():
        assert in_threads(8, come_and_go) == []
    ears.tell(refused(1))
    assert [len(one) for one in stay] == [1] * 8


class Meanwhile(tuple[Any, ...]):  # noqa: SLOT001  # it has more to it than its items
    """Listeners of which one goes while somebody looks at them: as where the collector ends whoever holds it."""

    todo: list[Callable[[], None]]

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        while self.todo:
            self.todo.pop()()


def test_who_goes_while_another_comes_is_gone(facts: Facts) -> None:
    """On the very same thread: nobody waits for himself, and neither of the two is forgotten."""
    ears, others = Listeners(), Facts()
    stop = ears.add(others)
    there = ears._ears = Meanwhile(ears._ears)
    there.todo = [stop]
    ears.add(facts)
    ears.tell(refused(1))
    assert (facts, others) == ([refused(1)], [])


@pytest.mark.parametrize(
    ("listener", "kinds", "expected"),
    [
        (None, (), "a function of the fact"),
        ("print", (), "a function of the fact"),
        (print, ("CallRefused",), "kinds of facts, such as svcgov.facts.CallRefused"),
        (print, ((CallRefused, TimedOut),), "kinds of facts, such as svcgov.facts.CallRefused"),
    ],
)
def test_what_cannot_listen_is_refused_at_the_door(listener: Any, kinds: Any, expected: str) -> None:
    """Not when the first fact is told, in the middle of somebody's call."""
    ears = Listeners()
    with pytest.raises(ConfigError) as wrong:
        ears.add(listener, kinds)
    assert (wrong.value.path, wrong.value.value) == ("listen", kinds[0] if kinds else listener)
    assert wrong.value.expected == expected
    assert not ears.heard


def test_a_slow_listener_does_not_let_the_line_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while the line is full is lost, and nobody waits."""
    monkeypatch.setattr(_listeners, "LONGEST", 3)
    ears, heard = Listeners(), []

    def slow(fact: Fact) -> None:
        heard.append(fact.at)
        if fact.at == 0:
            for at in range(1, 10):
                ears.tell(refused(at))

    ears.add(slow)
    ears.tell(refused(0))
    assert heard == [0, 1, 2, 3]


def test_in_a_forked_process_telling_begins_anew(facts: Facts) -> None:
    """What the parent was about to tell is not told, though its teller does not exist here."""
    ears = Listeners()
    ears.add(facts)
    ears._telling.acquire()
    ears.tell(refused(1))
    ears.forked()
    ears.tell(refused(2))
    assert facts == [refused(2)]
