"""What was called: the route that a framework has found for a request, as it is written in the application.

Rule: a name that somebody has given, and never the path of the request, which may be any text and hold anything.
"""

from __future__ import annotations

from .._core._callable import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_KEPT_BY_WSGI = (("werkzeug.request", "url_rule", "rule"), ("bottle.route", "rule"))  # Flask, Bottle


def of_scope(scope: Mapping[str, Any], app: str) -> str:
    """The route of an ASGI request, where FastAPI says it, or the name of the function, where Starlette does; else *app*."""
    return _first(_of_scope(scope), app)


def of_environ(environ: Mapping[str, Any], app: str) -> str:
    """The route of a WSGI request, where Flask or Bottle says it; else *app*."""
    return _first(_of_environ(environ), app)


def _of_scope(scope: Mapping[str, Any]) -> Iterator[Any]:
    yield getattr(scope.get("route"), "path", None)
    endpoint = scope.get("endpoint")
    yield name_of(endpoint) if callable(endpoint) else None


def _of_environ(environ: Mapping[str, Any]) -> Iterator[Any]:
    for key, *attributes in _KEPT_BY_WSGI:
        found: Any = environ.get(key)
        for name in attributes:
            found = getattr(found, name, None)
        yield found


def _first(found: Iterator[Any], app: str) -> str:
    try:
        return next((one for one in found if isinstance(one, str)), app)
    except Exception:  # whatever stands there is somebody else's, and a name is not worth a call
        return app
