"""The governor: the one place where the parts meet.

It knows who is running, keeps what is made through it apart (its *scope*), and hands the parts to one another: the
handlers get a log and an identity, the clients a pipeline. The functions of the package are those of one (`_default`).

Rule: nothing is imported before somebody asks for it: a function that governs a client only never loads a handler.
"""

from __future__ import annotations

from functools import partial

from ._core._clock import SYSTEM
from ._core._context import Identity, well_coloured
from ._core._environment import text, words
from ._core._listeners import PROCESS
from ._core._names import check_name, scoped
from ._ways_in import WaysIn
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import ParamSpec, TypeVar, Unpack, overload

    from . import pipeline as pipelines
    from ._core._durations import Rate
    from ._ways_in import Policies
    from .facts import Fact
    from .pipeline import Policy
    from .policies import budget as budgets
    from .policies import bulkhead as bulkheads
    from .policies import circuit_breaker as breakers
    from .policies import rate_limit as rate_limits
    from .policies import retry as retries
    from .policies import timeout as timeouts
    from .policies.circuit_breaker import CircuitBreaker
    from .telemetry.access_log import AccessLog
    from .telemetry.health import Health
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
    "rate_limit": "policies.rate_limit",
    "retry": "policies.retry",
    "timeout": "policies.timeout",
}


class Governor(WaysIn):
    """Who is running, and everything that is made for it.

    Args:
        service: the name of the service; else ``SVCGOV_SERVICE``, else the name of the function on AWS Lambda.
        version: its version; else ``SVCGOV_VERSION``, else that of the function on AWS Lambda.
        colours: the colours that are taken from outside, ``"*"`` for all; else ``SVCGOV_COLOURS``, else none.
        scope: policies of the same name in different scopes are different policies.
        clock: where time comes from, for tests.

    Its policies are made as those of the package are: ``governor.retry(...)``, ``governor.Pipeline(...)``.

    Raises:
        ConfigError: for a name or a colour that cannot be.
    """

    def __init__(
        self,
        *,
        service: str | None = None,
        version: str | None = None,
        colours: Sequence[str] | None = None,
        scope: str = "",
        clock: Clock | None = None,
    ) -> None:
        if service is not None:
            check_name(service, "Governor.service")
        if scope:
            check_name(scope, "Governor.scope")
        self._service = service
        self._version = version
        self._colours = None if colours is None else _colours(colours, "Governor.colours")
        self.scope = scope
        self.clock: Clock = clock or SYSTEM
        self._identity: Identity | None = None
        self._log: AccessLog | None = None

    @property
    def identity(self) -> Identity:
        """Who is running: what was given, or else what the environment says when this is first asked for."""
        if self._identity is None:
            self._identity = Identity(
                service=self._service or text("SVCGOV_SERVICE") or text("AWS_LAMBDA_FUNCTION_NAME"),
                version=self._version or text("SVCGOV_VERSION") or text("AWS_LAMBDA_FUNCTION_VERSION"),
                colours=_colours(words("SVCGOV_COLOURS"), "SVCGOV_COLOURS") if self._colours is None else self._colours,
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
            return make if name == "Pipeline" or self.clock is SYSTEM else partial(make, clock=self.clock)

    def alive(self) -> Health:
        """Whether this process is: it is, if it can say so."""
        from .telemetry.health import Health

        return Health()

    def ready(self, *requires: str | CircuitBreaker) -> Health:
        """Whether it may be given more calls: whether the dependencies that it *requires* would be asked if one came now.

        Args:
            requires: circuit breakers, or their names.
        """
        from .telemetry.health import ready

        return ready(requires, scope=self.scope)

    def govern(self, client: C, /, *, target: str | None = None, policy: Policies = None) -> C:
        """Put policies around each request of *client*, in place, and return it.

        Args:
            client: ``Client`` or ``AsyncClient`` of httpx2 or httpx.
            target: the name of the service that it calls; None for hosts that are not ours.
            policy: a policy, a pipeline, or a list of policies, outermost first. None propagates, clips and records only.

        Raises:
            ConfigError: for something that cannot be governed, and for a client that is governed differently already.
        """
        from .outbound.govern import govern
        from .pipeline import pipeline_of

        return scoped(self.scope, govern)(client, target=target, pipeline=pipeline_of(policy, "govern.policy"))

    def listen(self, listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
        """Tell *listener* what happens in any policy of the process; call what comes back to stop."""
        return PROCESS.add(listener, kinds)

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
        if self._log is None:
            from .telemetry.access_log import AccessLog

            self._log = AccessLog(self.clock)
        return self._log


if TYPE_CHECKING:
    from typing import Protocol

    class _Breaks(Protocol):
        """As `svcgov.circuit_breaker`."""

        @overload
        def __call__(self, name: Callable[P, R], /) -> Callable[P, R]: ...
        @overload
        def __call__(self, name: str | None = None, **options: Unpack[breakers.Options]) -> breakers.CircuitBreaker: ...


def _colours(given: Sequence[str], path: str) -> frozenset[str]:
    if isinstance(given, str):
        raise ConfigError(path, given, "a list of colours")
    for one in given:
        if one != "*" and not well_coloured(one):
            raise ConfigError(path, one, '"*", or 1 to 64 letters, digits or . _ -')
    return frozenset(given)
