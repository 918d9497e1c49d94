"""The example's figures add up, and its story says what was not seen."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from drawing import Lines
from figures import Tally, total
from play import GOVERNED, PLAIN, Play
from runtime_api import FunctionFailed
from story import CAPACITY, PARTS, differences
from summary import as_json, beside, one_order, span

if TYPE_CHECKING:
    from collections.abc import Callable

Told = dict[str, Tally]


def tally(*, answered: int = 0, itself: int = 0, failed: int = 0, wait: float = 0.1, **more: Any) -> Tally:
    """So many orders of one line that ended so, each request traced, but for what is said in *more*."""
    one = Tally()
    for status, count in ((200, answered), (202, itself)):
        for number in range(count):
            one.outcome(f"order-{status}-{number}", failed=False, value={"statusCode": status}, seconds=wait)
    for number in range(failed):
        one.outcome(f"order-failed-{number}", failed=True, value={}, seconds=wait)
    for name, value in more.items():
        setattr(one, name, value)
    refused = one.refused.total()
    one.calls = answered + failed + refused
    one.sent["200"] += one.calls + one.retried - refused - one.sent.total()
    one.got = one.traced = one.sent.total()
    return one


def as_told() -> tuple[Told, Told]:
    """Both fronts, as the story has it."""
    governed = {
        "healthy": tally(answered=3),
        "slow": tally(answered=2, failed=1, retried=2, sent=Counter(ReadTimeout=3), ended=Counter(budget=1), wait=0.6),
        "down": tally(itself=4, failed=1, refused=Counter(open=4), refusals=[1e-4, 2e-4], circuit=["open"]),
        "back": tally(answered=3, itself=1, refused=Counter(open=1), circuit=["half-open", "closed"]),
        "burst": tally(itself=2, refused=Counter(full=40, limited=20), at_once=8),
    }
    plain = {part: tally(answered=2, failed=1, wait=2.0) for part in governed}
    plain["healthy"] = tally(answered=3)
    plain["burst"].at_once = 30
    return governed, plain


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
        ("circuit_changed", {"after": "open"}),
    ]
    for event, fields in facts:
        one.seen({"kind": "fact", "event": f"svcgov.{event}", "fields": fields})
    one.seen({"kind": "sent", "how": "503"})
    one.seen({"kind": "call", "how": "answered", "seconds": 1.0})
    one.seen({"kind": "call", "how": "refused", "seconds": 0.5})
    assert (one.calls, one.retried, one.refusal_median) == (2, 1, 0.5)
    assert (one.refused, one.ended, one.sent, one.circuit) == ({"open": 1}, {"budget": 1}, {"503": 1}, ["open"])


def test_lines_of_failed_orders_were_charged_in_vain() -> None:
    """Those of other orders were not."""
    one = tally(answered=1, failed=1)
    one.reached({"got": 2, "traced": 2, "at_once": 1}, {"order-200-0/a", "order-failed-0/a", "order-failed-0/b"})
    assert one.in_vain == 2


@pytest.mark.parametrize("lost", ["asked", "calls", "got"])
def test_what_got_lost_is_named(lost: str) -> None:
    """An order without an outcome, an attempt without an end, a request that nobody received."""
    one = tally(answered=3)
    setattr(one, lost, getattr(one, lost) + 1)
    (words,) = one.unaccounted()
    assert words.startswith({"asked": "orders asked", "calls": "attempts made", "got": "requests sent"}[lost])


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


def _set(part: str, **changes: Any) -> Callable[[Told, Told], None]:
    def change(governed: Told, plain: Told) -> None:
        for name, value in changes.items():
            setattr(governed[part], name, value)

    return change


def _nobody_waits(governed: Told, plain: Told) -> None:
    for one in plain.values():
        one.waits = [0.01]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_set("healthy", answered=2), "healthy: both fronts answer every order"),
        (_set("slow", retried=0), "slow: attempts are cut short and made again"),
        (_set("slow", ended=Counter(attempts=2)), "slow: the retry budget ends before the trouble does"),
        (_set("down", circuit=[]), "down: the circuit opens"),
        (_set("down", itself=0), "down: orders are refused and answered by the handler itself"),
        (_set("down", refusals=[0.01]), "down: a refusal is a hundred times quicker than a charge"),
        (_set("down", refusals=[]), "down: a refusal is a hundred times quicker than a charge"),
        (_set("back", circuit=["half-open", "open"]), "back: a probe finds payments well, and the circuit closes"),
        (_set("back", failed=1), "back: orders are answered again"),
        (_set("burst", refused=Counter(full=60)), "burst: the bulkhead is full, the rate limit is used up"),
        (_set("burst", refused=Counter(limited=60)), "burst: the bulkhead is full, the rate limit is used up"),
        (_set("burst", at_once=CAPACITY + 1), "burst: payments gets no more than it can bear"),
        (_set("slow", traced=0), "every governed request carries its order's trace"),
        (_nobody_waits, "the longest wait is shorter with svcgov"),
    ],
)
def test_what_was_not_seen_is_named(change: Callable[[Told, Told], None], named: str) -> None:
    """One thing goes otherwise, and that is what is said."""
    governed, plain = as_told()
    change(governed, plain)
    assert f"this was not seen: {named}" in differences(governed, plain)


def test_a_count_that_does_not_add_up_is_a_difference() -> None:
    """It says which front, which part, and what."""
    governed, plain = as_told()
    plain["down"].asked += 1
    assert differences(governed, plain) == ["without, down: orders asked: 4, but 3 are accounted for"]


# -- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "said"), [(0.00018, "180 µs"), (0.1044, "104 ms"), (2.006, "2.01 s")])
def test_times_are_readable(seconds: float, said: str) -> None:
    """Three digits and a unit."""
    assert span(seconds) == said


def test_the_summary_has_both_fronts_side_by_side() -> None:
    """The numbers of the fronts, and a dash where only svcgov has something to tell."""
    lines = {line[:50].strip(): line[50:].split() for line in beside(*as_told()).splitlines()}
    assert lines["orders asked"] == ["17", "15"]
    assert lines["failed"] == ["2", "4"]
    assert lines["the circuit was open"] == ["5", "-"]
    assert lines["median time of a refusal"] == ["150", "µs", "-"]
    assert lines["longest wait of a customer"] == ["600", "ms", "2.00", "s"]


def test_the_figures_are_json_for_programmes() -> None:
    """Each front by parts and in total, the differences and how long it took."""
    governed, plain = as_told()
    value = json.loads(as_json({GOVERNED: governed, PLAIN: plain}, ["something"], 23.4))
    assert (value["differences"], value["seconds"]) == (["something"], 23.4)
    assert value["fronts"][GOVERNED]["parts"]["down"]["refused"] == {"open": 4}
    assert value["fronts"][PLAIN]["total"]["longest_wait"] == 2.0


def test_one_order_is_found_in_both_logs() -> None:
    """The last call that was answered and has one charge of the same trace."""
    calls = [{"trace_id": name, "status": status} for name, status in (("a", 200), ("b", 200), ("c", 202))]
    charges = [{"traceparent": f"00-{name}-span-01", "status": 200, "charge": name} for name in "abc"]
    front, payments = one_order(calls, charges).splitlines()
    assert json.loads(front.removeprefix("front ")) == {"trace_id": "b", "status": 200}
    assert json.loads(payments.removeprefix("payments "))["charge"] == "b"
    assert one_order(calls, []) == ""


class _Empty:
    """A stage on which nothing happens: its function does not start, or nobody ever asks it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.closed = False

    def ready(self) -> None:
        """Say whether it started."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_a_function_that_fails_ends_the_play_for_both() -> None:
    """The other one does not wait for ever, and the failure is there to be told."""
    failure = FunctionFailed("no such module")
    stages: dict[str, Any] = {GOVERNED: _Empty(failure), PLAIN: _Empty()}
    play = Play(stages)
    play.start()
    assert play.over(5.0)
    assert (play.failure, play.begun) == (failure, 0)
    assert all(stage.closed for stage in stages.values())


def test_lines_tell_each_part_once() -> None:
    """A part is told when it begins, and counted when it is over."""
    stages: dict[str, Any] = {GOVERNED: _Empty(), PLAIN: _Empty()}
    play, out = Play(stages), io.StringIO()
    with Lines(out) as lines:
        play.begun = 1
        lines.update(play)
        lines.update(play)
        play.tallies[GOVERNED][PARTS[0].name] = tally(answered=5, wait=0.104)
        play.begun = 2
        lines.update(play)
    said = out.getvalue()
    assert said.count(PARTS[0].told) == said.count(PARTS[1].told) == 1
    assert "with svcgov  5 orders, 5 answered; longest wait 104 ms" in said
    assert PARTS[2].told not in said
