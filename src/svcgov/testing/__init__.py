"""The testing kit: time by hand, governance switched off, no waiting; states by force, faults as planned, events made up.

In pytest its fixtures ``svcgov_clock`` and ``svcgov_facts`` are there by themselves (`pytest_plugin`). As in the front
door, nothing is imported before it is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._here import colour as colour
    from .events import event as event
    from .faults import faults as faults
    from .forced import forced as forced
    from .made_up import Facts as Facts
    from .made_up import LambdaContext as LambdaContext
    from .made_up import invocation as invocation
    from .manual_clock import ManualClock as ManualClock
    from .switches import by_hand as by_hand
    from .switches import disabled as disabled
    from .switches import no_waiting as no_waiting

__all__ = [
    "Facts",
    "LambdaContext",
    "ManualClock",
    "by_hand",
    "colour",
    "disabled",
    "event",
    "faults",
    "forced",
    "invocation",
    "no_waiting",
]

_HOMES = {
    "Facts": "testing.made_up",
    "LambdaContext": "testing.made_up",
    "ManualClock": "testing.manual_clock",
    "by_hand": "testing.switches",
    "colour": "_core._here",
    "disabled": "testing.switches",
    "event": "testing.events",
    "faults": "testing.faults",
    "forced": "testing.forced",
    "invocation": "testing.made_up",
    "no_waiting": "testing.switches",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"svcgov.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
