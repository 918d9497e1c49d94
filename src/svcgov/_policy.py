"""The policy, as far as all kinds of it are alike: it is made of checked settings, has a name, and decorates a function.

Rule 1: settings are checked when they are given, and put in force all or none.
Rule 2: the machine, which the shells use, is made once; other settings tune it, so what it has counted stays.
Rule 3: gates and time-outs can be entered (``with``), loops cannot: a block cannot be run twice.
"""

from __future__ import annotations

import sys
from sys import getrefcount

from ._core import _overrides
from ._core._clock import SYSTEM
from ._core._environment import disabled
from ._core._listeners import PROCESS, Listeners
from ._core._live import born, living
from ._core._names import NAMES, SCOPE, check_name
from ._core._overrides import OVERRIDES
from ._core._schema import Settings, choice, custom
from ._shells._hold import Held, enter, enter_in_turn, leave
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, ClassVar, Literal, ParamSpec, TypeVar

    from ._core._call import Call
    from .facts import Fact
    from .typing import Clock

    P = ParamSpec("P")
    T = TypeVar("T")
    A = TypeVar("A", bound="Policy")


_COUNTED = getattr(sys, "_is_gil_enabled", lambda: True)()  # without a GIL the counts of references say nothing


def _when(value: Any, path: str) -> Callable[[Any], object] | None:
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]  # one of the two
    if hasattr(value, "items"):
        from ._core._traffic import Traffic

        return Traffic(value, path)
    raise ConfigError(path, value, "a function of the call, or a table: which calls it is meant for")


class GateSettings(Settings):
    """The settings that gates share."""

    mode: str = choice("enforce", "observe", "off", default="enforce")
    when: Any = custom(_when, default=None)

    def __init_subclass__(cls) -> None:
        fields = dict(cls._fields)
        shared = {name: fields.pop(name) for name in GateSettings._fields}
        cls._fields = fields | shared  # a gate's own come first, where settings are listed


class Policy:
    """What all policies are: something that decorates a function, has a name, and can be reconfigured and listened to.

    A kind of policy says its ``kind``, its ``shape`` and its ``settings_class``, makes its ``machine`` in `_build`, and
    tunes it in `_tune`. The shells use the machine alone.
    """

    kind: ClassVar[str]
    shape: ClassVar[Literal["gate", "loop", "limit"]]
    settings_class: ClassVar[type[Settings]]
    shares: ClassVar[bool] = False  # whether the frames see to its ``mode`` and ``when`` (`GateSettings`)
    keeps_mode: ClassVar[bool] = False  # whether it sees to its ``mode`` itself
    holds: ClassVar[bool] = False  # whether a permit stays out, at the edge of a client, until the answer has been read
    fixed: ClassVar[tuple[str, ...]] = ()  # settings that cannot change while the policy is in use
    per_call: ClassVar[tuple[str, ...]] = ()  # settings that may be others for some calls (`varied`)
    final: bool | tuple[str, ...] = False  # whether no document changes it, or which of its settings
    documented: Mapping[str, Any] = {}  # what a document says beside the code; never changed, put anew
    machine: Any

    def __init__(self, given: Mapping[str, Any], *, name: str | None = None, clock: Clock = SYSTEM) -> None:
        if name is not None:
            check_name(name, f"{self.kind}.name")
        self.label: str = name or self.kind
        self._name = name
        self.clock = clock
        self.ears: Listeners = Listeners(PROCESS)
        self.declared: dict[str, Any] = self._taken(given)
        self.settings: Settings = self.settings_class.of(self.declared, self._path)
        self._build()
        born(self)

    @property
    def name(self) -> str | None:
        """The name its state is shared by, or None."""
        return self._name

    @property
    def _path(self) -> str:
        return self.kind if self._name is None else f"{self.kind}[{self._name}]"

    def _build(self) -> None:
        """Make the machine from the settings."""
        raise NotImplementedError(f"{type(self).__name__} makes no machine")

    def renew(self) -> None:
        """Forget what was counted, as a new one would; settings and listeners stay. For tests."""
        self._build()

    def forked(self) -> None:
        """In a process that has just been forked: new locks, nobody under way; what was counted stays."""
        self.ears.forked()
        self._renew("forked")

    def restored(self) -> None:
        """The process goes on from a snapshot: see `SystemClock.restored`."""
        self._renew("restored")

    def _renew(self, verb: str) -> None:
        """Tell the machine, where it cares, and is not this object itself."""
        renew = getattr(self.machine, verb, None)
        if renew is not None and self.machine is not self:
            renew()

    def _tune(self, before: Settings) -> None:
        """Bring the machine, which is in use, to the settings that are now in force."""
        raise NotImplementedError(f"{type(self).__name__} cannot be reconfigured")

    def reconfigure(self, changes: Mapping[str, Any]) -> None:
        """Put other settings in force, all or none; counts, permits and states stay.

        What *changes* does not name is as it was declared, or as a document says.

        Raises:
            ConfigError: when one of them cannot be; then nothing has changed.
        """
        self._adopt(self.changed(changes, self._path))

    def redefine(self, declared: Mapping[str, Any]) -> None:
        """The code says its settings anew (`_names`). What a document says stands, if it goes together with them."""
        declared = self._taken(declared)
        self.settings_class.of(declared, self._path)  # has to be right by itself
        try:
            settings = self._checked({**declared, **self.documented}, self._path)
        except ConfigError:
            settings = self._checked(declared, self._path)
            self.documented = {}
        self._adopt(settings)
        self.declared = declared

    def _taken(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that are *given*; which of them are ``final`` is none."""
        settings = dict(given)
        final = settings.pop("final", False)
        fields = self.settings_class._fields
        listed = isinstance(final, (list, tuple)) and all(name in fields for name in final)
        if not isinstance(final, bool) and not listed:
            raise ConfigError(f"{self._path}.final", final, f"true, false, or a list of some of {', '.join(fields)}")
        self.final = final if isinstance(final, bool) else tuple(final)
        return settings

    def document(self, said: Mapping[str, Any], settings: Settings) -> None:
        """A document says so beside the code, or (without a word) no longer says anything; *settings* is what that means."""
        self.documented = said
        self._adopt(settings)

    def with_document(self, said: Mapping[str, Any], path: str) -> Settings:
        """The settings that a document would mean which says this of the policy, if it can change to them in use."""
        return self._checked({**self.declared, **said}, path)

    def changed(self, changes: Mapping[str, Any], path: str) -> Settings:
        """The settings that *changes* to the declared ones would mean, if this policy can change to them in use."""
        return self._checked({**self.declared, **self.documented, **mapping(changes, path)}, path)

    def varied(self, changes: Mapping[str, Any]) -> Policy:
        """This policy with other settings, already read, for some calls: it counts and tells as this one."""
        raise NotImplementedError(f"{type(self).__name__} is the same for all calls")

    def _checked(self, given: Mapping[str, Any], path: str) -> Settings:
        settings = self.settings_class.of(given, path)
        for name in self.fixed:
            made_with = getattr(self.settings, name)
            if getattr(settings, name) != made_with:
                raise ConfigError(f"{path}.{name}", given.get(name), f"{made_with!r}, which it was made with")
        return settings

    def _adopt(self, settings: Settings) -> None:
        before, self.settings = self.settings, settings
        machine = self.machine
        self._tune(before)
        if self.machine is not machine or (self.shares and _nested_otherwise(before, settings)):
            for one in living():
                if self in getattr(one, "policies", ()):
                    one.route = one.nested()  # type: ignore[attr-defined]  # what has policies is a governed function

    def attach(self, *, edge: bool, service: str | None) -> None:
        """Called when it is built into a pipeline, at an *edge* (a governed client, of *service*) or around a function.

        Most policies do not care where they stand.
        """

    def listen(self, listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
        """Tell *listener* what happens here; call what comes back to stop."""
        return self.ears.add(listener, kinds)

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """Govern *fn*, sync or async."""
        from .pipeline import Pipeline

        return Pipeline(self)(fn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"


class Enterable:
    """``with`` and ``async with``, for whatever consists of gates and time-outs alone."""

    def _entered(self) -> tuple[Policy, ...]:
        """What is entered, outermost first."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is entered")

    def __enter__(self) -> Held:
        policies = self._active()
        return enter(self, policies, clock_of(policies).monotonic())

    def enter_for(self, call: Call) -> Held:
        """Enter for a call, which gates may look at; what comes back has to be left."""
        policies = self._active()
        return enter(self, policies, clock_of(policies).monotonic(), call=call)

    def _active(self) -> tuple[Policy, ...]:
        """What is entered by now, when all is taken into account that switches policies off, or others on."""
        policies = active(self._entered())
        given = OVERRIDES.get() if _overrides.in_use else ()
        if not given:
            return policies
        return _overrides.changed(
            policies, _overrides.meant(given, frozenset((self, getattr(self, "name", None)))), clock_of(policies)
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        leave(self, error)

    async def __aenter__(self) -> Held:
        policies = self._active()
        now = clock_of(policies).monotonic()
        if any(getattr(policy.machine, "asks", False) for policy in policies):
            return await enter_in_turn(self, policies, now)
        return enter(self, policies, now, cancel=True)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        leave(self, error)


class Gated(Policy, Enterable):
    """A policy that can also be entered: gates and time-outs."""

    _made_with = 0  # references, where it has no name, until it is entered for the first time

    def __enter__(self) -> Held:
        if self._made_with:
            more, self._made_with = getrefcount(self) - self._made_with, 0
            from ._shells._thrown_away import held_by_nobody, warn_of

            if held_by_nobody(more, "with"):
                warn_of(self)
        return super().__enter__()

    async def __aenter__(self) -> Held:
        if self._made_with:
            more, self._made_with = getrefcount(self) - self._made_with, 0
            from ._shells._thrown_away import held_by_nobody, warn_of

            if held_by_nobody(more, "async with"):
                warn_of(self)
        return await super().__aenter__()

    def _entered(self) -> tuple[Policy, ...]:
        return (self,)


def named(policy: type[A], given: Mapping[str, Any], name: str | None, clock: Clock | None, **injected: Any) -> A:
    """Make a policy, or find the one of this name. Not for users: the factories of the policies call it."""
    if clock is not None and not callable(getattr(clock, "monotonic", None)):
        raise ConfigError(f"{policy.kind}.clock", clock, "a clock, such as svcgov.testing.ManualClock()")
    random = injected.get("random")
    if random is not None and not callable(random):
        raise ConfigError(f"{policy.kind}.random", random, "a function that returns a number from 0 to 1")
    injected["clock"] = clock or SYSTEM
    if name is None:
        made = policy(given, **injected)
        if _COUNTED and isinstance(made, Gated) and made.shape == "gate":
            made._made_with = getrefcount(made)
        return made
    return NAMES.claim(SCOPE.get(), policy.kind, name, given, lambda: policy(given, name=name, **injected))  # type: ignore[no-any-return]  # what make() makes


def active(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """Those that ``SVCGOV_DISABLED`` and their own ``mode`` leave."""
    off = disabled()
    return tuple(policy for policy in policies if policy.kind not in off and not _off(policy))


def _off(policy: Policy) -> bool:
    return policy.shares and not policy.keeps_mode and policy.settings.mode == "off"  # type: ignore[attr-defined]  # as gates that share have


def _nested_otherwise(before: Any, after: Any) -> bool:
    """Whether the frames look different with other settings."""
    return (before.mode, before.when) != (after.mode, after.when)


def slots_of(policies: Sequence[Policy]) -> dict[str, list[Policy]]:
    """The *policies* by the places they stand in: their kinds, but that a time-out inside a retry is an ``attempt_timeout``."""
    slots: dict[str, list[Policy]] = {}
    inside_loop = False
    for policy in policies:
        inside_loop = inside_loop or policy.shape == "loop"
        attempt = policy.shape == "limit" and inside_loop
        slots.setdefault(f"attempt_{policy.kind}" if attempt else policy.kind, []).append(policy)
    return slots


def clock_of(policies: tuple[Policy, ...], otherwise: Clock = SYSTEM) -> Clock:
    """The one clock of *policies*."""
    return policies[0].clock if policies else otherwise


def mapping(value: Any, path: str) -> Mapping[str, Any]:
    """*value*, if it is settings by their names.

    Raises:
        ConfigError: if it is anything else.
    """
    if not hasattr(value, "keys"):
        raise ConfigError(path, value, "settings by their names")
    return value  # type: ignore[no-any-return]  # it has keys
