"""Our errors in the client's clothes: what is raised out of a governed client is also an error of that client.

Code that says ``except httpx2.HTTPError`` goes on working when a circuit opens. The class is made from both::

    CircuitOpenError + httpx2.TransportError      CallTimeoutError + httpx2.ReadTimeout

Rule 1: the error is dressed where it stands: it stays the same object, with its traceback, its cause and its notes.
Rule 2: one class for each pair, made when it is first needed.
Rule 3: it pickles, and where the client's package is not installed it comes back as our plain error.
"""

from __future__ import annotations

from ..errors import CallTimeoutError, DeadlineExceededError, SvcgovError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_classes: dict[tuple[type[SvcgovError], type[BaseException]], type[SvcgovError]] = {}


def dress(error: SvcgovError, package: ModuleType, request: Any, like: BaseException | None = None) -> None:
    """Make *error* an error of *package* too: of the class of *like*, or else the one that means the same."""
    if isinstance(error, package.TransportError):
        return
    theirs = _own_class(package, like)
    if theirs is None:
        late = isinstance(error, (CallTimeoutError, DeadlineExceededError))
        theirs = package.TimeoutException if late else package.TransportError
    error.__class__ = _class_of(type(error), theirs)
    error.request = request  # type: ignore[attr-defined]  # a property of the client's part


def _own_class(package: ModuleType, like: BaseException | None) -> type[BaseException] | None:
    """The class of *like*, or the nearest one above it, that the package itself offers: that one can be found again."""
    return next((base for base in type(like).__mro__ if getattr(package, base.__name__, None) is base), None)


def _class_of(plain: type[SvcgovError], theirs: type[BaseException]) -> type[SvcgovError]:
    both = _classes.get((plain, theirs))
    if both is None:
        space = {
            "__module__": plain.__module__,
            "__qualname__": plain.__qualname__,
            "__reduce__": _reducer(plain, theirs),
        }
        both = _classes.setdefault((plain, theirs), type(plain.__name__, (plain, theirs), space))
    return both


def _reducer(plain: type[SvcgovError], theirs: type[BaseException]) -> Callable[[SvcgovError], tuple[Any, ...]]:
    where = theirs.__module__.partition(".")[0], theirs.__name__

    def reduce(error: SvcgovError) -> tuple[Any, ...]:
        make, fields, state = plain.__reduce__(error)
        return _rebuild, (plain if make is type(error) else make, fields, *where), state

    return reduce


def _rebuild(make: Callable[..., SvcgovError], fields: tuple[Any, ...], package: str, name: str) -> SvcgovError:
    error = make(*fields)
    try:
        theirs = getattr(__import__(package), name)
    except (ImportError, AttributeError):
        return error
    error.__class__ = _class_of(type(error), theirs)
    return error
