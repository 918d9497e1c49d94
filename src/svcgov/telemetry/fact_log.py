"""The facts that matter, in the log: one line for each, with the ids of the call it happened in.

=========================  =========================  ==========================================================
``event``                  ``level``                  fields beside ``policy`` and the ids
=========================  =========================  ==========================================================
``circuit_changed``        ``warning`` when it opens  ``before after cause origin calls failed slow failure_rate
                           or is forced open, else    slow_call_rate open_for opening``
                           ``info``
``threshold_exceeded``     ``info``                   ``calls failed slow failure_rate slow_call_rate``
``call_refused``           ``warning``, ``info``      ``kind reason observed retry_after``
                           where only observed
``retry_scheduled``        ``debug``                  ``delay error``; ``attempt`` is the one that failed
``retry_ended``            ``warning``, ``info`` for  ``cause attempts error``
                           ``not_retryable`` and
                           ``refused``
``budget_emptied``         ``warning``                ``ratio``
``deadline_neared``        ``warning``                ``ended left``
``timed_out``              ``warning``                ``late seconds``
``left_call_failed``       ``warning``                ``error``
``timeout_not_enforced``   ``warning``                ``seconds took``
``workers_abandoned``      ``warning``                ``abandoned most``
``predicate_failed``       ``error``                  ``setting error``
``document_applied``       ``info``                   ``layer revision changed``
``document_refused``       ``error``                  ``layer revision path``
``registry_failed``        ``warning``                ``error``
``registry_recovered``     ``info``                   ``seconds``
``lease_lost``             ``warning``                ``id``
``record_skipped``         ``warning``                ``id path revision``
any other                  ``info``
=========================  =========================  ==========================================================

Rule 1: a storm is no flood. Of facts that are the same (event, policy, and what sets them apart) the first has a line, of
        changes of a circuit the first twenty; what follows within a minute is counted, and told as ``count`` after it.
Rule 2: that is found out when the next fact comes, or the next call ends: nothing runs meanwhile.
Rule 3: neither keys of policies nor messages of errors are written: they may be secrets.
"""

from __future__ import annotations

from _thread import RLock

from .. import facts
from .._core._live import born
from .correlation import ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._context import Identity
    from ..typing import Clock
    from .access_log import AccessLog

INTERVAL = 60.0  # seconds
BURST = 20  # changes of one circuit in that time that have lines of their own
MOST = 500  # kinds of facts that are told apart; what is more is one
OTHER = "other"
_NEVER = float("inf")
_OPEN = frozenset(("open", "forced-open"))
_COUNTS = "calls failed slow failure_rate slow_call_rate"

# Level; what sets two facts of one policy apart; what else is written.
TOLD: dict[type[facts.Fact], tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    kind: (level, tuple(apart.split()), tuple(more.split()))
    for kind, level, apart, more in (
        (facts.BudgetEmptied, "warning", "", "ratio"),
        (facts.CallRefused, "warning", "kind reason observed", "retry_after"),
        (facts.CircuitChanged, "warning", "before after cause", f"origin {_COUNTS} open_for opening"),
        (facts.DeadlineNeared, "warning", "ended", "left"),
        (facts.DocumentApplied, "info", "", "layer revision changed"),
        (facts.DocumentRefused, "error", "", "layer revision path"),
        (facts.Fact, "info", "", ""),
        (facts.LeaseLost, "warning", "", "id"),
        (facts.LeftCallFailed, "warning", "", "error"),
        (facts.PredicateFailed, "error", "setting", "error"),
        (facts.RecordSkipped, "warning", "", "id path revision"),
        (facts.RegistryFailed, "warning", "", "error"),
        (facts.RegistryRecovered, "info", "", "seconds"),
        (facts.RetryEnded, "warning", "cause", "attempts error"),
        (facts.RetryScheduled, "debug", "", "attempt delay error"),
        (facts.ThresholdExceeded, "info", "", _COUNTS),
        (facts.TimedOut, "warning", "late", "seconds"),
        (facts.TimeoutNotEnforced, "warning", "", "seconds took"),
        (facts.WorkersAbandoned, "warning", "", "abandoned most"),
    )
}

CALM: dict[type[facts.Fact], Callable[[Any], bool]] = {  # no cause for alarm, though others of their kind are
    facts.CallRefused: lambda fact: fact.observed,
    facts.CircuitChanged: lambda fact: fact.after not in _OPEN,
    facts.RetryEnded: lambda fact: fact.cause in ("not_retryable", "refused"),  # a refusal has been told by whoever refused
}


class Same:
    """Facts that are the same, since the first of them."""

    __slots__ = ("count", "fields", "left", "level", "since")

    def __init__(self, level: str, fields: dict[str, Any], since: float, left: int) -> None:
        self.level: str = level
        self.fields: dict[str, Any] = fields  # what they have in common
        self.since: float = since
        self.left: int = left  # lines that may still be written
        self.count: int = 0  # those that had none


class FactLog:
    """Writes down what the policies of the process do.

    Attributes:
        due: when there are counts to be told, a reading of its clock.
    """

    def __init__(self, log: AccessLog, identity: Identity | None, clock: Clock) -> None:
        self._log = log
        self._identity = identity
        self._clock = clock
        self._same: dict[tuple[object, ...], Same] = {}
        self._lock = RLock()  # the collector may end a call, which tells a fact, on the thread that holds it
        self.due: float = _NEVER
        born(self)

    def heard(self, fact: facts.Fact) -> None:
        """A policy has done something."""
        kind = next(one for one in type(fact).__mro__ if one in TOLD)
        level, apart, more = TOLD[kind]
        if kind in CALM and CALM[kind](fact):
            level = "info"
        if not self._log.tells(level):
            return
        key = type(fact), fact.policy, *[getattr(fact, name) for name in apart]
        with self._lock:
            count = self._counted_locked(key, level, fact, apart)
        if count:
            whose = self._ids()
            if "attempts" in more:
                whose.pop("attempt", None)  # that of a retry further out
            fields = {**whose, **_fields(fact, ("policy", *apart, *more))}
            self._log.write(level, fact.event, {**fields, "count": count} if count > 1 else fields)

    def turn(self) -> None:
        """Tell the counts that are due."""
        now = self._clock.monotonic()
        with self._lock:
            ended = [(key, one) for key, one in self._same.copy().items() if now - one.since >= INTERVAL]
            for key, _ in ended:
                self._same.pop(key, None)
            self._plan_locked()
        for _, one in ended:
            if one.count:
                fields = {**self._whose(), **one.fields, "count": one.count}
                self._log.write(one.level, fields.pop("event"), fields)

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds its lock, and the parent tells what it has counted."""
        self._lock = RLock()
        self._same = {}
        self.due = _NEVER

    def _counted_locked(self, key: tuple[object, ...], level: str, fact: facts.Fact, apart: tuple[str, ...]) -> int:
        """How many facts the line is about that is to be written now: 0 for none."""
        now, common = self._clock.monotonic(), {}
        if key not in self._same and not self._room_locked(now):
            key, apart, common = (key[0], OTHER), (), {"policy": OTHER}
        same = self._same.get(key)
        if same is None or now - same.since >= INTERVAL:
            common = {"event": fact.event, **_fields(fact, ("policy", *apart)), **common}
            self._same[key] = Same(level, common, now, BURST - 1 if key[0] is facts.CircuitChanged else 0)
            return 1 if same is None else same.count + 1
        if same.left:
            same.left -= 1
            return 1
        same.count += 1
        self.due = min(self.due, same.since + INTERVAL)
        return 0

    def _room_locked(self, now: float) -> bool:
        """Whether there is room for another kind, now that those are gone of which there is nothing to tell."""
        if len(self._same) >= MOST:
            self._same = {key: one for key, one in self._same.copy().items() if one.count or now - one.since < INTERVAL}
        return len(self._same) < MOST

    def _plan_locked(self) -> None:
        self.due = min((one.since + INTERVAL for one in self._same.copy().values() if one.count), default=_NEVER)

    def _ids(self) -> dict[str, Any]:
        return ids() or self._whose()

    def _whose(self) -> dict[str, Any]:
        """Who is running, where no call is under way."""
        who = self._identity
        known = {} if who is None else {"service": who.service, "version": who.version}
        return {name: value for name, value in known.items() if value}


def _fields(fact: facts.Fact, names: tuple[str, ...]) -> dict[str, Any]:
    """The values of these names, as far as they are known, and can be written."""
    found = {}
    for name in names:
        value = getattr(fact, name)
        if isinstance(value, float):
            value = round(value, 3) if value - value == 0 else None  # no number at all, or one without end
        if name == "error":
            value = value.partition(":")[0]
        if not (value is None or value is False):
            found[name] = value
    return found
