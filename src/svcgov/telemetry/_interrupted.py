"""Whether this thread is in the middle of somebody else's work.

The collector of garbage ends coroutines and generators that were thrown away, wherever it comes in: also where a package that we
tell things holds a lock, which it would not give back while it waits for us.

Rule: who may have been called by the collector asks this first, and tells that package nothing then.
"""

from __future__ import annotations

import sys

SDK = "opentelemetry.sdk."


def interrupts(package: str) -> bool:
    """Whether a function of *package*, the beginning of its modules' names, is under way on this thread."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(package):
            return True
        frame = frame.f_back
    return False
