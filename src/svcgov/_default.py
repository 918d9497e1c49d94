"""The functions of the package: those of one governor, which is there without being made.

A process that is more than one service makes governors of its own, and uses their methods.
"""

from __future__ import annotations

from .governor import Governor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from typing import Any, ParamSpec, TypeVar, overload

    from ._ways_in import Serves
    from ._ways_in_functions import Errors, Governs, Handles, Policies
    from .facts import Fact
    from .inbound.batch import Batch, Message
    from .policies.circuit_breaker import CircuitBreaker
    from .telemetry.health import Health
    from .typing import Duration

    C = TypeVar("C")
    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = [
    "DEFAULT",
    "alive",
    "asgi",
    "batch",
    "cloud_event",
    "govern",
    "handler",
    "http",
    "knative",
    "listen",
    "message",
    "ready",
    "signed_colour",
    "wsgi",
]

DEFAULT: Governor = Governor()

if TYPE_CHECKING:

    @overload
    def handler(
        fn: None = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
    ) -> Handles: ...
    @overload
    def handler(
        fn: Callable[P, Coroutine[Any, Any, R]],
        /,
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
    ) -> Callable[P, R]: ...
    @overload
    def handler(
        fn: Callable[P, R], /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
    ) -> Callable[P, R]: ...


def handler(fn: Any = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise") -> Any:
    """Govern a handler of events, ``(event, context)``: see `Governor.handler`."""
    return DEFAULT.handler(fn, service=service, policy=policy, errors=errors)


if TYPE_CHECKING:

    @overload
    def http(
        fn: None = None,
        /,
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
        health: str | None = None,
        requires: Sequence[str | CircuitBreaker] = (),
        metrics: str | None = None,
    ) -> Governs: ...
    @overload
    def http(
        fn: Callable[P, R],
        /,
        *,
        service: str | None = None,
        policy: Policies = None,
        errors: Errors = "raise",
        health: str | None = None,
        requires: Sequence[str | CircuitBreaker] = (),
        metrics: str | None = None,
    ) -> Callable[P, R]: ...


def http(
    fn: Any = None,
    /,
    *,
    service: str | None = None,
    policy: Policies = None,
    errors: Errors = "raise",
    health: str | None = None,
    requires: Sequence[str | CircuitBreaker] = (),
    metrics: str | None = None,
) -> Any:
    """Govern an HTTP function of functions-framework, ``(request)``: see `Governor.http`."""
    return DEFAULT.http(fn, service=service, policy=policy, errors=errors, health=health, requires=requires, metrics=metrics)


if TYPE_CHECKING:

    @overload
    def cloud_event(
        fn: None = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
    ) -> Governs: ...
    @overload
    def cloud_event(
        fn: Callable[P, R], /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
    ) -> Callable[P, R]: ...


def cloud_event(fn: Any = None, /, *, service: str | None = None, policy: Policies = None, errors: Errors = "raise") -> Any:
    """Govern a function of CloudEvents, ``(event)``: see `Governor.cloud_event`."""
    return DEFAULT.cloud_event(fn, service=service, policy=policy, errors=errors)


def knative(
    fn: Callable[..., Any],
    /,
    *,
    service: str | None = None,
    policy: Policies = None,
    errors: Errors = "raise",
    requires: Sequence[str | CircuitBreaker] = (),
    metrics: str | None = None,
) -> Callable[..., Any]:
    """Govern a function of Knative's Python runtime: see `Governor.knative`."""
    return DEFAULT.knative(fn, service=service, policy=policy, errors=errors, requires=requires, metrics=metrics)


def alive() -> Health:
    """Whether this process is alive: see `Governor.alive`."""
    return DEFAULT.alive()


def ready(*requires: str | CircuitBreaker) -> Health:
    """Whether it may be given more calls: see `Governor.ready`."""
    return DEFAULT.ready(*requires)


def asgi(
    app: Callable[..., Awaitable[None]],
    *,
    service: str | None = None,
    policy: Policies = None,
    errors: Errors = "raise",
    health: str | None = None,
    requires: Sequence[str | CircuitBreaker] = (),
    metrics: str | None = None,
) -> Serves:
    """Govern an ASGI application: see `Governor.asgi`."""
    return DEFAULT.asgi(app, service=service, policy=policy, errors=errors, health=health, requires=requires, metrics=metrics)


def wsgi(
    app: Callable[..., Iterable[bytes]],
    *,
    service: str | None = None,
    policy: Policies = None,
    errors: Errors = "raise",
    health: str | None = None,
    requires: Sequence[str | CircuitBreaker] = (),
    metrics: str | None = None,
) -> Callable[..., Iterable[bytes]]:
    """Govern a WSGI application: see `Governor.wsgi`."""
    return DEFAULT.wsgi(app, service=service, policy=policy, errors=errors, health=health, requires=requires, metrics=metrics)


def batch(event: Any, *, reserve: Duration = 0.05) -> Batch:
    """The records of *event*, one by one: see `Governor.batch`."""
    return DEFAULT.batch(event, reserve=reserve)


def message(record: Any) -> Message:
    """One record of an event: see `Governor.message`."""
    return DEFAULT.message(record)


def govern(client: C, /, *, target: str | None = None, policy: Policies = None, max_hold: Duration | None = 60.0) -> C:
    """Put policies around each request of *client*, in place, and return it: see `Governor.govern`."""
    return DEFAULT.govern(client, target=target, policy=policy, max_hold=max_hold)


def signed_colour(name: str) -> str:
    """The value of ``x-svcgov-colour`` that is taken although the colour is on no list: see `Governor.signed_colour`."""
    return DEFAULT.signed_colour(name)


def listen(listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
    """Tell *listener* what happens in any policy of the process: see `Governor.listen`."""
    return DEFAULT.listen(listener, *kinds)
