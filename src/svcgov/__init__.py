"""svcgov: the service mesh that you ``pip install``.

Nothing is imported here: each name brings its module in when it is used for the first time, so a cold start pays for
what the function uses and for nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import errors as errors
    from . import facts as facts
    from . import logs as logs
    from . import policies as policies
    from . import registry as registry
    from . import testing as testing
    from . import typing as typing
    from ._core._backoff import Backoff as Backoff
    from ._core._durations import Rate as Rate
    from ._core._durations import seconds as seconds
    from ._core._here import colour as colour
    from ._core._here import current as current
    from ._core._here import current_attempt as current_attempt
    from ._core._here import remaining as remaining
    from ._core._predicates import predicate as predicate
    from ._default import alive as alive
    from ._default import asgi as asgi
    from ._default import batch as batch
    from ._default import cloud_event as cloud_event
    from ._default import govern as govern
    from ._default import handler as handler
    from ._default import http as http
    from ._default import knative as knative
    from ._default import listen as listen
    from ._default import message as message
    from ._default import ready as ready
    from ._default import signed_colour as signed_colour
    from ._default import wsgi as wsgi
    from ._documented import policy as policy
    from ._override import override as override
    from ._process import configure as configure
    from ._shells._spawn import copy_context as copy_context
    from ._shells._spawn import spawn as spawn
    from .governor import Governor as Governor
    from .pipeline import Pipeline as Pipeline
    from .policies.budget import budget as budget
    from .policies.bulkhead import bulkhead as bulkhead
    from .policies.circuit_breaker import circuit_breaker as circuit_breaker
    from .policies.rate_limit import rate_limit as rate_limit
    from .policies.retry import retry as retry
    from .policies.timeout import timeout as timeout
    from .propagation.carry import carry as carry

__version__ = "0.1.0"

_HOMES = {
    "Backoff": "_core._backoff",
    "Governor": "governor",
    "Pipeline": "pipeline",
    "Rate": "_core._durations",
    "alive": "_default",
    "asgi": "_default",
    "batch": "_default",
    "budget": "policies.budget",
    "bulkhead": "policies.bulkhead",
    "carry": "propagation.carry",
    "circuit_breaker": "policies.circuit_breaker",
    "cloud_event": "_default",
    "configure": "_process",
    "colour": "_core._here",
    "copy_context": "_shells._spawn",
    "current": "_core._here",
    "current_attempt": "_core._here",
    "govern": "_default",
    "handler": "_default",
    "http": "_default",
    "knative": "_default",
    "listen": "_default",
    "message": "_default",
    "override": "_override",
    "policy": "_documented",
    "predicate": "_core._predicates",
    "rate_limit": "policies.rate_limit",
    "ready": "_default",
    "remaining": "_core._here",
    "retry": "policies.retry",
    "seconds": "_core._durations",
    "signed_colour": "_default",
    "spawn": "_shells._spawn",
    "timeout": "policies.timeout",
    "wsgi": "_default",
}
_MODULES = ("errors", "facts", "logs", "policies", "registry", "testing", "typing")

__all__ = [  # noqa: PLE0604  # made from the table above, so that no name can be forgotten
    *_HOMES,
    *_MODULES,
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        if import_module(f"{__name__}._core._environment").documented():
            import_module(f"{__name__}._default").DEFAULT._found()  # before anything is made that a document may speak of
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
