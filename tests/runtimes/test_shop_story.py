"""The example's figures add up, and its story says what was not seen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from figures import Tally, total
from story import AFTER, BLUE, CAPACITY, NO_COLOUR, V1, V2, differences

from .told import as_told, both, tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from desk import Push

    from .told import Told

# -- figures ----------------------------------------------------------------------------------------------------------


def test_what_was_asked_is_what_became_of_it() -> None:
    """An order is answered, answered by the handler itself, or failed."""
    one = tally(answered=2, itself=3, failed=4, wait=0.25)
    assert (one.asked, one.answered, one.itself, one.failed) == (9, 2, 3, 4)
    assert (len(one.waits), one.longest, one.unaccounted()) == (9, 0.25, [])


def test_a_tape_is_counted() -> None:
    """Each kind of line has its place."""
    one = Tally()
    facts: list[tuple[str, dict[str, str]]] = [
        ("call_refused", {"reason": "open"}),
        ("retry_scheduled", {}),
        ("retry_ended", {"cause": "budget"}),
        ("circuit_changed", {"after": "open", "cause": "failures"}),
    ]
    for event, fields in facts:
        one.seen({"who": V1, "kind": "fact", "event": f"svcgov.{event}", "fields": fields})
    one.seen({"kind": "sent", "how": "503"})
    one.seen({"kind": "call", "how": "answered", "seconds": 1.0})
    one.seen({"kind": "call", "how": "refused", "seconds": 0.5})
    assert (one.calls, one.retried, one.refusal_median) == (2, 1, 0.5)
    one.seen({"who": V1, "kind": "settings", "settings": AFTER})
    assert (one.refused, one.ended, one.sent) == ({"open": 1}, {"budget": 1}, {"503": 1})
    assert (one.circuit, one.settings) == ([(V1, "open", "failures")], [(V1, AFTER)])
    assert (one.states(V1), one.states(V2)) == (["open"], [])


def test_lines_of_failed_orders_were_charged_in_vain() -> None:
    """Those of other orders were not."""
    one = tally(answered=1, failed=1)
    one.reached({"got": 2, "traced": 2, "at_once": 1}, {"order-200-0/a", "order-failed-1/a", "order-failed-1/b"})
    assert one.in_vain == 2


@pytest.mark.parametrize(("lost", "named"), [("answered", "orders asked"), ("calls", "attempts made"), ("got", "requests sent")])
def test_what_got_lost_is_named(lost: str, named: str) -> None:
    """An order without an outcome, an attempt without an end, a request that nobody received."""
    one = tally(answered=3)
    setattr(one, lost, getattr(one, lost) + 1)
    (words,) = one.unaccounted()
    assert words.startswith(named)


def test_an_order_that_orders_never_had_is_named() -> None:
    """Somebody has to have had it."""
    one = tally(answered=3)
    one.served[NO_COLOUR, V1] -= 1
    assert one.unaccounted() == ["orders that orders had: 3, but 2 are accounted for"]


def test_a_request_to_a_closed_port_reached_nobody() -> None:
    """It is accounted for all the same."""
    one = tally(answered=2)
    one.sent["200"], one.sent["ConnectError"], one.got = 1, 1, 1
    assert one.unaccounted() == []


def test_parts_add_up() -> None:
    """Counts are summed up; of what was at a time, the most counts."""
    whole = total({"a": tally(answered=1, at_once=3, wait=0.5), "b": tally(failed=2, at_once=7)})
    assert (whole.asked, whole.answered, whole.failed, whole.at_once, whole.longest) == (3, 1, 2, 7, 0.5)


# -- the story --------------------------------------------------------------------------------------------------------


def test_a_story_that_went_as_told_has_no_differences() -> None:
    """Nothing is found where nothing is wrong."""
    assert differences(*as_told()) == []


def _set(part: str, **changes: Any) -> Callable[[Told, Told, Push], None]:
    def change(governed: Told, plain: Told, push: Push) -> None:
        for name, value in changes.items():
            setattr(governed[part], name, value)

    return change


def _nobody_waits(governed: Told, plain: Told, push: Push) -> None:
    for one in plain.values():
        one.waits = [0.01]


def _front_stays_behind(governed: Told, plain: Told, push: Push) -> None:
    del push.followed["front"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_set("healthy", answered=2), "healthy: both shops answer every order"),
        (_set("push", served=Counter({(BLUE, V1): 3})), "blue orders are served by orders v2, and all others by v1"),
        (_set("slow", retried=0), "slow: attempts are cut short and made again"),
        (_set("slow", ended=Counter(attempts=2)), "slow: the retry budget ends before the trouble does"),
        (_set("down", circuit=[(V1, "open", "failure_rate")]), "down: the circuits open"),
        (_set("down", itself=0), "down: orders are refused and answered by orders itself"),
        (_set("down", refusals=[0.01]), "down: a refusal is ten times quicker than a charge"),
        (_set("down", refusals=[]), "down: a refusal is ten times quicker than a charge"),
        (_set("back", circuit=both("half-open", "open")), "back: probes find payments well, and the circuits close"),
        (_set("back", failed=1), "back: orders are answered again"),
        (_set("burst", refused=Counter(full=60)), "burst: the bulkhead is full, the rate limit is used up"),
        (_set("burst", refused=Counter(limited=60)), "burst: the bulkhead is full, the rate limit is used up"),
        (_set("burst", at_once=CAPACITY + 1), "burst: payments gets no more than it can bear"),
        (_front_stays_behind, "push: front and both versions of orders go by it"),
        (_set("push", settings=[(V1, AFTER)]), "push: it is what orders goes by, which went by something else"),
        (_set("burst 2", refused=Counter(full=40, limited=1)), "burst 2: the rate limit has room"),
        (_set("down 2", circuit=both("open")), "down 2: failures in a row open the circuits"),
        (_set("slow", traced=0), "every governed request carries its order's trace"),
        (_nobody_waits, "the longest wait is shorter with svcgov"),
    ],
)
def test_what_was_not_seen_is_named(change: Callable[[Told, Told, Push], None], named: str) -> None:
    """One thing goes otherwise, and that is what is said."""
    governed, plain, push = as_told()
    change(governed, plain, push)
    assert f"this was not seen: {named}" in differences(governed, plain, push)


def test_a_story_in_which_nothing_was_pushed_is_another_one() -> None:
    """That is said as well."""
    governed, plain, _ = as_told()
    assert differences(governed, plain, None) == ["this was not seen: push: front and both versions of orders go by it"]


def test_a_count_that_does_not_add_up_is_a_difference() -> None:
    """It says which shop, which part, and what."""
    governed, plain, push = as_told()
    plain["down"].failed += 1
    assert differences(governed, plain, push) == ["without, down: orders asked: 3, but 4 are accounted for"]
