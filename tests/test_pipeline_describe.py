"""A pipeline in words, as a drawing, and the one warning of what was probably not meant."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import AsyncWorld, Takes
from svcgov import Backoff, Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import CallTimeoutError, ConfigError, ConfigWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from _worlds import World


def whole(**breaker: Any) -> Pipeline:
    """A pipeline of all kinds."""
    return Pipeline(
        timeout(3.0),
        bulkhead(10),
        retry(on=[ConnectionError, "5xx"], attempts=4, backoff=Backoff(0.5)),
        rate_limit("20/s"),
        circuit_breaker("stock", **breaker),
        timeout(1.0),
        name="payments",
    )


def logged(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of somebody else."""

    @functools.wraps(fn)
    def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


def charge() -> None:
    """A function to govern."""


def broken(error: BaseException) -> bool:
    """A predicate."""
    return isinstance(error, OSError)


def test_the_order_and_the_settings_are_told() -> None:
    """What was said, not what is default, with the scope of each time-out."""
    lines = whole().describe().splitlines()
    assert lines[0] == ("payments: timeout > bulkhead > retry > rate_limit > circuit_breaker stock > timeout > the function")
    assert [line for line in lines if "note" not in line][1:] == [
        "  1. timeout (total)  seconds=3.0",
        "  2. bulkhead  limit=10",
        "  3. retry  on=[ConnectionError, '5xx'], attempts=4, backoff=Backoff(0.5, 2, 5, 'full')",
        "  4. rate_limit  limit=Rate(20, 1)",
        "  5. circuit_breaker stock",
        "  6. timeout (per attempt)  seconds=1.0",
    ]


def test_functions_are_told_with_their_kind(world: World) -> None:
    """Those that stand, not those that are gone, and not what is called through."""
    pipeline = Pipeline(bulkhead(2))
    call = world.governed(pipeline)
    world.through(pipeline)()
    around = [line for line in pipeline.describe().splitlines() if "around" in line]
    assert around == [f"  around _worlds.{type(world).__name__}.scripted.<locals>.scripted ({world.name})"]
    del call


def test_settings_in_force_are_told() -> None:
    """After a reconfiguration, the new ones."""
    pipeline = Pipeline(retry(on=broken), bulkhead(2))
    pipeline.reconfigure({"bulkhead": {"limit": 7}})
    assert "limit=7" in pipeline.describe()
    assert f"on={__name__}.broken" in pipeline.describe()


def test_what_is_not_plain_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each note stands below its policy."""
    limit, breaker = timeout(2), circuit_breaker(window=5, min_calls=10, mode="observe")
    pipeline = Pipeline(limit, breaker, retry(on=OSError))
    governed = pipeline(charge)
    told = pipeline.describe()
    assert "     note: min_calls=10 counts as 5, the size of the window" in told
    assert "     note: observes: it refuses nothing, and tells what it would have" in told
    assert "     note: a plain function is not interrupted" in told
    assert "SVCGOV_DISABLED" not in told
    breaker.reconfigure({"mode": "off"})
    assert "     note: off" in pipeline.describe()
    monkeypatch.setenv("SVCGOV_DISABLED", "retry")
    with pytest.warns(ConfigWarning, match="SVCGOV_DISABLED"):
        told = pipeline.describe()
    assert told.count("passes every call through (SVCGOV_DISABLED)") == 1
    del governed


def test_fused_neighbours_are_told() -> None:
    """A decorator of ours right below belongs to the same pipeline."""
    pipeline = Pipeline(bulkhead(2))
    governed = pipeline(retry(on=OSError)(charge))
    assert "     fused with its neighbours: bulkhead > retry > the function" in pipeline.describe()
    del governed


def test_a_foreign_decorator_is_a_seam() -> None:
    """What is inside of it is another pipeline; there may be several."""
    pipeline = Pipeline(bulkhead(2))
    governed = pipeline(logged(retry(on=OSError)(logged(timeout(5)(charge)))))
    seams = [line for line in pipeline.describe().splitlines() if "seam" in line]
    assert seams == [
        f"     seam: logged ends the pipeline; inside it: {inside} > the function" for inside in ("retry", "timeout")
    ]
    drawn = pipeline.describe("mermaid")
    assert drawn.count('{{"logged"}}') == 2
    assert '["timeout #gt; the function"]' in drawn
    del governed


def test_a_foreign_object_is_a_seam_too() -> None:
    """It is named by its class; a circle of wrapped functions ends."""
    pipeline = Pipeline(bulkhead(2))

    class Timed:
        def __init__(self, fn: Callable[..., Any]) -> None:
            self.__wrapped__ = fn

        def __call__(self) -> Any:
            return self.__wrapped__()

    governed = pipeline(Timed(retry(on=OSError)(charge)))
    assert "seam: test_a_foreign_object_is_a_seam_too" in pipeline.describe()
    circle = Timed(charge)
    circle.__wrapped__ = circle
    odd = Pipeline(bulkhead(1))
    around = odd(circle)
    assert "seam:" not in odd.describe()
    del governed, around


def test_a_drawing_has_a_box_for_each_policy() -> None:
    """In the language of Mermaid, with the loop of a retry, and an end where nothing is governed yet."""
    pipeline = whole()
    drawn = pipeline.describe("mermaid").splitlines()
    assert drawn[:4] == ["flowchart LR", "    call([call])", '    p1["timeout<br/>seconds=3.0"]', "    call --> p1"]
    assert "    p3 -. another attempt .-> p3" in drawn
    assert '    p5["circuit_breaker stock"]' in drawn
    assert drawn[-1] == "    p6 --> function([the function])"
    governed = pipeline(charge)
    assert pipeline.describe("mermaid").splitlines()[-2:] == [f'    f1(["{__name__}.charge"])', "    p6 --> f1"]
    del governed


def test_labels_are_escaped() -> None:
    """A quote or a bracket in a setting does not end its box."""
    drawn = Pipeline(retry(on=["5xx", lambda error: error is None])).describe("mermaid")
    assert "test_labels_are_escaped.#lt;locals#gt;.#lt;lambda#gt;]" in drawn


def test_another_form_is_refused() -> None:
    """With the two that there are."""
    with pytest.raises(ConfigError, match=r"describe\.form: expected one of text, mermaid, got 'svg'"):
        Pipeline().describe("svg")  # type: ignore[arg-type]  # no such form


def test_a_breaker_that_learns_nothing_is_warned_of_once() -> None:
    """A time-out around it cuts calls off, which it sees as cancellations; said at the first function, not at each."""

    async def slow() -> None:
        pass

    pipeline = Pipeline(timeout(5, name="total"), retry(on=OSError), circuit_breaker("stock"))
    with pytest.warns(ConfigWarning, match="pipeline: stock learns nothing from calls that total around it cuts off") as said:
        governed = pipeline(slow)
    assert [one.filename for one in said] == [__file__]
    assert "note: stock learns nothing" in pipeline.describe()
    pipeline(slow)
    del governed


async def waits() -> None:
    """A coroutine function to govern."""


@pytest.mark.parametrize(
    ("make", "function"),
    [
        (lambda: Pipeline(timeout(5), circuit_breaker(), timeout(1)), waits),
        (lambda: Pipeline(timeout(5), circuit_breaker(slow_call_duration=4)), waits),
        (lambda: Pipeline(timeout(5), circuit_breaker(mode="off")), waits),
        (lambda: Pipeline(circuit_breaker(), timeout(5)), waits),
        (lambda: Pipeline(circuit_breaker()), waits),
        (lambda: Pipeline(retry(on=OSError), circuit_breaker()), waits),
        (lambda: Pipeline(timeout(5), circuit_breaker()), charge),
        (lambda: lambda fn: timeout(5)(circuit_breaker()(fn)), waits),
    ],
    ids=["time-out inside", "slow calls", "off", "none outside", "alone", "no time-out", "plain function", "fused"],
)
def test_who_has_seen_to_it_is_not_warned(make: Callable[[], Any], function: Callable[..., Any]) -> None:
    """Nor he whose calls are not cut off there."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        make()(function)
    assert said == []


def test_a_call_through_a_pipeline_is_looked_at_too(world: World) -> None:
    """A worker thread leaves calls behind, so plain functions are meant there."""
    enforce: Any = "thread" if world.name == "sync" else "deadline"
    pipeline = Pipeline(timeout(5, enforce=enforce), circuit_breaker())
    with pytest.warns(ConfigWarning, match="circuit_breaker learns nothing"):
        assert world.through(pipeline, "done")() == "done"


@pytest.mark.parametrize("world", [AsyncWorld], indirect=True, ids=["async"])
def test_why_it_is_warned_of(world: World) -> None:
    """A dependency that hangs never opens the breaker, unless slow calls are counted."""
    states = []
    for slow in (None, 4):
        breaker = circuit_breaker(min_calls=2, slow_call_duration=slow, clock=world.clock)
        pipeline = Pipeline(timeout(5, clock=world.clock), breaker)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConfigWarning)
            call = world.governed(pipeline, Takes(60))
        call.fails(CallTimeoutError, times=2)
        states.append(breaker.current_state)
    assert states == ["closed", "open"]
