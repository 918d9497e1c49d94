"""Pages of an application that show what svcgov knows, and are answered before it is reached.

Rule 1: to look changes nothing: no policy is passed, nothing is counted, no line is written, and other methods than ``GET`` and
        ``HEAD`` are not allowed.
Rule 2: a page that cannot be made is reported once, and answered by 500: nothing of the reason is shown.
Rule 3: where there are several types of a page, whoever asks gets the one that it would rather have (RFC 9110, 12.5.1).
"""

from __future__ import annotations

from .._core._report import report_once
from ._answers import Answer
from ._health import check_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    Page = tuple[str, Callable[[], str]]

    class Answers(Protocol):
        """What answers some requests."""

        def answer(self, method: str, path: str, came: Any) -> Answer | None:
            """The answer to a request, or None where it is somebody else's; *came* is the scope or the environ it came by."""
            ...


class Pages:
    """Pages by their paths, each the types that its content can have, and for each what makes it; the first is the usual."""

    def __init__(self, pages: Mapping[str, Sequence[Page]]) -> None:
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

    def answer(self, method: str, path: str, came: Any) -> Answer | None:
        """The answer to a request, or None where it is the application's."""
        those = self._pages.get(path)
        if those is None:
            return None
        if method not in ("GET", "HEAD"):
            return _answer(405, "Method Not Allowed", "text/plain", "not allowed\n", allow="GET, HEAD")
        try:
            kind, make = those[0] if len(those) == 1 else _wanted(those, _accepted(came))
            return _answer(200, "OK", kind, make())
        except Exception as failure:
            report_once(("page", path), f"{path} could not be made: {failure!r}")
            return _answer(500, "Internal Server Error", "text/plain", "could not be made\n")


class Either:
    """The answer of the first that has one."""

    def __init__(self, *those: Answers) -> None:
        self._those = those

    def answer(self, method: str, path: str, came: Any) -> Answer | None:
        """As `Pages.answer`."""
        return next((found for one in self._those if (found := one.answer(method, path, came)) is not None), None)


def _accepted(came: Any) -> str:
    """The header ``Accept``."""
    if "REQUEST_METHOD" in came:
        return str(came.get("HTTP_ACCEPT", ""))
    return ",".join(value.decode("latin-1") for name, value in came.get("headers", ()) if name.lower() == b"accept")


def _wanted(those: Sequence[Page], accept: str) -> Page:
    """The one of *those* that is wanted most, or else the first."""
    ranges = [one.strip().lower().split(";") for one in accept.split(",")]

    def wish(page: Page) -> float:
        kind = page[0].partition(";")[0]
        for name in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
            said = [_quality(more) for given, *more in ranges if given.strip() == name]
            if said:
                return max(said)
        return 0.0

    return max(those, key=wish)


def _quality(parameters: list[str]) -> float:
    for one in parameters:
        name, _, value = one.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _answer(status: int, title: str, kind: str, body: str, **headers: str) -> Answer:
    fixed = {"content-type": kind, "cache-control": "no-store"}
    return Answer(status=status, title=title, headers={**fixed, **headers}, body=body)
