"""Our errors in the client's clothes: what is raised out of a governed client is also an error of that client.

Code that says ``except httpx2.HTTPError`` goes on working when a circuit opens. The class is made from both::

    CircuitOpenError + httpx2.TransportError      CallTimeoutError + requests.ReadTimeout

Rule 1: the error is dressed where it stands: it stays the same object, with its traceback, its cause and its notes.
        Where the client's errors are of a build that an object cannot change to (those of requests are ``OSError``),
        another object takes its place, with all that the first one had.
Rule 2: one class for each pair, made when it is first needed.
Rule 3: it pickles, and where the client's package is not installed it comes back as our plain error.
"""

from __future__ import annotations

import sys

from .._core._frozen import Frozen
from ..errors import CallTimeoutError, DeadlineExceededError, SvcgovError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_classes: dict[tuple[type[SvcgovError], type[BaseException]], type[SvcgovError]] = {}


def _signed(error: Any, request: Any) -> None:
    error.request = request


class Clothes(Frozen):
    """What the errors of a client look like.

    Attributes:
        module: where it offers them, by their names.
        root: the class that they all are of.
        refused: what means the same as a refusal.
        late: what means the same as a time-out.
        sign: writes on an error what those of the client know of the request.
    """

    module: ModuleType
    root: type[BaseException]
    refused: type[BaseException]
    late: type[BaseException]
    sign: Callable[[Any, Any], None]


def clothes_of(module: ModuleType, *, root: str, refused: str, late: str, sign: Callable[[Any, Any], None] = _signed) -> Clothes:
    """The clothes of a client, by the names that its classes have in *module*."""
    root_class, refused_class, late_class = (getattr(module, name) for name in (root, refused, late))
    return Clothes(module=module, root=root_class, refused=refused_class, late=late_class, sign=sign)


def dress(error: SvcgovError, clothes: Clothes, request: Any, like: BaseException | None = None) -> SvcgovError:
    """Make *error* an error of the client too: of the class of *like*, or else the one that means the same."""
    if isinstance(error, clothes.root):
        return error
    theirs = _own_class(clothes.module, like)
    if theirs is None:
        theirs = clothes.late if isinstance(error, (CallTimeoutError, DeadlineExceededError)) else clothes.refused
    dressed = _changed(error, _class_of(type(error), theirs))
    clothes.sign(dressed, request)
    return dressed


def _changed(error: SvcgovError, both: type[SvcgovError]) -> SvcgovError:
    try:
        error.__class__ = both
    except TypeError:  # of another build
        other = both.__new__(both)
        other.__dict__.update(error.__dict__)
        other.__cause__, other.__context__ = error.__cause__, error.__context__
        return other.with_traceback(error.__traceback__)
    return error


def _own_class(module: ModuleType, like: BaseException | None) -> type[BaseException] | None:
    """The class of *like*, or the nearest one above it, that the package itself offers: that one can be found again."""
    return next((base for base in type(like).__mro__ if getattr(module, base.__name__, None) is base), None)


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
    where = theirs.__module__, theirs.__name__

    def reduce(error: SvcgovError) -> tuple[Any, ...]:
        make, fields, state = plain.__reduce__(error)
        return _rebuild, (plain if make is type(error) else make, fields, *where), state

    return reduce


def _rebuild(make: Callable[..., SvcgovError], fields: tuple[Any, ...], module: str, name: str) -> SvcgovError:
    error = make(*fields)
    try:
        __import__(module)
        theirs = getattr(sys.modules[module], name)
    except (ImportError, AttributeError):
        return error
    return _changed(error, _class_of(type(error), theirs))
