"""The limits of keys against a model: a bucket in exact numbers for each key, in a list of its own making."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from svcgov import Rate, rate_limit
from svcgov.errors import RateLimitedError
from svcgov.policies._buckets import Level
from svcgov.policies._keys import LOOKS
from svcgov.testing import ManualClock

KEYS = st.sampled_from(["a", "b", "c", "d", "vip-1", "vip-2", "evil", 7])
LIMITS = st.builds(Rate, st.sampled_from([0, 1, 2, 3, 7]), st.sampled_from([0.25, 1, 2, 60]))
OVERRIDES = st.sampled_from([{}, {"vip-*": Rate(5, 1)}, {"vip-1": Rate(2, 8), "vip-*": Rate(9, 1), "evil": Rate(0, 1)}])
PAUSES = st.sampled_from([0.0, 1 / 64, 0.25, 1.0, 7.5, 3600.0])  # exact as floats, so the model is exact too
ROUNDED = Fraction(1, 1000) + Fraction(1, 50_000)  # seconds: a refusal names whole milliseconds
SMALL = Fraction(1, 10**9)  # seconds: floats are rounded
BY_FUNCTION: dict[int, Any] = {0: lambda call: 0, 1: lambda call: 1, 2: lambda call: 2}  # costs that have to be asked for


def nobody() -> None:
    """What is governed by the gate of one key."""


class Bucket:
    """How full it is, in seconds of its limit. A *heavy* one is that of a machine of its own, which a change has made."""

    def __init__(self, limit: Rate, burst: int | None, cost: int, now: Fraction, *, heavy: bool) -> None:
        self.spent, self.at, self.heavy = Fraction(0), now, heavy
        self.size = self.kept = Fraction(0)
        self.aim(limit, burst, cost)

    def aim(self, limit: Rate, burst: int | None, cost: int) -> None:
        self.limit, self.burst, self.cost = limit, burst, cost
        if limit.n:
            self.pace = Fraction(limit.seconds) / limit.n
            self.size = self.pace * (burst or limit.n)
            self.grace = min(self.pace / 1000, Fraction(1, 100_000))

    def ahead(self, now: Fraction) -> Fraction:
        return Fraction(0) if self.heavy and not self.limit.n else max(Fraction(0), self.spent - (now - self.at))

    def share(self, now: Fraction) -> Fraction:
        if self.heavy and not self.limit.n:
            return self.kept  # one that lets nothing pass does not drain
        return self.ahead(now) / self.size if self.size else Fraction(0)

    def retarget(self, limit: Rate, burst: int | None, cost: int, now: Fraction) -> None:
        share = self.share(now)
        self.aim(limit, burst, cost)
        self.kept = share
        self.spent, self.at = share * self.size, max(self.at, now)

    def early(self, now: Fraction) -> Fraction | None:
        """Seconds that a call is too early; None where it never comes in time, and less than nothing where it may pass."""
        if not self.limit.n or self.cost > (self.burst or self.limit.n):
            return None
        return self.spent - (now - self.at) + self.cost * self.pace - self.size - self.grace if self.cost else Fraction(0)

    def passes(self, now: Fraction) -> bool:
        early = self.early(now)
        if early is None or early > 0:
            return False
        step = self.cost * self.pace
        self.spent, self.at = (self.ahead(now) + step, now) if now > self.at else (self.spent + step, self.at)
        return True

    def remaining(self, now: Fraction) -> int:
        return max(0, int((self.size - self.ahead(now) + self.grace) / self.pace)) if self.limit.n else 0


class KeysModel(RuleBasedStateMachine):
    """``known`` are the buckets of the keys that are remembered; those in ``turn`` are looked at next."""

    @initialize(limit=LIMITS, overrides=OVERRIDES, most=st.integers(1, 4), start=st.sampled_from([0.0, 2.0**30]))
    def begin(self, limit: Rate, overrides: dict[str, Rate], most: int, start: float) -> None:
        self.clock = ManualClock()
        self.clock.advance(start)
        self.own: dict[str, Any] = {
            "limit": limit, "overrides": overrides, "max_keys": most, "burst": None, "cost": 1,
        }  # fmt: skip
        self.asks = False
        self.gate = rate_limit(**self.own, key="arg:who", clock=self.clock)
        self.call = self.gate(lambda who: who)
        self.known: dict[Any, Bucket] = {}
        self.turn: list[Any] = []
        self.shared, self.overflow = self.made(None), self.made(None)
        self.refused = 0

    def now(self) -> Fraction:
        return Fraction(self.clock.monotonic())

    def limit_of(self, key: Any) -> tuple[Rate, int | None, int]:
        """By its name, by the start of it, or that of all."""
        overrides = self.own["overrides"]
        found = overrides.get(key) or (overrides.get("vip-*") if str(key).startswith("vip-") else None)
        return (self.own["limit"], self.own["burst"], self.own["cost"]) if found is None else (found, None, self.own["cost"])

    def made(self, key: Any) -> Bucket:
        return Bucket(*self.limit_of(key), self.now(), heavy=self.asks)

    def bucket(self, key: Any) -> Bucket:
        """Its own, or the one that keys share for which there is no room."""
        if key is None:
            return self.shared
        if key not in self.known:
            looks = LOOKS
            while len(self.known) >= self.own["max_keys"]:
                if not looks:
                    return self.overflow
                looks -= 1
                self.turn = self.turn or list(self.known)
                seen = self.turn.pop(0)
                bucket = self.known.pop(seen) if self.known[seen].heavy else self.known[seen]
                if bucket.ahead(self.now()) > SMALL:
                    self.known[seen] = bucket
                else:
                    self.known.pop(seen, None)
            self.known[key] = self.made(key)
        return self.known[key]

    def agrees(self, key: Any, call: Any, read: float | None = None) -> None:
        """*call* passes iff the bucket of *key* lets it, at the moment that was read or at this one.

        A machine of its own has seen a later moment, and who tells its decisions reads the clock for each.
        """
        bucket, now = self.bucket(key), self.now()
        old = now if read is None or bucket.heavy or self.gate.tells else Fraction(read)
        passes = bucket.passes(old) or bucket.passes(now)
        try:
            call()
        except RateLimitedError as error:
            assert not passes
            self.refused += 1
            early = bucket.early(now)
            if early is None:
                assert (error.retry_after, error.reason) == (None, "cost_exceeds_burst" if bucket.limit.n else "denied")
            else:
                assert error.retry_after is not None
                assert early - SMALL <= error.retry_after <= early + ROUNDED
            assert (error.limit, error.window) == (bucket.limit.n, bucket.limit.seconds)
            assert error.remaining == bucket.remaining(now)
            assert error.reset is not None
            assert abs(Fraction(error.reset) - bucket.ahead(now)) < SMALL
        else:
            assert passes

    @rule(key=KEYS, count=st.integers(1, 4))
    def some_call(self, key: Any, count: int) -> None:
        """So many at this moment."""
        for _ in range(count):
            self.agrees(key, partial(self.call, key))

    @rule(key=KEYS)
    def one_calls_in_a_block(self, key: Any) -> None:
        """Through the gate of its key alone; there is no call then of which to ask what it costs."""
        if not self.asks:
            self.agrees(key, self.gate.of(key)(nobody))

    @rule()
    def one_calls_without_a_key(self) -> None:
        self.agrees(None, partial(self.call, None))

    @rule(key=KEYS, behind=st.sampled_from([1 / 64, 0.25, 7.5]))
    def one_calls_late(self, key: Any, behind: float) -> None:
        """With an old reading of the clock."""
        machine: Any = self.gate.machine
        read = max(0.0, self.clock.monotonic() - behind)
        self.agrees(key, partial(machine.admit_key, key, read, self), read)

    @rule(seconds=PAUSES)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(how=st.sampled_from(["forked", "restored", "tell_decisions"]))
    def goes_on(self, how: str) -> None:
        """What is spent is spent: in a child, after a snapshot, and when each decision is told."""
        getattr(self.gate, how)()

    def change(self, *, asks: bool | None = None, **changes: Any) -> None:
        """Each keeps the share that it has spent."""
        before = self.own, self.asks
        self.own = {**self.own, **changes}
        self.asks = self.asks if asks is None else asks
        if not self.own["limit"].n:
            self.own["burst"] = None
        if (self.own, self.asks) == before:
            return
        cost = self.own["cost"]
        self.gate.reconfigure({**self.own, "cost": BY_FUNCTION[cost] if self.asks else cost})
        for key, bucket in [*self.known.items(), (None, self.shared), (None, self.overflow)]:
            share = bucket.share(self.now())
            bucket.retarget(*self.limit_of(key), self.now())
            if self.asks and not bucket.heavy:
                bucket.heavy, bucket.kept = True, share

    @rule(limit=LIMITS, burst=st.sampled_from([None, 1, 3]), cost=st.sampled_from([0, 1, 1, 2]))
    def change_the_limit(self, limit: Rate, burst: int | None, cost: int) -> None:
        self.change(limit=limit, burst=burst, cost=cost)

    @rule(overrides=OVERRIDES)
    def change_the_overrides(self, overrides: dict[str, Rate]) -> None:
        self.change(overrides=overrides)

    @rule(most=st.integers(1, 4))
    def change_how_many_are_remembered(self, most: int) -> None:
        self.change(max_keys=most)

    @rule(asks=st.booleans())
    def ask_what_a_call_costs_or_not(self, asks: bool) -> None:
        """The same. Those that are known are machines from then on."""
        self.change(asks=asks)

    @invariant()
    def agree(self) -> None:
        keys: Any = self.gate.machine
        levels = {key: isinstance(one, Level) for key, one in keys.by_key.items()}
        assert levels == {key: not one.heavy for key, one in self.known.items()}
        shown = self.gate.snapshot()
        assert (shown["keys"], shown["refused"]) == (len(self.known), self.refused)
        assert shown["remaining"] == self.shared.remaining(self.now())
        for machine, bucket in [(self.gate.of(key).machine, one) for key, one in self.known.items()] + [
            (keys.overflow, self.overflow)
        ]:
            shown = machine.standing()
            assert (shown["limit"], shown["remaining"]) == (bucket.limit.n, bucket.remaining(self.now()))
            assert abs(Fraction(shown["reset"]) - bucket.ahead(self.now())) < SMALL


TestKeysModel = KeysModel.TestCase
TestKeysModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
