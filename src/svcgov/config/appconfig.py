"""A document of AWS AppConfig, from its agent on this machine: the Lambda extension, or the container beside ours.

Rule 1: the agent is asked every few seconds, when sources are; it asks AWS by itself. A question takes `PATIENCE` at most,
        however slowly it is answered.
Rule 2: an agent that does not answer, or has nothing, says nothing new: what it said last stands.
Rule 3: the time between two questions passes by either clock: after a freeze it is asked anew.
Rule 4: the connection is kept, until it breaks. In a forked process it is its parent's.
Rule 5: a version is no number that only grows: AppConfig takes a deployment back by serving the version before.
"""

from __future__ import annotations

import io
from hashlib import sha256

from .._core._clock import SYSTEM
from .._core._environment import text
from .._core._live import born
from ..errors import ConfigError
from ._formats import MOST_BYTES
from .sources import Raw, revision_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPConnection
    from typing import Any

    from ..typing import Clock

EVERY = 5.0  # seconds
PATIENCE = 0.05  # seconds
PORT = 2772
VARIABLE, PORT_VARIABLE = "SVCGOV_APPCONFIG", "AWS_APPCONFIG_EXTENSION_HTTP_PORT"
_VERSION = ("Configuration-Version", "ConfigurationVersion")  # as the agent says it, and as its interface is described
_LONGEST = 100  # characters of what the agent says about what is wrong


def profile(given: str) -> tuple[str, str, str]:
    """The application, the environment and the profile that ``SVCGOV_APPCONFIG`` names, by their names or ids.

    Raises:
        ConfigError: for what does not name all three.
    """
    parts = tuple(one.strip() for one in given.split("/"))
    if len(parts) != 3 or not all(parts):
        raise ConfigError(VARIABLE, given, "application/environment/profile")
    return parts


def port() -> int:
    """Where the agent listens: as its own variable says.

    Raises:
        ConfigError: for what is no port.
    """
    given = text(PORT_VARIABLE)
    if given and not (given.isdecimal() and 0 < int(given) < 65536):
        raise ConfigError(PORT_VARIABLE, given, "a port, from 1 to 65535")
    return int(given or PORT)


class AppConfig:
    """The document of the profile that is *named*; satisfies `sources.Source`."""

    layer = "service"

    def __init__(self, named: str, clock: Clock) -> None:
        from urllib.parse import quote

        application, environment, configuration = (quote(one) for one in profile(named))
        self._place = f"AppConfig {named}"
        self._path = f"/applications/{application}/environments/{environment}/configurations/{configuration}"
        self._port = port()
        self._clock = clock
        self._every = 0.0  # until it has answered, it is asked whenever somebody looks: it is starting, too
        self._asked: tuple[float, float] | None = None  # when, by either clock
        self._seen: tuple[str, bytes] | None = None  # the version, and what it says
        self._connection: HTTPConnection | None = None
        born(self)

    def forked(self) -> None:
        """In a process that has just been forked: rule 4."""
        self._keep(None)

    def pull(self) -> Raw | None:
        """As `Source.pull`.

        Raises:
            OSError, HTTPException: where the agent does not answer, or has no such document.
        """
        now = self._clock.monotonic(), self._clock.wall()
        if self._asked is not None and max(now[0] - self._asked[0], now[1] - self._asked[1]) < self._every:
            return None
        self._asked = now
        status, headers, data = self._answer()
        self._every = EVERY
        if status != 200:
            said = " ".join(data[:_LONGEST].decode(errors="replace").split())
            raise OSError(f"{self._place}: the agent has answered {status} {said}")
        version = next((headers[name] for name in _VERSION if name in headers), revision_of(data))
        seen = version, sha256(data).digest()
        if seen == self._seen:
            return None
        self._seen = seen
        return Raw(layer=self.layer, place=self._place, data=data, form=_form(headers.get("Content-Type", "")), revision=version)

    def _answer(self) -> tuple[int, Any, bytes]:
        """What the agent says: the status, the headers, and the document; one that is too long is not read to its end."""
        from http.client import HTTPConnection

        ends, kept = SYSTEM.monotonic() + PATIENCE, self._connection
        self._connection = None
        if kept is not None:
            try:
                return self._asked_over(kept, ends)
            except ConnectionError:  # the agent has not kept it
                pass
        return self._asked_over(HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE), ends)

    def _asked_over(self, connection: HTTPConnection, ends: float) -> tuple[int, Any, bytes]:
        from http.client import HTTPResponse, IncompleteRead

        def within(sock: Any, **how: Any) -> HTTPResponse:
            return HTTPResponse(Within(sock, ends), **how)  # type: ignore[arg-type]  # what it makes of a socket is all it needs

        connection.response_class = within  # type: ignore[assignment]  # it is called
        whole = False
        try:
            if connection.sock is None:
                connection.connect()
            connection.request("GET", self._path)
            answer = connection.getresponse()
            data = answer.read(MOST_BYTES + 1)
            whole = answer.isclosed()
            if answer.length and len(data) <= MOST_BYTES:
                raise IncompleteRead(data, answer.length)
            return answer.status, answer.headers, data
        finally:
            if whole:
                self._keep(connection)
            else:
                connection.close()

    def _keep(self, connection: HTTPConnection | None) -> None:
        before, self._connection = self._connection, connection
        if before is not None:
            before.close()


class Within(io.RawIOBase):
    """What is read from *sock*, as far as it comes before the moment *ends*: a time-out of its own is one of each piece."""

    def __init__(self, sock: Any, ends: float) -> None:
        self._sock = sock
        self._ends = ends
        self._pieces = sock.makefile("rb", buffering=0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """As the socket's own."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As much as there is."""
        left = self._ends - SYSTEM.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        read: int | None = self._pieces.readinto(buffer)
        return read

    def close(self) -> None:
        """Let go of the socket."""
        self._pieces.close()
        super().close()


def _form(kind: str) -> str:
    """The form of a document of this content type; JSON where that says nothing."""
    return next((form for form in ("toml", "yaml") if form in kind.lower()), "json")
