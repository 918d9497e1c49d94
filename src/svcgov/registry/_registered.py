"""What is said of instances: by this process of its own, and by somebody of those of another process.

Rule 1: what was said last of an instance of ours (`mine`) is written until it is there: at once, or with one of the next beats.
Rule 2: nothing is written over what nobody here has seen. The lock of a list is held while one of its records is written, as it
        is while it is read: what is read is what was written, or somebody else's word.
Rule 3: of somebody else's word the status counts, and it is ours from then on.
Rule 4: what was written without an answer may be there all the same: it is not taken for somebody else's.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from functools import partial

from .._core._model import STATES, Instance, MalformedError
from .._core._names import check_name
from ..errors import ConfigError, RegistryError
from ..facts import LeaseLost
from .backends._backend import PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from ..typing import Clock
    from .backends._backend import Backend
    from .beat import Beat

    T = TypeVar("T")


class Note:
    """What is known of the record of an instance of ours."""

    __slots__ = ("doubted", "status", "text")

    def __init__(self) -> None:
        self.text: str | None = None  # that is there, "" for none; None: nobody has looked
        self.status: str = ""  # that was there
        self.doubted: set[str] = set()  # what we may have written there


class Registered:
    """The part of a `Registry` that has to do with instances."""

    backend: Backend
    clock: Clock
    ttl: float
    mine: dict[tuple[str, str], Instance]
    _locks: dict[str, Any]

    if TYPE_CHECKING:

        @property
        def beat(self) -> Beat:
            """What renews."""
            ...

        def _tried(self, ask: Callable[[], T]) -> T | None:
            """What *ask* gives, or None where the registry does not answer."""
            ...

        def _skipped(self, service: str, key: str, path: str, revision: int) -> None:
            """Tell of a record that cannot be read."""
            ...

        def _tell(self, fact: Callable[[float], Any]) -> None:
            """Tell whoever listens."""
            ...

    def _begin(self) -> None:
        self.mine = {}
        self._notes: dict[tuple[str, str], Note] = {}
        self._saying: Any = RLock()  # a signal may say goodbye on the thread that is saying something; held over no trip
        self._locks = {}

    def register(self, instance: Instance) -> Instance:
        """Say that *instance* is there, until it is deregistered or the process ends. Returns it with its id.

        Where the registry does not answer, that is done later: see `beat`.

        Raises:
            ConfigError: for an instance that cannot be.
        """
        if not isinstance(instance, Instance):
            raise ConfigError("register", instance, "an Instance (an Endpoint is written by put)")
        known = instance.replace(id=instance.id or _new_id(), started=instance.started or self.clock.wall())
        check_record(known, "register")
        with self._saying:
            self.mine[known.service, known.id] = known
        self.beat.begin()
        self._written(known.service, known.id)
        return known

    def renew(self) -> bool:
        """Renew the leases of what is registered here, and register anew what has lost its lease. Whether all is well."""
        return all(self._renewed(service, key) for service, key in list(self.mine))

    def deregister(self, instance: Instance | None = None) -> None:
        """Take *instance*, or all that is registered here, away."""
        for service, key in list(self.mine):
            if instance is None or (service, key) == (instance.service, instance.id):
                with self._saying:
                    self.mine.pop((service, key), None)
                if self._tried(partial(self._deregister, service, key)) is None:
                    break  # the leases of the others run out by themselves, too
        if instance is None:
            with self._saying:
                self.mine.clear()

    def say(self, instance: Instance | None = None, /, **changes: Any) -> None:
        """Say something else of *instance*, or of all that is registered here, such as ``applied="7"``.

        Raises:
            ConfigError: for what cannot be.
        """
        with self._saying:
            said = [
                known.replace(**changes)
                for known in list(self.mine.values())
                if instance is None or (known.service, known.id) == (instance.service, instance.id)
            ]
            for one in said:
                check_record(one, "register")
            self.mine.update({(one.service, one.id): one for one in said})
        for one in said:
            self._written(one.service, one.id)

    def drain(self) -> None:
        """Say of all that is registered here that it wants no more calls; it serves what it has."""
        self.say(status="draining")

    def tell(self, service: str, which: str | None = None, *, status: str) -> list[Instance]:
        """Tell instances of *service*, of whatever process, that their *status* is another one.

        ``draining``: they are given no more calls; ``up``: they are again. Each takes that on with its next beat, and keeps it.

        Args:
            service: its name.
            which: the id of one; None: all that are there.
            status: the new one.

        Returns:
            Whoever was told, as it is there now. A record that cannot be read is skipped, and told of.

        Raises:
            ConfigError: for what cannot be, and where nobody is there who could be told.
            RegistryError: where the registry does not answer.
        """
        check_name(service, "tell.service")
        if status not in STATES:
            raise ConfigError("tell.status", status, f"one of {', '.join(STATES)}")
        listing = self.backend.listed(service, None)
        texts, revision = ({}, 0) if listing is None else (listing.instances, listing.revision)
        if which is not None and which not in texts:
            raise ConfigError("tell.which", which, f"one of {', '.join(sorted(texts)) or 'none: nobody is there'}")
        wanted = sorted(texts) if which is None else [which]
        told = [one for key in wanted if (one := self._told(service, key, texts[key], status, revision)) is not None]
        if not told:
            raise ConfigError("tell.service", service, "a service of which there is an instance whose record can be read")
        return told

    # -- what the verbs are made of ------------------------------------------------------------------------------------

    def _lock_of(self, service: str) -> Any:
        """The lock of a list: rule 2."""
        return self._locks.setdefault(service, allocate_lock())

    def _written(self, service: str, key: str) -> bool:
        """Write what was said last. Whether it is there."""
        lock = self._lock_of(service)
        if not lock.acquire(timeout=PATIENCE):
            return False  # the next beat does it

        def ask() -> bool:
            try:
                return self._write(service, key)
            finally:
                lock.release()

        return bool(self._tried(ask))

    def _write(self, service: str, key: str) -> bool:
        """Write what was said last: also what another thread says meanwhile, or that it has said goodbye."""
        written: Instance | None = None
        while (last := self.mine.get((service, key))) is not written:
            if last is None:
                return self._deregister(service, key)
            note, text = self._notes.setdefault((service, key), Note()), last.wire()
            try:
                there = self.backend.register(service, key, text, self.ttl, note.text)
            except RegistryError:
                note.doubted.add(last.status)
                raise
            if there is not None:
                self._heard(service, {key: there})
                continue
            note.text, note.status, written = text, last.status, last
            note.doubted.clear()
        return True

    def _heard(self, service: str, texts: Mapping[str, str]) -> None:
        """These records of *service* are there: rules 3 and 4. The lock of the list is held."""
        for (whose, key), note in list(self._notes.items()):
            text = texts.get(key, note.text)
            if whose != service or text is None or text == note.text:
                continue
            note.text, doubted, note.doubted = text, note.doubted, set()
            try:
                status = Instance.read(text).status
            except MalformedError:  # or nothing: it is written anew
                continue
            with self._saying:
                last = self.mine.get((whose, key))
                if last is not None and status != note.status and status not in doubted:
                    self.mine[whose, key] = last.replace(status=status)
            note.status = status

    def _renewed(self, service: str, key: str) -> bool:
        kept = self._tried(partial(self.backend.renew, service, key, self.ttl))
        said, note = self.mine.get((service, key)), self._notes.get((service, key))
        if kept is False and note is not None and note.text:
            note.text = ""
            self._tell(lambda now: LeaseLost(policy="registry", at=now, service=service, id=key))
        if kept and said is not None and note is not None and note.text == said.wire():
            return True
        return kept is not None and self._written(service, key)

    def _deregister(self, service: str, key: str) -> bool:
        self._notes.pop((service, key), None)
        self.backend.deregister(service, key)
        return True

    def _told(self, service: str, key: str, text: str, status: str, revision: int) -> Instance | None:
        """Write the record of an instance that has another *status*, over what is there: at first *text*."""
        while text:
            try:
                after = Instance.read(text).replace(status=status)
                if (after.service, after.id) != (service, key):
                    raise MalformedError("id", after.id, key)
            except MalformedError as error:
                self._skipped(service, key, error.path, revision)
                return None
            there = self.backend.register(service, key, after.wire(), self.ttl, text)
            if there is None:
                return after
            text = there  # somebody has written meanwhile
        return None  # he has left meanwhile


def _new_id() -> str:
    from os import getpid, urandom

    return f"{getpid()}-{urandom(6).hex()}"


def check_record(record: Any, place: str) -> None:
    """Look at every field of a *record* that is to be written.

    Raises:
        ConfigError: for one that cannot be.
    """
    try:
        record.check()
    except MalformedError as error:
        raise ConfigError(f"{place}.{error.path}", error.value, error.expected) from None
