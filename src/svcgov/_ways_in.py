"""The ways in: what a governor puts around functions and applications that a platform calls.

Each has its own name, and nothing is guessed from the environment. What they are made of is in the folder ``inbound``, which is
loaded when one of them is used.
"""

from __future__ import annotations

from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

    from ._core._context import Identity
    from .inbound._pages import Answers
    from .inbound.batch import Batch, Message
    from .pipeline import Pipeline, Policy
    from .policies.circuit_breaker import CircuitBreaker
    from .telemetry.access_log import AccessLog
    from .telemetry.health import Health
    from .telemetry.outputs import Outputs
    from .typing import Clock, Duration

    P = ParamSpec("P")
    R = TypeVar("R")
    Errors: TypeAlias = Literal["raise", "map"]
    Policies: TypeAlias = Policy | Pipeline | Sequence[Policy | Pipeline] | None

    class Handles(Protocol):
        """The decorator of a handler, sync or async."""

        @overload
        def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
        @overload
        def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]: ...

    class Governs(Protocol):
        """The decorator of a function that stays what it is, sync or async."""

        def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]: ...

    class Serves(Protocol):
        """An ASGI application."""

        def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]: ...


class WaysIn:
    """The part of a `svcgov.Governor` that looks outside."""

    clock: Clock

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

        def _access_log(self) -> AccessLog:
            """Where calls are written down."""
            ...

        def _count(self, *, asked: bool = False) -> Outputs | None:
            """Count, where an output is on."""
            ...

    if TYPE_CHECKING:

        @overload
        def handler(
            self, fn: None = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
        ) -> Handles: ...
        @overload
        def handler(
            self,
            fn: Callable[P, Coroutine[Any, Any, R]],
            /,
            *,
            service: str | None = None,
            policy: Policies = None,
            errors: Errors = "raise",
        ) -> Callable[P, R]: ...
        @overload
        def handler(
            self, fn: Callable[P, R], /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
        ) -> Callable[P, R]: ...

    def handler(self, fn: Any = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise") -> Any:
        """Govern a handler of events, ``(event, context)``, sync or async. What comes back is a plain function.

        Args:
            fn: the handler; left out where the decorator is written with arguments.
            service: the name of the service, if nothing else says it. One governor, one service.
            policy: a policy, a pipeline, or a list of policies, outermost first. Where somebody waits over HTTP, what they
                refuse is answered; else it is raised.
            errors: ``map`` answers in the same way what governed calls inside raise by themselves: refusals and time-outs.

        Raises:
            ConfigError: for another service than the one that this governor has, and for policies that cannot be.
        """
        return self._function("handler", fn, service, policy, errors)

    if TYPE_CHECKING:

        @overload
        def http(
            self, fn: None = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
        ) -> Governs: ...
        @overload
        def http(
            self, fn: Callable[P, R], /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
        ) -> Callable[P, R]: ...

    def http(self, fn: Any = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise") -> Any:
        """Govern an HTTP function, ``(request)``, of functions-framework, sync or async as it is.

        Args:
            fn: the function; left out where the decorator is written with arguments.
            service, policy, errors: as in `handler`.

        Raises:
            ConfigError: as in `handler`.
        """
        return self._function("http", fn, service, policy, errors)

    if TYPE_CHECKING:

        @overload
        def cloud_event(
            self, fn: None = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
        ) -> Governs: ...
        @overload
        def cloud_event(
            self, fn: Callable[P, R], /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
        ) -> Callable[P, R]: ...

    def cloud_event(
        self, fn: Any = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
    ) -> Any:
        """Govern a function of CloudEvents, ``(event)``, of functions-framework, sync or async as it is.

        What its policies refuse is raised: whoever delivers the event delivers it again.

        Args:
            fn: the function; left out where the decorator is written with arguments.
            service, policy, errors: as in `handler`.

        Raises:
            ConfigError: as in `handler`.
        """
        return self._function("cloud_event", fn, service, policy, errors)

    def _function(self, place: str, fn: Any, service: str | None, policy: Policies, errors: Errors) -> Any:
        def decorate(given: Any) -> Any:
            if not callable(given):
                what = "handler" if place == "handler" else "function"
                raise TypeError(f"expected a {what}, got {given!r} (did you mean {place}(service=...)?)")
            edge = self._edge(place, service, policy, errors)
            if place == "handler":
                from .inbound.handler import handled

                return handled(given, **edge)
            from importlib import import_module

            from .inbound._functions import governed

            way: Any = import_module(f"{__package__}.inbound.{place}")
            return governed(given, way, **edge)

        return decorate if fn is None else decorate(fn)

    def knative(
        self,
        fn: Callable[..., Any],
        /,
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
        requires: Sequence[str | CircuitBreaker] = (),
    ) -> Callable[..., Any]:
        """Govern a function of Knative's Python runtime: ``new = svcgov.knative(new, service=...)``, or ``handle`` itself.

        Args:
            fn: ``new``, which makes an object with ``handle``, or a coroutine function ``handle(scope, receive, send)``.
            service, policy, errors: as in `handler`. A policy that calls more than once, as a retry does, is refused.
            requires: the circuit breakers of the dependencies without which it is not ready, or their names.

        Raises:
            ConfigError: as in `handler`.
            TypeError: for another function.
        """
        from .inbound.knative import knative

        reasons = self._reasons(requires, "knative.requires")
        return knative(fn, **self._edge("knative", service, policy, errors), reasons=reasons)

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
        """What says why the service is not ready, of the dependencies that it *requires*."""
        if not requires:
            return tuple
        from .telemetry.health import listed

        required = listed(requires, path)
        return lambda: self.ready(*required).reasons

    def _edge(self, place: str, service: str | None, policy: Policies, errors: Errors) -> dict[str, Any]:
        """What every way in is given."""
        if errors not in ("raise", "map"):
            raise ConfigError(f"{place}.errors", errors, "one of raise, map")
        self._is(service, place)
        from .pipeline import pipeline_of

        return {
            "pipeline": pipeline_of(policy, f"{place}.policy"),
            "identity": self.identity,
            "log": self._access_log(),
            "clock": self.clock,
            "every": errors == "map",
        }
