"""The verbs of a registry for coroutines.

Rule 1: they are those of `Registry`, under the same names, and mean the same.
Rule 2: an engine that may wait for somebody else is asked on a worker thread of the process: the loop goes on meanwhile. Who is
        cancelled waits no more; what was asked is done all the same.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context

from .._shells._workers import POOL, Job
from ..errors import RegistryError
from ._published import BASE
from ._watch import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from typing import Any, TypeVar

    from .._core._model import Config, Endpoint, Instance
    from ..typing import Duration
    from ._view import Found
    from .client import Registry

    T = TypeVar("T")


class AsyncRegistry:
    """A `Registry`, for coroutines; ``plain`` is that one."""

    def __init__(self, plain: Registry) -> None:
        self.plain: Registry = plain

    async def register(self, instance: Instance) -> Instance:
        """As `Registry.register`."""
        return await self._done(lambda: self.plain.register(instance))

    async def renew(self) -> bool:
        """As `Registry.renew`."""
        return await self._done(self.plain.renew)

    async def deregister(self, instance: Instance | None = None) -> None:
        """As `Registry.deregister`."""
        await self._done(lambda: self.plain.deregister(instance))

    async def say(self, instance: Instance | None = None, /, **changes: Any) -> None:
        """As `Registry.say`."""
        await self._done(lambda: self.plain.say(instance, **changes))

    async def drain(self) -> None:
        """As `Registry.drain`."""
        await self._done(self.plain.drain)

    async def tell(self, service: str, which: str | None = None, *, status: str) -> list[Instance]:
        """As `Registry.tell`."""
        return await self._done(lambda: self.plain.tell(service, which, status=status))

    async def close(self) -> None:
        """As `Registry.close`."""
        await self._done(self.plain.close)

    async def instances(
        self,
        service: str,
        *,
        labels: Mapping[str, str] | None = None,
        version: str | None = None,
        colour: str | None = None,
    ) -> Found:
        """As `Registry.instances`."""
        return await self._done(lambda: self.plain.instances(service, labels=labels, version=version, colour=colour))

    def known(self, service: str) -> Found:
        """As `Registry.known`: nobody is asked."""
        return self.plain.known(service)

    async def services(self) -> list[str]:
        """As `Registry.services`."""
        return await self._done(self.plain.services)

    async def watch(
        self,
        service: str,
        *,
        since: int | None = None,
        every: Duration = 0.5,
        timeout: Duration | None = None,  # noqa: ASYNC109  # of quiet, not of the call
    ) -> AsyncIterator[Found]:
        """As `Registry.watch`."""
        watched = Watched(self.plain, service, since, every, timeout)
        while not watched.over():
            found = await self._done(watched.changed)
            if found is not None:
                yield found
            await self.plain.clock.asleep(watched.every)

    async def put(self, endpoint: Endpoint, *, expected: int | None = None) -> int:
        """As `Registry.put`."""
        return await self._done(lambda: self.plain.put(endpoint, expected=expected))

    async def remove(self, endpoint: Endpoint, *, expected: int | None = None) -> None:
        """As `Registry.remove`."""
        await self._done(lambda: self.plain.remove(endpoint, expected=expected))

    async def config(self, service: str, layer: str = BASE) -> Config:
        """As `Registry.config`."""
        return await self._done(lambda: self.plain.config(service, layer))

    async def publish(
        self,
        service: str,
        document: Mapping[str, Any] | str | None,
        *,
        layer: str = BASE,
        expected: int | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """As `Registry.publish`."""
        return await self._done(lambda: self.plain.publish(service, document, layer=layer, expected=expected, meta=meta))

    async def history(self, service: str, layer: str = BASE) -> list[Config]:
        """As `Registry.history`."""
        return await self._done(lambda: self.plain.history(service, layer))

    async def rollback(self, service: str, to: int, *, layer: str = BASE, expected: int | None = None) -> int:
        """As `Registry.rollback`."""
        return await self._done(lambda: self.plain.rollback(service, to, layer=layer, expected=expected))

    async def _done(self, do: Callable[[], T]) -> T:
        """What *do* gives; rule 2."""
        if not self.plain.backend.blocks:
            return do()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        context = copy_context()

        def tell(job: Callable[[], None]) -> None:
            if not answer.done():  # else nobody waits any more
                job()

        def run() -> None:
            try:
                given = context.run(do)
            except Exception as error:
                failure = error  # the name of the other one ends with this block
                loop.call_soon_threadsafe(tell, lambda: answer.set_exception(failure))
            else:
                loop.call_soon_threadsafe(tell, lambda: answer.set_result(given))

        if not POOL.start(Job(run)):
            raise RegistryError(self.plain.backend.url, "no worker thread is free")
        return await answer
