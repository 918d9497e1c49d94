"""One name, one state.

Rule 1: names are kept by (scope, kind, name); asking twice gives the same object.
Rule 2: a name alone refers to whatever exists; the first settings given to it are its own.
Rule 3: other settings from another place are an error that names both places; the same module may say it anew
        (a reload, a notebook), which reconfigures.
Rule 4: whoever binds a scope (its document) is told of what gets a name there, once it has it. Pipelines are known weakly,
        several by one name.
"""

from __future__ import annotations

import sys
from _thread import RLock
from _weakref import ref
from contextvars import ContextVar
from functools import wraps

from ..errors import ConfigError
from ._callable import identity_of
from ._fork import after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ParamSpec, Protocol, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")
    Key = tuple[str, str, str]

    class Binder(Protocol):
        """Whoever binds a scope."""

        def bind(self, kind: str, name: str, thing: Any) -> None:
            """*thing* has got its name."""
            ...


MOST = 10_000
_NOWHERE = "a document"  # where a thing was made that no code has named
PIPELINE = "pipeline"  # the kind of what has many policies
INBOUND = "[inbound]"  # what documents call a way in whose policies have no name; nobody can call a thing of his so
SCOPE: ContextVar[str] = ContextVar("svcgov.scope", default="")  # whose names are meant by what is being made
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


class Entry:
    """What stands under a name: the thing, the settings as declared in code, and where."""

    __slots__ = ("declared", "place", "thing")

    def __init__(self, thing: Any, declared: Mapping[str, Any], place: str) -> None:
        self.thing = thing
        self.declared = declared
        self.place = place


class Names:
    """All names of one process. The default one is `NAMES`."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._pipelines: list[tuple[str, str, ref[Any]]] = []
        self.binders: dict[str, Binder] = {}  # by scope
        self._lock = RLock()  # what is being made may claim a name of its own: a retry its budget's

    def claim(self, scope: str, kind: str, name: str, declared: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """The one thing of this name: made if it is new, reconfigured if its module says it anew.

        Raises:
            ConfigError: for a name that cannot be, other settings elsewhere, or too many names.
        """
        check_name(name, f"{kind}.name")
        place = calling_place()
        with self._lock:
            entry = self._entries.get((scope, kind, name))
            if entry is None:
                if len(self._entries) >= MOST:
                    raise ConfigError(f"{kind}.name", name, f"at most {MOST} names (for many keys of one policy: key=)")
                thing = make()
                self._entries[scope, kind, name] = Entry(thing, declared, place)
            elif declared and _told_apart(declared, entry.declared):
                if entry.declared and _module(place) != _module(entry.place):
                    raise ConfigError(
                        f"{kind}[{name}]", dict(declared), f"the settings given at {entry.place}, or the name alone, at {place}"
                    )
                entry.thing.redefine(declared)
                entry.declared, entry.place = declared, place
        if entry is not None:
            return entry.thing
        self._told(scope, kind, name, thing)
        return thing

    def introduce(self, scope: str, kind: str, name: str, thing: Any) -> None:
        """*thing* stands under a name that no code has used yet: the first settings that code gives it are its own."""
        with self._lock:
            known = self._entries.get((scope, kind, name))
            if known is None or known.place == _NOWHERE:
                self._entries[scope, kind, name] = Entry(thing, {}, _NOWHERE)

    def know(self, scope: str, name: str, pipeline: Any) -> None:
        """A pipeline of this name is there, until nobody holds it."""
        with self._lock:
            self._pipelines = [known for known in self._pipelines if known[2]() is not None]
            self._pipelines.append((scope, name, ref(pipeline)))
        self._told(scope, PIPELINE, name, pipeline)
        for called, known in self.pipelines(scope):
            if called == name and known is not pipeline and hasattr(known, "follow"):
                known.follow(pipeline)
                self._told(scope, PIPELINE, name, known)

    def pipelines(self, scope: str) -> list[tuple[str, Any]]:
        """The pipelines that have a name in *scope*, in the order in which they were made."""
        known = [(name, held()) for of, name, held in self._pipelines if of == scope]
        return [(name, pipeline) for name, pipeline in known if pipeline is not None]

    def _told(self, scope: str, kind: str, name: str, thing: Any) -> None:
        binder = self.binders.get(scope)
        if binder is not None:
            binder.bind(kind, name, thing)

    def find(self, scope: str, kind: str, name: str) -> Any:
        """What stands under this name, or None."""
        entry = self._entries.get((scope, kind, name))
        return None if entry is None else entry.thing

    def each(self) -> list[tuple[Key, Any]]:
        """All that has a name, and the name."""
        with self._lock:
            return [(key, entry.thing) for key, entry in self._entries.items()]

    def remembered(self) -> Callable[[], None]:
        """Remember what there is; call what comes back to forget what has come since, and what was said anew."""
        with self._lock:
            before = {key: (entry, entry.declared, entry.place) for key, entry in self._entries.items()}

        def forget_the_rest() -> None:
            with self._lock:
                self._entries.clear()
                for key, (entry, declared, place) in before.items():
                    entry.declared, entry.place = declared, place
                    self._entries[key] = entry

        return forget_the_rest

    def forget(self) -> None:
        """Forget all names: for tests. What exists goes on; it is just no longer found."""
        with self._lock:
            self._entries.clear()
            self._pipelines = []
            self.binders = {}

    def forked(self) -> None:
        """In a process that has just been forked: nobody is making anything."""
        self._lock = RLock()


def check_name(name: object, path: str) -> None:
    """Raise a `ConfigError` unless *name* is 1 to 128 of letters, digits and ``. _ : -``."""
    if not isinstance(name, str) or not 1 <= len(name) <= 128 or not _ALLOWED.issuperset(name):
        raise ConfigError(path, name, "1 to 128 letters, digits or . _ : -")


def scoped(scope: str, make: Callable[P, T]) -> Callable[P, T]:
    """*make*, with names that are those of *scope*."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        token = SCOPE.set(scope)
        try:
            return make(*args, **kwargs)
        finally:
            SCOPE.reset(token)

    return made


def calling_place() -> str:
    """``module:line`` of the code outside this package that is being executed."""
    own = __name__.partition(".")[0]
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == own:
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"


def _module(place: str) -> str:
    return place.rpartition(":")[0]


def _told_apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return {k: identity_of(v) for k, v in one.items()} != {k: identity_of(v) for k, v in other.items()}


NAMES = Names()
after_fork(NAMES.forked)
