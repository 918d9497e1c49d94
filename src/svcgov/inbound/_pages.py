"""Pages of an application that show what svcgov knows, and are answered before it is reached.

Rule 1: to look changes nothing: no policy is passed, nothing is counted, no line is written, and other methods than ``GET`` and
        ``HEAD`` are not allowed.
Rule 2: a page that cannot be made is reported once, and answered by 500: nothing of the reason is shown.
"""

from __future__ import annotations

from .._core._report import report_once
from ._answers import Answer
from ._health import check_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    class Answers(Protocol):
        """What answers some requests."""

        def answer(self, method: str, path: str) -> Answer | None:
            """The answer to a request, or None where it is somebody else's."""
            ...


class Pages:
    """Pages by their paths, each the type of its content and what makes it."""

    def __init__(self, pages: Mapping[str, tuple[str, Callable[[], str]]]) -> None:
        self._pages = pages

    @staticmethod
    def prefix(given: str | None, place: str) -> str:
        """What the paths begin with: what was *given* at *place*, or else ``/-``.

        Raises:
            ConfigError: for what is no path.
        """
        if given is None:
            return "/-"
        check_prefix(given, place)
        return given

    def answer(self, method: str, path: str) -> Answer | None:
        """The answer to a request, or None where it is the application's."""
        page = self._pages.get(path)
        if page is None:
            return None
        if method not in ("GET", "HEAD"):
            return _answer(405, "Method Not Allowed", "text/plain", "not allowed\n", allow="GET, HEAD")
        kind, make = page
        try:
            return _answer(200, "OK", kind, make())
        except Exception as failure:
            report_once(("page", path), f"{path} could not be made: {failure!r}")
            return _answer(500, "Internal Server Error", "text/plain", "could not be made\n")


class Either:
    """The answer of the first that has one."""

    def __init__(self, *those: Answers) -> None:
        self._those = those

    def answer(self, method: str, path: str) -> Answer | None:
        """As `Pages.answer`."""
        return next((found for one in self._those if (found := one.answer(method, path)) is not None), None)


def _answer(status: int, title: str, kind: str, body: str, **headers: str) -> Answer:
    fixed = {"content-type": kind, "cache-control": "no-store"}
    return Answer(status=status, title=title, headers={**fixed, **headers}, body=body)
