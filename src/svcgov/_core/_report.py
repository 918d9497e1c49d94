"""Governance never takes the function down: what goes wrong inside it is said once, on standard error, and worked around."""

from __future__ import annotations

import sys

_KEPT = 1000
_OURS = __name__.partition(".")[0]
_said: set[object] = set()


def report_once(key: object, message: str) -> None:
    """Say *message* the first time that *key* comes. Never raises, not even where standard error is closed."""
    try:
        if key in _said:
            return
        if len(_said) >= _KEPT:
            _said.clear()
        _said.add(key)
        sys.stderr.write(f"svcgov: {message} (said once)\n")
    except Exception:  # noqa: S110  # an unhashable key, a closed stream: there is nobody left to tell
        pass


def outside() -> int:
    """The ``stacklevel`` of a warning that the caller gives: that of the first frame outside of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        frame, level = frame.f_back, level + 1
    return level
