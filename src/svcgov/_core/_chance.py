"""Chance comes in through this door."""

from __future__ import annotations

from os import urandom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

draw: Callable[[], float] | None = None  # what stands in for the system, while a test goes on


def system_random() -> float:
    """A number from 0 to 1, 1 left out, from the system: a thousand thawed copies of one process must not agree."""
    if draw is not None:
        return draw()
    return (int.from_bytes(urandom(7), "big") >> 3) * 2.0**-53
