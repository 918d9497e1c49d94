"""The pipeline: policies in the order written, around a callable. Every governed call passes it.

It knows the shapes (`svcgov.typing`) and no policy, so a new policy is a new file.

Rule 1: what can be decided at decoration is decided there: sync or async, the order, who shares a frame.
Rule 2: adjacent decorators of ours fuse into one pipeline; a foreign decorator between them ends it.
Rule 3: a reconfiguration makes a new nesting and swaps one reference; a call ends on the nesting it began with.
Rule 4: decorated functions are plain functions: name, signature and docstring stay.
"""

from __future__ import annotations

import functools
from _weakrefset import WeakSet
from types import FunctionType

from ._core._callable import kind_of, name_of
from ._core._clock import SYSTEM
from ._core._environment import disabled
from ._core._listeners import PROCESS, Listeners
from ._core._names import NAMES, SCOPE, check_name
from ._core._record import Record
from ._shells._hold import Held, enter, leave
from ._shells._nest import nest, shell_of
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Literal, ParamSpec, TypeVar

    from ._core._schema import Settings
    from ._shells._route import Route
    from .facts import Fact
    from .typing import Clock

    P = ParamSpec("P")
    T = TypeVar("T")
    A = TypeVar("A", bound="Policy")

__all__ = ["Gated", "Pipeline", "Policy"]


class Policy:
    """What all policies are: something that decorates a function, has a name, and can be reconfigured and listened to.

    A kind of policy says its ``kind``, its ``shape`` and its ``settings_class``, makes its ``machine`` in `_build`, and
    tunes it in `_tune`. The shells use the machine alone.
    """

    kind: ClassVar[str]
    shape: ClassVar[Literal["gate", "loop", "limit"]]
    settings_class: ClassVar[type[Settings]]
    fixed: ClassVar[tuple[str, ...]] = ()  # settings that cannot change while the policy is in use
    machine: Any

    def __init__(self, given: Mapping[str, Any], *, name: str | None = None, clock: Clock = SYSTEM) -> None:
        if name is not None:
            check_name(name, f"{self.kind}.name")
        self.label = name or self.kind
        self._name = name
        self.clock = clock
        self.ears = Listeners(PROCESS)
        self.declared = dict(given)
        self.settings = self.settings_class.of(given, self._path)
        self._build()

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

    def _tune(self, before: Settings) -> None:
        """Bring the machine, which is in use, to the settings that are now in force."""
        raise NotImplementedError(f"{type(self).__name__} cannot be reconfigured")

    def reconfigure(self, changes: Mapping[str, Any]) -> None:
        """Put other settings in force, all or none; counts, permits and states stay.

        Raises:
            ConfigError: when one of them cannot be; then nothing has changed.
        """
        self._adopt(self.checked({**self.declared, **changes}, self._path))

    def redefine(self, declared: Mapping[str, Any]) -> None:
        """The code says its settings anew (`_names`)."""
        self._adopt(self.checked(declared, self._path))
        self.declared = dict(declared)

    def checked(self, given: Mapping[str, Any], path: str) -> Settings:
        """The settings that *given* means, if this policy can change to them while it is in use."""
        settings = self.settings_class.of(given, path)
        for name in self.fixed:
            made_with = getattr(self.settings, name)
            if getattr(settings, name) != made_with:
                raise ConfigError(f"{path}.{name}", given.get(name), f"{made_with!r}, which it was made with")
        return settings

    def _adopt(self, settings: Settings) -> None:
        before, self.settings = self.settings, settings
        self._tune(before)

    def attach(self, *, edge: bool, service: str | None) -> None:
        """Called when it is built into a pipeline, at an *edge* (a governed client, of *service*) or around a function.

        Most policies do not care where they stand.
        """

    def listen(self, listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
        """Tell *listener* what happens here; call what comes back to stop."""
        return self.ears.add(listener, kinds)

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """Govern *fn*, sync or async."""
        return Pipeline(self)(fn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"


class _Held:
    """``with`` and ``async with``, for whatever consists of gates and limits alone."""

    def _policies(self) -> tuple[Policy, ...]:
        return ()

    def __enter__(self) -> Held:
        policies = active(self._policies())
        return enter(self, policies, _clock_of(policies).monotonic())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        leave(self, error)

    async def __aenter__(self) -> Held:
        policies = active(self._policies())
        return enter(self, policies, _clock_of(policies).monotonic(), cancel=True)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        leave(self, error)


class Gated(Policy, _Held):
    """A policy that can also be entered: gates and time-outs."""

    def _policies(self) -> tuple[Policy, ...]:
        return (self,)


class Governed:
    """One decorated function: what its head reads, and what a decorator around it finds (as ``__svcgov__``)."""

    __slots__ = ("__weakref__", "clock", "kind", "name", "owners", "policies", "record", "route", "target", "wrapper")

    route: Route

    def __init__(
        self,
        owners: tuple[Pipeline, ...],
        policies: tuple[Policy, ...],
        target: Callable[..., Any],
        kind: str,
        name: str,
        clock: Clock,
    ) -> None:
        self.clock = policies[0].clock if policies else clock
        self.owners = owners
        self.policies = policies
        self.target = target
        self.kind = kind
        self.name = name
        self.record = Record()
        self.wrapper: Callable[..., Any] | None = None
        self.nest()

    def nest(self) -> None:
        """Make the frames anew and swap them in."""
        policies = active(self.policies)
        self.route = nest(policies, self.target, kind=self.kind, name=self.name, clock=self.clock)


class Pipeline(_Held):
    """Policies around a callable, in the order written: the first is the outermost.

    Use it as a decorator, call through it (`call`, `acall`), or enter it (``with``), unless it holds a retry.

    Args:
        policies: policies and other pipelines; those are taken apart.
        name: the name that documents and errors know it by.

    Raises:
        ConfigError: for something that is no policy, or policies with different clocks.
    """

    def __init__(self, *policies: Policy | Pipeline, name: str | None = None) -> None:
        if name is not None:
            check_name(name, "Pipeline.name")
        self.name = name
        self.policies = _flat(policies)
        self._governed: WeakSet[Governed] = WeakSet()
        self._ways: dict[str, Callable[..., Any]] = {}

    def _policies(self) -> tuple[Policy, ...]:
        for policy in self.policies:
            if policy.shape == "loop":
                raise TypeError(f"a block cannot be made twice, as {policy!r} would: use .call(fn, ...) or a decorator")
        return self.policies

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """Govern *fn*: a function of the same kind, name and signature.

        Raises:
            TypeError: for something that cannot be called, and for generator functions.
        """
        if isinstance(fn, (classmethod, staticmethod)):
            return type(fn)(self(fn.__func__))  # type: ignore[return-value]  # the same kind of descriptor, as promised
        return self.around(fn)

    def around(
        self, fn: Callable[P, T], *, edge: bool = False, service: str | None = None, clock: Clock = SYSTEM
    ) -> Callable[P, T]:
        """As a decorator, with a word about where: at an *edge* (a governed client, of *service*), or around a function.

        Without any policy the time is that of *clock*.
        """
        if not callable(fn):
            raise TypeError(f"expected a function to govern, got {fn!r}{_meant(fn)}")
        target: Callable[..., Any] = fn
        owners: tuple[Pipeline, ...] = (self,)
        policies = self.policies
        marker = getattr(fn, "__svcgov__", None)
        if isinstance(marker, Governed) and marker.wrapper is fn:  # functools.wraps copies markers through foreign decorators
            target, owners, policies = marker.target, owners + marker.owners, _flat((*policies, *marker.policies))
        kind = kind_of(target)
        if "generator" in kind:
            raise TypeError(f"{name_of(fn)} is a generator function: it has only begun when it returns, so govern what drives it")
        for policy in policies:
            policy.attach(edge=edge, service=service)
        governed = Governed(owners, policies, target, kind, self.name or name_of(target), clock)
        wrapper = functools.wraps(target)(shell_of(kind).head(governed))
        wrapper.__svcgov__ = governed
        governed.wrapper = wrapper
        for owner in owners:
            owner._governed.add(governed)
        return wrapper  # type: ignore[no-any-return]  # the shells speak of Any inside

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *fn* through the policies."""
        return self._through(_direct)(fn, *args, **kwargs)  # type: ignore[no-any-return]  # what fn returns

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call and await *fn* through the policies."""
        return await self._through(_adirect)(fn, *args, **kwargs)  # type: ignore[no-any-return]  # what fn returns

    def _through(self, way: Callable[..., Any]) -> Callable[..., Any]:
        through = self._ways.get(way.__name__)
        if through is None:
            through = self._ways[way.__name__] = Pipeline.__call__(self, FunctionType(way.__code__, way.__globals__, self.label))
        return through

    @property
    def label(self) -> str:
        """The name, or ``pipeline``."""
        return self.name or "pipeline"

    def reconfigure(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Reconfigure the policies by their kinds, all or none: ``{"retry": {"attempts": 5}}``.

        Where a pipeline holds two time-outs, ``timeout`` is the one outside the retry and ``attempt_timeout`` the other.

        Raises:
            ConfigError: for a kind that is not here, or a setting that cannot be; then nothing has changed.
        """
        slots = self._slots()
        todo = []
        for slot, given in changes.items():
            if slot not in slots:
                raise ConfigError(f"{self.label}.{slot}", given, f"one of {', '.join(slots)}")
            policy = slots[slot]
            policy.checked({**policy.declared, **given}, f"{self.label}.{slot}")
            todo.append((policy, given))
        for policy, given in todo:
            policy.reconfigure(given)
        for governed in list(self._governed):
            governed.nest()

    def _slots(self) -> dict[str, Policy]:
        slots: dict[str, Policy] = {}
        inside_loop = False
        for policy in self.policies:
            inside_loop = inside_loop or policy.shape == "loop"
            attempt = policy.shape == "limit" and inside_loop
            slots.setdefault(f"attempt_{policy.kind}" if attempt else policy.kind, policy)
        return slots

    def listen(self, listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
        """Tell *listener* what happens in any of the policies; call what comes back to stop."""
        stops = [policy.listen(listener, *kinds) for policy in self.policies]

        def unsubscribe() -> None:
            for stop in stops:
                stop()

        return unsubscribe

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """What became of the calls, by governed function; see `Record.snapshot` for the names and units."""
        return {governed.name: governed.record.snapshot() for governed in list(self._governed)}

    def __repr__(self) -> str:
        return f"Pipeline({' > '.join(policy.label for policy in self.policies)})"


def pipeline_of(policy: object, place: str) -> Pipeline:
    """What a ``policy=`` argument means: a policy, a pipeline, a sequence of them, or None for no policy at all."""
    if isinstance(policy, Pipeline):
        return policy
    if policy is None:
        return Pipeline()
    if isinstance(policy, Policy):
        return Pipeline(policy)
    if isinstance(policy, (list, tuple)):
        return Pipeline(*policy)
    raise ConfigError(place, policy, "a policy, a pipeline, or a list of them")


def named(policy: type[A], given: Mapping[str, Any], name: str | None, clock: Clock | None, **injected: Any) -> A:
    """Make a policy, or find the one of this name. Not for users: the factories of the policies call it."""
    injected["clock"] = clock or SYSTEM
    if name is None:
        return policy(given, **injected)
    return NAMES.claim(SCOPE.get(), policy.kind, name, given, lambda: policy(given, name=name, **injected))  # type: ignore[no-any-return]  # what make() makes


def active(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """Those that ``SVCGOV_DISABLED`` leaves."""
    off = disabled()
    return tuple(policy for policy in policies if policy.kind not in off) if off else policies


def _clock_of(policies: tuple[Policy, ...]) -> Clock:
    return policies[0].clock if policies else SYSTEM


def _flat(given: tuple[Policy | Pipeline, ...]) -> tuple[Policy, ...]:
    """Take pipelines apart; a gate that is there twice is there once."""
    flat: list[Policy] = []
    for index, one in enumerate(given):
        policies = one.policies if isinstance(one, Pipeline) else (one,)
        for policy in policies:
            if not isinstance(policy, Policy):
                raise ConfigError(f"Pipeline[{index}]", policy, f"a policy or a pipeline{_meant(policy)}")
            if policy.clock is not (flat[0] if flat else policy).clock:
                raise ConfigError(f"Pipeline[{index}].clock", policy.clock, "the clock of the other policies")
            if policy not in flat:
                flat.append(policy)
    return tuple(flat)


def _meant(value: object) -> str:
    is_error = isinstance(value, type) and issubclass(value, BaseException)
    return " (did you mean retry(on=...)?)" if is_error else ""


def _direct(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)


async def _adirect(fn: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
    return await fn(*args, **kwargs)
