"""What kind of callable a decorator was given: found out once, at decoration, without the weight of ``inspect``."""

from __future__ import annotations

import sys
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # the flags of a code object, as `inspect` names them


def kind_of(fn: Callable[..., Any]) -> str:
    """``sync``, ``async``, ``generator`` or ``async generator``; looks through partials, methods and callable objects."""
    plain: Any = fn
    while True:
        if marked_async(plain):
            return "async"
        code = getattr(plain, "__code__", None)
        if code is not None:
            break
        inner = plain.func if isinstance(plain, partial) else getattr(plain, "__func__", None)
        if inner is None and not isinstance(plain, type):
            inner = getattr(type(plain).__call__, "__code__", None) and type(plain).__call__
        if inner is None:
            return "sync"
        plain = inner
    flags = code.co_flags
    if flags & _COROUTINE:
        return "async"
    if flags & _ASYNC_GENERATOR:
        return "async generator"
    return "generator" if flags & _GENERATOR else "sync"


def marked_async(fn: Any) -> bool:
    """Whether *fn* says by ``inspect.markcoroutinefunction`` (or asyncio's older mark) that it returns a coroutine."""
    for mark, module in (("_is_coroutine_mark", "inspect"), ("_is_coroutine", "asyncio.coroutines")):
        value = getattr(fn, mark, None)
        if value is not None and value is getattr(sys.modules.get(module), mark, None):
            return True
    return False


def origin_of(fn: Any) -> Any:
    """What *fn* has its name from: partials are looked through, and a callable object is called by its class."""
    while isinstance(fn, partial):
        fn = fn.func
    return fn if hasattr(fn, "__qualname__") else type(fn)


def name_of(fn: Any) -> str:
    """``module.qualified.name``, also of partials and callable objects."""
    named = origin_of(fn)
    module = getattr(named, "__module__", None) or type(named).__module__  # methods of built-in types have none
    return f"{module}.{named.__qualname__}"


def identity_of(value: Any) -> Any:
    """What makes two settings the same setting: functions by where they are written, so that a reloaded module is the same."""
    if isinstance(value, partial):
        return ("partial", identity_of(value.func), identity_of(value.args), identity_of(list(value.keywords.items())))
    if hasattr(value, "__func__"):
        return ("method", identity_of(value.__func__), identity_of(value.__self__))
    code = getattr(value, "__code__", None)
    if code is not None:
        return ("function", value.__module__, value.__qualname__, code.co_firstlineno)
    if isinstance(value, type):
        return ("class", value.__module__, value.__qualname__)
    if isinstance(value, (list, tuple)):
        return (*map(identity_of, value),)
    return value


class Written:
    """A function as a setting: two are the same if they are the same code, as after a reload."""

    __slots__ = ("given",)

    def __init__(self, given: Callable[..., Any]) -> None:
        self.given: Callable[..., Any] = given

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Written) and identity_of(self.given) == identity_of(other.given)

    def __hash__(self) -> int:
        return hash(Written)

    def __repr__(self) -> str:
        return repr(self.given)
