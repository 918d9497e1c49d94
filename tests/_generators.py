"""One scenario of a generator, two worlds: the same test drives a generator and an async generator.

A generator does its steps one after the other: an exception is raised, a `Takes` lets time pass first, a function is
called, and what comes of it is yielded; then it returns ``"end"``. What it hears at each ``yield`` is written down: what
was sent, or the error that was thrown in, which it raises again, or answers with what its *deaf* says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _worlds import Takes, World, did

if TYPE_CHECKING:
    from collections.abc import Callable

OVER = (StopIteration, StopAsyncIteration)
RAISE = object()  # a generator that is not deaf: what is thrown in comes out


class Items:
    """A generator of either world, asked in the same way."""

    def __init__(self, world: World, made: Any) -> None:
        self.world = world
        self.made = made
        self.result: Any = None  # what a plain one has returned

    def send(self, value: Any) -> Any:
        """The next item."""
        return self._step("send", value)

    def next(self) -> Any:
        """The next item, with nothing to say."""
        return self._step("send", None)

    def throw(self, error: BaseException | type[BaseException]) -> Any:
        """The next item, if it goes on after this."""
        return self._step("throw", error)

    def close(self) -> None:
        """The consumer has had enough."""
        self._step("close")

    def rest(self) -> list[Any]:
        """All items that are left."""
        items = []
        while True:
            try:
                items.append(self.next())
            except OVER as over:
                self.result = getattr(over, "value", None)
                return items

    def _step(self, name: str, *args: Any) -> Any:
        if self.world.name == "sync":
            return getattr(self.made, name)(*args)
        return self.world.run(getattr(self.made, f"a{name}"), *args)


class Script:
    """A generator function of either world, what its generators hear, and how they were begun."""

    def __init__(self, world: World, *steps: Any, deaf: Any = RAISE) -> None:
        self.world = world
        self.steps = steps
        self.deaf = deaf
        self.heard: list[Any] = []
        self.function: Callable[..., Any] = self._plain() if world.name == "sync" else self._async()
        self.governed = self.function  # the latest

    def begin(self, policy: Any = None, *args: Any) -> Items:
        """A generator that has not made a step, under *policy*."""
        self.governed = self.function if policy is None else policy(self.function)
        return Items(self.world, self.governed(*args))

    def _plain(self) -> Callable[..., Any]:
        def scripted(*args: Any) -> Any:
            """Do the steps."""
            for step in self.steps:
                if isinstance(step, Takes):
                    self.world.clock.sleep(step.seconds)
                item = did(step.then if isinstance(step, Takes) else step)
                try:
                    sent = yield item
                except BaseException as error:
                    self.heard.append(error)
                    if self._hears(error):
                        raise
                    yield self.deaf
                else:
                    self.heard.append(sent)
            return "end"

        return scripted

    def _async(self) -> Callable[..., Any]:
        async def scripted(*args: Any) -> Any:
            """Do the steps."""
            for step in self.steps:
                if isinstance(step, Takes):
                    await self.world.clock.asleep(step.seconds)
                item = did(step.then if isinstance(step, Takes) else step)
                try:
                    sent = yield item
                except BaseException as error:
                    self.heard.append(error)
                    if self._hears(error):
                        raise
                    yield self.deaf
                else:
                    self.heard.append(sent)

        return scripted

    def _hears(self, error: BaseException) -> bool:
        if self.deaf is RAISE:
            return True
        if isinstance(self.deaf, BaseException):
            raise self.deaf from error
        return False
