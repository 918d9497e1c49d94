"""Other settings for the calls that begin inside a ``with``: of one pipeline, or of all.

Rule 1: a deadline can be tightened, never loosened.
Rule 2: what is shared by all calls (a circuit, permits, a limit) is not changed for one: that call can only pass it by.
Rule 3: nothing is added where it was not, but for a time-out.
"""

from __future__ import annotations

from _weakref import ref
from importlib import import_module

from ._core._callable import identity_of
from ._core._environment import KINDS
from ._core._names import check_name
from ._core._overrides import OVERRIDES, Given, use
from ._core._schema import duration
from ._policy import mapping
from .errors import ConfigError
from .pipeline import Governed, Pipeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, TypeAlias, TypedDict, Unpack

    from ._core._overrides import Change
    from ._policy import Policy
    from .typing import Clock, Duration

    Policies: TypeAlias = tuple[Policy, ...]

    class Slots(TypedDict, total=False):
        """The places of a pipeline."""

        timeout: Duration | Mapping[str, Any]
        attempt_timeout: Duration | Mapping[str, Any]
        retry: Mapping[str, Any] | None
        circuit_breaker: None
        bulkhead: None
        rate_limit: None


__all__ = ["override"]

_LIMITS = ("timeout", "attempt_timeout")
_CLASSES = {"retry": "Retry"}  # kinds of which settings can be other for some calls: those that keep no state for all
_seconds = duration()


class Without:
    """A kind of policy taken out."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def inside(self, outer: Change | None) -> Change:
        """As it is."""
        return self

    def made(self, policies: Policies, clock: Clock) -> Policies:
        """All but those of the kind."""
        return tuple(policy for policy in policies if policy.kind != self.kind)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.kind == self.kind

    def __hash__(self) -> int:
        return hash((type(self), self.kind))


class Tightened:
    """A time-out put around the call, or around each attempt of it."""

    __slots__ = ("attempt", "seconds")

    def __init__(self, seconds: float, *, attempt: bool) -> None:
        self.seconds = seconds
        self.attempt = attempt

    def inside(self, outer: Change | None) -> Change:
        """The tighter one of both."""
        return outer if isinstance(outer, Tightened) and outer.seconds < self.seconds else self

    def made(self, policies: Policies, clock: Clock) -> Policies:
        """One more, named as the one that stands there."""
        from .policies.timeout import Timeout

        names = [policy.name for policy in policies if policy.shape == "limit" and policy.name]
        limit = Timeout({"seconds": self.seconds}, name=names[-1 if self.attempt else 0] if names else None, clock=clock)
        return (*policies, limit) if self.attempt else (limit, *policies)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (other.seconds, other.attempt) == (self.seconds, self.attempt)

    def __hash__(self) -> int:
        return hash((type(self), self.seconds, self.attempt))


class Varied:
    """Other settings of a kind of policy: as *given*, and as read."""

    __slots__ = ("kind", "said", "settings")

    def __init__(self, kind: str, given: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.kind = kind
        self.said = {name: identity_of(value) for name, value in given.items()}
        self.settings = settings

    def inside(self, outer: Change | None) -> Change:
        """The inner one has it."""
        return self

    def made(self, policies: Policies, clock: Clock) -> Policies:
        """Those of the kind, varied."""
        return tuple(policy.varied(self.settings) if policy.kind == self.kind else policy for policy in policies)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.kind == self.kind and other.said == self.said

    def __hash__(self) -> int:
        return hash((type(self), self.kind, *sorted(self.said)))


class override:  # noqa: N801  # used as a verb: with svcgov.override(...)
    """Other settings for the calls that begin inside ``with svcgov.override(...)``.

    It belongs to the context: other threads and tasks go on as they were. Overrides nest: in each place the inner one
    counts, and of two time-outs the tighter.

    Args:
        target: a pipeline, a governed function, or the name of a pipeline or of a governed client's target; by default all.
        timeout, attempt_timeout: at most so long for the call, or for each attempt of it.
        retry: other settings, such as ``{"attempts": 1}`` or ``{"idempotent": True}``; None for no retry.
        circuit_breaker, bulkhead, rate_limit: None, for calls that pass them by, unseen.

    Raises:
        ConfigError: for a place that there is not, and a setting that cannot be.
    """

    __slots__ = ("_given",)

    def __init__(self, target: str | Pipeline | Callable[..., Any] | None = None, /, **slots: Unpack[Slots]) -> None:
        path = f"override[{target}]" if isinstance(target, str) else "override"
        if not slots:
            raise ConfigError(path, {}, f"at least one of {', '.join((*_LIMITS, *_others()))}")
        changes = {slot: _change(slot, value, f"{path}.{slot}") for slot, value in slots.items()}
        self._given = Given(_known(target), changes)

    def __enter__(self) -> None:
        use()
        OVERRIDES.set((*OVERRIDES.get(), self._given))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        given = OVERRIDES.get()
        place = len(given) - 1 - given[::-1].index(self._given)
        OVERRIDES.set(given[:place] + given[place + 1 :])


def _others() -> list[str]:
    return [kind for kind in KINDS if kind not in _LIMITS]


def _known(target: Any) -> object:
    """What *target* is known as."""
    if target is None or isinstance(target, Pipeline):
        return target
    if isinstance(target, str):
        check_name(target, "override.target")
        return target
    marker = getattr(target, "__svcgov__", None)
    if isinstance(marker, Governed) and marker.head() is target:
        return ref(marker)  # it is nobody's
    raise ConfigError("override.target", target, "a pipeline, a governed function, or the name of a pipeline or target")


def _change(slot: str, value: Any, path: str) -> Change:
    if slot in _LIMITS:
        given = mapping(value, path).get("seconds") if hasattr(value, "keys") else value
        return Tightened(_seconds.read(given, path), attempt=slot != "timeout")
    if slot not in _others():
        raise ConfigError(path, value, f"one of {', '.join((*_LIMITS, *_others()))}")
    if value is None:
        return Without(slot)
    if slot not in _CLASSES:
        raise ConfigError(path, value, "None, which lets these calls pass by: its state is that of all calls")
    policy: type[Policy] = getattr(import_module(f"{__package__}.policies"), _CLASSES[slot])
    settings = {}
    for name, one in mapping(value, path).items():
        if name not in policy.per_call:
            raise ConfigError(f"{path}.{name}", one, f"one of {', '.join(policy.per_call)}")
        settings[name] = policy.settings_class._fields[name].read(one, f"{path}.{name}")
    return Varied(slot, value, settings)
