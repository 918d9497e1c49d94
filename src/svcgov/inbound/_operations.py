"""What was called: the route that a framework has found for a request, as it is written in the application.

Rule: a name that somebody has given, and never the path of the request, which may be any text and hold anything.
"""

from __future__ import annotations

from .._core._callable import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KEPT_BY_WSGI = (("werkzeug.request", "url_rule", "rule"), ("bottle.route", "rule"))  # Flask, Bottle


def of_scope(scope: Mapping[str, Any], app: str) -> str:
    """The route of an ASGI request, where FastAPI says it, or the name of the function, where Starlette does; else *app*."""
    route = getattr(scope.get("route"), "path", None)
    if isinstance(route, str):
        return route
    endpoint = scope.get("endpoint")
    return name_of(endpoint) if callable(endpoint) else app


def of_environ(environ: Mapping[str, Any], app: str) -> str:
    """The route of a WSGI request, where Flask or Bottle says it; else *app*."""
    for key, *attributes in _KEPT_BY_WSGI:
        found: Any = environ.get(key)
        for name in attributes:
            found = getattr(found, name, None)
        if isinstance(found, str):
            return found
    return app
