"""Health over HTTP: two paths of an application that are answered before it is reached.

======================  ==========================================================  ======
``GET {prefix}/alive``  ``{"status": "ok"}``                                        200
``GET {prefix}/ready``  the same                                                    200
..                      ``{"status": "unavailable", "reasons": [...]}``             503
======================  ==========================================================  ======

Rule 1: to ask changes nothing: no policy is passed, nothing is counted, no line is written, and other methods than ``GET`` and
        ``HEAD`` are not allowed.
Rule 2: what cannot be found out is reported once, and counts as ready: a fault of ours takes no instance out of traffic.
"""

from __future__ import annotations

from .._core._report import report_once
from ..errors import ConfigError
from ._answers import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Reasons = Callable[[], Iterable[str]]

_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}


def missing(reasons: Reasons) -> tuple[str, ...]:
    """What keeps the service from being ready."""
    try:
        return tuple(reasons())
    except Exception as failure:
        report_once("health", f"whether the dependencies are ready could not be found out: {failure!r}")
        return ()


class Routes:
    """Which requests ask for the health of the service, and what they are answered.

    Args:
        prefix: what the paths begin with, such as ``/-``.
        reasons: what keeps the service from being ready, when it is asked.
        place: who is told where the prefix stands, when it is wrong.

    Raises:
        ConfigError: for a prefix that is no path.
    """

    def __init__(self, prefix: object, reasons: Reasons, *, place: str) -> None:
        check_prefix(prefix, place)
        self._alive = f"{prefix}/alive"
        self._ready = f"{prefix}/ready"
        self._reasons = reasons

    def answer(self, method: str, path: str, came: object = None) -> Answer | None:
        """The answer to a request, or None where it is the application's."""
        if path not in (self._ready, self._alive):
            return None
        if method not in ("GET", "HEAD"):
            return _answer(405, "Method Not Allowed", {"status": "not allowed"}, allow="GET, HEAD")
        reasons = missing(self._reasons) if path == self._ready else ()
        if reasons:
            return _answer(503, "Service Unavailable", {"status": "unavailable", "reasons": reasons})
        return _answer(200, "OK", {"status": "ok"})


def check_prefix(prefix: object, place: str) -> None:
    """Raise a `ConfigError` unless *prefix* is what paths can begin with."""
    if not isinstance(prefix, str) or not prefix.startswith("/") or prefix.endswith("/") or not _plain(prefix):
        raise ConfigError(place, prefix, 'a path without a slash at its end, such as "/-"')


def _plain(path: str) -> bool:
    """Whether *path* is written as it comes: a query or an escape would never be met."""
    return path.isascii() and path.isprintable() and not set(path) & set(" ?#%")


def _answer(status: int, title: str, body: Mapping[str, object], **headers: str) -> Answer:
    from json import dumps

    return Answer(status=status, title=title, headers={**_HEADERS, **headers}, body=dumps(body))
