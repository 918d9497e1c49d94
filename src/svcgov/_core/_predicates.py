"""Functions that documents may name: registered by the code, since a document never imports any.

Rule 1: a name is looked up when its function is asked for the first time: a document may be there before the code is.
Rule 2: a name under which nothing is registered raises then; the policy that asked says so, and goes on.
"""

from __future__ import annotations

from ..errors import ConfigError
from ._callable import identity_of, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

ASKED = ("on", "ignore", "on_result", "key", "when")  # settings that take a function in code

_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_REST = _FIRST | frozenset("0123456789_.-")
_registered: dict[str, Callable[..., Any]] = {}


def predicate(name: str, fn: Callable[..., Any]) -> None:
    """Let documents name *fn* as *name* in ``on``, ``ignore``, ``on_result``, ``key`` and ``when``.

    Args:
        name: a letter or ``_``, then letters, digits, ``_``, ``.`` or ``-``; up to 128.
        fn: a plain function of what the setting is asked about: an error, a result, or a `Call`.

    Raises:
        ConfigError: for a name that cannot be, something else than a plain function, and a name that another function has.
    """
    if not nameable(name):
        raise ConfigError("predicate.name", name, "a letter or _, then letters, digits, _ . or -, up to 128")
    given: Any = fn
    if not callable(given) or isinstance(given, type) or kind_of(given) != "sync":
        raise ConfigError(f"predicate[{name}]", fn, "a plain function")
    known = _registered.get(name)
    if known is not None and identity_of(known) != identity_of(fn):
        raise ConfigError(f"predicate[{name}]", fn, f"another name: this one is that of {known!r}")
    _registered[name] = fn


def nameable(name: Any) -> bool:
    """Whether a function can be registered as *name*."""
    return isinstance(name, str) and 1 <= len(name) <= 128 and name[0] in _FIRST and _REST.issuperset(name)


def near_miss(name: str, words: Iterable[str]) -> str | None:
    """The one of *words* that *name* is probably meant to be."""
    if name in _registered:
        return None
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, words, n=1, cutoff=0.75)), None)


def forget() -> None:
    """Forget all names: for tests."""
    _registered.clear()


class Registered:
    """The function that is registered as *name*, whenever that is."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, asked: Any) -> Any:
        """What the function answers.

        Raises:
            LookupError: when nothing is registered under the name.
        """
        fn = _registered.get(self.name)
        if fn is None:
            raise LookupError(f"no function is registered as {self.name}: svcgov.predicate({self.name!r}, ...)")
        return fn(asked)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.name == self.name

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"the function registered as {self.name}"
