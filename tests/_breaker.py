"""A circuit breaker as it is said to be, slow and obvious: lists of calls and outcomes, looked through each time.

No buckets, no rings, no counters that could drift, and nothing that is left out because it cannot matter. The tests hold
the real one against it. Time is handed in.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

HELD = {"enforce": None, "observe": "metrics-only", "off": "disabled"}
COUNTING = ("closed", "ramping", "metrics-only")
AT_ONCE = 16


class Outcome:
    """How a call ended: one cell of the window."""

    def __init__(self, at: float, *, failed: bool, slow: bool) -> None:
        self.at = at
        self.failed = failed
        self.slow = slow


class Call:
    """A call that was let in. ``told`` is the moment that its head read, ``since`` the one at which it was let in."""

    def __init__(self, term: int, told: float, since: float) -> None:
        self.term = term
        self.told = told
        self.since = since
        self.alone = False  # a permit of its own, told from all others
        self.cell: Outcome | None = None
        self.ended = False
        self.lost = False


class Model:
    """One breaker. *own* are its settings as plain numbers; a window of time is a float."""

    def __init__(self, own: dict[str, Any], now: float) -> None:
        self.own = own
        self.state, self.term, self.openings, self.until = "", 0, 0, 0.0
        self.changes: list[tuple[str, str, int, str]] = []
        self.exceeded = 0
        self.calls: list[Call] = []
        self.led_to: list[Outcome] = []
        self.turn(self.held or "closed", now, "")
        self.changes.clear()

    # -- what follows from the settings ------------------------------------------------------------------------------

    @property
    def held(self) -> str | None:
        return "forced-open" if self.own["force"] else HELD[self.own["mode"]]

    @property
    def rated(self) -> bool:
        own = self.own
        slow = own["slow_call_duration"] is not None and own["slow_call_rate"] is not None
        return slow or own["failure_rate"] is not None or own["bad_rate"] is not None

    @property
    def enough(self) -> int:
        own = self.own
        few = min(own["min_calls"], own["half_open_calls"]) if self.state == "ramping" else own["min_calls"]
        if self.state == "half-open":
            return int(min(own["min_calls"], self.size))
        return int(few if isinstance(own["window"], float) else min(few, own["window"]))

    def usual(self, opening: int) -> float:
        first, factor, longest = self.own["open_for"]
        return float(min(first * factor ** (opening - 1), longest, self.own["max_open_for"]))

    def is_slow(self, seconds: float) -> bool:
        return self.own["slow_call_duration"] is not None and seconds > self.own["slow_call_duration"]

    # -- the window --------------------------------------------------------------------------------------------------

    def bucket(self, at: float) -> int:
        number: float = (at - self.born) // (self.own["window"] / 10)
        return int(number)

    def recent(self, now: float) -> list[Outcome]:
        """The outcomes that count now."""
        if self.state == "half-open":
            return self.outcomes
        if isinstance(self.own["window"], float):
            return [one for one in self.outcomes if self.bucket(one.at) > self.bucket(now) - 10]
        return self.outcomes[-self.own["window"] :]

    def counts(self, now: float) -> tuple[int, int, int, int]:
        seen = self.led_to if self.state == "open" else self.recent(now)
        return (
            len(seen),
            sum(one.failed for one in seen),
            sum(one.slow for one in seen),
            sum(one.failed or one.slow for one in seen),
        )

    @property
    def row(self) -> int:
        """The failures since the last good end."""
        good = [number for number, failed in enumerate(self.verdicts) if not failed]
        return len(self.verdicts) - 1 - good[-1] if good else len(self.verdicts)

    # -- the states --------------------------------------------------------------------------------------------------

    def turn(self, state: str, now: float, cause: str, *, wait: float = 0.0, keep: bool = False) -> None:
        if self.state:
            self.led_to = self.recent(now)
        if state == "closed":
            self.openings = 0
        if state != self.state:
            self.changes.append((self.state, state, self.openings, cause))
        if state == "open":
            self.until = now + wait
        self.state, self.size = state, self.own["half_open_calls"]
        self.term += 1
        self.began = now
        if not keep:
            self.fresh(now)

    def fresh(self, now: float) -> None:
        """An empty window."""
        self.born = now
        self.outcomes: list[Outcome] = []
        self.verdicts: list[bool] = []
        self.over = False

    def open_up(self, now: float, cause: str, wait: float | None = None) -> None:
        self.openings += 1
        self.turn("open", now, cause, wait=self.usual(self.openings) if wait is None else wait)

    def rates(self, now: float) -> list[str]:
        own = self.own
        calls, failed, slow, bad = self.counts(now)
        timed = own["slow_call_duration"] is not None
        limits = {
            "failure_rate": (failed, own["failure_rate"]),
            "slow_call_rate": (slow, own["slow_call_rate"] if timed else None),
            "bad_rate": (bad, own["bad_rate"]),
        }
        return [name for name, (count, rate) in limits.items() if rate is not None and count >= rate * calls]

    def holding(self, now: float) -> list[str]:
        """The thresholds that hold."""
        own, found = self.own, []
        calls, failed, _, _ = self.counts(now)
        if own["failures"] is not None and failed >= own["failures"]:
            found.append("failures")
        if own["consecutive_failures"] is not None and self.row >= own["consecutive_failures"]:
            found.append("consecutive_failures")
        return found + (self.rates(now) if calls >= self.enough else [])

    def judge(self, now: float) -> None:
        if self.state == "half-open":
            self.judge_probes(now)
            return
        found = self.holding(now)
        if self.state == "metrics-only":
            self.exceeded += bool(found) and not self.over
            self.over = bool(found)
        elif found:
            self.open_up(now, found[0])

    def judge_probes(self, now: float) -> None:
        found: list[str] = []
        own = self.own
        counted = own["failures"] is not None or own["consecutive_failures"] is not None
        if counted and own["failure_rate"] is own["bad_rate"] is None and self.row:
            found = ["failures" if own["consecutive_failures"] is None else "consecutive_failures"]
        elif len(self.outcomes) < (self.enough if self.rated else self.size):
            return
        elif self.rated:
            found = self.rates(now)
        if found:
            self.open_up(now, found[0])
            return
        self.credit, self.heard = Fraction(1), False
        self.length = self.own["ramp"]
        self.turn("closed" if self.length is None else "ramping", now, "probes")

    # -- coming in ---------------------------------------------------------------------------------------------------

    def live(self) -> list[Call]:
        return [one for one in self.calls if one.term == self.term and not one.ended and not one.lost]

    def lost(self, now: float) -> list[Call]:
        longest = self.own["half_open_max_wait"]
        return [] if longest is None else [one for one in self.live() if now - one.since >= longest]

    def room(self, now: float) -> bool:
        return bool(len(self.live()) - len(self.lost(now)) + len(self.outcomes) < self.size)

    def overdue(self, now: float) -> list[Call]:
        """The calls under way that are slow and not counted yet."""
        if not self.own["count_in_flight"] or self.state not in COUNTING:
            return []
        return [one for one in self.live() if one.alone and one.cell is None and self.is_slow(now - one.since)][:AT_ONCE]

    def share(self, now: float) -> Fraction:
        steps = self.own["ramp_steps"]
        step = int((now - self.began) / (self.length / len(steps)))
        return Fraction(round(1000 * steps[min(step, len(steps) - 1)]), 1000)

    def ramp_over(self, now: float) -> bool:
        return bool(self.heard and now - self.began >= self.length)

    def would_admit(self, now: float) -> bool:
        if self.state in ("closed", "ramping") and (overdue := self.overdue(now)):
            before = self.outcomes
            self.outcomes = before + [Outcome(now, failed=False, slow=True) for _ in overdue]
            found = self.holding(now)
            self.outcomes = before
            if found:
                return False
            if self.state == "ramping":
                return bool(now - self.began >= self.length) or self.credit + self.share(now) >= 1
        if self.state == "open":
            return now >= self.until
        if self.state == "half-open":
            return self.room(now)
        if self.state == "ramping":
            return self.ramp_over(now) or self.credit + self.share(now) >= 1
        return self.state != "forced-open"

    def admit(self, told: float, now: float) -> Call | str:
        """The call, or the reason why it may not come in."""
        if overdue := self.overdue(now):
            for one in overdue:
                one.cell = Outcome(now, failed=False, slow=True)
                self.outcomes.append(one.cell)
            self.heard = True
            self.judge(now)
        if self.state == "ramping":
            if self.ramp_over(now):
                self.turn("closed", now, "ramp", keep=True)
            else:
                self.credit += self.share(now)
                if self.credit < 1:
                    return "ramp"
                self.credit -= 1
        elif self.state == "open":
            if now < self.until:
                return "open"
            self.turn("half-open", now, "waited")
        elif self.state == "forced-open":
            return "forced_open"
        if self.state == "half-open":
            if not self.room(now):
                return "half_open"
            for one in self.lost(now):
                one.lost = True
        call = Call(self.term, told, now)
        call.alone = self.state == "half-open" or (self.own["count_in_flight"] and self.state != "disabled")
        self.calls.append(call)
        return call

    # -- going out ---------------------------------------------------------------------------------------------------

    def settle(self, call: Call, end: str, now: float, asked: float | None = None) -> None:
        """*end* is ``good``, ``failed``, ``ignored`` or ``cancelled``; *asked* is how long an answer asks to be left alone."""
        vote = call.term == self.term and not call.lost and self.state != "disabled"
        call.ended = True
        slow = self.is_slow(now - call.told)
        if not vote or end == "ignored" or (end == "cancelled" and not slow):
            return
        if call.cell is None:
            self.outcomes.append(Outcome(now, failed=end == "failed", slow=slow))
        elif end == "failed":
            call.cell.failed = True
        if end != "cancelled":
            self.verdicts.append(end == "failed")
        self.heard = True
        if asked and self.own["open_from_answer"] and self.state != "metrics-only":
            self.open_up(now, "answer", min(asked, self.own["max_open_for"]))
        else:
            self.judge(now)

    # -- by hand -----------------------------------------------------------------------------------------------------

    def by_hand(self, state: str, now: float, wait: float | None = None, cause: str = "hand") -> None:
        if state != self.state or state not in ("open", "forced-open", "disabled"):
            self.turn(state, now, cause, wait=self.usual(1) if wait is None else wait)
        elif wait is not None:
            self.until = max(self.until, now + wait)

    def forked(self) -> None:
        """All that is under way is somebody else's."""
        self.term += 1

    def restored(self, now: float) -> None:
        """And all that was counted was counted elsewhere."""
        self.term += 1
        self.size = self.own["half_open_calls"]
        self.fresh(now)

    def tune(self, own: dict[str, Any], now: float) -> None:
        before, was = self.own, self.held
        self.own = own
        changed = own["window"] != before["window"] or type(own["window"]) is not type(before["window"])
        if changed and self.state in COUNTING:
            self.fresh(now)
        if self.held != was and (self.held or self.state in ("forced-open", "disabled", "metrics-only")):
            self.by_hand(self.held or "closed", now, cause="settings")
