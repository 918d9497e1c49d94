"""The functions of the package: those of one governor, which is there without being made.

A process that is more than one service makes governors of its own, and uses their methods.
"""

from __future__ import annotations

from .governor import Governor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from typing import Any, ParamSpec, TypeVar, overload

    from .facts import Fact
    from .governor import Errors, Handles, Policies
    from .inbound.batch import Batch, Message
    from .typing import Duration

    C = TypeVar("C")
    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["DEFAULT", "asgi", "batch", "govern", "handler", "listen", "message", "wsgi"]

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


def asgi(
    app: Callable[..., Awaitable[None]], *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
) -> Callable[[Any, Any, Any], Coroutine[Any, Any, None]]:
    """Govern an ASGI application: see `Governor.asgi`."""
    return DEFAULT.asgi(app, service=service, policy=policy, errors=errors)


def wsgi(
    app: Callable[..., Iterable[bytes]], *, service: str | None = None, policy: Policies = None, errors: Errors = "raise"
) -> Callable[..., Iterable[bytes]]:
    """Govern a WSGI application: see `Governor.wsgi`."""
    return DEFAULT.wsgi(app, service=service, policy=policy, errors=errors)


def batch(event: Any, *, reserve: Duration = 0.05) -> Batch:
    """The records of *event*, one by one: see `Governor.batch`."""
    return DEFAULT.batch(event, reserve=reserve)


def message(record: Any) -> Message:
    """One record of an event: see `Governor.message`."""
    return DEFAULT.message(record)


def govern(client: C, /, *, target: str | None = None, policy: Policies = None) -> C:
    """Put policies around each request of *client*, in place, and return it: see `Governor.govern`."""
    return DEFAULT.govern(client, target=target, policy=policy)


def listen(listener: Callable[[Fact], object], *kinds: type[Fact]) -> Callable[[], None]:
    """Tell *listener* what happens in any policy of the process: see `Governor.listen`."""
    return DEFAULT.listen(listener, *kinds)
