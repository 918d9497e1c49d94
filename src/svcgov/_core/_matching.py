"""Which errors a policy means: types, statuses, words, or a function.

Words and what they mean::

    connection   the call may not have reached the other side, or broke on the way
    timeout      too slow: the client's own time-outs, the standard library's, and ours
    429, 5xx     the answer's status
    transient    connection, timeout, and the statuses that invite another try

Rule 1: client libraries are recognised by the names of their classes: none is imported to find out.
Rule 2: a group of errors is meant if every error in it is.
Rule 3: a status is read from ``error.response.status_code`` or ``error.status``; headers stand beside it. An error of AWS
        has a code besides: one that means "slow down" counts as 429, one that invites another try as 408.
"""

from __future__ import annotations

from ..errors import ConfigError, RejectedError
from ._durations import as_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
WORDS = ("transient", "connection", "timeout", "5xx")

_CONNECTION = {
    "aiohttp": ("ClientConnectionError", "ClientPayloadError", "ClientHttpProxyError"),
    "botocore": ("ConnectionError", "HTTPClientError", "IncompleteReadError", "ChecksumError", "ResponseParserError"),
    "builtins": ("ConnectionError",),
    "httpx": ("NetworkError", "RemoteProtocolError", "ProxyError"),
    "httpx2": ("NetworkError", "RemoteProtocolError", "ProxyError"),
    "requests": ("ConnectionError", "ChunkedEncodingError"),
    "urllib3": ("NewConnectionError", "ProtocolError", "SSLError", "ProxyError", "IncompleteRead"),
}
_TIMEOUT = {
    "aiohttp": ("ServerTimeoutError",),
    "botocore": ("ReadTimeoutError", "ConnectTimeoutError"),
    "builtins": ("TimeoutError",),
    "httpx": ("TimeoutException",),
    "httpx2": ("TimeoutException",),
    "requests": ("Timeout", "ConnectTimeout"),
    "urllib3": ("TimeoutError", "EmptyPoolError"),
}
_CODES = {  # of the errors of AWS, whatever their statuses
    **dict.fromkeys((
        "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
        "SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
        "TransactionInProgressException",
    ), 429),
    **dict.fromkeys((
        "IDPCommunicationError", "ReplicatedWriteConflictException", "RequestTimeout", "RequestTimeoutException",
    ), 408),
}  # fmt: skip
_WRAPPERS = frozenset({"requests", "urllib3", "urllib"})  # their errors tell of another, as a reason or first argument


class Ignored(Exception):  # a marker that gates are told, and nobody raises
    """The verdict of a block that said ``permit.ignore()``."""


_NONE: frozenset[Any] = frozenset()  # each empty one made anew would take as much room as a full one


class Matcher:
    """Made once from a setting; `matches` says what it thinks of one error."""

    __slots__ = ("_known", "given", "predicate", "statuses", "types", "words")

    def __init__(self, given: Any, path: str) -> None:
        self.given: Any = given
        self.types: tuple[type[BaseException], ...] = ()
        self.statuses: frozenset[int] = _NONE
        self.words: frozenset[str] = _NONE
        self.predicate: Callable[[Any], Any] | None = None
        self._known: dict[type[BaseException], frozenset[str]] = {}
        for one in given if isinstance(given, (tuple, list, set, frozenset)) else (given,):
            self._take(one, path)

    def matches(self, error: BaseException) -> Any:
        """A truth, or (from a function) the seconds to wait before another try. A function's own error passes through."""
        if isinstance(error, self.types):
            return True
        if isinstance(error, BaseExceptionGroup):
            return self._all_of(error)
        if self.statuses and status_of(error) in self.statuses:
            return True
        if self.words and self._spoken_of(error):
            return True
        return self.predicate(error) if self.predicate is not None else False

    def _all_of(self, group: BaseExceptionGroup[Any]) -> Any:
        """What it thinks of each error in *group*: a group is meant if every one is, and the longest wait is waited."""
        longest: float | None = None
        for leaf in leaves(group):
            verdict = self.matches(leaf)
            wait = wait_of(verdict)
            if wait is None and not verdict:
                return False
            if wait is not None:
                if wait < 0:
                    return wait
                longest = wait if longest is None else max(longest, wait)
        return True if longest is None else longest

    @property
    def speaks_http(self) -> bool:
        """Whether an answer's status can make it match: then only a repeatable call may be made twice."""
        return bool(self.statuses or self.words & {"transient", "5xx"})

    def _take(self, one: Any, path: str) -> None:
        if isinstance(one, type) and issubclass(one, BaseException):
            self.types += (one,)
        elif isinstance(one, int) and not isinstance(one, bool) and 100 <= one <= 599:
            self.statuses |= {one}
        elif isinstance(one, str) and one in WORDS:
            self.words |= {one}
        elif isinstance(one, str) and len(one) == 3 and one.isdigit() and one.isascii():
            self.statuses |= {int(one)}
        elif callable(one) and not isinstance(one, type) and self.predicate is None:
            self.predicate = one
        else:
            words = ", ".join(WORDS)
            raise ConfigError(path, one, f"exception types, a function of the error, a status such as 429, or {words}")

    def _spoken_of(self, error: BaseException) -> bool:
        words = self.words
        classes = self._told_by(error)
        if classes & words or (classes and "transient" in words and not isinstance(error, RejectedError)):
            return True
        status = status_of(error)
        if status is None:
            return False
        return (status >= 500 and "5xx" in words) or (status in TRANSIENT_STATUSES and "transient" in words)

    def _told_by(self, error: BaseException) -> frozenset[str]:
        kind = type(error)
        if kind.__module__.partition(".")[0] in _WRAPPERS:
            for inner in (_part(error, "reason"), *error.args[:1]):
                if isinstance(inner, Exception) and (told := self._told_by(inner)):
                    return told
        return self._classes(kind)

    def _classes(self, kind: type[BaseException]) -> frozenset[str]:
        known = self._known.get(kind)
        if known is None:
            if len(self._known) >= 1000:
                self._known.clear()
            known = self._known[kind] = frozenset(_word_of(kind))
        return known


def _word_of(kind: type[BaseException]) -> list[str]:
    """The word for a class of errors: the nearest class above it that has one decides."""
    for base in kind.__mro__:
        package = base.__module__.partition(".")[0]
        if base.__name__ in _TIMEOUT.get(package, ()):
            return ["timeout"]
        if base.__name__ in _CONNECTION.get(package, ()):
            return [] if issubclass(kind, RejectedError) else ["connection"]  # a refusal, in the clothes of a client
    return []


def wait_of(verdict: Any) -> float | None:
    """The seconds that a function of the error names, or None when its answer is a truth and no duration."""
    if isinstance(verdict, (int, float)) and not isinstance(verdict, bool):
        return float(verdict)
    return as_seconds(verdict)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors that *error* consists of: those in a group and in the groups within it, or itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def status_of(error: BaseException) -> int | None:
    """The HTTP status that *error* carries, or None."""
    response = _part(error, "response")
    if isinstance(response, dict):  # of botocore
        code = _item(response, "Error", "Code")
        known = _CODES.get(code) if isinstance(code, str) else None
        said = known, _part(error, "status"), _item(response, "ResponseMetadata", "HTTPStatusCode")
        return next((one for one in said if isinstance(one, int)), None)
    for holder in (response, error):
        for name in ("status_code", "status"):
            status = _part(holder, name)
            if isinstance(status, int) and not isinstance(error, RejectedError):
                return status
    return None


def headers_of(error: BaseException) -> Mapping[str, str]:
    """The headers of the answer that *error* carries; empty when there is none."""
    answer = _part(error, "response")
    if isinstance(answer, dict):  # of botocore
        given = _item(answer, "ResponseMetadata", "HTTPHeaders")
        return given if isinstance(given, dict) else {}
    for holder in (_part(error, "response"), error):
        headers = _part(holder, "headers")
        if headers is not None and hasattr(headers, "get"):
            return headers  # type: ignore[no-any-return]  # any client's mapping: only `get` is used
    return {}


def _item(answer: dict[str, Any], name: str, within: str) -> Any:
    part = answer.get(name)
    return part.get(within) if isinstance(part, dict) else None


def _part(holder: object, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except Exception:  # a property that raises, such as the request of an httpx error that has none
        return None
