"""Finding out that a gate was made for one block and is thrown away with it: it guards nothing then.

Whoever else holds a gate than the ``with`` itself shows in the count of its references. How high it is where nobody does
depends on the interpreter, so it is found out once, with a probe.
"""

from __future__ import annotations

from sys import _getframe, getrefcount
from warnings import warn

from ..errors import ConfigWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_by_nobody: dict[str, int] = {}


class Probe:
    """What is made for a block, and nothing else."""

    refs = 0

    def __enter__(self) -> None:
        _by_nobody["with"] = getrefcount(self) - self.refs

    def __exit__(self, *ended: object) -> None:
        """Nothing was taken."""

    async def __aenter__(self) -> None:
        _by_nobody["async with"] = getrefcount(self) - self.refs

    async def __aexit__(self, *ended: object) -> None:
        """Nothing was taken."""


def made() -> Probe:
    """A probe, counted when it was made, as gates are."""
    probe = Probe()
    probe.refs = getrefcount(probe)
    return probe


def held_by_nobody(more: int, how: str) -> bool:
    """Whether a gate that has *more* references in its block than when it was made is held by the block alone."""
    if not _by_nobody:
        with made():
            pass

        async def block() -> None:
            async with made():
                pass

        try:  # noqa: SIM105  # not worth an import of contextlib
            block().send(None)
        except StopIteration:
            pass
    return more <= _by_nobody[how]


def warn_of(gate: Any) -> None:
    """Say that *gate* guards nothing, unless who enters it, by hand perhaps, has it in a variable."""
    if any(value is gate for value in _getframe(2).f_locals.values()):
        return
    warn(
        f"{gate.label}: it was made for one block and is thrown away with it, so it guards nothing: "
        "make it once, outside, or give it a name",
        ConfigWarning,
        stacklevel=3,
    )
