"""One scenario, two worlds: the same test runs over plain functions and over coroutine functions.

A test says what the governed function does, call by call, and then calls it::

    call = world.governed(retry(on=ConnectionError, clock=world.clock), ConnectionError(), "answer")
    assert call() == "answer"
    assert call.count == 2

A step is an exception (it is raised), a `Takes` (time passes first), a function (it is called), or a value (returned).
The last step goes on for ever.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import svcgov
from svcgov._core._context import ATTEMPT, DEADLINE
from svcgov.facts import Fact
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = Path(__file__).parent
SOURCE = str(Path(svcgov.__file__).parent.parent)  # the very package that is tested: the tree, or a wheel that was installed


class Takes(NamedTuple):
    """A step that lets *seconds* pass, and then does *then*."""

    seconds: float
    then: Any = None


class Seen(NamedTuple):
    """What the governed function saw when it was called."""

    at: float
    attempt: int
    deadline: float | None


class Call:
    """A governed function of either world, called in the same way."""

    def __init__(self, world: World, seen: list[Seen], function: Callable[..., Any]) -> None:
        self.world = world
        self.seen = seen
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, and wait for what comes of it."""
        return self.world.run(self.function, *args, **kwargs)

    @property
    def count(self) -> int:
        """How often the function itself was reached."""
        return len(self.seen)

    @property
    def waits(self) -> list[float]:
        """The time between one call of the function and the next."""
        return [after.at - before.at for before, after in zip(self.seen, self.seen[1:], strict=False)]

    def fails(self, *kinds: type[BaseException], times: int = 1) -> list[BaseException]:
        """Call it *times* times, each of which must raise one of *kinds* (any Exception when none is said)."""
        expected = kinds or (Exception,)
        errors: list[BaseException] = []
        for _ in range(times):
            try:
                result = self()
            except expected as error:
                errors.append(error)
            else:
                raise AssertionError(f"expected an error, got {result!r}")
        return errors


class World:
    """What the two worlds have in common."""

    name = "sync"

    def __init__(self) -> None:
        self.clock = ManualClock(auto=True)

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function*, and wait for it."""
        return function(*args, **kwargs)

    def scripted(self, *steps: Any) -> tuple[list[Seen], Callable[..., Any]]:
        """A function that does one step after the other, and where it writes down what it saw."""
        seen: list[Seen] = []

        def scripted(*args: Any, **kwargs: Any) -> Any:
            """Do the next step."""
            step = self._next(seen, steps)
            if isinstance(step, Takes):
                self.clock.sleep(step.seconds)
                step = step.then
            return did(step, *args, **kwargs)

        return seen, scripted

    def governed(self, policy: Any, *steps: Any) -> Call:
        """A function that does *steps*, governed by *policy* (a policy or a pipeline)."""
        seen, function = self.scripted(*(steps or (None,)))
        return Call(self, seen, policy(function))

    def block(self, policy: Any, *steps: Any) -> Call:
        """The same in a ``with`` (or ``async with``) of *policy*."""
        seen, function = self.scripted(*(steps or (None,)))

        def block(*args: Any, **kwargs: Any) -> Any:
            with policy:
                return function(*args, **kwargs)

        return Call(self, seen, block)

    def through(self, pipeline: Any, *steps: Any) -> Call:
        """The same by ``.call`` (or ``.acall``) of *pipeline*."""
        seen, function = self.scripted(*(steps or (None,)))
        return Call(self, seen, lambda *args, **kwargs: pipeline.call(function, *args, **kwargs))

    def _next(self, seen: list[Seen], steps: tuple[Any, ...]) -> Any:
        seen.append(Seen(self.clock.monotonic(), ATTEMPT.get(), DEADLINE.get()))
        return steps[min(len(seen), len(steps)) - 1]

    def close(self) -> None:
        """Leave nothing behind."""


class AsyncWorld(World):
    """Coroutine functions, on a loop of this test."""

    name = "async"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def main() -> Any:
            return await function(*args, **kwargs)

        return self.runner.run(main(), context=contextvars.copy_context())

    def scripted(self, *steps: Any) -> tuple[list[Seen], Callable[..., Any]]:
        seen: list[Seen] = []

        async def scripted(*args: Any, **kwargs: Any) -> Any:
            """Do the next step."""
            step = self._next(seen, steps)
            if isinstance(step, Takes):
                await self.clock.asleep(step.seconds)
                step = step.then
            return did(step, *args, **kwargs)

        return seen, scripted

    def block(self, policy: Any, *steps: Any) -> Call:
        seen, function = self.scripted(*(steps or (None,)))

        async def block(*args: Any, **kwargs: Any) -> Any:
            async with policy:
                return await function(*args, **kwargs)

        return Call(self, seen, block)

    def through(self, pipeline: Any, *steps: Any) -> Call:
        seen, function = self.scripted(*(steps or (None,)))
        return Call(self, seen, lambda *args, **kwargs: pipeline.acall(function, *args, **kwargs))

    def close(self) -> None:
        self.runner.close()


def did(step: Any, *args: Any, **kwargs: Any) -> Any:
    """Do one step."""
    if isinstance(step, BaseException) or (isinstance(step, type) and issubclass(step, BaseException)):
        raise step
    return step(*args, **kwargs) if callable(step) else step


class Facts(list[Fact]):
    """A listener that keeps what it hears."""

    def __call__(self, fact: Fact) -> None:
        self.append(fact)

    def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self if isinstance(fact, kind)]


class Answer(Exception):
    """An error as a client raises it for an answer with a bad status."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(status)
        self.response = Response(status, {name.replace("_", "-"): value for name, value in headers.items()})


class Response(NamedTuple):
    """As much of an answer as policies look at."""

    status_code: int
    headers: dict[str, str]


def in_threads(count: int, work: Callable[[int], object], *, wait: float = 20.0) -> list[BaseException]:
    """Run ``work(0)`` to ``work(count - 1)`` at the same time; the errors they raised. One that hangs is an error."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(wait)
        if thread.is_alive():
            errors.append(AssertionError(f"{thread.name} hangs"))
    return errors


@contextmanager
def hasty_switches() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """A deadline from outside, as an edge sets it."""
    token = DEADLINE.set(at)
    try:
        yield
    finally:
        DEADLINE.reset(token)


def garbage_of(work: Callable[[], object]) -> list[Any]:
    """What *work* leaves for the collector of cycles: should be nothing."""
    gc.collect()
    gc.disable()
    flags = gc.get_debug()
    try:
        work()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return [found for found in gc.garbage if not isinstance(found, type)]
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()
        gc.enable()


def in_child(code: str, *, timeout: float = 30.0, **environment: str) -> Any:
    """Run *code* in an interpreter of its own; it prints JSON on its last line, which is returned."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
    env.pop("PYTHONWARNINGS", None)
    done = subprocess.run(  # our own interpreter, our own code
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**env, **environment, "PYTHONPATH": SOURCE},
    )
    if done.returncode:
        raise AssertionError(f"the child failed: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
