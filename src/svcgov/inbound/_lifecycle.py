"""The life of a function on AWS Lambda: how it was started, and what that means for its first call.

=============================  ===================================================================================
how (the variable `HOW`)       the first call is cold
=============================  ===================================================================================
``on-demand``                  if it comes within ten seconds: else the platform has started it ahead of time
``provisioned-concurrency``    never
``lambda-managed-instances``   never
``snap-start``                 always, and again after each restore: somebody has waited for it
=============================  ===================================================================================

Rule 1: a process that goes on from a snapshot is a new one: nothing is under way in it, and its ids come from the system.
Rule 2: a call is cancelled at its deadline only where the platform lets late calls go on: elsewhere it ends them itself.
"""

from __future__ import annotations

from .._core._environment import text
from .._core._live import restored
from .._core._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core._context import Identity
    from ..typing import Clock

HOW = "AWS_LAMBDA_INITIALIZATION_TYPE"
_WARM = ("provisioned-concurrency", "lambda-managed-instances")
_STARTED_FOR_SOMEBODY = 10.0  # seconds from the last handler that was made to the first call
_known: list[Identity] = []  # whose restoring the platform has been asked to tell


def started(identity: Identity, clock: Clock) -> None:
    """A handler of *identity* has been made."""
    how = text(HOW)
    if how in _WARM:
        identity.warm()
    elif how == "on-demand":
        identity.cold_until(clock.monotonic() + _STARTED_FOR_SOMEBODY)
    elif how == "snap-start" and not any(one is identity for one in _known):
        _known.append(identity)
        _when_restored(lambda: _renewed(identity, clock))


def late_calls_go_on() -> bool:
    """Whether the platform only reports a late call, and lets it go on: on Managed Instances."""
    return text("AWS_LAMBDA_MAX_CONCURRENCY") != ""


def _when_restored(renew: Callable[[], None]) -> None:
    try:
        hooks = __import__("snapshot_restore_py")  # the platform's own runtimes have it
    except ImportError:
        report_once("snap-start", "no snapshot_restore_py: what was counted before the snapshot is not forgotten after it")
    else:
        hooks.register_after_restore(renew)


def _renewed(identity: Identity, clock: Clock) -> None:
    restored(clock)
    identity.restored()
