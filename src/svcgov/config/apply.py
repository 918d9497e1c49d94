"""Put documents in force: all of a document, or nothing of it.

Rule 1: parse, check, plan, change: what fails before the last step leaves all as it was, and is reported once.
Rule 2: one thread looks at a time, and whoever finds another one looking goes on: no call waits for a document.
Rule 3: nothing here raises, but where the code hands over its first document: a wrong one is a mistake in the code.
Rule 4: what gets its name later is bound then. If a document does not go together with it, the code's word stands for it.
Rule 5: each policy takes on what is new in one step; a call that is under way ends on the frames it began with.
Rule 6: what is asked of callers by a service that is called spoils no document of the caller's own: it is dropped first.
Rule 7: what holds for a while ends with the first look after its end, in the same way.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from math import inf

from .._core._frozen import Frozen
from .._core._listeners import PROCESS
from .._core._live import born
from .._core._mishaps import said
from .._core._names import NAMES
from .._core._report import report_once
from .._process import configure, standing
from ..errors import ConfigError
from ..facts import DocumentApplied, DocumentRefused
from ._bind import Binding
from ._callers import wish
from ._parts import CALLERS
from ._rollouts import Lots
from .document import document_of
from .merge import NOTHING, REMOTE, merged
from .sources import Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..typing import Clock
    from ._kept import Kept
    from ._parts import Document, Part
    from ._signed import DocumentKeys
    from .merge import Effective
    from .sources import Source

ROLLOUTS = "rollouts"  # the layer that is told where one of them has ended


class Applied(Frozen):
    """A document is in force. True, where a truth is asked for."""

    layer: str
    revision: str
    changed: int

    def __bool__(self) -> bool:
        return True


class Refused(Frozen):
    """A document cannot be, and what was in force before still is. False, where a truth is asked for.

    Attributes:
        errors: all that is wrong, each a `ConfigError`.
    """

    layer: str
    revision: str
    errors: tuple[ConfigError, ...]

    def __bool__(self) -> bool:
        return False


class Documents:
    """The documents of one governor.

    Args:
        scope: whose names they speak of.
        labels: what the instance is (``stage``, ``version``, ``colour``), for overlays; and its ``group``.
        service: whose documents they have to be; ``""`` where nobody knows.
        keys: what documents from outside have to be signed by. What the code hands over need not be.
        least: the least revision, where revisions are numbers.
        kept: where those of a registry are kept for the next start.
    """

    def __init__(
        self,
        *,
        scope: str,
        clock: Clock,
        labels: Callable[[], Mapping[str, str]],
        service: Callable[[], str],
        keys: DocumentKeys | None = None,
        least: int = 0,
        kept: Kept | None = None,
    ) -> None:
        self.sources: tuple[Source, ...] = ()
        self.effective: Effective = NOTHING
        self.revisions: dict[str, str] = {}
        self.refused: dict[str, Refused] = {}  # what a layer's newest document cannot be
        self._clock = clock
        self._labels = labels
        self.service = service
        self.watched = False  # whether somebody looks every now and then
        self._keys = keys
        self._least = least
        self.kept = kept
        self._newest: dict[str, int] = {}  # revisions that have been in force, by layer
        self._documents: dict[str, Document] = {}
        self._wishes: dict[str, Part] = {}  # what those ask of this process whom it calls, by their names
        self._spoilt: list[ConfigError] = []  # what was wrong with them, not told yet
        self._binding = Binding(scope, clock)
        self._process: dict[str, Any] = {}  # what held for the process before a document said otherwise
        self.scope = scope
        self._named: list[tuple[str, str, Any]] = []  # what has got its name, and is not bound yet
        self._lots = Lots(clock.wall)
        self._ends = inf  # when what is in force holds no longer
        self.forked()
        born(self)

    def forked(self) -> None:
        """In a process that has just been forked: nobody is looking, or applying, and rollouts are for others."""
        self._lock = RLock()
        self._looking: Any = allocate_lock()
        self._lots.forked()
        if self._documents:
            self._ends = -inf

    def follow(self, *sources: Source) -> None:
        """Apply what *sources* have, and whatever they will have."""
        self.sources += sources
        layers = {source.layer for source in sources}
        for layer in REMOTE:
            raw = self.kept.recall(layer) if self.kept is not None and layer in layers else None
            if raw is not None:
                self.apply(raw)
        self.look()

    def leave(self, *sources: Source, close: bool) -> None:
        """Follow *sources* no more; to *close* is to take back all that is in force, and to bind nothing more."""
        self.sources = tuple(one for one in self.sources if one not in sources)
        if close:
            for layer in self._documents:
                self.apply(Raw(layer=layer, place="nowhere", data={}, revision="none"))
            NAMES.binders.pop(self.scope, None)

    def look(self) -> None:
        """Ask all sources, and apply what is new. Goes on at once where another thread does that already."""
        if not self._looking.acquire(blocking=False):
            return
        looking = self._looking  # a fork in between makes another one
        try:
            for source in self.sources:
                self._ask(source)
            if self._clock.wall() >= self._ends:
                self._end()
        finally:
            looking.release()

    def _ask(self, source: Source) -> None:
        try:
            raw = source.pull()
        except ConfigError as error:
            self.refuse(source.layer, "none", error)
        except Exception as failure:
            report_once(("source", source.layer), f"a document for {source.layer} could not be pulled: {said(failure)}")
        else:
            if raw is not None:
                self.apply(raw)

    def apply(self, raw: Raw) -> Applied | Refused:
        """Put *raw* in force, if all of it can be. What a registry has is told once, also where it was kept for this start."""
        with self._lock:
            before = self.revisions.get(raw.layer) if raw.layer in REMOTE else None
            done = self._put(raw)
        self._bind_named()
        if isinstance(done, Refused):
            self._tell(done.layer, done.revision, done.errors)
        elif done.changed or done.revision != before:
            self._told(done.layer, done.revision, done.changed)
        return done

    def _put(self, raw: Raw) -> Applied | Refused:
        found = raw
        try:
            raw = self._opened(raw)
            document, errors = document_of(raw.said())
            errors = errors or _belongs(document, self.service(), "which this is")
        except ConfigError as error:
            errors = [error]
        if errors:
            return self._noted(raw.layer, raw.revision, *errors)
        changed, errors, self._spoilt = self._held({**self._documents, raw.layer: document}, self._wishes, {})
        if errors:
            return self._noted(raw.layer, raw.revision, *errors)
        self.revisions[raw.layer] = raw.revision
        if raw.number is not None:
            self._newest[raw.layer] = raw.number
        self.refused.pop(raw.layer, None)
        if self.kept is not None and raw.layer in REMOTE and isinstance(found.data, bytes):
            self.kept.keep(found)
        return Applied(layer=raw.layer, revision=raw.revision, changed=changed)

    def asks(self, service: str, raw: Raw) -> None:
        """*service*, which is called from here, has this document of its own: keep to what it asks of its callers."""
        stage, changed = self._labels().get("stage", ""), 0
        try:
            if self._keys is not None:
                raw = self._keys.opened(raw, stage=stage, service=service)
            document, errors = document_of(raw.said())
            errors = errors or _belongs(document, service, "whose it is")
        except ConfigError as error:
            errors = [error]
        if not errors:
            said = merged({raw.layer: document}, {"stage": stage}).values.get(CALLERS, {})
            with self._lock:
                wishes = {**self._wishes, service: wish(service, said)}
                changed, errors, spoilt = self._held(self._documents, wishes, self._wishes)
                errors = spoilt or errors
            self._bind_named()
        if errors:
            self._tell(f"{CALLERS}:{service}", raw.revision, tuple(errors))
        else:
            self._told(f"{CALLERS}:{service}", raw.revision, changed)

    def _held(self, documents: dict[str, Document], *wishes: dict[str, Part]) -> tuple[int, list[ConfigError], list[ConfigError]]:
        """Let *documents* hold, here and now, with the first of *wishes* that goes together with them.

        What comes back: how much has changed, what is wrong with them, and what with the first of the wishes.
        """
        wrong: list[ConfigError] = []
        NAMES.binders[self.scope] = self  # what gets its name from now on is bound when this is done
        for some in wishes:
            effective = merged(documents, self._labels(), self._lots.holds, some.values())
            plan = self._binding.plan(effective)
            changed = plan.changed
            if not plan.errors:
                self._documents, self.effective, self._wishes = documents, effective, some
                self._binding.carry_out(plan)
                self._configure(effective.values.get("process", {}))
                break
            wrong = wrong or plan.errors
        self._ends = self._lots.next_end(self._documents.values())
        return changed, plan.errors, [] if plan.errors else wrong

    def _end(self) -> None:
        """A rollout has ended, or this is a forked process, for which others hold."""
        with self._lock:
            changed, errors, self._spoilt = self._held(self._documents, self._wishes, {})
        self._bind_named()
        if errors:
            self._tell(ROLLOUTS, "ended", tuple(errors))
        elif changed:
            self._told(ROLLOUTS, "ended", changed)

    def bind(self, kind: str, name: str, thing: Any) -> None:
        """*thing* has just got its name: let it be as the documents say, unless that cannot be.

        Where another thread is applying a document, that one binds it, to what then holds: nobody waits.
        """
        self._named.append((kind, name, thing))
        self._bind_named()

    def _bind_named(self) -> None:
        """Bind what has got its name; tell what wishes had to be dropped."""
        spoilt, self._spoilt = self._spoilt, []
        if spoilt:
            self._tell(CALLERS, "left out", tuple(spoilt))
        while self._named and (lock := self._lock).acquire(blocking=False):
            wrong = []
            try:
                while self._named:
                    kind, name, thing = self._named.pop(0)
                    plan = self._binding.plan_of(self.effective, kind, name, thing)
                    if plan.errors:
                        wrong.append((f"{kind} {name}", tuple(plan.errors)))
                    else:
                        self._binding.carry_out(plan)
            finally:
                lock.release()
            for what, errors in wrong:
                self._tell("names", what, errors)

    def _configure(self, said: Mapping[str, Any]) -> None:
        """What a document says of the process holds; what it no longer says is as it was before."""
        names = {*said, *self._process}
        if not names:
            return
        before = {**standing(), **self._process}
        self._process = {name: before[name] for name in said}
        configure(**{name: said.get(name, before[name]) for name in names})

    def _opened(self, raw: Raw) -> Raw:
        """*raw*, out of its envelope where it has to have one, if it is no older than what has been in force."""
        if self._keys is not None and isinstance(raw.data, bytes):
            labels = self._labels()
            whose = {"fleet": "fleet", "group": labels.get("group", "")}.get(raw.layer, self.service())
            raw = self._keys.opened(raw, stage=labels.get("stage", ""), service=whose)
        least = max(self._least, self._newest.get(raw.layer, 0))
        if raw.number is not None and raw.number < least:
            raise ConfigError(raw.place, raw.number, f"revision {least}, which has been in force, or a later one")
        return raw

    def refuse(self, layer: str, revision: str, *errors: ConfigError) -> Refused:
        """What *layer* has cannot be: tell, and keep what there is."""
        refused = self._noted(layer, revision, *errors)
        self._tell(layer, revision, errors)
        return refused

    def _noted(self, layer: str, revision: str, *errors: ConfigError) -> Refused:
        refused = self.refused[layer] = Refused(layer=layer, revision=revision, errors=errors)
        return refused

    def _told(self, layer: str, revision: str, changed: int) -> None:
        if PROCESS.heard:
            now = self._clock.monotonic()
            PROCESS.tell(DocumentApplied(policy="document", at=now, layer=layer, revision=revision, changed=changed))

    def _tell(self, layer: str, revision: str, errors: tuple[ConfigError, ...]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        report_once(("document", layer, revision, str(first)), f"the document of {layer}, {revision}, was refused: {first}{more}")
        if PROCESS.heard:
            PROCESS.tell(
                DocumentRefused(
                    policy="document",
                    at=self._clock.monotonic(),
                    layer=layer,
                    revision=revision,
                    path=first.path,
                    error=str(first),
                )
            )


def _belongs(document: Document, mine: str, whose: str) -> list[ConfigError]:
    if document.service is None or not mine or document.service == mine:
        return []
    return [ConfigError("service", document.service, f"{mine}, {whose}")]
