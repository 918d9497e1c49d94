"""What is known of one service: the list that was read last, and how sure it is.

Rule 1: nothing here asks anybody: who has asked says what came of it, and when.
Rule 2: an answer in which more than half of the known are missing is not believed at once, nor is the first one of an engine
        that has begun anew, or after a silence in which others could not renew their leases either. The missing stay as
        *suspects*, until another answer says the same, at least two thirds of a lease later: by then all have had two chances to
        say that they are there. Who has left by himself is gone at once.
Rule 3: a record that cannot be read is skipped, and told once for each content; for rule 2 it is there.
Rule 4: while nobody answers, the list stays, for however long, and says that it is stale.
"""

from __future__ import annotations

from .._core._frozen import Frozen
from .._core._model import Endpoint, Instance, MalformedError
from .backends._backend import began_anew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeAlias

    from .backends._backend import Listing

    Record: TypeAlias = Instance | Endpoint
    Skipped: TypeAlias = Callable[[str, str, int], object]


class Found(Frozen):
    """Who is there, as far as is known.

    Attributes:
        service: whose instances and endpoints they are.
        revision: of the list; 0 before the first answer.
        all: instances and endpoints, by their ids.
        suspects: the ids of those whom the last answer did not have, and who may be there all the same.
        revisions: of the endpoints, by their ids.
        stale: whether the registry could not be asked when it was asked last, or never was.
        checked: when it has answered last, a reading of the clock; None: never.
    """

    service: str
    revision: int = 0
    all: tuple[Record, ...] = ()
    suspects: frozenset[str] = frozenset()
    revisions: Mapping[str, int] = {}  # nobody writes into it
    stale: bool = True
    checked: float | None = None

    def __iter__(self) -> Iterator[Record]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Record:
        return self.all[index]

    def of(self, *, labels: Mapping[str, str] | None = None, version: str | None = None, colour: str | None = None) -> Found:
        """Those of them that have these labels, this version and this colour, each where it is said."""
        wanted = (labels or {}).items()
        return self.replace(
            all=tuple(
                one
                for one in self.all
                if (version is None or one.version == version)
                and (colour is None or one.colour == colour)
                and all(one.labels.get(name) == value for name, value in wanted)
            )
        )


class View:
    """What is known of one service. ``found`` is swapped as one."""

    def __init__(self, service: str, ttl: float) -> None:
        self.found: Found = Found(service=service)
        self.asked: float = float("-inf")  # when
        self._ttl = ttl
        self._read: dict[str, tuple[str, Record | None]] = {}  # by id: the text, and what it says, if it can be read
        self._missing: dict[str, tuple[float, Record]] = {}  # by id: since when

    @property
    def known(self) -> int | None:
        """The revision to ask with."""
        return None if self.found.checked is None else self.found.revision

    def answered(self, listing: Listing | None, now: float, skipped: Skipped) -> None:
        """The registry has answered at *now*: with a list, or that it is the one we know."""
        before = self.found
        if listing is None:
            again = self._still_missing(now)
            if again != self._missing or before.stale:
                self._missing = again
                self._swap(before.revision, before.revisions, now)
            else:
                self.found = before.replace(checked=now)
            return
        known = {**self._read, **{key: ("", record) for key, (_, record) in self._missing.items()}}
        read = self._parsed(listing, skipped)
        silent = before.checked is not None and now - before.checked >= 2 * self._ttl / 3
        doubtful = silent or began_anew(before.revision, listing.revision)
        self._missing = self._doubted(known, read, listing.left, now, doubtful=doubtful)
        self._read = read
        self._swap(listing.revision, listing.revisions, now)

    def failed(self) -> None:
        """The registry has not answered."""
        if not self.found.stale:
            self.found = self.found.replace(stale=True)

    def _parsed(self, listing: Listing, skipped: Skipped) -> dict[str, tuple[str, Record | None]]:
        read: dict[str, tuple[str, Record | None]] = {}
        for kind, texts in ((Endpoint, listing.endpoints), (Instance, listing.instances)):
            for key, text in texts.items():
                before = self._read.get(key)
                if before is not None and before[0] == text:
                    read[key] = before
                    continue
                try:
                    record: Any = kind.read(text)
                    if (record.service, record.id) != (self.found.service, key):
                        raise MalformedError("id", record.id, key)
                except MalformedError as error:
                    record = None
                    skipped(key, error.path, listing.revision)
                read[key] = text, record
        return read

    def _doubted(
        self,
        known: Mapping[str, tuple[str, Record | None]],
        read: Mapping[str, Any],
        left: frozenset[str],
        now: float,
        *,
        doubtful: bool,
    ) -> dict[str, tuple[float, Record]]:
        """Those who may be there although they are not in what was *read*."""
        lost = [key for key in known if key not in read and key not in left]
        doubtful, still = doubtful or 2 * len(lost) > len(known), self._still_missing(now)
        return {
            key: still.get(key, (now, record))
            for key in lost
            if (record := known[key][1]) is not None and (key in still or (doubtful and key not in self._missing))
        }

    def _still_missing(self, now: float) -> dict[str, tuple[float, Record]]:
        """Those who have not been missing for long enough."""
        return {key: one for key, one in self._missing.items() if now - one[0] < 2 * self._ttl / 3}

    def _swap(self, revision: int, revisions: Mapping[str, int], now: float) -> None:
        there = {key: record for key, (_, record) in self._read.items() if record is not None}
        suspects = {key: record for key, (_, record) in self._missing.items()}
        self.found = Found(
            service=self.found.service,
            revision=revision,
            all=tuple(record for _, record in sorted({**there, **suspects}.items())),
            suspects=frozenset(suspects),
            revisions=revisions,
            stale=False,
            checked=now,
        )
