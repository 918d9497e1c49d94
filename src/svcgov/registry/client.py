"""The client of a registry: what is known of others. What is said of instances is in `_registered`, documents in `_published`.

Rule 1: what reads, renews or takes away never raises: while nobody answers, what was known before stands, marked as stale. What
        writes on purpose (`put`, `publish`, `rollback`) raises, since somebody wants to know.
Rule 2: no lock is held over a trip but that of the one list that it is for.
Rule 3: what fails is told once, by a fact and on standard error, until it works again.
Rule 4: a process that was forked has registered nothing: what its parent has is its parent's.
"""

from __future__ import annotations

from .._core._clock import SYSTEM
from .._core._environment import text as variable
from .._core._listeners import PROCESS, Listeners
from .._core._live import born
from .._core._names import check_name
from .._core._report import report_once
from .._core._schema import duration
from ..errors import RegistryError
from ..facts import RecordSkipped, RegistryFailed, RegistryRecovered
from ._published import Published
from ._registered import Registered, check_record
from ._schemes import opened
from ._view import Found, View
from .backends._backend import PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar

    from .._core._chores import Chores
    from .._core._model import Endpoint
    from ..typing import Clock, Duration
    from ._aio import AsyncRegistry
    from .backends._backend import Backend
    from .beat import Beat

    T = TypeVar("T")

TTL = 36.0  # seconds
VARIABLE = "SVCGOV_REGISTRY"
_ttl = duration(low=1.0, high=3600.0)


def connect(url: str | None = None, *, ttl: Duration = TTL, clock: Clock | None = None) -> Registry:
    """The registry at *url*; nobody is asked before something is.

    Args:
        url: ``memory://name``, which all of the process share, or ``sqlite:///path/to/file``, for the processes of a machine;
            else ``SVCGOV_REGISTRY``. With ``?env=name`` it is one of several in the same place that know nothing of each other.
        ttl: how long an instance is there without a word of it, 1 s to 1 h.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a URL that cannot be.
    """
    path, given = ("connect.url", url) if url is not None else (VARIABLE, variable(VARIABLE))
    clock = clock or SYSTEM
    return Registry(opened(given, path, clock), ttl=_ttl.read(ttl, "connect.ttl"), clock=clock)


class Registry(Registered, Published):
    """One registry, and what this process has to do with it. Made by `connect`."""

    def __init__(self, backend: Backend, *, ttl: float, clock: Clock, chores: Chores | None = None) -> None:
        self.backend: Backend = backend
        self.ttl: float = ttl
        self.clock: Clock = clock
        self.ears: Listeners = Listeners(PROCESS)
        self._chores = chores
        self._beat: Beat | None = None
        self._views: dict[str, View] = {}
        self._documents = {}
        self._failing: float | None = None  # since when
        self._begin()
        born(self)

    def forked(self) -> None:
        """In a process that has just been forked: rule 4, and nobody is asking."""
        self._failing = None
        self._begin()
        self.ears.forked()
        self.backend.forked()

    def __repr__(self) -> str:
        return f"<Registry {self.backend.url}>"

    @property
    def beat(self) -> Beat:
        """What renews and asks, again and again."""
        if self._beat is None:
            from .beat import Beat

            self._beat = Beat(self, self._chores)
        return self._beat

    def close(self) -> None:
        """Take away what is registered here, and let go of what is open."""
        if self._beat is not None:
            self._beat.stop()
        self.deregister()
        self._tried(self.backend.close)

    # -- others ------------------------------------------------------------------------------------------------------

    def instances(
        self,
        service: str,
        *,
        labels: Mapping[str, str] | None = None,
        version: str | None = None,
        colour: str | None = None,
    ) -> Found:
        """Who is there of *service*, asked now: instances and endpoints, with these labels, this version and this colour.

        While the registry does not answer, it is the list that was known before, marked as stale.

        Raises:
            ConfigError: for a name that cannot be.
        """
        check_name(service, "instances.service")
        self.refresh(service)
        return self.known(service).of(labels=labels, version=version, colour=colour)

    def known(self, service: str) -> Found:
        """What was known of *service* when the registry was asked last, without asking."""
        view = self._views.get(service)
        return Found(service=service) if view is None else view.found

    def looked_up(self, service: str) -> Found:
        """What is known of *service*, for a call that is under way: nobody is asked where every beat does it.

        That is so but for the first time, and where nothing has asked for two beats: a process that has neither a way in nor
        time between its calls.
        """
        view = self._views.get(service)
        if view is None:
            self.refresh(service)
        elif self._failing is None and self.moment() - view.asked >= 2 * self.ttl / 3:
            if view.found.checked is not None:
                view.asked = self.moment()  # so other calls go by what is known, and do not wait for this one
            self.refresh(service)
        return self.known(service)

    def refresh(self, service: str) -> bool:
        """Ask for *service*, and go on asking with every beat from now on. Whether there was an answer."""
        view = self._views.get(service)
        if view is None:
            view = self._views.setdefault(service, View(service, self.ttl))
            self.beat.begin()
        lock = self._lock_of(service)
        if not lock.acquire(timeout=PATIENCE):  # another thread is asking
            return not view.found.stale
        try:
            view.asked = self.moment()
            answer = self._tried(lambda: (self.backend.listed(service, view.known),))
            if answer is None:
                view.failed()
                return False
            view.answered(answer[0], self.moment(), lambda key, path, revision: self._skipped(service, key, path, revision))
            if answer[0] is not None:
                self._heard(service, answer[0].instances)
            return True
        finally:
            lock.release()

    def watched(self) -> list[str]:
        """The services that every beat asks for, our own among them, those first that were asked for longest ago."""
        views, ours = self._views, {service for service, _ in list(self.mine)}
        asked = {service: views[service].asked if service in views else float("-inf") for service in {*views, *ours}}
        return sorted(asked, key=lambda service: (asked[service], service))

    def services(self) -> list[str]:
        """The names of all services that the registry has ever heard of.

        Raises:
            RegistryError: where it does not answer.
        """
        return self.backend.services()

    def watch(
        self, service: str, *, since: int | None = None, every: Duration = 0.5, timeout: Duration | None = None
    ) -> Iterator[Found]:
        """Each list of *service*, from now on: at first the present one, unless its revision is *since*.

        Args:
            service: its name.
            since: the revision that is known, to go on where another watch has ended.
            every: how often the registry is asked.
            timeout: ends after so long without a change; None: never.
        """
        from ._watch import watch

        return watch(self, service, since, every, timeout)

    def put(self, endpoint: Endpoint, *, expected: int | None = None) -> int:
        """Write *endpoint*, which nobody has to renew. Returns its revision.

        Args:
            endpoint: the record. Without an id, the id is ``default``.
            expected: the revision that is there, 0 for none; None: whatever is there.

        Raises:
            ConfigError: for an endpoint that cannot be.
            ConflictError: where another revision is there.
            RegistryError: where the registry does not answer.
        """
        known = endpoint if endpoint.id else endpoint.replace(id="default")
        check_record(known, "put")
        return self.backend.put(known.service, known.id, known.wire(), expected)

    def remove(self, endpoint: Endpoint, *, expected: int | None = None) -> None:
        """Take *endpoint* away; *expected*, and what is raised, as in `put`."""
        self.backend.put(endpoint.service, endpoint.id or "default", None, expected)

    # -- both worlds, and what the verbs are made of -------------------------------------------------------------------

    @property
    def aio(self) -> AsyncRegistry:
        """The same for coroutines: verbs that do not stop the loop while the registry is asked."""
        from ._aio import AsyncRegistry

        return AsyncRegistry(self)

    def listen(self, listener: Callable[[Any], object], *kinds: type[Any]) -> Callable[[], None]:
        """Tell *listener* what happens here; call what comes back to stop."""
        return self.ears.add(listener, kinds)

    def moment(self) -> float:
        """A reading of the clock, for ages."""
        return self.clock.monotonic()

    def _tried(self, ask: Callable[[], T]) -> T | None:
        """What *ask* gives, or None where the registry does not answer; rule 3."""
        try:
            answer = ask()
        except RegistryError as error:
            if self._failing is None:
                self._failing = self.moment()
                report_once(("registry", self.backend.url, error.problem), f"the registry does not answer: {error}")
                problem = str(error)
                self._tell(lambda now: RegistryFailed(policy="registry", at=now, error=problem))
            return None
        since, self._failing = self._failing, None
        if since is not None:
            self._tell(lambda now: RegistryRecovered(policy="registry", at=now, seconds=now - since))
        return answer

    def _skipped(self, service: str, key: str, path: str, revision: int) -> None:
        report_once(("registry", service, key, path), f"the record {service}/{key} in {self.backend.url} is wrong at {path}")
        self._tell(lambda now: RecordSkipped(policy="registry", at=now, service=service, id=key, path=path, revision=revision))

    def _tell(self, fact: Callable[[float], Any]) -> None:
        if self.ears.heard:
            self.ears.tell(fact(self.moment()))
