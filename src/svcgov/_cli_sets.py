"""What ``svcgov push --set`` makes of a document: for all and for good, or for a while, or for some processes of all.

Rule 1: a value that stands for a table of settings is that table: ``bulkhead = 10`` does not replace what else is said there.
Rule 2: what is said for good is not tried any more: rollouts no longer say it, and one that says nothing is gone.
Rule 3: rollouts that have ended are taken out with the next push.
"""

from __future__ import annotations

from ._core._clock import utc
from .config._parts import ROLLOUT
from .config._paths import joined
from .config._slots import SLOTS, expanded
from .config.document import document_of
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

WHOSE = ("until", "percent")  # what a rollout says of itself


def for_good(sets: Sequence[Mapping[str, Any]], under: Any, now: float) -> Any:
    """The document *under* with what is *set*."""
    known = _still(under, now)
    for over in sets:
        known = laid(over, known)
        for name, body in dict(_rollouts(known)).items():
            left = _without(over, body)
            if set(left) <= set(WHOSE):
                known = {**known, "rollouts": {key: one for key, one in known["rollouts"].items() if key != name}}
            elif left != body:
                known = {**known, "rollouts": {**known["rollouts"], name: left}}
    return _tidied(known)


def tried(sets: Sequence[Mapping[str, Any]], under: Any, now: float, *, seconds: float | None, percent: float | None) -> Any:
    """The document *under* with one more rollout, which says what is *set*.

    Raises:
        ConfigError: for a place that no rollout speaks of.
    """
    body: Any = {}
    if seconds is not None:
        body["until"] = utc(now + seconds)
    if percent is not None:
        body["percent"] = percent
    for over in sets:
        wrong = next((key for key in over if key in (*WHOSE, "overlay", "rollouts", "service", "api_version")), None)
        if wrong is not None:
            raise ConfigError("--set", wrong, "a place that is for all, such as policies.payments.retry, with --for or --percent")
        body = laid(over, body)
    known = _still(under, now)
    rollouts = _rollouts(known)
    begun = utc(now).partition(".")[0].replace("-", "").replace(":", "")
    name = next(name for name in (begun, *(f"{begun}.{more}" for more in range(2, len(rollouts) + 3))) if name not in rollouts)
    return {**known, "rollouts": {**rollouts, name: body}}


def laid(over: Any, under: Any, path: tuple[str, ...] = ()) -> Any:
    """*under* with what *over* says."""
    if _is_slot(path) and under is not None:
        over, under = (expanded(path[-1], one, joined(path)) for one in (over, under))
    if not isinstance(over, dict) or not isinstance(under, dict):
        return over
    return under | {key: laid(value, under.get(key), (*path, key)) for key, value in over.items()}


def _without(over: Any, under: Any, path: tuple[str, ...] = ()) -> Any:
    """*under* without what *over* says; an empty table where nothing is left."""
    if _is_slot(path):
        over, under = (expanded(path[-1], one, joined(path)) for one in (over, under))
    if not isinstance(over, dict) or not isinstance(under, dict):
        return {}
    left = {key: _without(over[key], value, (*path, key)) if key in over else value for key, value in under.items()}
    return {key: value for key, value in left.items() if key not in over or value != {}}


def _is_slot(path: tuple[str, ...]) -> bool:
    """Whether a slot is at *path*: of a document, of one of its rollouts, or of one of its overlays."""
    return len(path) in (3, 5, 6) and path[-3] == "policies" and path[-1] in SLOTS


def _still(said: Any, now: float) -> Any:
    """A document without the rollouts that have ended."""
    if not isinstance(said, dict):
        return {}
    ended = {part.name for part in document_of(said)[0].parts if part.kind == ROLLOUT and part.until <= now}
    return _tidied({**said, "rollouts": {name: one for name, one in _rollouts(said).items() if name not in ended}})


def _rollouts(said: Any) -> dict[str, Any]:
    found = said.get("rollouts")
    return found if isinstance(found, dict) else {}


def _tidied(said: dict[str, Any]) -> dict[str, Any]:
    """A document without a table of rollouts where there is none."""
    return said if _rollouts(said) else {key: value for key, value in said.items() if key != "rollouts"}
