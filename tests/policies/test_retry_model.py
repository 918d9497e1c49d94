"""A retry against a model that walks through the attempts one by one: around functions and blocks, in both worlds."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from _worlds import AsyncWorld, Takes, World, deadline
from svcgov import budget, retry
from svcgov.errors import BulkheadFullError, DeadlineExceededError, RetriesExhaustedError

WAYS = ("function", "block")
STEPS = ("good", "bad", "broken", "other", "refused")


class Set(NamedTuple):
    """The settings of one example."""

    attempts: int
    backoff: list[float]
    few: int | None
    until: float | None
    least: float
    refused: bool
    raising: bool


class End(NamedTuple):
    """What a call comes to: when its attempts began, how it ended, and the count it goes to."""

    begun: list[float]
    end: Any
    counted: str


settings_of = st.builds(
    Set,
    attempts=st.integers(1, 5),
    backoff=st.lists(st.sampled_from([0.0, 0.5, 1.0, 4.0]), min_size=1, max_size=3),
    few=st.one_of(st.none(), st.integers(0, 3)),
    until=st.one_of(st.none(), st.sampled_from([0.5, 1.0, 2.0, 3.5, 8.0])),
    least=st.sampled_from([0.0, 0.5]),
    refused=st.booleans(),
    raising=st.booleans(),
)
steps_of = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=6)


def expected(own: Set, steps: list[tuple[str, float]]) -> End:
    """The model: no plan, no budget, no loop of ours."""
    now, begun, paid, said = 0.0, [], 0, ""
    for number in range(1, 100):
        what, takes = steps[min(number, len(steps)) - 1]
        begun.append(now)
        now += takes
        if what == "good":
            return End(begun, "good", "recovered" if number > 1 else "good")
        if what != "refused" or said in ("", "refused"):
            said = what
        again = what in ("bad", "broken") or (what == "refused" and own.refused)
        delay = own.backoff[min(number, len(own.backoff)) - 1]
        fits = own.until is None or now + delay + own.least < own.until
        if not again or number == own.attempts or not fits or paid == own.few:
            break
        now, paid = now + delay, paid + 1
    if said == "bad" and own.raising:
        said = "exhausted"
    return End(begun, said, "failed" if number == 1 else "gave_up")


def done(world: World, way: str, own: Set, steps: list[tuple[str, float]]) -> End:
    """What it really comes to."""
    does = {
        "broken": ConnectionError(),
        "other": KeyError(),
        "refused": BulkheadFullError("b", "full"),
        "good": "good",
        "bad": "bad",
    }
    policy = retry(
        on=ConnectionError,
        on_result=lambda result: result == "bad",
        attempts=own.attempts,
        backoff=own.backoff,
        budget=None if own.few is None else budget(ratio=0, min_retries=own.few, ttl=60, clock=world.clock),
        min_attempt_time=own.least,
        retry_refused=own.refused,
        on_exhausted="raise" if own.raising else "last",
        clock=world.clock,
    )
    seen, function = world.scripted(*(Takes(takes, does[what]) for what, takes in steps))

    def block() -> Any:
        for attempt in policy:
            with attempt:
                result = attempt.result(function())
        return result

    async def ablock() -> Any:
        result = None
        async for attempt in policy:
            with attempt:
                result = attempt.result(await function())
        return result

    call = policy(function) if way == "function" else block if world.name == "sync" else ablock
    names: dict[type[Exception], str] = {
        ConnectionError: "broken",
        KeyError: "other",
        BulkheadFullError: "refused",
        RetriesExhaustedError: "exhausted",
    }
    ends = tuple(names)
    try:
        with deadline(1e9 if own.until is None else own.until):
            end = world.run(call)
    except ends as error:
        end = names[type(error)]
    except DeadlineExceededError as error:
        raise AssertionError from error
    counts = policy.snapshot()
    (counted,) = (name for name in ("good", "recovered", "failed", "gave_up", "cancelled") if counts[name])
    assert (counts["calls"], counts["retries"]) == (1, len(seen) - 1)
    return End([one.at for one in seen], end, counted)


@given(own=settings_of, steps=steps_of)
def test_a_retry_does_what_its_model_does(own: Set, steps: list[tuple[str, float]]) -> None:
    """Attempts and their moments, what is returned or raised in the end, and what is counted, whichever way it is written."""
    for kind in (World, AsyncWorld):
        for way in WAYS:
            world = kind()
            try:
                assert done(world, way, own, steps) == expected(own, steps), (world.name, way)
            finally:
                world.close()
