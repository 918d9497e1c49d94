"""The registry: which services there are, where they are called, and what documents they go by.

``connect`` is the door. Nothing is imported before it is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._model import Config as Config
    from .._core._model import Endpoint as Endpoint
    from .._core._model import Instance as Instance
    from ._aio import AsyncRegistry as AsyncRegistry
    from ._view import Found as Found
    from .client import Registry as Registry
    from .client import connect as connect

__all__ = ["AsyncRegistry", "Config", "Endpoint", "Found", "Instance", "Registry", "connect"]

_HOMES = {
    "AsyncRegistry": "registry._aio",
    "Config": "_core._model",
    "Endpoint": "_core._model",
    "Found": "registry._view",
    "Instance": "_core._model",
    "Registry": "registry.client",
    "connect": "registry.client",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"svcgov.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
