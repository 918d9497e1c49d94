"""What a document says of everything that has a name in a scope: of policies, and of pipelines.

Rule 1: a plan is made of all of it before anything is changed; one thing that cannot be spoils the plan.
Rule 2: nothing is touched of which nothing new is said: what a document no longer says returns to what the code says.
Rule 3: what the code has marked as final stands, whatever is said of it.
Rule 4: a pipeline's word is for the policies in it; a policy's own name has the last one.
Rule 5: a gate that only a document has is one by its name, in all pipelines of that name, and for code that comes later.
Rule 6: what a service asks of those who call it (`_callers`) stands below the code, adds no retry, and is for one policy only.
"""

from __future__ import annotations

from .._core._backoff import Backoff
from .._core._clock import SYSTEM
from .._core._names import INBOUND, NAMES, PIPELINE
from .._documented import CANONICAL, check, hold, placed
from .._policy import Policy, clock_of
from ..errors import ConfigError
from ..pipeline import Pipeline, slots_of
from ._paths import joined
from ._slots import SLOTS, policy_of, resolved
from .merge import place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._core._schema import Settings
    from ..typing import Clock
    from ._paths import Path
    from .merge import Effective

    Said = dict[str, Any]


class Plan:
    """What is to be changed, and what cannot be."""

    def __init__(self) -> None:
        self.said: dict[Policy, tuple[Said, Path]] = {}
        self.changes: list[tuple[Policy, Said, Settings]] = []
        self.held: list[tuple[Pipeline, tuple[Policy, ...]]] = []
        self.made: dict[tuple[str, str], Policy] = {}  # what only the document has, by name and slot
        self.errors: list[ConfigError] = []
        self.gone: set[int] = set()  # what another one takes the place of

    @property
    def changed(self) -> int:
        """How many things it changes."""
        return len(self.changes) + sum(policies != pipeline.policies for pipeline, policies in self.held)


class Binding:
    """The things of one scope, as one governor's documents reach them."""

    def __init__(self, scope: str, clock: Clock = SYSTEM) -> None:
        self.scope = scope
        self.clock = clock
        self._made: dict[tuple[str, str], Policy] = {}  # what only documents have had

    def plan(self, effective: Effective) -> Plan:
        """What *effective* means for all that has a name now."""
        plan = Plan()
        for name, pipeline in NAMES.pipelines(self.scope):
            self._pipeline(plan, effective, name, pipeline)
        for (scope, kind, name), thing in NAMES.each():
            if scope == self.scope and kind in SLOTS and id(thing) not in plan.gone:
                self._say(plan, effective, thing, name, kind)
        self._changes(plan, effective)
        return plan

    def plan_of(self, effective: Effective, kind: str, name: str, thing: Any) -> Plan:
        """The same for one thing, which has just got its name."""
        plan = Plan()
        if kind == PIPELINE:
            self._pipeline(plan, effective, name, thing)
        elif kind in SLOTS:
            plan.said[thing] = {}, ("policies", name, kind)
        for policy in plan.said:
            for other, pipeline in NAMES.pipelines(self.scope):
                if policy in pipeline.own:
                    self._say_own(plan, effective, other, slots_of(pipeline.own), policy)
            if policy.name is not None and NAMES.find(self.scope, policy.kind, policy.name) is policy:
                self._say(plan, effective, policy, policy.name, policy.kind)
        self._changes(plan, effective)
        return plan

    def carry_out(self, plan: Plan) -> None:
        """Change what *plan* says."""
        self._made |= plan.made
        for (name, slot), policy in plan.made.items():
            if policy.shape != "limit" and name != INBOUND:
                NAMES.introduce(self.scope, slot, name, policy)
        for policy, said, settings in plan.changes:
            policy.document(said, settings)
        for pipeline, policies in plan.held:
            hold(pipeline, policies)

    # -- what is said of whom ----------------------------------------------------------------------------------------

    def _pipeline(self, plan: Plan, effective: Effective, name: str, pipeline: Pipeline) -> None:
        table = effective.slots(name)
        own = slots_of(pipeline.own)
        for policy in pipeline.own:
            self._say_own(plan, effective, name, own, policy)
        added: dict[str, Policy] = {}
        for slot in SLOTS:
            if slot not in table:
                continue
            path, many = (*place_of(name), slot), len(own.get(slot, ())) > 1
            if effective.asked(path) and (many or (slot == "retry" and slot not in own)):
                continue  # rule 6
            if many:
                whose = name if name == INBOUND else f"the pipeline {name}"
                expected = f"one {slot} in {whose}; with several, each has its own name"
                plan.errors.append(ConfigError(written(effective, path), table[slot], expected))
            elif slot not in own:
                try:
                    added[slot] = self._only_here(plan, name, slot, table[slot], clock_of(pipeline.own, self.clock))
                except ConfigError as error:
                    plan.errors.append(as_written(error, effective, path))
                else:
                    self._say(plan, effective, added[slot], name, slot)
        order = [*table.get("order", ()), *(slot for slot in CANONICAL if slot not in table.get("order", ()))]
        policies = placed(pipeline.own, added, order)
        try:
            check(pipeline, policies, joined(place_of(name)))
        except ConfigError as error:
            plan.errors.append(as_written(error, effective, place_of(name)))
        plan.held.append((pipeline, policies))

    def _only_here(self, plan: Plan, name: str, slot: str, table: Said, clock: Clock) -> Policy:
        """The policy of a slot that the code has not."""
        found = plan.made.get((name, slot)) or self._made.get((name, slot))
        said = self._resolved(table, (*place_of(name), slot), {})
        if found is not None and not found.declared and not _can_be(found, said):
            plan.gone.add(id(found))  # no code knows it, so one that was made otherwise can take its place
            found = None
        elif found is None and slot not in ("timeout", "attempt_timeout") and name != INBOUND:
            found = NAMES.find(self.scope, slot, name)
        if found is None or found.clock is not clock:
            made: Any = policy_of(slot)
            made.settings_class.of(said, joined((*place_of(name), slot)))  # whose errors tell the place
            found = made(said, name="inbound" if name == INBOUND else name, clock=clock)
            found.attach(edge=False, service=None)  # what it needs has to be said
            found.declared, found.documented = {}, said  # of the code there is nothing
            plan.made[name, slot] = found
        return found

    def _say_own(self, plan: Plan, effective: Effective, name: str, slots: Mapping[str, list[Policy]], policy: Policy) -> None:
        """What is said of a policy that the code has put into a pipeline, in whose *slots* it stands."""
        slot = next(slot for slot, policies in slots.items() if policy in policies)
        if slots[slot] == [policy]:
            self._say(plan, effective, policy, name, slot)

    def _say(self, plan: Plan, effective: Effective, policy: Policy, name: str, slot: str) -> None:
        """What is said of *policy* under *name*, upon what has been said of it before."""
        said = {
            setting: value
            for setting, value in effective.slots(name).get(slot, {}).items()
            if setting not in policy.declared or not effective.asked((*place_of(name), slot, setting))
        }
        before = plan.said.get(policy)
        if before is None or said:
            plan.said[policy] = {**(before[0] if before else {}), **said}, (*place_of(name), slot)

    def _changes(self, plan: Plan, effective: Effective) -> None:
        for policy, (said, path) in plan.said.items():
            try:
                values = self._resolved(said, path, policy.declared, policy.final)
                if values != policy.documented:
                    plan.changes.append((policy, values, policy.with_document(values, joined(path))))
            except ConfigError as error:
                if said or policy not in self._made.values():  # what only a document had needs no settings without one
                    plan.errors.append(as_written(error, effective, path))

    def _resolved(
        self, said: Mapping[str, Any], path: Path, declared: Mapping[str, Any], final: bool | tuple[str, ...] = False
    ) -> Said:
        """What is *said*, with functions for their names, beside what is *declared*; without what is *final*."""
        return {
            name: _upon(declared.get(name), resolved(name, value, (*path, name)))
            for name, value in said.items()
            if not (final if isinstance(final, bool) else name in final)
        }


def _can_be(policy: Policy, said: Said) -> bool:
    """Whether *policy* can be as a document says, while it is in use."""
    try:
        policy.with_document(said, policy.kind)
    except ConfigError:
        return False
    return True


def _upon(declared: Any, value: Any) -> Any:
    """The *value* of a document beside what the code has: tables merge."""
    if not isinstance(value, dict):
        return value
    if isinstance(declared, Backoff):
        return {**declared.settings.as_dict(), **value}
    return {**declared, **value} if isinstance(declared, dict) else value


def written(effective: Effective, path: Path) -> str:
    """*path*, as it stands in the document that has the last word there."""
    origin = effective.origin(path)
    return joined(path) if origin is None else origin.written


def as_written(error: ConfigError, effective: Effective, path: Path) -> ConfigError:
    """*error*, which was found at *path* or in it, with the place as its author has written it."""
    here, inside = joined(path), ""
    if error.path.startswith(here):
        inside = error.path[len(here) :].lstrip(".").partition(".")[0].partition("[")[0]
    return ConfigError(written(effective, (*path, inside) if inside else path), error.value, error.expected)
