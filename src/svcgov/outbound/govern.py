"""Govern a client: find out what it is, and put the policies around its requests, in place.

Rule 1: a client is recognised by the modules of its classes: no client library is imported to find out.
Rule 2: an equal repeat does nothing; a different one is a `ConfigError`, since nobody could say which of both holds.
"""

from __future__ import annotations

from _thread import allocate_lock
from importlib import import_module

from .._core._callable import identity_of
from .._core._fork import after_fork
from .._core._frozen import Frozen
from .._core._names import check_name
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, TypeVar

    from ..pipeline import Pipeline, Policy

    C = TypeVar("C")

_MARK = "__svcgov__"
_GOVERNABLE = (
    "a client that can be governed: Client or AsyncClient of httpx2 or httpx, a Session of requests, a PoolManager of urllib3"
)
_FILES = {  # by package and class
    ("httpx2", "Client"): "httpx",
    ("httpx2", "AsyncClient"): "httpx",
    ("httpx", "Client"): "httpx",
    ("httpx", "AsyncClient"): "httpx",
    ("requests", "Session"): "requests",
    ("urllib3", "PoolManager"): "urllib3",
}
_lock = allocate_lock()


@after_fork
def _unlocked() -> None:
    global _lock  # noqa: PLW0603  # the module has one
    _lock = allocate_lock()


class Governance(Frozen):
    """What a client is governed by; stands on the client."""

    target: str | None
    pipeline: Pipeline

    def equals(self, other: Governance) -> bool:
        """Whether both say the same: the same target, and policies of the same settings in the same order."""
        mine, theirs = self.pipeline.policies, other.pipeline.policies
        return self.target == other.target and len(mine) == len(theirs) and all(map(_same, mine, theirs))


def govern(client: C, /, *, target: str | None, pipeline: Pipeline) -> C:
    """Put *pipeline* around the requests of *client*, and return the same object.

    Args:
        client: a client of httpx2 or httpx, sync or async, a session of requests, or a pool manager of urllib3.
        target: the name of the service that it calls; None when it calls hosts that are not ours.
        pipeline: the policies; an empty one propagates, clips and records only.

    Raises:
        ConfigError: for something that cannot be governed, and for a client that is governed differently already.
    """
    if target is not None:
        check_name(target, "govern.target")
    adapter, base = _adapter(client)
    wanted = Governance(target=target, pipeline=pipeline)
    with _lock:
        present = getattr(client, _MARK, None)
        if present is None:
            adapter.install(client, base, target=target, pipeline=pipeline)
            setattr(client, _MARK, wanted)
        elif not wanted.equals(present):
            raise ConfigError("govern", _said(wanted), f"what this client is governed by already, {_said(present)}")
    return client


def _adapter(client: object) -> tuple[ModuleType, type]:
    """The file that governs such a client, and the class that it is recognised by."""
    for base in type(client).__mro__:
        file = _FILES.get((base.__module__.partition(".")[0], base.__name__))
        if file is not None:
            return import_module(f"{__package__}.{file}"), base
    raise ConfigError("govern.client", client, _GOVERNABLE)


def _same(one: Policy, other: Policy) -> bool:
    return one is other or (
        one.kind == other.kind
        and one.name == other.name
        and one.clock is other.clock
        and _settings(one.declared) == _settings(other.declared)
    )


def _settings(declared: dict[str, Any]) -> dict[str, Any]:
    return {name: identity_of(value) for name, value in declared.items()}


def _said(governance: Governance) -> str:
    return f"target={governance.target!r} and {governance.pipeline!r}"
