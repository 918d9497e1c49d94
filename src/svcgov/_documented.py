"""What a document makes of pipelines: they hold other policies than the code has written, from the next call on.

Rule 1: the code's policies stay, in the code's order; what a document adds goes to its canonical place among them.
Rule 2: what cannot stand around a function is refused before anything is changed.
Rule 3: a call ends on the frames that it began with.
"""

from __future__ import annotations

from ._core._callable import name_of
from ._core._names import NAMES, SCOPE, check_name
from ._core._report import outside
from ._policy import slots_of
from .errors import ConfigError, ConfigWarning
from .pipeline import Pipeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ._policy import Policy

CANONICAL = ("timeout", "bulkhead", "retry", "rate_limit", "circuit_breaker", "attempt_timeout")


def placed(own: Sequence[Policy], added: Mapping[str, Policy], order: Sequence[str] = CANONICAL) -> tuple[Policy, ...]:
    """The policies of a pipeline: its *own*, and those *added* by their slots, each before what comes later in *order*."""
    rank = {slot: place for place, slot in enumerate(order)}
    slot_of = {policy: slot for slot, policies in slots_of(own).items() for policy in policies}
    line = [(rank.get(slot_of[policy], -1), policy) for policy in own]
    for slot in sorted(added, key=rank.__getitem__):
        at = next((place for place, (other, _) in enumerate(line) if other > rank[slot]), len(line))
        line.insert(at, (rank[slot], added[slot]))
    return tuple(policy for _, policy in line)


def check(pipeline: Pipeline, policies: Sequence[Policy], path: str) -> None:
    """Raise a `ConfigError` when *pipeline* cannot hold *policies* where it stands."""
    loop = next((policy for policy in policies if policy.shape == "loop"), None)
    if loop is not None and pipeline.once:
        raise ConfigError(f"{path}.{loop.kind}", loop, "policies that call once: what is around it is a way in")
    for governed in pipeline._governed():
        for policy in policies:
            if policy not in governed.policies:
                policy.attach(edge=governed.edge, service=governed.service)
        if "generator" in governed.kind:
            from ._shells._life import check as check_generator

            try:
                check_generator(policies, name_of(governed.target))
            except TypeError as wrong:
                raise ConfigError(path, list(policies), str(wrong)) from None


def hold(pipeline: Pipeline, policies: tuple[Policy, ...]) -> None:
    """Let *pipeline* hold *policies*, which have been checked."""
    if policies == pipeline.policies:
        return
    pipeline.policies = policies
    for governed in pipeline._governed():
        governed.renew()


def called(pipeline: Pipeline, name: str) -> Pipeline:
    """*pipeline*, which has no name, under one that documents know it by; what becomes of its calls is seen in both."""
    named = Pipeline(*pipeline.own, name=name)
    named.model = pipeline
    return named


class Late(Pipeline):
    """A pipeline that was asked for before there is one of its name: what is made of that name later is what it is."""

    def follow(self, pipeline: Pipeline) -> None:
        """The code has made one."""
        self.own = pipeline.own
        hold(self, pipeline.policies)

    def around(self, fn: Any, **where: Any) -> Any:
        """As `Pipeline.around`; warns, once, if nobody has said by now what it is."""
        if not self._looked and not self.policies:
            from warnings import warn

            self._looked = True
            said = f"nothing is known of a policy called {self.name}: calls pass through until code or a document says what it is"
            warn(said, ConfigWarning, stacklevel=outside())
        return super().around(fn, **where)


def policy(name: str) -> Pipeline:
    """The pipeline called *name*: one that the code has made, or makes later, or what a document says of that name.

    Until somebody says what it is, it lets all calls through.

    Raises:
        ConfigError: for what cannot be a name.
    """
    check_name(name, "policy")
    known = [pipeline for called, pipeline in NAMES.pipelines(SCOPE.get()) if called == name]
    return known[-1] if known else Late(name=name)
