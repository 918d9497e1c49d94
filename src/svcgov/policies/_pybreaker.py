"""Make pybreaker as it would be had its optional packages been there when it was imported, without importing them.

pybreaker decides at its import whether Redis and tornado are supported, by importing them. They were hidden from it
(``_core/_veil``); what it would have found is put in place here, and loaded when it is used for the first time.
"""

from __future__ import annotations

from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


class Later:
    """Stands for ``tornado.gen`` until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        return getattr(import_module("tornado.gen"), name)


def mend(module: ModuleType, hidden: tuple[str, ...]) -> None:
    """Give *module*, which is pybreaker, the support of the *hidden* packages that are installed."""
    if "tornado" in hidden and not module.HAS_TORNADO_SUPPORT and find_spec("tornado"):
        module.gen = Later()  # type: ignore[attr-defined]  # what `from tornado import gen` would have left there
        module.HAS_TORNADO_SUPPORT = True  # type: ignore[attr-defined]  # likewise
    if "redis" in hidden and not module.HAS_REDIS_SUPPORT and find_spec("redis"):
        module.HAS_REDIS_SUPPORT = True  # type: ignore[attr-defined]  # likewise
        _load_with_first_storage(module)


def _load_with_first_storage(module: ModuleType) -> None:
    storage: Any = module.CircuitRedisStorage
    original = storage.__init__

    def first(self: Any, *args: Any, **kwargs: Any) -> None:
        from importlib import import_module

        redis: Any = import_module("redis")
        found: Any = module
        found.Redis = redis.Redis
        found.Pipeline = import_module("redis.client").Pipeline
        found.RedisError = import_module("redis.exceptions").RedisError
        storage.__init__ = original
        original(self, *args, **kwargs)

    storage.__init__ = first
