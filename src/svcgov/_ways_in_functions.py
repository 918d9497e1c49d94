"""The ways in for functions that a platform calls with one event or request: what a governor puts around each.

As in `_ways_in`, nothing of this is loaded before it is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

    from .inbound._pages import Answers
    from .pipeline import Pipeline, Policy
    from .policies.circuit_breaker import CircuitBreaker

    P = ParamSpec("P")
    R = TypeVar("R")
    Errors: TypeAlias = Literal["raise", "map"]
    Policies: TypeAlias = Policy | Pipeline | str | Sequence[Policy | Pipeline] | None

    class Handles(Protocol):
        """The decorator of a handler, sync or async."""

        @overload
        def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
        @overload
        def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]: ...

    class Governs(Protocol):
        """The decorator of a function that stays what it is, sync or async."""

        def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]: ...


class FunctionsIn:
    """The part of a `svcgov.Governor` that looks outside for functions."""

    if TYPE_CHECKING:

        def _routes(
            self, place: str, health: str | None, requires: Sequence[str | CircuitBreaker], metrics: str | None
        ) -> Answers | None:
            """Where a function can be asked for its health, and for its figures."""
            ...

        def _edge(self, place: str, service: str | None, policy: Policies, errors: Errors) -> dict[str, Any]:
            """What every way in is given."""
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
            self,
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
            self,
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
        self,
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
        """Govern an HTTP function, ``(request)``, of functions-framework, sync or async as it is.

        Args:
            fn: the function; left out where the decorator is written with arguments.
            service, policy, errors: as in `handler`.
            health, requires, metrics: as in `asgi`.

        Raises:
            ConfigError: as in `handler`, and for a path that cannot be.
        """

        def decorate(given: Any) -> Any:
            from .inbound.http import asked_first

            governed = self._function("http", None, service, policy, errors)(given)
            pages = self._routes("http", health, requires, metrics)
            return governed if pages is None else asked_first(pages, governed)

        return decorate if fn is None else decorate(fn)

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
