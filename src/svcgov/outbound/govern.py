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
from .._core._schema import duration
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, TypeVar

    from ..pipeline import Pipeline, Policy
    from ..typing import Duration

    C = TypeVar("C")

MAX_HOLD = 60.0  # seconds
_MARK = "__svcgov__"
_max_hold = duration(optional=True)
_GOVERNABLE = (
    "a client that can be governed: Client or AsyncClient of httpx2 or httpx, a Session of requests, a PoolManager of urllib3, "
    "a ClientSession of aiohttp, a client of botocore, a resource of boto3"
)
_FILES = {  # by package and class
    ("httpx2", "Client"): "httpx",
    ("httpx2", "AsyncClient"): "httpx",
    ("httpx", "Client"): "httpx",
    ("httpx", "AsyncClient"): "httpx",
    ("requests", "Session"): "requests",
    ("urllib3", "PoolManager"): "urllib3",
    ("aiohttp", "ClientSession"): "aiohttp",
    ("botocore", "BaseClient"): "botocore",
    ("boto3", "ServiceResource"): "botocore",
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
    max_hold: float | None

    def equals(self, other: Governance) -> bool:
        """Whether both say the same: the same target, and policies of the same settings in the same order."""
        mine, theirs = self.pipeline.policies, other.pipeline.policies
        alike = self.target == other.target and self.max_hold == other.max_hold
        return alike and len(mine) == len(theirs) and all(map(_same, mine, theirs))


def govern(client: C, /, *, target: str | None, pipeline: Pipeline, max_hold: Duration | None = MAX_HOLD) -> C:
    """Put *pipeline* around the requests of *client*, and return the same object.

    Args:
        client: a client of httpx2 or httpx, sync or async, a session of requests or aiohttp, a pool manager of urllib3, a client
            of botocore, or a resource of boto3, which is governed by its client.
        target: the name of the service that it calls; None when it calls hosts that are not ours, each with policies of its own.
        pipeline: the policies; an empty one propagates, clips and records only.
        max_hold: how long an answer that is not read may keep the permits of gates that limit what is under way; None: for ever.

    Raises:
        ConfigError: for something that cannot be governed, and for a client that is governed differently already.
    """
    if target is not None:
        check_name(target, "govern.target")
    adapter, base = _adapter(client)
    longest = _max_hold.read(max_hold, "govern.max_hold")
    wanted = Governance(target=target, pipeline=pipeline, max_hold=longest)
    held: Any = adapter.held_by(client) if base.__name__ == "ServiceResource" else client
    with _lock:
        present = getattr(held, _MARK, None)
        if present is None:
            adapter.install(held, base, target=target, pipeline=pipeline, max_hold=longest)
            object.__setattr__(held, _MARK, wanted)  # some clients watch what is set on them
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
    return f"target={governance.target!r}, max_hold={governance.max_hold!r} and {governance.pipeline!r}"
