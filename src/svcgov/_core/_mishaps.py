"""What code of the user's may do wrong where a policy asks it: it is caught and told, and the call goes on as it would have.

Rule 1: a function given as a setting that raises is reported once on standard error, and to who listens once a minute.
Rule 2: an error that cannot be printed or noted on is still raised as it is.
"""

from __future__ import annotations

from ..facts import PredicateFailed
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PAUSE = 60.0


class Mishaps:
    """The functions of one policy that have raised. *owner* is the policy: its label, path, clock and ears are used."""

    __slots__ = ("_owner", "_told")

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._told: dict[str, float] = {}

    def tell(self, setting: str, failure: Exception, outcome: str) -> None:
        """The function given as *setting* raised *failure*; *outcome* says what became of its question."""
        owner = self._owner
        report_once((owner.label, setting), f"{owner._path}.{setting} raised {said(failure)}; {outcome}")
        if not owner.ears.heard:
            return
        now = owner.clock.monotonic()
        last = self._told.get(setting)
        if last is None or now - last >= PAUSE:
            self._told[setting] = now
            owner.ears.tell(PredicateFailed(policy=owner.label, at=now, setting=setting, error=said(failure)))


class Answered(Exception):
    """An answer that travels as an error. Whoever tells of it names its status, not its class, which nobody has raised.

    Attributes:
        answered: the status.
    """

    answered: int


def said(error: BaseException) -> str:
    """The error in a line of at most 200 characters, whatever its ``__str__`` does."""
    name = str(error.answered) if isinstance(error, Answered) else type(error).__name__
    try:
        return f"{name}: {error}"[:200]
    except Exception:
        return name


def noted(error: BaseException, note: str) -> None:
    """Add *note* to the error, once; an error that takes no notes, such as a frozen one, goes without."""
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except Exception:  # noqa: S110  # the error matters, the note does not
        pass
