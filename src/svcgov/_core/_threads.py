"""Which variant of a machine is right here: lock-free, or with a lock."""

from __future__ import annotations

import sys

_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()


def LOCKED() -> bool:  # noqa: N802  # reads as the constant it nearly is
    """Whether numbers need a lock: without a GIL, or while a line tracer can switch threads within a line."""
    return not _GIL or sys.gettrace() is not None or _monitored()


def _monitored() -> bool:
    """Whether a debugger or a coverage tool may be called between two lines (from Python 3.12 on)."""
    tool = getattr(getattr(sys, "monitoring", None), "get_tool", None)
    return tool is not None and any(tool(slot) is not None for slot in range(6))
