"""The governor: the one place where the parts meet.

It knows who is running, keeps what is made through it apart (its *scope*), and hands the parts to one another: the
handlers get a log and an identity, the clients a pipeline. The module's functions use the default one.

Rule: nothing is imported before somebody asks for it: a function that governs a client only never loads a handler.
"""

from __future__ import annotations

from functools import partial

from ._core._clock import SYSTEM
from ._core._context import Identity, well_coloured
from ._core._environment import text, words
from ._core._here import colour, current, current_attempt, remaining
from ._core._listeners import PROCESS
from ._core._names import check_name, scoped
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, ParamSpec, TypeAlias, TypeVar, Unpack, overload

    from .facts import Fact
    from .pipeline import Pipeline, Policy
    from .policies.budget import budget
    from .policies.bulkhead import bulkhead
    from .policies.circuit_breaker import CircuitBreaker, Options
    from .policies.rate_limit import rate_limit
    from .policies.retry import retry
    from .policies.timeout import timeout
    from .telemetry.access_log import AccessLog
    from .typing import Clock

    C = TypeVar("C")
    P = ParamSpec("P")
    R = TypeVar("R")
    Policies: TypeAlias = Policy | Pipeline | Sequence[Policy | Pipeline] | None

__all__ = ["Governor", "colour", "current", "current_attempt", "govern", "handler", "listen", "remaining"]

_MADE_HERE = ("Pipeline", "budget", "bulkhead", "circuit_breaker", "rate_limit", "retry", "timeout")


class Governor:
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
        self.clock = clock or SYSTEM
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
        Pipeline = staticmethod(Pipeline)
        budget = staticmethod(budget)
        bulkhead = staticmethod(bulkhead)
        rate_limit = staticmethod(rate_limit)
        retry = staticmethod(retry)
        timeout = staticmethod(timeout)
        circuit_breaker: _Breaks
    else:

        def __getattr__(self, name):
            if name not in _MADE_HERE:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            import svcgov

            make = scoped(self.scope, getattr(svcgov, name))
            return make if name == "Pipeline" or self.clock is SYSTEM else partial(make, clock=self.clock)

    if TYPE_CHECKING:

        @overload
        def handler(self, fn: None = None, /, *, service: str | None = None, policy: Policies = None) -> _Handles: ...
        @overload
        def handler(
            self, fn: Callable[P, Coroutine[Any, Any, R]], /, *, service: str | None = None, policy: Policies = None
        ) -> Callable[P, R]: ...
        @overload
        def handler(self, fn: Callable[P, R], /, *, service: str | None = None, policy: Policies = None) -> Callable[P, R]: ...

    def handler(self, fn: Any = None, /, *, service: str | None = None, policy: Policies = None) -> Any:
        """Govern a handler of events, ``(event, context)``, sync or async. What comes back is a plain function.

        Args:
            fn: the handler; left out where the decorator is written with arguments.
            service: the name of the service, if nothing else says it. One governor, one service.
            policy: a policy, a pipeline, or a list of policies, outermost first.

        Raises:
            ConfigError: for another service than the one that this governor has, and for policies that cannot be.
        """
        if fn is None:
            return lambda given: self._handled(given, service, policy)
        return self._handled(fn, service, policy)

    def _handled(self, fn: Any, service: str | None, policy: Policies) -> Any:
        if not callable(fn):
            raise TypeError(f"expected a handler, got {fn!r} (did you mean handler(service=...)?)")
        self._is(service)
        from .inbound.handler import handled
        from .pipeline import pipeline_of

        pipeline = pipeline_of(policy, "handler.policy")
        return handled(fn, pipeline=pipeline, identity=self.identity, log=self._access_log(), clock=self.clock)

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

    def _is(self, service: str | None) -> None:
        """Take the name of the service from a handler, unless there is another one already."""
        if service is None:
            return
        check_name(service, "handler.service")
        if self._service is not None and self._service != service:
            expected = f"{self._service}, which this governor serves already (another service takes a Governor of its own)"
            raise ConfigError("handler.service", service, expected)
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
        def __call__(self, name: str | None = None, **options: Unpack[Options]) -> CircuitBreaker: ...

    class _Handles(Protocol):
        """The decorator of a handler, sync or async."""

        @overload
        def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
        @overload
        def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]: ...


def _colours(given: Sequence[str], path: str) -> frozenset[str]:
    if isinstance(given, str):
        raise ConfigError(path, given, "a list of colours")
    for one in given:
        if one != "*" and not well_coloured(one):
            raise ConfigError(path, one, '"*", or 1 to 64 letters, digits or . _ -')
    return frozenset(given)


DEFAULT = Governor()
handler = DEFAULT.handler
govern = DEFAULT.govern
listen = DEFAULT.listen
