"""The governor: the one place where the parts meet.

It knows who is running, keeps what is made through it apart (its *scope*), and hands the parts to one another: the
handlers get a log and an identity, the clients a pipeline. The functions of the package are those of one (`_default`).

Rule: nothing is imported before somebody asks for it: a function that governs a client only never loads a handler.
"""

from __future__ import annotations

from _thread import RLock
from functools import partial

from ._core._clock import SYSTEM
from ._core._context import Identity, well_coloured
from ._core._environment import SERVICE, VERSION, first, text, word, words
from ._core._fork import after_fork
from ._core._listeners import PROCESS
from ._core._names import check_name, scoped
from ._core._spans import SPANS, WORDS
from ._under_documents import UnderDocuments
from ._under_registry import UnderRegistry
from ._ways_in import WaysIn
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ParamSpec, TypeVar, Unpack, overload

    from . import pipeline as pipelines
    from ._core._durations import Rate
    from ._core._spans import Tracer
    from ._ways_in_functions import Policies
    from .facts import Fact
    from .pipeline import Policy
    from .policies import budget as budgets
    from .policies import bulkhead as bulkheads
    from .policies import circuit_breaker as breakers
    from .policies import rate_limit as rate_limits
    from .policies import retry as retries
    from .policies import timeout as timeouts
    from .policies.circuit_breaker import CircuitBreaker
    from .propagation.forwarded import Forward
    from .propagation.signed import Keys
    from .registry import Instance, Registry
    from .telemetry.access_log import AccessLog
    from .telemetry.health import Health
    from .telemetry.outputs import Outputs
    from .typing import Clock, Duration

    C = TypeVar("C")
    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["Governor"]

_MADE_HERE = {
    "Pipeline": "pipeline",
    "budget": "policies.budget",
    "bulkhead": "policies.bulkhead",
    "circuit_breaker": "policies.circuit_breaker",
    "policy": "_documented",
    "rate_limit": "policies.rate_limit",
    "retry": "policies.retry",
    "timeout": "policies.timeout",
}


_making = RLock()  # held while a governor gets what it has one of, and counts with: clients are governed in many threads


@after_fork
def _unlocked() -> None:
    global _making  # noqa: PLW0603  # the module has one
    _making = RLock()


class Governor(UnderDocuments, UnderRegistry, WaysIn):
    """Who is running, and everything that is made for it.

    Args:
        service: the name of the service; else ``SVCGOV_SERVICE``, else that of the function on AWS Lambda, or of the service on
            Knative or Cloud Run.
        version: its version; else ``SVCGOV_VERSION``, else that of the function, or the revision of the service, there.
        colours: the colours that are taken from outside, ``"*"`` for all; else ``SVCGOV_COLOURS``, else none.
        colour_key: the secret that colours are signed by, or several, the first of which signs; else ``SVCGOV_COLOUR_KEY``.
        forward: the headers of a call that are handed on to services of ours, such as ``["x-tenant", "x-b3-*"]``; else
            ``SVCGOV_FORWARD``, else none.
        document: what is to hold beside the code: a mapping, or the path of a file, which is read again when it changes.
        registry: where services are found by name: a URL, or what `svcgov.registry.connect` gives; else ``SVCGOV_REGISTRY``,
            else nowhere.
        address: where this process is called, such as ``http://10.0.0.7:8080``: with that it is in the registry from its first
            way in to its end; else ``SVCGOV_ADDRESS``, else it is not.
        scope: policies of the same name in different scopes are different policies.
        clock: where time comes from, for tests.

    Its policies are made as those of the package are: ``governor.retry(...)``, ``governor.Pipeline(...)``.

    Raises:
        ConfigError: for a name, a colour, a key, a header or a document that cannot be.
    """

    def __init__(
        self,
        *,
        service: str | None = None,
        version: str | None = None,
        colours: Sequence[str] | None = None,
        colour_key: str | Sequence[str] | None = None,
        forward: Sequence[str] | None = None,
        document: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        registry: str | Registry | None = None,
        address: str | None = None,
        scope: str = "",
        clock: Clock | None = None,
    ) -> None:
        if service is not None:
            check_name(service, "Governor.service")
        if scope:
            check_name(scope, "Governor.scope")
        self._service = service
        self._version = version
        self._colours = None if colours is None else colours_of(colours, "Governor.colours")
        self.scope = scope
        self.clock: Clock = clock or SYSTEM
        self._forward = None if forward is None else _forward(forward, "Governor.forward")
        self._keys: Keys | None = None
        if colour_key is not None:
            self._keys = self._signing([colour_key] if isinstance(colour_key, str) else colour_key, "Governor.colour_key")
        self._identity: Identity | None = None
        self._log: AccessLog | None = None
        self._listens = False
        self._outputs: Outputs | None = None
        self._asked = registry
        self._address = address
        self._registry = None
        self.instance: Instance | None = None
        self._layers = ()
        self._callees = {}
        self._followed = False
        self._documents = None
        if document is not None:
            self._begin_with(document)

    @property
    def identity(self) -> Identity:
        """Who is running: what was given, or else what the environment says when this is first asked for."""
        if self._identity is None:
            from .propagation import colour

            colour.also_named(words("SVCGOV_COLOUR_HEADERS"), "SVCGOV_COLOUR_HEADERS")
            keys = self._signers()
            self._identity = Identity(
                service=self._service or first(*SERVICE),
                version=self._version or first(*VERSION),
                colours=colours_of(words("SVCGOV_COLOURS"), "SVCGOV_COLOURS") if self._colours is None else self._colours,
                verified=None if keys is None else keys.verified,
                forward=_forward(words("SVCGOV_FORWARD"), "SVCGOV_FORWARD") if self._forward is None else self._forward,
            )
        return self._identity

    if TYPE_CHECKING:
        circuit_breaker: _Breaks

        def Pipeline(self, *policies: Policy | pipelines.Pipeline, name: str | None = None) -> pipelines.Pipeline:  # noqa: N802
            """As `svcgov.Pipeline`."""
            ...

        def budget(self, name: str | None = None, **options: Unpack[budgets.Options]) -> budgets.Budget:
            """As `svcgov.budget`."""
            ...

        def policy(self, name: str) -> pipelines.Pipeline:
            """As `svcgov.policy`."""
            ...

        def bulkhead(self, limit: int, **options: Unpack[bulkheads.Options]) -> bulkheads.Bulkhead:
            """As `svcgov.bulkhead`."""
            ...

        def rate_limit(
            self, limit: str | Rate | Sequence[str | Rate], **options: Unpack[rate_limits.Options]
        ) -> rate_limits.RateLimit:
            """As `svcgov.rate_limit`."""
            ...

        def retry(self, **options: Unpack[retries.Options]) -> retries.Retry:
            """As `svcgov.retry`."""
            ...

        def timeout(self, seconds: Duration | None, **options: Unpack[timeouts.Options]) -> timeouts.Timeout:
            """As `svcgov.timeout`."""
            ...

    else:

        def __getattr__(self, name):
            if name not in _MADE_HERE:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            from importlib import import_module

            make = scoped(self.scope, getattr(import_module(f"{__package__}.{_MADE_HERE[name]}"), name))
            return make if name in ("Pipeline", "policy") or self.clock is SYSTEM else partial(make, clock=self.clock)

    def alive(self) -> Health:
        """Whether this process is: it is, if it can say so."""
        from .telemetry.health import Health

        return Health()

    def ready(self, *requires: str | CircuitBreaker) -> Health:
        """Whether it may be given more calls: whether the dependencies that it *requires* would be asked if one came now.

        It may not while it is `draining` in a registry.

        Args:
            requires: circuit breakers, or their names.

        Raises:
            ConfigError: for something else than those.
        """
        from .telemetry.health import ready

        return ready(requires, scope=self.scope, draining=self._drains())

    def govern(self, client: C, /, *, target: str | None = None, policy: Policies = None, max_hold: Duration | None = 60.0) -> C:
        """Put policies around each request of *client*, in place, and return it.

        Args:
            client: ``Client`` or ``AsyncClient`` of httpx2 or httpx.
            target: the name of the service that it calls; None for hosts that are not ours, each with policies of its own.
            policy: a policy, a pipeline, or a list of policies, outermost first. None propagates, clips and records only.
            max_hold: how long an answer that is not read may keep its place in a bulkhead; None: for ever.

        Raises:
            ConfigError: for something that cannot be governed, and for a client that is governed differently already.
        """
        from .outbound.govern import govern
        from .pipeline import pipeline_of
        from .propagation import colour

        colour.also_named(words("SVCGOV_COLOUR_HEADERS"), "SVCGOV_COLOUR_HEADERS")
        self._count()
        self._trace()
        pipeline = scoped(self.scope, pipeline_of)(policy, "govern.policy")
        if target is not None and pipeline.name is None:
            from ._documented import called

            check_name(target, "govern.target")
            pipeline = scoped(self.scope, called)(pipeline, target)
        with self._finding():
            return scoped(self.scope, govern)(client, target=target, pipeline=pipeline, max_hold=max_hold)

    def signed_colour(self, name: str) -> str:
        """The value of ``x-svcgov-colour`` for a request in this colour, which is taken although it is on no list, for 300 s.

        It is signed by the governor's ``colour_key``, or by ``SVCGOV_COLOUR_KEY``. Who has it may use it: it is a ticket.

        Raises:
            ConfigError: for what cannot be a colour, and without a key.
        """
        keys = self._signers() or self._signing((), "SVCGOV_COLOUR_KEY")
        return keys.sign(name)

    def listen(self, listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
        """Tell *listener* what happens in any policy of the process; call what comes back to stop."""
        return PROCESS.add(listener, kinds)

    def _signers(self) -> Keys | None:
        """The keys that colours are signed by, if there are any."""
        if self._keys is None and text("SVCGOV_COLOUR_KEY"):
            self._keys = self._signing(words("SVCGOV_COLOUR_KEY"), "SVCGOV_COLOUR_KEY")
        return self._keys

    def _signing(self, given: Sequence[str], path: str) -> Keys:
        from .propagation.signed import Keys

        return Keys(given, path, self.clock.wall)

    def _is(self, service: str | None, place: str) -> None:
        """Take the name of the service from a way in, unless there is another one already."""
        if service is None:
            return
        check_name(service, f"{place}.service")
        if self._service is not None and self._service != service:
            expected = f"{self._service}, which this governor serves already (another service takes a Governor of its own)"
            raise ConfigError(f"{place}.service", service, expected)
        self._service = self.identity.service = service

    def _access_log(self) -> AccessLog:
        log = self._lines()
        if not self._listens:
            self._listens = True
            log.listen(self.identity)
            self._count()
        return log

    def _lines(self) -> AccessLog:
        """The log of this governor, which tells of calls; of what policies do once there is a way in."""
        if self._log is None:
            from .telemetry.access_log import AccessLog

            with _making:
                if self._log is None:
                    self._log = AccessLog(self.clock)
        return self._log

    def _trace(self) -> None:
        """Make spans where a provider of OpenTelemetry's is set, or from when one is; unless ``SVCGOV_TRACES`` says ``off``."""
        chosen = word("SVCGOV_TRACES", WORDS, "")
        if chosen != "off":
            SPANS.make = _tracer
            if chosen == "otel" and not SPANS.awaited:
                SPANS.use(SPANS.tracer, awaited=True)
            SPANS.look()

    def _count(self, *, asked: bool = False) -> Outputs | None:
        """Count from now on, where an output is on: one that the code has *asked* for, or ``SVCGOV_METRICS``."""
        if self._outputs is None and (asked or text("SVCGOV_METRICS")):
            from .telemetry.outputs import Outputs, chosen

            output = chosen()
            with _making:
                if output != "off" and self._outputs is None:
                    self._outputs = Outputs(self.identity, self.clock, output)
        if self._outputs is not None:
            self._lines().meter = self._outputs.called
        return self._outputs


if TYPE_CHECKING:
    from typing import Protocol

    class _Breaks(Protocol):
        """As `svcgov.circuit_breaker`."""

        @overload
        def __call__(self, name: Callable[P, R], /) -> Callable[P, R]: ...
        @overload
        def __call__(self, name: str | None = None, **options: Unpack[breakers.Options]) -> breakers.CircuitBreaker: ...


def _tracer(provider: Any) -> Tracer | None:
    from .telemetry.traces import tracer_of

    return tracer_of(provider)


def colours_of(given: Sequence[str], path: str) -> frozenset[str]:
    """The colours that are taken from outside, checked."""
    if isinstance(given, str):
        raise ConfigError(path, given, "a list of colours")
    for one in given:
        if one != "*" and not well_coloured(one):
            raise ConfigError(path, one, '"*", or 1 to 64 letters, digits or . _ -')
    return frozenset(given)


def _forward(given: Sequence[str], path: str) -> Forward:
    from .propagation.forwarded import Forward

    return Forward(given, path)
