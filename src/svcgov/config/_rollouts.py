"""Rollouts: what a document says for a while, or to some processes of all.

Rule 1: a process draws its lot by itself, for each rollout another one that stays: whoever is among ten of a hundred is among
        fifty too, and no process is the first one every time.
Rule 2: a process that has been forked draws anew.
Rule 3: a rollout ends by the wall clock, with the first look after its end: there is no timer. What has ended stays ended.
"""

from __future__ import annotations

from hashlib import sha256
from math import inf
from os import urandom

from ._parts import ROLLOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._parts import Document, Part


class Lots:
    """The lots of one process."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._latest = -inf  # the moment up to which all rollouts have ended
        self.forked()

    def forked(self) -> None:
        """Rule 2."""
        self._seed = urandom(16)

    def holds(self, part: Part) -> bool:
        """Whether a rollout is for this process, now."""
        self._latest = max(self._latest, self._wall())
        return self._latest < part.until and self.lot(part.name) < part.percent

    def lot(self, name: str) -> float:
        """The lot for the rollout of this name, from 0 up to 100."""
        drawn = sha256(self._seed + name.encode()).digest()
        return int.from_bytes(drawn[:6], "big") * 100 / (1 << 48)

    def next_end(self, documents: Iterable[Document]) -> float:
        """When the next rollout in *documents* ends."""
        ends = (part.until for document in documents for part in document.parts if part.kind == ROLLOUT)
        return min((end for end in ends if end > self._latest), default=inf)
