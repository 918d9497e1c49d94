"""The ways in: what a governor puts around functions and applications that a platform calls.

Each has its own name, and nothing is guessed from the environment. What they are made of is in the folder ``inbound``, which is
loaded when one of them is used.
"""

from __future__ import annotations

from ._core._names import INBOUND, NAMES, scoped
from ._ways_in_functions import FunctionsIn
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from typing import Any, Protocol

    from ._core._context import Identity
    from ._ways_in_functions import Errors, Policies
    from .inbound._pages import Answers
    from .inbound.batch import Batch, Message
    from .policies.circuit_breaker import CircuitBreaker
    from .telemetry.access_log import AccessLog
    from .telemetry.health import Health
    from .telemetry.outputs import Outputs
    from .typing import Clock, Duration

    class Serves(Protocol):
        """An ASGI application."""

        def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]: ...


_ONCE = ("asgi", "knative", "wsgi")  # an answer that has begun cannot be begun again


class WaysIn(FunctionsIn):
    """The part of a `svcgov.Governor` that looks outside."""

    clock: Clock
    scope: str

    if TYPE_CHECKING:

        @property
        def identity(self) -> Identity:
            """Who is running."""
            ...

        def ready(self, *requires: str | CircuitBreaker) -> Health:
            """Whether it may be given more calls."""
            ...

        def _is(self, service: str | None, place: str) -> None:
            """Take the name of the service."""
            ...

        def _present(self) -> None:
            """Say to the registry that it is there."""
            ...

        def _access_log(self) -> AccessLog:
            """Where calls are written down."""
            ...

        def _trace(self) -> None:
            """Make spans, where a provider is set."""
            ...

        def _count(self, *, asked: bool = False) -> Outputs | None:
            """Count, where an output is on."""
            ...

    def knative(
        self,
        fn: Callable[..., Any],
        /,
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
        requires: Sequence[str | CircuitBreaker] = (),
        metrics: str | None = None,
    ) -> Callable[..., Any]:
        """Govern a function of Knative's Python runtime: ``new = svcgov.knative(new, service=...)``, or ``handle`` itself.

        Args:
            fn: ``new``, which makes an object with ``handle``, or a coroutine function ``handle(scope, receive, send)``.
            service, policy, errors: as in `handler`. A policy that calls more than once, as a retry does, is refused.
            requires: the circuit breakers of the dependencies without which it is not ready, or their names.
            metrics: where its figures can be asked for, as in `asgi`. A function of events cannot be asked.

        Raises:
            ConfigError: as in `handler`, and for a path that cannot be.
            TypeError: for another function.
        """
        from .inbound.knative import knative

        reasons = self._reasons(requires, "knative.requires")
        edge = self._edge("knative", service, policy, errors)
        return knative(fn, **edge, reasons=reasons, pages=self._routes("knative", None, (), metrics))

    def asgi(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
        health: str | None = None,
        requires: Sequence[str | CircuitBreaker] = (),
        metrics: str | None = None,
    ) -> Serves:
        """Govern an ASGI application, whatever it is written with: ``app.add_middleware(svcgov.asgi, service=...)``.

        Args:
            app: the application.
            service, policy, errors: as in `handler`. A policy that calls more than once, as a retry does, is refused.
            health: where its health can be asked for: with ``/-``, at ``/-/alive`` and ``/-/ready``. None: nowhere.
            requires: the circuit breakers of the dependencies without which it is not ready, or their names.
            metrics: where its figures can be asked for: with ``/-``, at ``/-/metrics`` for Prometheus, and at ``/-/governance``
                as JSON. None: nowhere, unless ``SVCGOV_METRICS`` says ``prometheus``.

        Raises:
            ConfigError: as in `handler`, and for a path that cannot be.
        """
        from .inbound.asgi import asgi

        known = self._edge("asgi", service, policy, errors)
        return asgi(app, **known, health=self._routes("asgi", health, requires, metrics))

    def wsgi(
        self,
        app: Callable[..., Iterable[bytes]],
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
        health: str | None = None,
        requires: Sequence[str | CircuitBreaker] = (),
        metrics: str | None = None,
    ) -> Callable[..., Iterable[bytes]]:
        """Govern a WSGI application, whatever it is written with: ``app.wsgi_app = svcgov.wsgi(app.wsgi_app, service=...)``.

        Args:
            app: the application.
            service, policy, errors, health, requires, metrics: as in `asgi`.

        Raises:
            ConfigError: as in `asgi`.
        """
        from .inbound.wsgi import wsgi

        known = self._edge("wsgi", service, policy, errors)
        return wsgi(app, **known, health=self._routes("wsgi", health, requires, metrics))

    def batch(self, event: Any, *, reserve: Duration = 0.05) -> Batch:
        """The records of *event*, one by one: ``for item in batch: with item: ...``, then ``return batch.response()``.

        Args:
            event: what came from a queue, a topic or a stream.
            reserve: a record is begun only while more than this is left to the deadline.

        Raises:
            ConfigError: for a reserve that cannot be.
            TypeError: for an event without records.
        """
        from ._core._schema import duration
        from .inbound.batch import Batch

        seconds = duration(zero=True).read(reserve, "batch.reserve")
        return Batch(event, identity=self.identity, log=self._access_log(), clock=self.clock, reserve=seconds)

    def message(self, record: Any) -> Message:
        """One record, to be entered by ``with``: inside, `current` is the record's own. Its errors are raised."""
        from .inbound.batch import Message

        return Message(record, self.identity)

    def _routes(
        self, place: str, health: str | None, requires: Sequence[str | CircuitBreaker], metrics: str | None
    ) -> Answers | None:
        """Where an application can be asked for its health, and for its figures."""
        if health is None and requires:
            raise ConfigError(f"{place}.requires", requires, "a path in health=, where it can be asked for")
        found: list[Answers] = []
        if health is not None:
            from .inbound._health import Routes

            found.append(Routes(health, self._reasons(requires, f"{place}.requires"), place=f"{place}.health"))
        outputs = self._count(asked=metrics is not None)
        if outputs is not None and (metrics is not None or outputs.word == "prometheus"):
            from .inbound._pages import Pages

            prefix = Pages.prefix(metrics, f"{place}.metrics")
            found.append(Pages(outputs.pages(prefix)))
        if len(found) < 2:
            return found[0] if found else None
        from .inbound._pages import Either

        return Either(*found)

    def _reasons(self, requires: Sequence[str | CircuitBreaker], path: str) -> Callable[[], tuple[str, ...]]:
        """What says why the service is not ready: the dependencies that it *requires*, and whether it is draining."""
        if requires:
            from .telemetry.health import listed

            requires = listed(requires, path)
        return lambda: self.ready(*requires).reasons

    def _edge(self, place: str, service: str | None, policy: Policies, errors: Errors) -> dict[str, Any]:
        """What every way in is given."""
        if errors not in ("raise", "map"):
            raise ConfigError(f"{place}.errors", errors, "one of raise, map")
        self._is(service, place)
        self._present()
        self._trace()
        from .pipeline import pipeline_of

        pipeline = scoped(self.scope, pipeline_of)(policy, f"{place}.policy")
        if pipeline.name is None:
            pipeline.once = pipeline.once or place in _ONCE  # before a document speaks of it
            NAMES.know(self.scope, INBOUND, pipeline)
        return {
            "pipeline": pipeline,
            "identity": self.identity,
            "log": self._access_log(),
            "clock": self.clock,
            "every": errors == "map",
        }
