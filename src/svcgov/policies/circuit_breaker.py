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
from .._core._matching import Ignored, Matcher
from .._core._mishaps import Mishaps
from .._core._schema import Settings, custom, duration, integer, ratio
from .._core._threads import LOCKED
from .._core._veil import import_without
from ..errors import CircuitOpenError, ConfigError, RejectedError
from ..facts import CallRefused, CircuitChanged
from ..pipeline import Gated, Pipeline, named
from ._circuit import CLOSED, HALF_OPEN, OPEN, Circuit, LockedCircuit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar, Unpack, overload

    import pybreaker
    from pybreaker import CBStateType

    from ..typing import Clock, Duration

    P = ParamSpec("P")
    T = TypeVar("T")
    One: TypeAlias = type[BaseException] | str | int | Callable[[Any], bool]
    Match: TypeAlias = One | Sequence[One]

    class Options(TypedDict, total=False):
        """The keyword arguments of `circuit_breaker`."""

        failure_rate: float | None
        window: int
        min_calls: int
        consecutive_failures: int | None
        open_for: Duration
        open_jitter: float
        half_open_calls: int
        half_open_max_wait: Duration | None
        on: Match
        ignore: Match
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


_PYBREAKER_NAMES = {
    "fail_max": "consecutive_failures",
    "reset_timeout": "open_for",
    "success_threshold": "half_open_calls",
    "exclude": "ignore",
}


class BrokenCircuitError(CircuitOpenError, pybreaker.CircuitBreakerError):
    """What is raised: our error and pybreaker's at once."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.policy, self.reason, self.retry_after), self.__dict__


BrokenCircuitError.__name__ = BrokenCircuitError.__qualname__ = "CircuitOpenError"


def _rebuild(*fields: Any) -> CircuitOpenError:
    return BrokenCircuitError(*fields)


def _matcher(value: Any, path: str) -> Matcher | None:
    return None if value == () else Matcher(value, path)


class BreakerSettings(Settings):
    """The settings, checked."""

    failure_rate: float | None = ratio(default=0.5, optional=True)
    window: int = integer(default=100, low=1, high=100_000)
    min_calls: int = integer(default=10, low=1, high=100_000)
    consecutive_failures: int | None = integer(default=None, low=1, high=100_000, optional=True)
    open_for: float = duration(default=30.0, low=0.001, high=3600)
    open_jitter: float = ratio(default=0.1, zero=True)
    half_open_calls: int = integer(default=5, low=1, high=1000)
    half_open_max_wait: float | None = duration(default=60.0, optional=True)
    on: Matcher | None = custom(_matcher, default=None)  # None: every Exception
    ignore: Matcher | None = custom(_matcher, default=None)

    @classmethod
    def of(cls, given: Mapping[str, Any], path: str) -> BreakerSettings:
        """As `Settings.of`; takes pybreaker's names too, and lets ``consecutive_failures`` alone turn the rate off."""
        if given.get("throw_new_error_on_trip"):
            raise ConfigError(
                f"{path}.throw_new_error_on_trip", True, "false: the call that opens the circuit raises its own error"
            )
        renamed = {_PYBREAKER_NAMES.get(name, name): value for name, value in given.items() if name != "throw_new_error_on_trip"}
        if renamed.get("consecutive_failures") is not None:
            renamed.setdefault("failure_rate", None)
        return super().of(renamed, path)

    def check(self, path: str) -> None:
        """Something has to open it."""
        if self.failure_rate is None and self.consecutive_failures is None:
            raise ConfigError(
                f"{path}.failure_rate", None, "a share above 0 to 1, since consecutive_failures is not given either"
            )


class _View(pybreaker.CircuitMemoryStorage):
    """pybreaker's storage interface as a view of the circuit: one truth, no second counter."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        super().__init__(CLOSED)

    @property
    def state(self) -> str:
        return self._circuit.state

    @state.setter
    def state(self, state: str) -> None:
        """pybreaker's state objects set it when they are made; the circuit has its own mind."""

    @property
    def counter(self) -> int:
        return self._circuit.counts()[1]

    @property
    def success_counter(self) -> int:
        calls, failed = self._circuit.counts()
        return calls - failed


class CircuitBreaker(Gated, pybreaker.CircuitBreaker):  # type: ignore[misc, override]  # ours comes first: decorator, name
    """Refuses calls to a dependency that fails. Made by `svcgov.circuit_breaker`."""

    kind = "circuit_breaker"
    shape = "gate"
    settings_class = BreakerSettings
    settings: BreakerSettings
    machine: Circuit

    def __init__(
        self,
        given: Mapping[str, Any],
        *,
        name: str | None = None,
        clock: Clock = SYSTEM,
        random: Callable[[], float] | None = None,
        listeners: Sequence[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        self.random = random or system_random
        self.refused = 0
        self._excluded_exceptions = []
        self._stops: list[tuple[pybreaker.CircuitBreakerListener, Callable[[], None]]] = []
        Gated.__init__(self, given, name=name, clock=clock)
        pybreaker.CircuitBreaker.__init__(self, name=name, state_storage=_View(self.machine), listeners=())
        self.add_listeners(*listeners)

    def _build(self) -> None:
        self._mishaps = Mishaps(self)
        self.machine = (LockedCircuit if LOCKED() else Circuit)(self, self.settings)

    def _tune(self, before: Settings) -> None:
        self.machine.tune(self.settings)

    # -- what the circuit asks ---------------------------------------------------------------------------------------

    def open_for(self) -> float:
        """Seconds to stay open this time; the jitter is added, never taken off."""
        return self.settings.open_for * (1 + self.settings.open_jitter * self.random())

    def verdict(self, error: BaseException) -> bool | None:
        """Whether *error* is a failure; None when it teaches nothing. Called outside the lock."""
        if not isinstance(error, Exception) or isinstance(error, Ignored):
            return None
        on, ignore = self.settings.on, self.settings.ignore
        asked = "ignore"
        try:
            if (ignore is not None and ignore.matches(error)) or self._excluded_by_hand(error):
                return None
            asked = "on"
            if isinstance(error, RejectedError):
                return True if on is not None and isinstance(error, on.types) else None
            return on is None or bool(on.matches(error))
        except Exception as failure:
            self._mishaps.tell(asked, failure, "the outcome was ignored")
            return None

    def _excluded_by_hand(self, error: Exception) -> bool:
        """By pybreaker's ``add_excluded_exception``."""
        given = self._excluded_exceptions
        return any(isinstance(error, one) if isinstance(one, type) else bool(one(error)) for one in given)

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether *exception* counts as a failure."""
        return self.verdict(exception) is True

    def refusal(self, reason: str, retry_after: float | None, now: float) -> CircuitOpenError:
        """The refusal, counted and told."""
        self.refused += 1
        if self.ears.heard:
            self.ears.tell(CallRefused(policy=self.label, at=now, kind=self.kind, reason=reason, retry_after=retry_after))
        return BrokenCircuitError(self.label, reason, retry_after)

    # -- reading it, and moving it by hand ---------------------------------------------------------------------------

    @property
    def current_state(self) -> Literal["closed", "open", "half-open"]:
        """``closed``, ``open`` (also when the wait is over, until a call comes) or ``half-open``."""
        return self.machine.state  # type: ignore[return-value]  # one of the three

    def would_admit(self) -> bool:
        """Whether a call would get in now. Asking changes nothing: readiness uses this."""
        return self.machine.would_admit(self.clock.monotonic())

    def snapshot(self) -> dict[str, Any]:
        """``state calls failed failure_rate refused``; the rate is None below the minimum of calls."""
        calls, failed = self.machine.counts()
        return {
            "state": self.current_state,
            "calls": calls,
            "failed": failed,
            "failure_rate": self.machine.rate(calls, failed),
            "refused": self.refused,
        }

    def open(self, *, for_: Duration | None = None) -> bool:
        """Open it by hand, for the usual time or *for_* that long. Answers as pybreaker does: whether calls are refused."""
        from .._core._durations import as_seconds

        wait = None if for_ is None else as_seconds(for_)
        if for_ is not None and (wait is None or wait <= 0):
            raise ConfigError("open.for_", for_, 'a duration > 0 s, such as 2.5 or "500ms"')
        self.machine.move(OPEN, self.clock.monotonic(), wait)
        return True

    def half_open(self) -> None:
        """Let probes through now."""
        self.machine.move(HALF_OPEN, self.clock.monotonic())

    def close(self) -> None:
        """Close it by hand, with an empty window."""
        self.machine.move(CLOSED, self.clock.monotonic())

    # -- what pybreaker has ------------------------------------------------------------------------------------------

    def call(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *func* through this breaker."""
        with self:
            return func(*args, **kwargs)

    async def call_async(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call and await *func* through this breaker (asyncio; pybreaker's own is for tornado)."""
        async with self:
            return await func(*args, **kwargs)

    def calling(self) -> AbstractContextManager[Any]:  # type: ignore[override]  # a context manager all the same
        """A block that counts as one call."""
        return self

    @property  # type: ignore[misc]  # read only: `open`, `half_open` and `close` change it
    def state(self) -> CBStateType:
        """pybreaker's object for the state."""
        return self._shown(self.current_state)

    @property
    def fail_max(self) -> int:
        """Consecutive failures that open it; 0 when that is off."""
        return self.settings.consecutive_failures or 0

    @fail_max.setter
    def fail_max(self, number: int) -> None:
        self.redefine({**self.declared, "consecutive_failures": number})

    @property
    def reset_timeout(self) -> float:
        """Seconds to stay open."""
        return self.settings.open_for

    @reset_timeout.setter
    def reset_timeout(self, timeout: Duration) -> None:
        self.redefine({**self.declared, "open_for": timeout})

    @property
    def success_threshold(self) -> int:
        """Probes of the half-open state."""
        return self.settings.half_open_calls

    @success_threshold.setter
    def success_threshold(self, threshold: int) -> None:
        self.redefine({**self.declared, "half_open_calls": threshold})

    def add_listener(self, listener: pybreaker.CircuitBreakerListener) -> None:
        """Tell a listener of pybreaker's kind of every change of state, after it, with no lock held."""

        def hear(fact: Any) -> None:
            listener.state_change(self, self._shown(fact.before), self._shown(fact.after))

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

    def _shown(self, state: str) -> CBStateType:
        return self._create_new_state(state)


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
        window: how many of the last calls count.
        min_calls: no rate below so many calls.
        consecutive_failures: open after so many failures in a row; alone it turns the rate off.
        open_for: how long to refuse before probing: seconds, a timedelta, or text such as ``"30s"``.
        open_jitter: up to this share is added to it, so that many processes do not come back at once.
        half_open_calls: how many probes.
        half_open_max_wait: a probe that was out for longer is lost, and its place is free again.
        on, ignore: which errors are failures (every Exception), and which teach nothing; *ignore* wins.
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
