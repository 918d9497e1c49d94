"""A registry of any engine, asked in either world: a scenario is written once, and run in all four."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from svcgov.registry import Instance, connect
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from svcgov.registry import Found, Registry

TTL = 36.0
KINDS = [(engine, world) for engine in ("memory", "sqlite") for world in ("sync", "async")]
NAMES = [f"{engine}-{world}" for engine, world in KINDS]


def ids(found: Found) -> list[str]:
    """Who is there, those first who are sure."""
    return [one.id for one in found if one.id not in found.suspects]


def instance(key: str = "a", **more: Any) -> Instance:
    """One of the orders."""
    return Instance(**{"service": "orders", "id": key, "address": f"http://{key}.test:8080", **more})


class Client:
    """One process' side of a registry, called in the same way in both worlds."""

    def __init__(self, plain: Registry, run: Callable[[Any], Any] | None) -> None:
        self.plain: Registry = plain
        self._run = run

    def __getattr__(self, verb: str) -> Any:
        if self._run is None or not asyncio.iscoroutinefunction(getattr(self.plain.aio, verb, None)):
            return getattr(self.plain, verb)
        run, found = self._run, getattr(self.plain.aio, verb)
        return lambda *args, **kwargs: run(found(*args, **kwargs))

    def watched(self, most: int, **options: Any) -> list[Found]:
        """The first lists of a watch."""
        if self._run is None:
            lists = self.plain.watch("orders", **options)
            return [found for _, found in zip(range(most), lists, strict=False)]

        async def read() -> list[Found]:
            seen: list[Found] = []
            async for found in self.plain.aio.watch("orders", **options):
                seen.append(found)
                if len(seen) == most:
                    break
            return seen

        seen: list[Found] = self._run(read())
        return seen


class Office:
    """A registry, and the clock that all who ask it go by."""

    def __init__(self, engine: str, world: str, folder: Path) -> None:
        self.engine = engine
        self.clock = ManualClock(auto=True)
        self.url = f"memory://{folder}".replace("/", "_").replace("memory:__", "memory://")
        self.file = folder / "registry.db"
        if engine == "sqlite":
            self.url = f"sqlite://{self.file}"
        self._runner = asyncio.Runner() if world == "async" else None
        self._clients: list[Client] = []

    def client(self, *, env: str = "", **options: Any) -> Client:
        """One more process that asks it."""
        made = connect(self.url + env, clock=self.clock, **{"ttl": TTL, **options})
        self._clients.append(Client(made, self._runner and self._runner.run))
        return self._clients[-1]

    def close(self) -> None:
        """All go."""
        for client in self._clients:
            client.plain.close()
        if self._runner is not None:
            self._runner.close()
