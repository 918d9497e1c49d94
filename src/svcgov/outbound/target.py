"""Where a request goes: the seam at which service discovery comes in.

Before a request is sent, the edge of its client asks a `Finder` for its `Place`. What a place says is all that the edge goes by:
whose policies a client without a target uses, what the other side may be told, which instance an attempt goes to, and whom to
tell how it went. By `as_written` a request goes where its URL says; `Discovered` knows the instances of services by name.

Rule 1: ``http://orders/`` is the service ``orders`` where somebody has registered under that name. A host with a dot or a port is
        none, nor is the host of a client that has another target.
Rule 2: each attempt is sent to the next instance, in turn, by their weights; another one than the attempt before.
Rule 3: traffic of a colour goes to the instances of that colour, and where there is none, as all other traffic, to those without
        one. Instances that are not sure to be there come last, and who is draining gets nothing.
Rule 4: where nobody is left, a request goes where its URL says: the name may be one of the network's, too.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from itertools import count

from .._core._chance import system_random
from .._core._context import INVOCATION
from .._core._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from .._core._model import Endpoint, Instance

    class Finder(Protocol):
        """Finds the place for a request."""

        def __call__(self, target: str | None, scheme: str, host: str, port: int | None, /) -> Place:
            """The place of a request for a *target*, or for nobody's service (None), whose URL has these parts."""
            ...

    class Known(Protocol):
        """What is known of a service: another one whenever something else is known."""

        @property
        def all(self) -> tuple[Instance | Endpoint, ...]:
            """Who is there."""
            ...

        @property
        def suspects(self) -> frozenset[str]:
            """The ids of those who may not be there any more."""
            ...


PORTS = {"http": 80, "https": 443}
MOST = 1000  # names that are looked up
_NAMES_OF_THE_SYSTEM = frozenset({"localhost", ""})
FINDER: ContextVar[Finder | None] = ContextVar("svcgov.finder", default=None)  # of the clients that are being governed


class Seat(Frozen):
    """Where an attempt goes: to one instance. The *path* is what stands before that of the request; no slash is at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and port, as in a URL; a port that goes without saying is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def url(self, rest: str) -> str:
        """The URL there; *rest* begins with the path."""
        return f"{self.scheme}://{self.netloc}{self.path}{rest if rest.startswith('/') else f'/{rest}'}"


class Place(Frozen):
    """Where a request goes.

    Attributes:
        authority: ``scheme://host:port``, in lower case.
        ours: whether it is a service of ours: then the colour, the baggage and what else is forwarded go along.
        told: is told the error that the request ended with, or None; None itself where nobody wants to know.
        choose: the instance that an attempt goes to, given that of the one before; None where the URL says it.
    """

    authority: str
    ours: bool
    told: Callable[[BaseException | None], object] | None = None
    choose: Callable[[Seat | None], Seat | None] | None = None


@lru_cache(maxsize=1000)
def as_written(target: str | None, scheme: str, host: str, port: int | None, /) -> Place:
    """The place that the URL names; a service of ours is what has a name as a target."""
    return Place(authority=f"{scheme}://{host.lower()}:{port or PORTS.get(scheme, 0)}", ours=target is not None)


class Discovered:
    """A `Finder` for services by name: *known* says who is there."""

    def __init__(self, known: Callable[[str], Known], random: Callable[[], float] = system_random) -> None:
        self._known = known
        self._random = random
        self._rounds: dict[str, Rounds] = {}

    def __call__(self, target: str | None, scheme: str, host: str, port: int | None, /) -> Place:
        """As `Finder`."""
        place, name = as_written(target, scheme, host, port), host.lower()
        if "." in name or ":" in name or name in _NAMES_OF_THE_SYSTEM or port not in (None, PORTS.get(scheme)):
            return place
        if target is not None and target != name:
            return place
        rounds = self._rounds.get(name)
        if rounds is None:
            if len(self._rounds) >= MOST:
                return place
            rounds = self._rounds.setdefault(name, Rounds(int(self._random() * 1000)))
        known = self._known(name)
        rounds.look(known)
        if not known.all:
            return place
        found = rounds.places.get(place)
        if found is None:
            found = rounds.places[place] = place.replace(ours=True, choose=rounds.choose)
        return found


class Rounds:
    """Whose turn it is among the instances of one service, those of each colour apart."""

    def __init__(self, begin: int) -> None:
        self.places: dict[Place, Place] = {}  # by what is written: a few
        self._begins = count(begin)  # processes that begin at once do not begin with the same one
        self._now: tuple[Known, dict[str | None, tuple[tuple[Seat, ...], count[int]]], int]  # rounds by colours, where they begin

    def look(self, known: Known) -> None:
        """Go by what is *known* now: with each beat another one, and so another beginning, for who calls once between two."""
        now = getattr(self, "_now", None)
        if now is None or now[0] is not known:
            self._now = known, {}, next(self._begins)

    def choose(self, before: Seat | None) -> Seat | None:
        """The next one, for traffic of the colour that there is here; not *before*, if there is another one."""
        known, rounds, begin = self._now
        colour = INVOCATION.get().colour
        round_of = rounds.get(colour)
        if round_of is None:
            if all(one.colour != colour for one in known.all):
                colour = None  # a request may say any: what nobody has is not remembered
            round_of = rounds.get(colour)
        if round_of is None:
            round_of = rounds[colour] = _in_turn(_fit(known, colour)), count(begin)
        seats, turns = round_of
        if not seats:
            return None
        for _ in seats:
            seat = seats[next(turns) % len(seats)]
            if seat != before:
                break
        return seat


def _fit(known: Known, colour: str | None) -> list[Instance | Endpoint]:
    """Who may get traffic of this colour."""
    able = [one for one in known.all if one.weight and getattr(one, "status", "up") == "up"]
    sure = [one for one in able if one.id not in known.suspects]
    for some in (sure, able):
        for wanted in (colour, None):
            found = [one for one in some if one.colour == wanted]
            if found:
                return found
    return []


def _in_turn(some: Iterable[Instance | Endpoint]) -> tuple[Seat, ...]:
    """One round: each as often as its weight says, as far from itself as can be."""
    turns = [((turn + 0.5) / one.weight, seat_of(one.place)) for one in some for turn in range(one.weight)]
    return tuple(seat for _, seat in sorted(turns, key=lambda turn: turn[0]))


@lru_cache(maxsize=1000)
def seat_of(url: str) -> Seat:
    """The seat at *url*, which has been looked at already."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return Seat(
        scheme=parts.scheme, host=parts.hostname or "", port=parts.port or PORTS[parts.scheme], path=parts.path.rstrip("/")
    )
