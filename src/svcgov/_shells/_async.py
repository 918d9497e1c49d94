"""The frames of a governed call, for coroutine functions. `_sync` is the mirror of this file.

A call walks: head > ring, ring, loop, within ... > leaf > the function. Each frame is made once, when the pipeline is
built. The head alone takes ``*args, **kw``; the frames inside hand on ``(now, args, kw)``; the leaf unpacks them.

Rule 1: ask nobody who need not be asked. A gate that shows a `free` permit is not called to admit, and one whose permit
        is `calm` is not called to settle a clean return.
Rule 2: the clock is read by the head and handed down; whoever needs the end of the call reads it again.
Rule 3: plans are made after the first failure, never before.
Rule 4: an exception is handed on as it is: the same object, its traceback longer by these frames.
"""

from __future__ import annotations

from bisect import bisect_right

from .._core._call import Call, Wait
from .._core._context import ATTEMPT, DEADLINE, put_back
from .._core._overrides import OVERRIDES
from .._core._record import BOUNDS
from ..errors import DeadlineExceededError
from ._route import overdue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._overrides import Given
    from ..pipeline import Governed
    from ..typing import Gate, Limit, Loop

    Inner = Callable[[float, Any, Any], Any]


def head(governed: Governed) -> Callable[..., Any]:
    """The outermost frame: the clock, the deadline, the first gate, the record."""
    get, put, reset = DEADLINE.get, DEADLINE.set, DEADLINE.reset
    record = governed.record
    counts, total = record.counts, record.total

    async def call(*args: Any, **kw: Any) -> Any:
        route = governed.route
        now = route.clock()
        outer = get()
        token = None
        seconds = route.limit.seconds
        gate = route.gate
        try:
            if outer is not None and outer <= now:
                raise DeadlineExceededError(route.name, "expired")
            if seconds is not None and (outer is None or now + seconds < outer):
                token = put(now + seconds)
            permit = gate.free
            if permit is None:
                permit = route.admit(now)
            try:
                result = await route.inner(now, args, kw)
            except BaseException as error:
                route.settle(permit, error, now)
                raise
            if permit is not gate.calm:
                route.settle(permit, None, now)
        except BaseException as error:
            if token is not None:
                put_back(DEADLINE, token)
            record.end(error)
            if seconds is not None:
                overdue(route.limit, seconds, now, error)
            raise
        if token is not None:
            reset(token)
        took = route.clock() - now
        i = bisect_right(BOUNDS, took)  # the call comes before the load: the next line is whole
        counts[i] += 1
        total[0] += took
        if seconds is not None and took > seconds:
            route.limit.late(took)
        return result

    return call


async def direct(fn: Callable[..., Any], /, *args: Any, **kw: Any) -> Any:
    """What is governed where a pipeline is called through: it calls what it is given."""
    return await fn(*args, **kw)


def leaf0(fn: Callable[..., Any]) -> Inner:
    """The innermost frame, with no gate in it: hands the coroutine on, which saves an awaited frame."""

    def call(now: float, args: Any, kw: Any) -> Any:
        return fn(*args, **kw)

    return call


def leaf1(gate: Gate, fn: Callable[..., Any]) -> Inner:
    """The innermost frame with one gate in it."""
    admit, settle = gate.admit, gate.settle

    async def call(now: float, args: Any, kw: Any) -> Any:
        permit = gate.free
        if permit is None:
            permit = admit(now)
        try:
            result = await fn(*args, **kw)
        except BaseException as error:
            settle(permit, error, now)
            raise
        if permit is not gate.calm:
            settle(permit, None, now)
        return result

    return call


def leaf2(gate: Gate, other: Gate, fn: Callable[..., Any]) -> Inner:
    """The innermost frame with two gates in it: when the second one refuses, the first one is told so."""
    admit, settle, admit2, settle2 = gate.admit, gate.settle, other.admit, other.settle

    async def call(now: float, args: Any, kw: Any) -> Any:
        permit = gate.free
        if permit is None:
            permit = admit(now)
        try:
            permit2 = other.free
            if permit2 is None:
                permit2 = admit2(now)
            try:
                result = await fn(*args, **kw)
            except BaseException as error:
                settle2(permit2, error, now)
                raise
            if permit2 is not other.calm:
                settle2(permit2, None, now)
        except BaseException as error:
            settle(permit, error, now)
            raise
        if permit is not gate.calm:
            settle(permit, None, now)
        return result

    return call


def ring1(gate: Gate, inner: Inner) -> Inner:
    """One gate around the frames inside."""
    admit, settle = gate.admit, gate.settle

    async def call(now: float, args: Any, kw: Any) -> Any:
        permit = gate.free
        if permit is None:
            permit = admit(now)
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            settle(permit, error, now)
            raise
        if permit is not gate.calm:
            settle(permit, None, now)
        return result

    return call


def ring2(gate: Gate, other: Gate, inner: Inner) -> Inner:
    """Two adjacent gates in one frame: a frame saved is worth more than the lines."""
    admit, settle, admit2, settle2 = gate.admit, gate.settle, other.admit, other.settle

    async def call(now: float, args: Any, kw: Any) -> Any:
        permit = gate.free
        if permit is None:
            permit = admit(now)
        try:
            permit2 = other.free
            if permit2 is None:
                permit2 = admit2(now)
            try:
                result = await inner(now, args, kw)
            except BaseException as error:
                settle2(permit2, error, now)
                raise
            if permit2 is not other.calm:
                settle2(permit2, None, now)
        except BaseException as error:
            settle(permit, error, now)
            raise
        if permit is not gate.calm:
            settle(permit, None, now)
        return result

    return call


def asked(gate: Gate, fn: Callable[..., Any] | None, wait: Callable[[Wait], Any], inner: Inner) -> Inner:
    """A gate that wants to see the call, and may let it wait. *fn* is None where it comes with the call."""
    admit, settle = gate.admit, gate.settle

    async def call(now: float, args: Any, kw: Any) -> Any:
        permit = gate.free
        if permit is None:
            permit = admit(now, Call(fn, args, kw))
            if isinstance(permit, Wait):
                permit, now = await wait(permit)
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            settle(permit, error, now)
            raise
        if permit is not gate.calm:
            settle(permit, None, now)
        return result

    return call


def loop(retry: Loop, inner: Inner) -> Inner:
    """Attempts, until one is good or the plan has no more."""
    tally = retry.tally

    async def call(now: float, args: Any, kw: Any) -> Any:
        if tally.watched:
            return await watched(retry, inner, now, args, kw)
        tally.calls += 1
        try:
            return await inner(now, args, kw)
        except Exception as error:
            first = error
        except BaseException:
            tally.cancelled += 1
            raise
        try:
            return await again(retry, first, inner, args, kw)
        finally:
            del first  # an error's traceback holds this frame: together they would wait for the collector

    return call


async def watched(retry: Loop, inner: Inner, now: float, args: Any, kw: Any) -> Any:
    """The same, where the retry's budget has to know when a call begins, when it ends, and which one it is a part of."""
    good = False
    stay = retry.enter()
    try:
        try:
            result = await inner(now, args, kw)
        except Exception as error:
            first = error
        except BaseException:
            retry.tally.cancelled += 1
            raise
        else:
            good = True
            return result
        try:
            result = await again(retry, first, inner, args, kw)
            good = True
            return result
        finally:
            del first  # as above
    finally:
        retry.leave(stay, good)


async def again(retry: Loop, error: BaseException, inner: Inner, args: Any, kw: Any) -> Any:
    """The attempts after the first one: off the clean path, so clarity comes before speed here."""
    plan = retry.plan()
    clock = retry.clock
    try:
        while True:
            delay = plan.next_delay(error)
            if delay is None:
                raise plan.last
            if delay > 0:
                from . import _sleeping

                await _sleeping.asleep(retry, delay, plan.last)
                if plan.overslept():
                    raise plan.last
            token = ATTEMPT.set(plan.attempt)
            try:
                result = await inner(clock.monotonic(), args, kw)
            except Exception as caught:
                error = caught
            else:
                plan.recovered()
                return result
            finally:
                put_back(ATTEMPT, token)
    finally:
        plan.close()
        del error, plan  # as above


def judging(retry: Loop, inner: Inner) -> Inner:
    """Inside a loop that looks at results: one that is not acceptable becomes an error, for the loop alone."""
    judge = retry.judge

    async def call(now: float, args: Any, kw: Any) -> Any:
        result = await inner(now, args, kw)
        judge(result)
        return result

    return call


def judged(retry: Loop, inner: Inner) -> Inner:
    """Around such a loop: the error becomes the result again that it was made of."""

    async def call(now: float, args: Any, kw: Any) -> Any:
        try:
            return await inner(now, args, kw)
        except Exception as error:
            last = error
        try:
            return retry.result_of(last)
        finally:
            del last  # as above

    return call


def chosen(usual: Inner, other: Callable[[tuple[Given, ...]], Inner]) -> Inner:
    """The usual frames, or others where `svcgov.override` has something to say to this call."""
    get = OVERRIDES.get

    async def call(now: float, args: Any, kw: Any) -> Any:
        given = get()
        inner = other(given) if given else usual
        return await inner(now, args, kw)

    return call


def within(limit: Limit, inner: Inner) -> Inner:
    """A deadline for the frames inside, where the head does not keep it: per attempt, when it stands inside a retry."""
    get, put, reset = DEADLINE.get, DEADLINE.set, DEADLINE.reset

    async def call(now: float, args: Any, kw: Any) -> Any:
        seconds = limit.seconds
        outer = get()
        if outer is not None and outer <= now:
            raise DeadlineExceededError(limit.name, "expired")
        if seconds is None:
            return await inner(now, args, kw)
        token = put(now + seconds) if outer is None or now + seconds < outer else None
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            if token is not None:
                put_back(DEADLINE, token)
            overdue(limit, seconds, now, error)
            raise
        if token is not None:
            reset(token)
        took = limit.clock.monotonic() - now
        if took > seconds:
            limit.late(took)
        return result

    return call


def measured(limit: Any, fn: Callable[..., Any] | None, kept: Callable[[Limit, Inner], Inner], inner: Inner) -> Inner:
    """A time-out whose seconds are a function of the call: its frames are made for each. *fn* is None as in `asked`."""

    async def call(now: float, args: Any, kw: Any) -> Any:
        inside = kept(limit.limit_of(Call(fn, args, kw)), inner)
        return await inside(now, args, kw)

    return call
