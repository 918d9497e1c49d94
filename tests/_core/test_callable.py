"""What kind of callable a decorator was given."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from types import MethodType
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from svcgov._core._callable import Written, identity_of, kind_of, marked_async, name_of, origin_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def plain(*args: object, **kwargs: object) -> int:
    return 1


async def coroutine() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Sync:
    """Called like a function; what its attribute ``func`` is, is nobody's business."""

    func = coroutine

    def __call__(self) -> int:
        return 1

    def method(self) -> int:
        return 1

    async def amethod(self) -> int:
        return 1

    @classmethod
    async def aclassmethod(cls) -> int:
        return 1

    @staticmethod
    async def astaticmethod() -> int:
        return 1


class Async:
    """Awaited like a coroutine function."""

    async def __call__(self) -> int:
        return 1


class Odd:
    """A class whose ``__call__`` is no function."""

    __call__ = functools.partial(plain)


def older_mark(fn: Any) -> Any:
    """As libraries marked what returns a coroutine before Python 3.12."""
    fn._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # asyncio's own, not in its stubs
    return fn


KINDS: list[tuple[str, Any]] = [
    ("sync", plain),
    ("async", coroutine),
    ("generator", generator),
    ("async generator", async_generator),
    ("sync", functools.partial(plain)),
    ("async", functools.partial(functools.partial(coroutine))),
    ("generator", functools.partial(generator)),
    ("sync", Sync().method),
    ("async", Sync().amethod),
    ("async", Sync.aclassmethod),
    ("async", Sync.astaticmethod),
    ("sync", Sync()),
    ("async", Async()),
    ("async", Async().__call__),
    ("async", functools.partial(Async())),
    ("sync", Async),
    ("sync", Odd()),
    ("async", MethodType(Async(), 1)),
    ("sync", len),
    ("sync", "a".upper),
    ("sync", functools.lru_cache(plain)),
    ("async", functools.wraps(plain)(coroutine)),
    ("sync", Mock()),
    ("sync", MagicMock()),
    ("async", AsyncMock()),
    ("async", older_mark(Sync.__new__(Sync))),
]


@pytest.mark.parametrize(("kind", "fn"), KINDS, ids=[f"{number}-{kind}" for number, (kind, _) in enumerate(KINDS)])
def test_the_kind_of_a_callable(kind: str, fn: Callable[..., Any]) -> None:
    """Through partials, methods, callable objects and mocks; a class is called, and makes an object at once."""
    assert kind_of(fn) == kind


def test_a_function_marked_as_one_is_a_coroutine_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """``inspect.markcoroutinefunction`` sets a mark of its own, from Python 3.12 on."""
    mark = object()
    monkeypatch.setattr(inspect, "_is_coroutine_mark", mark, raising=False)

    def returns_a_coroutine() -> Any:
        return coroutine()

    assert kind_of(returns_a_coroutine) == "sync"
    returns_a_coroutine._is_coroutine_mark = mark  # type: ignore[attr-defined]  # what inspect does
    assert kind_of(returns_a_coroutine) == "async"


def test_a_mark_that_nobody_can_have_set_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as asyncio is not loaded, its mark is something else by the same name."""

    def fn() -> None:
        """Has an attribute by the name of the mark."""

    fn._is_coroutine = True  # type: ignore[attr-defined]  # as said
    monkeypatch.delitem(sys.modules, "asyncio.coroutines")
    assert not marked_async(fn)


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (plain, f"{__name__}.plain"),
        (functools.partial(functools.partial(plain)), f"{__name__}.plain"),
        (Sync().method, f"{__name__}.Sync.method"),
        (Sync(), f"{__name__}.Sync"),
        (Sync, f"{__name__}.Sync"),
        (len, "builtins.len"),
        (str.upper, "builtins.str.upper"),
        ([].append, "builtins.list.append"),
        (Mock(), "unittest.mock.Mock"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_name_of_a_callable(fn: Any, name: str) -> None:
    """Of partials that of the function, of callable objects that of the class."""
    assert name_of(fn) == name


def test_a_callable_without_a_module_is_named_by_that_of_its_class() -> None:
    """As methods of built-in types are."""
    nameless = Sync()
    nameless.__qualname__, nameless.__module__ = "fetch", ""  # type: ignore[attr-defined]
    assert name_of(nameless) == f"{__name__}.fetch"


def test_a_callable_has_its_name_from_a_function_or_a_class() -> None:
    """Partials are looked through."""
    assert origin_of(functools.partial(plain)) is plain
    assert origin_of(Sync()) is Sync


def made(number: int) -> Callable[..., int]:
    """Two of these are written at the same place."""
    return lambda *args, **kwargs: number


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (made(1), made(2)),
        (functools.partial(made(1), 5, n=6), functools.partial(made(2), 5, n=6)),
        ([made(1), "5xx"], (made(2), "5xx")),
        (Sync.aclassmethod, Sync.aclassmethod),
        (ValueError, ValueError),
        (5, 5.0),
    ],
)
def test_settings_that_are_the_same(one: Any, other: Any) -> None:
    """Functions and classes by where they are written, the rest by being equal."""
    assert identity_of(one) == identity_of(other)


SYNC = Sync()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (plain, coroutine),
        (functools.partial(plain), plain),
        (functools.partial(plain, 1), functools.partial(plain, 2)),
        (functools.partial(plain, n=1), functools.partial(plain, n=2)),
        (SYNC.method, Sync().method),
        (SYNC.method, Sync.method),
        (SYNC.method, SYNC.__call__),
        (functools.partial(plain), functools.partial(coroutine)),
        (Sync, Async),
        ([1, 2], [2, 1]),
        ("5", 5),
    ],
)
def test_settings_that_are_not_the_same(one: Any, other: Any) -> None:
    """A method of another object is another function."""
    assert identity_of(one) != identity_of(other)


def test_a_function_as_a_setting_is_the_same_after_a_reload() -> None:
    """By where it is written; it shows itself as the function does."""
    one, again, other = Written(made(1)), Written(made(2)), Written(plain)
    assert one == again
    assert one != other
    assert one != one.given
    assert len({one, again, other}) == 2
    assert repr(other) == repr(plain)
