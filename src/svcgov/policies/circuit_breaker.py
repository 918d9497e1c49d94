"""The circuit breaker: while a dependency fails, calls to it are refused at once, and a few probes find out when it is back.

The rules and the drawing of its states are in ``_circuit``, the machine. This file is the face: the settings, what counts
as a failure, and that every breaker **is a** `pybreaker.CircuitBreaker`, so that code written for pybreaker goes on
working: ``calling()``, ``call()``, ``current_state``, ``state``, listeners, `pybreaker.CircuitBreakerError`.

Rule 1: only an `Exception` is a verdict; a cancellation gives the permit back and teaches nothing.
Rule 2: a refusal of ours is no failure: whoever declined has not asked the dependency.
Rule 3: the call that opens the circuit raises its own error.
Rule 4: no lock is held while the governed function runs: pybreaker's own ``call`` would, so it is not used.
"""

from __future__ import annotations

from .._core._chance import system_random
from .._core._clock import SYSTEM
from .._core._mishaps import Mishaps
from .._core._threads import LOCKED
from .._core._veil import import_without
from ..errors import CircuitOpenError, ConfigError
from ..facts import CallRefused, CircuitChanged
from ..pipeline import Gated, Pipeline, named
from ._circuit import Circuit, LockedCircuit
from ._circuit_hand import ByHand
from ._circuit_names import TheirNames
from ._circuit_settings import BreakerSettings
from ._circuit_states import CLOSED, FORCED_OPEN, HALF_OPEN, OPEN
from ._circuit_verdict import JudgedResult, answer_of, verdict_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, ClassVar, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar, Unpack, overload

    import pybreaker
    from pybreaker import CBStateType

    from .._core._backoff import Backoff
    from .._core._call import Call
    from .._core._schema import Settings
    from ..typing import Clock, Duration
    from ._circuit_keyed import CircuitBreakerOfKey, Circuits

    P = ParamSpec("P")
    T = TypeVar("T")
    One: TypeAlias = type[BaseException] | str | int | Callable[[Any], bool]
    Match: TypeAlias = One | Sequence[One]

    class Options(TypedDict, total=False):
        """The keyword arguments of `circuit_breaker`."""

        failure_rate: float | None
        slow_call_rate: float | None
        slow_call_duration: Duration | None
        bad_rate: float | None
        window: int | Duration
        min_calls: int
        failures: int | None
        consecutive_failures: int | None
        open_for: Duration | Backoff
        open_jitter: float
        open_from_answer: bool
        max_open_for: Duration
        half_open_calls: int
        half_open_max_wait: Duration | None
        ramp: Duration | None
        ramp_steps: Sequence[float]
        count_in_flight: bool
        on: Match
        ignore: Match
        on_result: Callable[[Any], object] | None
        key: Callable[[Any], Any] | str | None
        max_keys: int
        force: Literal["open"] | None
        mode: Literal["enforce", "observe", "off"]
        when: Callable[[Call], object] | Mapping[str, Any] | None
        final: bool | Sequence[str]
        listeners: Sequence[pybreaker.CircuitBreakerListener]
        clock: Clock
        random: Callable[[], float]
        fail_max: int
        reset_timeout: Duration
        success_threshold: int
        exclude: Match
        throw_new_error_on_trip: Literal[False]
else:
    pybreaker, _hidden = import_without("pybreaker", "redis", "tornado")
    if _hidden:
        from ._pybreaker import mend

        mend(pybreaker, _hidden)


SHOWN = {OPEN: OPEN, HALF_OPEN: HALF_OPEN, FORCED_OPEN: OPEN}  # pybreaker's word for a state; all others are closed to it


class BrokenCircuitError(CircuitOpenError, pybreaker.CircuitBreakerError):
    """What is raised: our error and pybreaker's at once."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.policy, self.reason, self.retry_after), self.__dict__


BrokenCircuitError.__name__ = BrokenCircuitError.__qualname__ = "CircuitOpenError"


def _rebuild(*fields: Any) -> CircuitOpenError:
    return BrokenCircuitError(*fields)


class _View(pybreaker.CircuitMemoryStorage):
    """pybreaker's storage interface as a view of the circuit: one truth, no second counter."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        super().__init__(CLOSED)

    @property
    def state(self) -> str:
        return SHOWN.get(self._breaker.machine.state, CLOSED)

    @state.setter
    def state(self, state: str) -> None:
        """pybreaker's state objects set it when they are made; the circuit has its own mind."""

    @property
    def counter(self) -> int:
        return self._breaker.machine.counts()[1]

    @property
    def success_counter(self) -> int:
        calls, failed, _, _ = self._breaker.machine.counts()
        return calls - failed


class CircuitBreaker(ByHand, TheirNames, pybreaker.CircuitBreaker):  # type: ignore[misc, override]  # ours comes first: decorator, name
    """Refuses calls to a dependency that fails. Made by `svcgov.circuit_breaker`."""

    kind = "circuit_breaker"
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "gate"
    settings_class: ClassVar[type[Settings]] = BreakerSettings
    fixed: ClassVar[tuple[str, ...]] = ("on_result",)
    shares = True
    keeps_mode = True
    settings: BreakerSettings
    machine: Circuit | Circuits
    key: ClassVar[Hashable] = None  # whose circuit it is: everybody's

    def __init__(
        self,
        given: Mapping[str, Any],
        *,
        name: str | None = None,
        clock: Clock = SYSTEM,
        random: Callable[[], float] | None = None,
        listeners: Sequence[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        self.random: Callable[[], float] = random or system_random
        self._excluded_exceptions = []
        self._way: Pipeline | None = None
        self._stops: list[tuple[pybreaker.CircuitBreakerListener, Callable[[], None]]] = []
        Gated.__init__(self, given, name=name, clock=clock)
        pybreaker.CircuitBreaker.__init__(self, name=name, state_storage=_View(self), listeners=())
        self.add_listeners(*listeners)

    def _build(self) -> None:
        self.refused: int = 0
        self._mishaps = Mishaps(self)
        if self.settings.key is None:
            self.machine = (LockedCircuit if LOCKED() else Circuit)(self, self.settings)
        else:
            from ._circuit_keyed import Circuits

            self.machine = Circuits(self)

    def _checked(self, given: Mapping[str, Any], path: str) -> BreakerSettings:
        settings: BreakerSettings = super()._checked(given, path)  # type: ignore[assignment]  # of its settings_class
        if (settings.key is None) is not (self.settings.key is None):
            with_or_without = "none" if self.settings.key is None else "a key"
            raise ConfigError(f"{path}.key", given.get("key"), f"{with_or_without}, as it was made with")
        return settings

    def _tune(self, before: Settings) -> None:
        self.machine.tune(self.settings)

    # -- one circuit for each key ------------------------------------------------------------------------------------

    def of(self, key: Hashable) -> CircuitBreakerOfKey:
        """The breaker of one key: its state, its counts, its hand.

        Raises:
            TypeError: where the breaker has no ``key``.
        """
        from ._circuit_keyed import CircuitBreakerOfKey, CircuitMachineOfKey
        from ._keyed import machine_with_keys

        return CircuitBreakerOfKey(self, CircuitMachineOfKey(machine_with_keys(self).owner, key))

    def gate_for(self, key: Hashable) -> Circuit:
        """The circuit of a key, or of the calls that have none (None); for `Keyed`."""
        from ._circuit_keyed import Beside

        machine: Any = self.machine if key is not None else None
        owner, state = (self, None) if key is None else (Beside(self, key), machine.by_hand)
        return (LockedCircuit if LOCKED() else Circuit)(owner, self.settings, state)

    def spare(self, gate: Circuit, now: float) -> int:
        """Whether the circuit of a key can be forgotten; for `Keyed`."""
        circuits: Any = self.machine
        return circuits.spared(gate, now)  # type: ignore[no-any-return]  # a number

    def snapshot(self) -> dict[str, Any]:
        """As `ByHand.snapshot`; with a key ``keys`` and ``keys_overflow`` too, and all but ``refused`` of calls without one."""
        machine: Any = self.machine
        return super().snapshot() if self.settings.key is None else {**super().snapshot(), **machine.figures()}

    def reset(self) -> None:
        """As `ByHand.reset`."""
        super().reset()
        if self.settings.key is not None:
            machine: Any = self.machine
            machine.forget_refusals()

    # -- what the circuit asks ---------------------------------------------------------------------------------------

    def spread(self) -> float:
        """What the time open is multiplied by; the jitter is added, never taken off."""
        return 1 + self.settings.open_jitter * self.random()

    def verdict(self, error: BaseException) -> bool | None:
        """Whether *error* is a failure; None when it teaches nothing. Called outside the lock."""
        return verdict_of(error, self.settings, self._excluded_exceptions, self._mishaps)

    @property
    def judges(self) -> bool:
        """Whether results are looked at too: said when the frames are nested."""
        return self.settings.on_result is not None

    def judge(self, result: object) -> None:
        """Raise a marker when *result* is bad, for the circuit alone."""
        bad: bool | None = None
        try:
            bad = bool(self.settings.on_result(result))  # type: ignore[misc]  # it judges
        except Exception as failure:
            self._mishaps.tell("on_result", failure, "the outcome was ignored")
        if bad is not False:
            raise JudgedResult(result, self, bad=bad is True)

    def result_of(self, error: Exception) -> Any:
        """The result that *error* marks; any other error is raised."""
        if isinstance(error, JudgedResult) and error.judge is self:
            return error.result
        raise error

    def asked(self, error: BaseException) -> float | None:
        """The seconds for which an answer asks not to be called again."""
        return answer_of(error, self.clock.wall)

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether *exception* counts as a failure."""
        return self.verdict(exception) is True

    def refusal(self, reason: str, retry_after: float | None, now: float, key: Hashable = None) -> CircuitOpenError:
        """The refusal, counted and told."""
        self.refused += 1
        if self.ears.heard:
            self.ears.tell(
                CallRefused(policy=self.label, at=now, kind=self.kind, reason=reason, retry_after=retry_after, key=key)
            )
        return BrokenCircuitError(self.label, reason, retry_after)

    # -- what pybreaker has ------------------------------------------------------------------------------------------

    def call(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *func* through this breaker."""
        if self.settings.key is not None or self.settings.when is not None:
            return self._pipeline().call(func, *args, **kwargs)
        with self as permit:
            return permit.result(func(*args, **kwargs))

    async def call_async(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call and await *func* through this breaker (asyncio; pybreaker's own is for tornado)."""
        if self.settings.key is not None or self.settings.when is not None:
            return await self._pipeline().acall(func, *args, **kwargs)
        async with self as permit:
            return permit.result(await func(*args, **kwargs))

    def _pipeline(self) -> Pipeline:
        """What shows it the call, where it has to see it."""
        if self._way is None:
            self._way = Pipeline(self)
        return self._way

    def calling(self) -> AbstractContextManager[Any]:  # type: ignore[override]  # a context manager all the same
        """A block that counts as one call."""
        return self

    @property  # type: ignore[misc]  # read only: `open`, `half_open` and `close` change it
    def state(self) -> CBStateType:
        """pybreaker's object for the state."""
        return self._create_new_state(self.machine.state)

    def add_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """Tell a listener of pybreaker's kind of every change of state, after it, with no lock held."""

        def hear(fact: Any) -> None:
            if SHOWN.get(fact.before) != SHOWN.get(fact.after):  # of the states that pybreaker does not know it is not told
                listener.state_change(self, self._create_new_state(fact.before), self._create_new_state(fact.after))

        pybreaker.CircuitBreaker.add_listener(self, listener)
        self._stops.append((listener, self.listen(hear, CircuitChanged)))

    def add_listeners(self, *listeners: pybreaker.CircuitBreakerListener) -> None:
        """As `add_listener`, for several."""
        for listener in listeners:
            self.add_listener(listener)

    def remove_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """Tell it no more."""
        pybreaker.CircuitBreaker.remove_listener(self, listener)
        index = next(index for index, (known, _) in enumerate(self._stops) if known == listener)
        self._stops.pop(index)[1]()

    def _create_new_state(self, new_state: str, *args: Any, **kwargs: Any) -> CBStateType:
        """pybreaker's object for a state, also for those that it does not know."""
        return pybreaker.CircuitBreaker._create_new_state(self, SHOWN.get(new_state, CLOSED), *args, **kwargs)


if TYPE_CHECKING:

    @overload
    def circuit_breaker(name: Callable[P, T], /) -> Callable[P, T]: ...
    @overload
    def circuit_breaker(name: str | None = None, **options: Unpack[Options]) -> CircuitBreaker: ...


def circuit_breaker(name: Any = None, **options: Any) -> Any:
    """Refuse calls to a dependency that fails, until it is back.

    Args:
        name: share the state with every breaker of this name.
        failure_rate: open when this share of the window has failed, above 0 to 1; None turns it off.
        slow_call_rate, slow_call_duration: open when this share took longer than so many seconds, however it ended.
        bad_rate: open when this share has failed or was slow.
        window: how many of the last calls count, or those of how long: ``"30s"`` or ``seconds(30)``.
        min_calls: no rate below so many calls.
        failures: open after so many failures in the window.
        consecutive_failures: open after so many failures in a row; alone it turns the rate off.
        open_for: how long to refuse before probing: seconds, a timedelta, text such as ``"30s"``, or a `Backoff` without
            jitter, which grows with every opening in a row.
        open_jitter: up to this share is added to it, so that many processes do not come back at once.
        open_from_answer: open at once, for as long as an answer 429 or 503 asks with its ``Retry-After``.
        max_open_for: no growth and no answer makes it longer.
        half_open_calls: how many probes.
        half_open_max_wait: a probe that was out for longer is lost, and its place is free again.
        ramp, ramp_steps: after good probes let a growing share of the calls through, for so long, before all.
        count_in_flight: a call counts as slow as soon as it is, not when it comes back.
        on_result: a function of the result that is true for a bad one, which counts as a failure and is returned as it is.
        key: a function of the `Call` (with ``fn``, ``args``, ``kwargs`` and ``invocation``) that says under which key it
            goes, or ``"header:x-tenant"``, ``"arg:tenant"``, ``"colour"``: each key has a circuit to itself.
        max_keys: how many keys are remembered; where none of them can be forgotten, those beyond are not governed.
        force: ``open`` keeps it open until it is set to None.
        mode: ``observe`` counts and tells, and refuses nothing; ``off`` does nothing at all.
        when: a function of the call: only those are governed of which it is true.
        on, ignore: which errors are failures (every Exception), and which teach nothing; *ignore* wins.
        final: whether no document changes it, or which of its settings none does.
        listeners: listeners of pybreaker's kind.
        clock, random: where time and chance come from, for tests.

    pybreaker's names are understood too: ``fail_max reset_timeout success_threshold exclude``. Without arguments it is
    a decorator itself: ``@circuit_breaker``.

    Raises:
        ConfigError: for a setting that cannot be.
        CircuitOpenError: in a governed call, while it does not let calls through.
    """
    if name is not None and not isinstance(name, str) and callable(name):
        return Pipeline(named(CircuitBreaker, {}, None, None))(name)
    clock, random = options.pop("clock", None), options.pop("random", None)
    return named(CircuitBreaker, options, name, clock, random=random, listeners=options.pop("listeners", ()))
