"""The policies of each authority that a client without a target calls: made like those it was governed by.

Rule 1: a policy without a name is made anew for each authority, with the same settings, and follows them when they change. One
        with a name is one, by its name. Time-outs are shared too: they know nothing of who is called.
Rule 2: at most `MOST` authorities are known. Whoever was called longest ago is forgotten, but never while a call is under way
        or its answer is read; where nobody can be forgotten, all further ones go by the policies as they were given.
Rule 3: nothing is locked. A way is taken out before it is asked whether anybody is on it, and whoever has entered looks whether
        it is still there: one of both finds out.
"""

from __future__ import annotations

from ..pipeline import Pipeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._schema import Settings
    from .._policy import Policy
    from ..pipeline import Governed

MOST = 1000
_SPARED = 16  # so many are looked at, those first that were called longest ago


class Way:
    """What stands around the requests to one authority, or to one target.

    Attributes:
        call: the frames; the one that is governed.
        under_way: a mark for each call that is not over.
        turn: when it was entered last, in turns.
    """

    __slots__ = ("_made", "call", "governed", "turn", "under_way")

    def __init__(self, pipeline: Pipeline, send: Any, *, target: str | None, model: Pipeline | None = None) -> None:
        self.call: Any = pipeline.around(send, edge=True, service=target, model=model)
        self.governed: Governed = self.call.__svcgov__  # type: ignore[attr-defined]  # the mark that pipelines leave
        self.under_way: set[int] = set()
        self.turn: int = 0
        self._made: tuple[tuple[Policy, Policy, list[Settings]], ...] = ()

    def follows(self, models: tuple[Policy, ...], made: tuple[Policy, ...]) -> None:
        """Take on the settings of *models* whenever they have others."""
        self._made = tuple((model, one, [model.settings]) for model, one in zip(models, made, strict=True) if one is not model)

    def look(self) -> None:
        """Whether the models have other settings by now."""
        for model, one, known in self._made:
            if model.settings is not known[0]:
                known[0] = model.settings
                one._adopt(model.settings)


class Ways:
    """The ways of one client."""

    def __init__(self, pipeline: Pipeline, sender: Callable[[str], Any], rest: Way) -> None:
        self._pipeline = pipeline
        self._sender = sender
        self._known: dict[str, Way] = {}
        self._rest = rest
        self._turn = 0

    def enter(self, authority: str, mark: int) -> Way:
        """The way to *authority*, which *mark* is under way on from now on."""
        known = self._known
        while True:
            way = known.get(authority)
            if way is None:
                way = self._found(authority)
            else:
                way.look()
            way.under_way.add(mark)
            if known.get(authority) is way or way is self._rest:
                way.turn = self._turn = self._turn + 1
                return way
            way.under_way.discard(mark)

    def _found(self, authority: str) -> Way:
        known = self._known
        if len(known) < MOST or self._forgot():
            return known.setdefault(authority, self._made(authority))
        return self._rest

    def _forgot(self) -> bool:
        """Whether one was forgotten."""
        known = self._known
        for authority, way in sorted(known.copy().items(), key=_turn_of)[:_SPARED]:
            known.pop(authority, None)
            if not way.under_way:
                return True
            known.setdefault(authority, way)
        return False

    def _made(self, authority: str) -> Way:
        models = self._pipeline.own
        made = tuple(alike(model, authority) for model in models)
        way = Way(Pipeline(*made, name=self._pipeline.name), self._sender(authority), target=None, model=self._pipeline)
        way.follows(models, made)
        return way


def alike(model: Policy, authority: str) -> Policy:
    """A policy for *authority* like *model*, or that one itself: what is heard there is heard of this one too."""
    if model.name is not None or model.shape == "limit":
        return model
    injected = {} if (random := getattr(model, "random", None)) is None else {"random": random}
    made = type(model)(model.declared, clock=model.clock, **injected)
    made.ears = model.ears
    made.label = f"{model.label}@{authority}"
    made._adopt(model.settings)  # which may be others than it was declared with
    return made


def _turn_of(item: tuple[str, Way]) -> int:
    return item[1].turn
