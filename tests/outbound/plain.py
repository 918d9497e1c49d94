"""Two plain clients on one made-up wire: a session of requests and a pool manager of urllib3. A scenario is written once.

The wire stands where urllib3 would use a connection, under both: retries, errors and answers above it are the real ones.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from svcgov import Pipeline
from svcgov.outbound.govern import govern

from .worlds import URL

if TYPE_CHECKING:
    from svcgov.pipeline import Policy


class Seen(NamedTuple):
    """What was asked, and how long it might have taken."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    connect: Any
    read: Any


class Body(io.BytesIO):
    """The body of an answer, whose end is counted; *broken* is raised instead of its end."""

    def __init__(self, wire: Wire, contents: bytes, broken: Exception | None = None) -> None:
        super().__init__(contents)
        self.wire = wire
        self.broken = broken
        wire.open += 1

    def read(self, *size: Any) -> bytes:
        part = super().read(*size)
        if self.broken is not None and (not part or not size):
            raise self.broken
        if self.tell() == len(self.getbuffer()):  # as http.client does, where it knows the length
            self.close()
        return part

    def close(self) -> None:
        self.wire.open -= not self.closed
        super().close()


class Wire:
    """Statuses, answers, errors or functions of what was asked, in turn; the last one goes on."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.seen: list[Seen] = []
        self.open = 0
        self.open_when_asked: list[int] = []
        wire = self

        class Pool(HTTPConnectionPool):
            def _make_request(self, conn: Any, method: str, url: str, **asked: Any) -> Any:  # type: ignore[override]  # all by name
                return wire.answer(self, method, url, **asked)

        self.pool_class = Pool

    def answer(self, pool: Any, method: str, url: str, **asked: Any) -> Any:
        """What comes back for one request."""
        self.open_when_asked.append(self.open)
        timeout = asked["timeout"]
        timeout.start_connect()
        headers = {name.lower(): value for name, value in asked["headers"].items()}
        body = asked["body"]
        if not isinstance(body, (str, bytes, type(None))):
            body = body.read() if hasattr(body, "read") else b"".join(body)
        self.seen.append(Seen(method, url, headers, body or b"", timeout.connect_timeout, timeout.read_timeout))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if callable(outcome):
            outcome = outcome(self.seen[-1])
        if isinstance(outcome, BaseException):
            raise outcome
        status, given, *rest = outcome if isinstance(outcome, tuple) else (outcome, {})
        contents = rest[0] if rest else b"" if status == 204 else b"body"
        return urllib3.HTTPResponse(
            contents if isinstance(contents, io.BytesIO) else Body(self, contents),
            given,
            status,
            preload_content=asked["preload_content"],
            decode_content=asked["decode_content"],
            pool=pool,
            connection=asked["response_conn"],
            retries=asked["retries"],
        )


class Client:
    """One of both."""

    name: str
    refused: type[Exception]  # what our refusals are, too
    late: type[Exception]  # what time-outs are, too
    broken: type[Exception]  # a connection that broke

    def plain(self, wire: Wire) -> Any:
        """A client on *wire*, not governed."""
        raise NotImplementedError

    def governed(self, wire: Wire, *policies: Policy, target: str | None = "payments") -> Any:
        """A client on *wire*."""
        return govern(self.plain(wire), target=target, pipeline=Pipeline(*policies))

    def ask(
        self,
        client: Any,
        method: str = "GET",
        url: str = URL,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """An answer."""
        raise NotImplementedError

    def status(self, response: Any) -> int:
        """Of an answer."""
        raise NotImplementedError

    def contents(self, response: Any) -> bytes:
        """Of an answer."""
        raise NotImplementedError


class OfRequests(Client):
    """A session."""

    name = "requests"
    refused = requests.ConnectionError
    late = requests.Timeout
    broken = requests.ConnectionError

    def plain(self, wire: Wire) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        adapter = requests.adapters.HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = {"http": wire.pool_class}
        session.mount("http://", adapter)
        return session

    def ask(
        self,
        client: Any,
        method: str = "GET",
        url: str = URL,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        return client.request(method, url, data=body, headers=headers, stream=stream, **options)

    def status(self, response: Any) -> int:
        return int(response.status_code)

    def contents(self, response: Any) -> bytes:
        return bytes(response.content)


class OfUrllib3(Client):
    """A pool manager."""

    name = "urllib3"
    refused = urllib3.exceptions.ProtocolError
    late = urllib3.exceptions.TimeoutError
    broken = urllib3.exceptions.HTTPError

    def plain(self, wire: Wire) -> urllib3.PoolManager:
        manager = urllib3.PoolManager()
        manager.pool_classes_by_scheme = {"http": wire.pool_class}
        return manager

    def ask(
        self,
        client: Any,
        method: str = "GET",
        url: str = URL,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        return client.request(method, url, body=body, headers=headers, preload_content=not stream, **options)

    def status(self, response: Any) -> int:
        return int(response.status)

    def contents(self, response: Any) -> bytes:
        return bytes(response.data)


CLIENTS = [OfRequests(), OfUrllib3()]


def once(*parts: bytes) -> Any:
    """A body that can be read once."""
    return (part for part in parts)
