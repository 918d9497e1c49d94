"""The shapes: what is in the package has the shape that it says it has."""

from __future__ import annotations

from typing import Any

import pytest

from svcgov import bulkhead, circuit_breaker, rate_limit, retry, timeout, typing
from svcgov._core._clock import SYSTEM
from svcgov._shells._route import THROUGH
from svcgov.testing import ManualClock

SHAPES: list[tuple[Any, Any]] = [
    (typing.Gate, bulkhead(1).machine),
    (typing.Gate, rate_limit("1/second").machine),
    (typing.Gate, circuit_breaker().machine),
    (typing.Gate, THROUGH),
    (typing.Loop, retry(on=OSError).machine),
    (typing.Attempts, retry(on=OSError).machine.plan()),
    (typing.Tally, retry(on=OSError).machine.tally),
    (typing.Limit, timeout(1).machine),
    (typing.Clock, SYSTEM),
    (typing.Clock, ManualClock()),
    (typing.Listener, print),
]


def asked_of(shape: Any) -> set[str]:
    """The names that whatever has this shape must have."""
    plain = {name for name in vars(shape) if not name.startswith("_") or name == "__call__"}
    return plain | set(shape.__annotations__)


@pytest.mark.parametrize(("shape", "thing"), SHAPES)
def test_a_thing_has_its_shape(shape: Any, thing: Any) -> None:
    """All that the shells may ask of it."""
    assert asked_of(shape)
    later = {"last"}  # a plan has an error once it was told one
    assert {name for name in asked_of(shape) if not hasattr(thing, name)} <= later


def test_all_shapes_are_listed() -> None:
    """Those that a policy of one's own is written against."""
    assert {shape.__name__ for shape, _ in SHAPES} <= set(typing.__all__)
    assert set(typing.__all__) - {shape.__name__ for shape, _ in SHAPES} == {"Duration", "Permit", "Timer"}
