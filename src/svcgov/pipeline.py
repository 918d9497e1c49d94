"""The pipeline: policies in the order written, around a callable. Every governed call passes it.

It knows the shapes (`svcgov.typing`) and no policy, so a new policy is a new file.

Rule 1: what can be decided at decoration is decided there: sync or async, the order, who shares a frame.
Rule 2: adjacent decorators of ours fuse into one pipeline; a foreign decorator between them ends it.
Rule 3: a reconfiguration makes a new nesting and swaps one reference; a call ends on the nesting it began with.
Rule 4: decorated functions are plain functions: name, signature and docstring stay.
"""

from __future__ import annotations

import functools
from _weakref import ref
from types import AsyncGeneratorType, CoroutineType, GeneratorType

from ._core import _overrides
from ._core._callable import kind_of, name_of, origin_of
from ._core._clock import SYSTEM
from ._core._live import born
from ._core._names import NAMES, SCOPE, check_name
from ._core._record import Record
from ._core._report import outside
from ._core._spans import SPANS
from ._policy import Enterable, Gated, GateSettings, Policy, active, clock_of, mapping, named, slots_of
from ._shells._nest import nest, shell_of
from .errors import ConfigError, ConfigWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from typing import Any, Literal, ParamSpec, TypeVar

    from ._shells._route import Route
    from .facts import Fact
    from .typing import Clock

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["GateSettings", "Gated", "Governed", "Pipeline", "Policy", "flat", "named", "pipeline_of", "slots_of"]


_NOT_BEGUN = frozenset((CoroutineType, GeneratorType, AsyncGeneratorType))  # what a call may come back with before it has begun


class Governed:
    """One decorated function: what its head reads, and what a decorator around it finds (as ``__svcgov__``)."""

    __slots__ = (
        "__weakref__", "clock", "edge", "function", "head", "inline", "instead", "kind", "name", "owners", "policies", "record",
        "route", "service", "target", "told",
    )  # fmt: skip

    route: Route
    head: Callable[[], Callable[..., Any] | None]  # weak: the head holds this

    def __init__(
        self,
        target: Callable[..., Any],
        *,
        owners: tuple[Pipeline, ...],
        policies: tuple[Policy, ...],
        function: str,
        clock: Clock,
        service: str | None = None,
        inline: bool = False,
        edge: bool = False,
    ) -> None:
        self.target: Callable[..., Any] = target
        self.instead: Callable[..., Any] | None = None  # what a test lets be called in its place
        self.told: Callable[[], object] | None = None  # whom to tell when it holds other policies
        self.kind: str = kind_of(target)
        self.owners: tuple[Pipeline, ...] = owners
        self.policies: tuple[Policy, ...] = policies
        self.function: str = function
        self.name: str = owners[0].name or function  # whom its errors name
        self.clock: Clock = clock_of(policies, clock)
        self.service: str | None = service
        self.inline: bool = inline  # whether it stays on its thread, whatever a time-out wants
        self.edge: bool = edge  # whether its permits stay out until an answer has been read
        self.record: Record = Record()
        self.route = self.nested()
        born(self)
        if _overrides.in_use or SPANS.nested:  # perhaps only since the line before the last
            self.route = self.nested()

    def nested(self) -> Route:
        """The frames, made anew."""
        return nest(
            active(self.policies),
            self.target,
            kind="inline" if self.inline and self.kind == "sync" else self.kind,
            name=self.name,
            clock=self.clock,
            known_as=self._known_as() if _overrides.in_use else None,
            instead=self.instead,
            edge=self.edge,
        )

    def _known_as(self) -> frozenset[object]:
        """What an `svcgov.override` can be meant for."""
        return frozenset((ref(self), self.service, *self.owners, *(owner.name for owner in self.owners)))

    def wrapper(self) -> Callable[..., Any]:
        """The outermost frame, which is the decorated function; from now on its owners know it."""
        head: Callable[..., Any] = shell_of(self.kind).head(self)
        self.head = ref(head)
        for owner in self.owners:
            owner._known.append(ref(self, owner._known.remove))
        self.renew()  # a document may have changed them before they knew it
        return head

    def renew(self) -> None:
        """Hold what its owners hold by now."""
        policies = flat([one for one in self.owners if all(one is not owner.model for owner in self.owners)])
        if policies != self.policies:
            self.policies, self.clock = policies, clock_of(policies, self.clock)
            self.route = self.nested()
            if self.told is not None:
                self.told()


class Pipeline(Enterable):
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
        self.own: tuple[Policy, ...] = flat(policies)
        self.policies: tuple[Policy, ...] = self.own  # and those that a document has added
        self.model: Pipeline | None = None
        self.once = False  # whether it stands where nothing is called twice
        self._known: list[ref[Governed]] = []  # a tenth of the size of a set of weak references
        self._ways: dict[str, Callable[..., Any]] = {}
        self._looked = False  # whether it has been warned of
        if name is not None:
            NAMES.know(SCOPE.get(), name, self)

    def _entered(self) -> tuple[Policy, ...]:
        for policy in self.policies:
            if policy.shape == "loop":
                raise TypeError(
                    f"a block cannot be made twice, as {policy!r} would: "
                    "use .call(fn, ...), a decorator, or `for attempt in retry(...): with attempt: ...`"
                )
        return self.policies

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """Govern *fn*: a function of the same kind, name and signature.

        Raises:
            TypeError: for something that cannot be called, and for a generator function that would have to be run twice.
        """
        if isinstance(fn, (classmethod, staticmethod)):
            return type(fn)(self(fn.__func__))  # the same kind of descriptor, as promised
        return self.around(fn)

    def around(
        self,
        fn: Callable[P, T],
        *,
        edge: bool = False,
        service: str | None = None,
        clock: Clock = SYSTEM,
        inline: bool = False,
        model: Pipeline | None = None,
    ) -> Callable[P, T]:
        """As a decorator, with a word about where: at an *edge* (a governed client, of *service*), or around a function.

        *clock* measures the call where no policy brings one. *inline* says that it belongs to the thread it is called on: no
        time-out makes it on another one. *model* is the pipeline that this one was made like, which shows its calls, too.
        """
        _check_callable(fn)
        target: Callable[..., Any] = fn
        model = self.model = model or self.model
        owners: tuple[Pipeline, ...] = (self,) if model is None else (self, model)
        policies = self.policies
        marker = getattr(fn, "__svcgov__", None)
        if isinstance(marker, Governed) and marker.head() is fn:  # functools.wraps copies markers through foreign decorators
            target, owners, policies = marker.target, owners + marker.owners, flat((*policies, *marker.policies))
        if "generator" in kind_of(target):
            from ._shells._life import check

            check(policies, name_of(fn))
        for policy in policies:
            policy.attach(edge=edge, service=service)
        if not edge:
            self._look(kind_of(target))
        governed = Governed(
            target,
            owners=owners,
            policies=policies,
            function=name_of(target),
            clock=clock,
            service=service,
            inline=inline or edge,
            edge=edge,
        )
        wrapper = _dressed(governed.wrapper(), target)
        wrapper.__svcgov__ = governed  # type: ignore[attr-defined]  # the mark that a decorator around it looks for
        return wrapper

    def _look(self, kind: str) -> None:
        """Warn, once, of settings that work, but probably not as meant.

        Not at the edge: a client has time-outs of its own, which the policies around it see.
        """
        if self._looked or len(self.policies) < 2:
            return
        for outer, blind in blind_spots(self.policies, kind):
            from warnings import warn

            from ._describe import blindness

            self._looked = True
            warn(f"{self.label}: {blindness(outer, blind)}", ConfigWarning, stacklevel=outside())

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *fn* through the policies.

        Raises:
            TypeError: for a coroutine function, which `acall` is for, and for a generator function, which is to be decorated.
        """
        result = self._through("sync")(fn, *args, **kwargs)
        if type(result) in _NOT_BEGUN:
            _refuse_unbegun(fn, result)
        return result  # type: ignore[no-any-return]  # what fn returns

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call and await *fn* through the policies."""
        return await self._through("async")(fn, *args, **kwargs)  # type: ignore[no-any-return]  # what fn returns

    def _through(self, kind: str) -> Callable[..., Any]:
        """The governed function behind `call` or `acall`: made at the first call, by one thread or another."""
        through = self._ways.get(kind)
        if through is None:
            for policy in self.policies:
                policy.attach(edge=False, service=None)
            self._look(kind)
            governed = Governed(shell_of(kind).direct, owners=(self,), policies=self.policies, function=self.label, clock=SYSTEM)
            through = self._ways.setdefault(kind, governed.wrapper())
        return through

    @property
    def label(self) -> str:
        """The name, or ``pipeline``."""
        return self.name or "pipeline"

    def reconfigure(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Reconfigure the policies by their kinds, all or none: ``{"retry": {"attempts": 5}}``.

        Where a pipeline holds two time-outs, ``timeout`` is the one outside the retry and ``attempt_timeout`` the other.

        Raises:
            ConfigError: for a kind that is not here, or here twice, or a setting that cannot be; then nothing has changed.
        """
        slots = slots_of(self.policies)
        todo = []
        for slot, given in mapping(changes, self.label).items():
            path = f"{self.label}.{slot}"
            if slot not in slots:
                raise ConfigError(path, given, f"one of {', '.join(slots)}")
            policy, *others = slots[slot]
            if others:
                raise ConfigError(path, given, f"one {slot} in the pipeline; with several, each is reconfigured by itself")
            policy.changed(given, path)
            todo.append((policy, given))
        for governed in self._governed():
            governed.nested()  # what cannot be nested is found out before anything has changed
        for policy, given in todo:
            policy.reconfigure(given)
        for governed in self._governed():
            governed.route = governed.nested()

    def _governed(self) -> list[Governed]:
        """The functions that it stands around, each with its frames."""
        return [governed for known in list(self._known) if (governed := known()) is not None]

    def listen(self, listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
        """Tell *listener* what happens in any of the policies; call what comes back to stop."""
        stops = [policy.listen(listener, *kinds) for policy in self.policies]

        def unsubscribe() -> None:
            for stop in stops:
                stop()

        return unsubscribe

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """What became of the calls, by the name of the governed function; see `Record.snapshot` for the names and units.

        Functions of the same name count as one; what went through `call` and `acall` stands under `label`.
        """
        records: dict[str, Record] = {}
        for governed in self._governed():
            records.setdefault(governed.function, Record()).add(governed.record)
        return {function: record.snapshot() for function, record in records.items()}

    def describe(self, form: Literal["text", "mermaid"] = "text") -> str:
        """The policies in their order, with their settings, what to know of them, and the functions they stand around.

        Args:
            form: ``text``, or ``mermaid`` for a flow chart.

        Raises:
            ConfigError: for another form.
        """
        from . import _describe

        if form not in ("text", "mermaid"):
            raise ConfigError("describe.form", form, "one of text, mermaid")
        draw = _describe.text if form == "text" else _describe.mermaid
        return draw(self, [governed for governed in self._governed() if governed.head() not in self._ways.values()])

    def __repr__(self) -> str:
        return f"Pipeline({' > '.join(policy.label for policy in self.policies)})"


def blind_spots(policies: Sequence[Policy], kind: str) -> Iterator[tuple[Policy, Policy]]:
    """Time-outs that cut calls off around a breaker that has no time-out inside it and does not count slow calls."""
    for place, policy in enumerate(policies):
        settings: Any = policy.settings
        if getattr(settings, "slow_call_duration", 0) is not None or getattr(settings, "mode", "enforce") == "off":
            continue
        outside = [one for one in policies[:place] if one.shape == "limit" and (kind != "sync" or one.machine.on_thread)]
        if outside and not any(one.shape == "limit" for one in policies[place:]):
            yield outside[-1], policy


def pipeline_of(policy: object, place: str) -> Pipeline:
    """What a ``policy=`` argument means: a policy, a pipeline, the name of one, a sequence of them, or None for no policy."""
    if isinstance(policy, Pipeline):
        return policy
    if policy is None:
        return Pipeline()
    if isinstance(policy, Policy):
        return Pipeline(policy)
    if isinstance(policy, (list, tuple)):
        return Pipeline(*policy)
    if isinstance(policy, str):
        from ._documented import policy as known_as

        return known_as(policy)
    raise ConfigError(place, policy, "a policy, a pipeline, the name of one, or a list of them")


def _refuse_unbegun(fn: Callable[..., Any], result: Any) -> None:
    """Nothing of *fn* has been run yet. A generator that a plain function returns is its result, though."""
    if isinstance(result, CoroutineType):
        result.close()
        raise TypeError(f"{name_of(fn)} is a coroutine function: await .acall(fn, ...) instead")
    if "generator" in kind_of(fn):
        raise TypeError(
            f"{name_of(fn)} is a generator function: decorate it, so that it is governed while its items are asked for"
        )


def flat(given: Sequence[Policy | Pipeline]) -> tuple[Policy, ...]:
    """Take pipelines apart; a policy that is there twice is there once."""
    flat: list[Policy] = []
    for index, one in enumerate(given):
        policies = one.policies if isinstance(one, Pipeline) else (one,)
        for policy in policies:
            if not isinstance(policy, Policy):
                raise ConfigError(f"Pipeline[{index}]", policy, f"a policy or a pipeline{_hint(policy)}")
            if policy.clock is not (flat[0] if flat else policy).clock:
                raise ConfigError(f"Pipeline[{index}].clock", policy.clock, "the clock of the other policies")
            if policy not in flat:
                flat.append(policy)
    return tuple(flat)


def _dressed(wrapper: Callable[..., Any], target: Callable[..., Any]) -> Callable[..., Any]:
    """*wrapper* as *target* looks from outside; partials and callable objects look like what they have their name from."""
    functools.update_wrapper(wrapper, target)
    functools.update_wrapper(wrapper, origin_of(target), ("__module__", "__name__", "__qualname__", "__doc__"), ())
    wrapper.__wrapped__ = target  # type: ignore[attr-defined]  # as functools does; signatures are read from there
    return wrapper


def _check_callable(value: object) -> None:
    if not callable(value) or _hint(value):
        raise TypeError(f"expected a function to govern, got {value!r}{_hint(value)}")


def _hint(value: object) -> str:
    """Said of an exception class: it could be called, but was meant otherwise."""
    return " (did you mean retry(on=...)?)" if isinstance(value, type) and issubclass(value, BaseException) else ""
