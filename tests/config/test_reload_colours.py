"""A document that says something else for one colour: the other does not move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, bulkhead, colour, rate_limit
from svcgov.errors import RateLimitedError

if TYPE_CHECKING:
    from _worlds import World


def passed(call: Any, of: str | None, most: int = 9) -> int:
    """How many calls of this colour get through, one after the other."""
    for count in range(most):
        try:
            with colour(of):
                call()
        except RateLimitedError:
            return count
    return most


def test_instances_of_one_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their overlay is for them; of the others not even an object is another one, and nothing is told to have changed."""
    limits = {}
    document = {
        "policies": {"orders": {"bulkhead": 5}},
        "overlay": {"colour": {"blue": {"policies": {"orders": {"bulkhead": {"limit": 9}}}}}},
    }
    for of in ("blue", "green", ""):
        monkeypatch.setenv("SVCGOV_COLOUR", of)
        governor = Governor(scope=f"instance-{of}")
        gate = governor.bulkhead(1, name="orders")
        assert governor.apply({"policies": document["policies"]})
        before, machine = gate.settings, gate.machine
        with gate:
            changed = governor.apply(document).changed  # type: ignore[union-attr]  # it can be applied
            assert gate.snapshot()["in_use"] == 1
        limits[of] = gate.settings.limit, changed
        assert (gate.settings is before) == (of != "blue")
        assert gate.machine is machine
    assert limits == {"blue": (9, 1), "green": (5, 0), "": (5, 0)}


def test_traffic_of_one_colour_has_another_limit(world: World) -> None:
    """By ``overrides``: what the other has used up stays used up, and what is left to it stays left."""
    gate = rate_limit("4/hour", key="colour", name="orders", clock=world.clock)
    call = world.governed(gate)
    governor = Governor()
    assert [passed(call, of, 2) for of in ("blue", "green", None)] == [2, 2, 2]
    green, shared = gate.of("green"), gate.of(None)
    before = green.snapshot(), gate.snapshot()
    assert governor.apply({"policies": {"orders": {"rate_limit": {"overrides": {"blue": "8/hour"}}}}})
    assert (green.snapshot(), gate.snapshot()) == before
    assert (gate.of("green").snapshot(), gate.of(None).snapshot()) == (green.snapshot(), shared.snapshot())
    assert [passed(call, of) for of in ("blue", "green", None)] == [4, 2, 2]  # half of it was used up, and still is


@pytest.mark.parametrize("first", [True, False], ids=["document first", "code first"])
def test_traffic_of_one_colour_has_a_limit(world: World, first: bool) -> None:
    """By ``when``, and a name that the code has registered: the other passes by, uncounted, through what it had before."""
    svcgov.predicate("is_blue", lambda call: svcgov.current().colour == "blue")
    said: dict[str, Any] = {"policies": {"orders": {"rate_limit": {"limit": "2/hour", "when": "is_blue"}}}}
    governor = Governor()
    if first:
        governor.apply(said)
    gate = bulkhead(3, clock=world.clock)
    orders = Pipeline(gate, name="orders")
    call = world.governed(orders)
    if not first:
        assert [passed(call, of) for of in ("blue", "green", None)] == [9, 9, 9]
        assert governor.apply(said)
    assert [passed(call, of) for of in ("green", "blue", None, "green")] == [9, 2, 9, 9]
    limit: Any = orders.policies[1]
    assert (gate.settings.limit, limit.snapshot()["refused"]) == (3, 1)
    assert governor.apply({})
    assert passed(call, "blue") == 9
