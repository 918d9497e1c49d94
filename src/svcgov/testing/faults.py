"""A plan of faults: what goes wrong, call by call, in a function under test or where the code under test calls out.

Rule 1: a fault is where the function is: inside of all policies, which see it as if it were the function's own.
Rule 2: each call takes the next step of the plan; when it is done, calls are as they always are.
Rule 3: on the way out all is called again as before.
"""

from __future__ import annotations

from _thread import allocate_lock
from _weakref import ref
from contextlib import ExitStack
from functools import wraps

from .._core import _live
from .._core._callable import kind_of
from .._core._clock import SYSTEM
from .._core._names import check_name
from .._core._schema import duration
from ..errors import ConfigError
from ..pipeline import Governed, Pipeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, ParamSpec, Self, TypeAlias, TypedDict, TypeVar

    from ..typing import Clock, Duration

    P = ParamSpec("P")
    T = TypeVar("T")
    Error: TypeAlias = BaseException | type[BaseException]

    class Fault(TypedDict, total=False):
        """A step with both."""

        delay: Duration
        error: Error

    Step: TypeAlias = Error | Duration | Fault | None


_delay = duration(zero=True)
_NO_FAULT: tuple[float, Error | None] = (0.0, None)


class faults:  # noqa: N801  # reads as the statement it is
    """Let calls go wrong as planned: as a decorator in that function, as a ``with`` wherever governed functions are called.

    Args:
        plan: for each call an error (an exception, or a class of them) that it raises, a delay after which it goes on,
            both (``{"delay": 0.5, "error": TimeoutError}``), or None for a call that is left alone.
        at: where, in a ``with``: a governed function, a pipeline, the name of one, or the target of a governed client; by
            default in every governed function, handlers too.
        forever: whether the last step goes on for ever. Without, calls are left alone when the plan is done.
        clock: what a decorated function's delays go by; by default the clock of the process, or the one that stands in for
            it. In a ``with`` it is the clock of the policies around the call.

    Raises:
        ConfigError: for a step, or a place, that cannot be.
    """

    def __init__(self, *plan: Step, at: object = None, forever: bool = False, clock: Clock = SYSTEM) -> None:
        if not plan:
            raise ConfigError("faults", plan, "at least one step")
        self.calls: int = 0
        """The calls that have come."""
        self._steps = [_step(one, f"faults[{place}]") for place, one in enumerate(plan)]
        self._forever = forever
        self._place = _place(at)
        self._clock = clock
        self._lock = allocate_lock()
        self._undo: list[ExitStack] = []

    def __call__(self, fn: Callable[P, T]) -> Callable[P, T]:
        """*fn*, in which calls go wrong; a generator, when it is asked for its first item."""
        return _faulty(self, fn, kind_of(fn), self._clock)  # type: ignore[no-any-return]  # a function like fn

    def __enter__(self) -> Self:
        undo = ExitStack()

        def befall(thing: object) -> None:
            if isinstance(thing, Governed) and self._meant_for(thing):
                undo.callback(_let_call, thing, thing.instead)
                _let_call(thing, _faulty(self, thing.instead or thing.target, thing.kind, thing.clock))

        with ExitStack() as halfway:
            halfway.push(undo)
            _live.midwives.append(befall)
            undo.callback(_live.midwives.remove, befall)
            for one in _live.living():
                befall(one)
            halfway.pop_all()  # all are in: they stay so, until the block has ended
        self._undo.append(undo)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._undo.pop().close()

    def _meant_for(self, governed: Governed) -> bool:
        return self._place is None or self._place in governed._known_as()

    def _next(self) -> tuple[float, Error | None]:
        """The delay and the error of the call that has just come, which is counted."""
        with self._lock:
            self.calls += 1
            place = self.calls - 1
        if place < len(self._steps):
            return self._steps[place]
        return self._steps[-1] if self._forever else _NO_FAULT

    def __repr__(self) -> str:
        return f"<faults, {self.calls} calls of {len(self._steps)}>"


def _faulty(plan: faults, fn: Any, kind: str, clock: Clock) -> Any:
    """A function of the same *kind* that goes wrong as planned, and else does what *fn* does."""

    def before() -> None:
        delay, error = plan._next()
        if delay:
            clock.sleep(delay)
        if error is not None:
            raise error

    async def before_async() -> None:
        delay, error = plan._next()
        if delay:
            await clock.asleep(delay)
        if error is not None:
            raise error

    def call(*args: Any, **kw: Any) -> Any:
        before()
        return fn(*args, **kw)

    async def coroutine(*args: Any, **kw: Any) -> Any:
        await before_async()
        return await fn(*args, **kw)

    def generator(*args: Any, **kw: Any) -> Any:
        before()
        return (yield from fn(*args, **kw))

    async def async_generator(*args: Any, **kw: Any) -> Any:
        await before_async()
        body = fn(*args, **kw)
        step, value = body.asend, None
        while True:
            try:
                item = await step(value)
            except StopAsyncIteration:
                return
            try:
                value = yield item
                step = body.asend
            except BaseException as thrown:  # what its consumer throws in is for the function
                step, value = body.athrow, thrown

    alike = {"sync": call, "async": coroutine, "generator": generator, "async generator": async_generator}
    return wraps(fn)(alike[kind])


def _let_call(governed: Governed, instead: Any) -> None:
    """Let *governed* call something in the place of its function, or (None) the function."""
    governed.instead = instead
    governed.route = governed.nested()


def _step(given: Any, path: str) -> tuple[float, Error | None]:
    if given is None:
        return _NO_FAULT
    if hasattr(given, "keys"):
        for name in given:
            if name not in ("delay", "error"):
                raise ConfigError(f"{path}.{name}", given[name], "one of delay, error")
        delay, error = given.get("delay", 0.0), given.get("error")
        if error is not None and not _is_error(error):
            raise ConfigError(f"{path}.error", error, "an exception, or a class of them")
        return _delay.read(delay, f"{path}.delay"), error
    if _is_error(given):
        return 0.0, given
    try:
        return _delay.read(given, path), None
    except ConfigError:
        raise ConfigError(
            path, given, 'an error, a delay such as 2.5 or "500ms", {"delay": ..., "error": ...} for both, or None'
        ) from None


def _is_error(value: Any) -> bool:
    return isinstance(value, BaseException) or (isinstance(value, type) and issubclass(value, BaseException))


def _place(given: Any) -> object:
    """What the governed functions are known as that *given* means; None for all."""
    if given is None or isinstance(given, Pipeline):
        return given
    if isinstance(given, str):
        check_name(given, "faults.at")
        return given
    marker = getattr(given, "__svcgov__", None)
    if isinstance(marker, Governed) and marker.head() is given:
        return ref(marker)
    raise ConfigError("faults.at", given, "a governed function, a pipeline, or the name of a pipeline or of a client's target")
