"""Threads and tasks that keep the invocation: what they call goes out in its trace, its colour and its time.

Rule 1: kept is what belongs to the call, and everything that is not ours. Left behind is what belongs to a frame of the
        parent: the blocks it is in, the attempt it makes, the worker it is on. A child has frames of its own.
Rule 2: nothing is begun before it is asked for, and nobody stops a child when its parent has ended.
"""

from __future__ import annotations

import sys
from contextvars import Context
from contextvars import copy_context as everything

from .._core._callable import kind_of
from .._core._context import DEADLINE, INVOCATION
from .._core._overrides import OVERRIDES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future
    from contextvars import ContextVar
    from typing import Any, ParamSpec, TypeVar, overload

    P = ParamSpec("P")
    R = TypeVar("R")

_OURS = "svcgov."  # how the names of our variables begin
_KEPT: frozenset[ContextVar[Any]] = frozenset((INVOCATION, DEADLINE, OVERRIDES))
_tasks: set[Any] = set()  # a loop holds its tasks weakly: somebody has to keep them until they end


def copy_context() -> Context:
    """The context of this call for another thread: ``executor.submit(svcgov.copy_context().run, fn, x)``.

    As `contextvars.copy_context`, but for what belongs to the frames around: the blocks that were entered, the attempt under way.
    One copy is for one thread at a time.
    """
    context = Context()
    context.run(_fill, everything())
    return context


def _fill(copied: Context) -> None:
    for variable, value in copied.items():
        if variable in _KEPT or not variable.name.startswith(_OURS):
            variable.set(value)


if TYPE_CHECKING:

    @overload
    def spawn(fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kw: P.kwargs) -> Task[R]: ...  # type: ignore[overload-overlap]  # first come, first served
    @overload
    def spawn(fn: Callable[P, R], /, *args: P.args, **kw: P.kwargs) -> Future[R]: ...


def spawn(fn: Callable[..., Any], /, *args: Any, **kw: Any) -> Any:
    """Call *fn* beside the call under way, in a copy of its context (see `copy_context`).

    A plain function is called on a thread of its own; what comes back is a `concurrent.futures.Future`. A coroutine function
    becomes a task of the running loop; what comes back is an `asyncio.Task`. The result, or what was raised, is there.

    Raises:
        RuntimeError: for a coroutine function where no loop runs, and where the system has no more threads.
    """
    return (_task if kind_of(fn) == "async" else _thread)(fn, args, kw)


def _task(fn: Callable[..., Any], args: Any, kw: Any) -> Any:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        raise RuntimeError("no running event loop")
    loop = asyncio.get_running_loop()
    context = copy_context()
    task = loop.create_task(context.run(fn, *args, **kw), context=context)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


def _thread(fn: Callable[..., Any], args: Any, kw: Any) -> Any:
    from concurrent.futures import Future
    from threading import Thread

    future: Future[Any] = Future()
    Thread(target=copy_context().run, args=(_run, future, fn, args, kw), name="svcgov-spawn").start()
    return future


def _run(future: Future[Any], fn: Callable[..., Any], args: Any, kw: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kw)
    except BaseException as error:  # handed over to whoever asks, whatever it is
        future.set_exception(error)
        del future  # the error's traceback holds this frame: together they would wait for the collector
    else:
        future.set_result(result)
