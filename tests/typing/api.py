"""What type checkers say of governed code. Checked by ``mypy --strict``, and never run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context
from typing import TYPE_CHECKING, Any, assert_type

import structlog

import svcgov
from svcgov import Backoff, Pipeline, Rate, bulkhead, circuit_breaker, override, rate_limit, retry, timeout
from svcgov.policies import Bulkhead, CircuitBreaker, RateLimit, Retry, Timeout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from svcgov.facts import Fact
    from svcgov.typing import Clock, Gate, Limit, Loop

# -- what the factories make -------------------------------------------------------------------------------------------

assert_type(retry(on=ConnectionError), Retry)
assert_type(timeout("500ms"), Timeout)
assert_type(bulkhead(10), Bulkhead)
assert_type(rate_limit("100/second"), RateLimit)
assert_type(rate_limit(Rate(10, 0.1)), RateLimit)
assert_type(circuit_breaker("payments"), CircuitBreaker)
assert_type(circuit_breaker(), CircuitBreaker)
assert_type(Pipeline(timeout(2), retry(on=(ConnectionError, 503, "timeout"), backoff=Backoff(0.1))), Pipeline)

retry(on=ConnectionError, atempts=3)  # type: ignore[call-arg]
retry(ConnectionError, attempts="3")  # type: ignore[arg-type]
bulkhead("10")  # type: ignore[arg-type]
timeout(2, enforce="process")  # type: ignore[arg-type]
Pipeline("retry")  # type: ignore[arg-type]


def durations(delta: timedelta) -> Sequence[Timeout]:
    return [timeout(2), timeout(0.5), timeout("1m"), timeout(delta), timeout(None)]


# -- decorated functions keep their signature and stay what they are ---------------------------------------------------


@timeout(2)
@bulkhead(10)
@retry(on=ConnectionError)
@rate_limit("100/second")
@circuit_breaker("payments")
def charge(order: str, *, amount: int = 0) -> bytes:
    return f"{order}{amount}".encode()


@timeout(2)
@bulkhead(10)
@retry(on=ConnectionError)
@rate_limit("100/second")
@circuit_breaker("payments")
async def acharge(order: str, *, amount: int = 0) -> bytes:
    return f"{order}{amount}".encode()


@circuit_breaker
def bare(order: str) -> int:
    return len(order)


@Pipeline(timeout(2), bulkhead(10))
def piped(order: str) -> int:
    return len(order)


def calls() -> None:
    assert_type(charge("a", amount=1), bytes)
    assert_type(bare("a"), int)
    assert_type(piped("a"), int)
    charge(1)  # type: ignore[arg-type]
    charge("a", 1)  # type: ignore[call-arg]
    bare()  # type: ignore[call-arg]


async def acalls() -> None:
    assert_type(await acharge("a", amount=1), bytes)
    called: Coroutine[Any, Any, bytes] = acharge("a")
    await called
    await acharge(b"a")  # type: ignore[arg-type]
    await charge("a")  # type: ignore[misc]
    acharge("a")  # type: ignore[unused-coroutine]


class Shop:
    """Methods of each kind."""

    @retry(on=ConnectionError)
    def method(self, order: str) -> int:
        return len(order)

    @classmethod
    @bulkhead(10)
    def inside(cls, order: str) -> int:
        return len(order)

    @staticmethod
    @bulkhead(10)
    def alone(order: str) -> int:
        return len(order)

    @circuit_breaker("shop")
    async def amethod(self, order: str) -> int:
        return len(order)


def methods(shop: Shop) -> None:
    assert_type(shop.method("a"), int)
    assert_type(Shop.inside("a"), int)
    assert_type(Shop.alone("a"), int)
    shop.method(1)  # type: ignore[arg-type]


# -- calling through a pipeline ----------------------------------------------------------------------------------------

pipeline = Pipeline(timeout(2), bulkhead(10), name="payments")


def ship(order: str, *, amount: int = 0) -> bytes:
    return f"{order}{amount}".encode()


async def aship(order: str, *, amount: int = 0) -> bytes:
    return f"{order}{amount}".encode()


async def through() -> None:
    assert_type(pipeline.call(ship, "a", amount=1), bytes)
    assert_type(await pipeline.acall(aship, "a", amount=1), bytes)
    pipeline.call(ship, 1)  # type: ignore[arg-type]
    await pipeline.acall(ship, "a")  # type: ignore[arg-type]


# -- blocks ------------------------------------------------------------------------------------------------------------


def blocks() -> None:
    with bulkhead(10, name="b") as permit:
        permit.ignore()
    with override("payments", timeout="1s", retry={"attempts": 1}, bulkhead=None), override(pipeline, retry=None):
        pass
    override(rate_limit="1/s")  # type: ignore[arg-type]
    override(retries=3)  # type: ignore[call-arg]
    with timeout(2), rate_limit("100/second"), circuit_breaker("payments"), pipeline:
        pass
    with retry(on=ConnectionError):  # type: ignore[attr-defined]
        pass
    for attempt in retry(on=ConnectionError):
        with attempt:
            assert_type(attempt.result(len("a")), int)
        assert_type(attempt.last_error, BaseException | None)


async def ablocks() -> None:
    async with timeout(2), bulkhead(10) as permit:
        permit.ignore()
    async with retry(on=ConnectionError):  # type: ignore[attr-defined]
        pass
    async for attempt in retry(on_result=lambda result: result is None):
        with attempt:
            assert_type(attempt.number, int)


# -- edges -------------------------------------------------------------------------------------------------------------


@svcgov.handler
def handle(event: dict[str, Any], context: object) -> int:
    return 200


@svcgov.handler(service="front", policy=[timeout(2)])
async def ahandle(event: dict[str, Any], context: object) -> int:
    return 200


@svcgov.http
def serve(request: object) -> tuple[str, int]:
    return "text", 200


@svcgov.http(service="front", policy=[timeout(2)])
async def aserve(request: object) -> str:
    return "text"


@svcgov.cloud_event(service="front")
def take(event: object) -> None:
    print(event)


@svcgov.cloud_event
async def atake(event: object) -> int:
    return 1


def edges(event: dict[str, Any]) -> None:
    assert_type(handle(event, None), int)
    assert_type(ahandle(event, None), int)  # always a plain function
    assert_type(serve(event), tuple[str, int])
    take(event)
    handle(event)  # type: ignore[call-arg]
    serve()  # type: ignore[call-arg]
    svcgov.http(serve, errors="answer")  # type: ignore[call-overload]


async def aedges(event: object, scope: Any, app: Callable[[Any, Any, Any], Coroutine[Any, Any, None]]) -> None:
    assert_type(await aserve(event), str)  # as it was
    assert_type(await atake(event), int)
    await svcgov.asgi(app, health="/-", requires=["payments", circuit_breaker("stock")])(scope, receive=None, send=None)
    svcgov.asgi(app, requires=[7])  # type: ignore[list-item]


def health() -> None:
    assert_type(svcgov.ready("payments", circuit_breaker("stock")).reasons, tuple[str, ...])
    assert_type(bool(svcgov.alive()), bool)
    svcgov.ready(bulkhead(1))  # type: ignore[arg-type]


class Client:
    """Stands for a client."""


assert_type(svcgov.govern(Client(), target="payments", policy=pipeline), Client)
svcgov.govern(Client(), policy=7)  # type: ignore[arg-type]
assert_type(svcgov.govern(Client(), policy="payments"), Client)
assert_type(svcgov.policy("payments"), Pipeline)
svcgov.predicate("is_busy", lambda error: "busy" in str(error))
bulkhead(1, final=True)
bulkhead(1, final=["limit"])
if answer := svcgov.Governor(document={"policies": {}}).apply("svcgov.toml"):
    assert_type(answer.revision, str)


def about_the_call() -> None:
    assert_type(svcgov.remaining(), float | None)
    assert_type(svcgov.current_attempt(), int)
    assert_type(svcgov.current().colour, str | None)
    with svcgov.colour("blue"):
        pass


def hear(fact: Fact) -> None:
    print(fact.event)


assert_type(svcgov.listen(hear, svcgov.facts.CallRefused), Callable[[], None])


# -- the machines have the shapes that the shells ask for --------------------------------------------------------------


def shapes(clock: Clock) -> None:
    gates: list[Gate] = [
        bulkhead(1, clock=clock).machine,
        rate_limit("1/s", clock=clock).machine,
        circuit_breaker(clock=clock).machine,
    ]
    loops: list[Loop] = [retry(on=OSError, clock=clock).machine]
    limits: list[Limit] = [timeout(1, clock=clock).machine]
    print(gates, loops, limits)


a_clock: Clock = svcgov.testing.ManualClock()


# -- the testing kit ---------------------------------------------------------------------------------------------------

faulty = svcgov.testing.faults(OSError, None, 0.5, "1s", TimeoutError("slow"), {"delay": 1, "error": OSError}, at=charge)
assert_type(faulty(charge)("order-1"), bytes)
assert_type(svcgov.testing.event("sqs", records=["order-1"], colour="blue"), dict[str, Any])
assert_type(svcgov.testing.event("http_v2", method="PUT", path="/orders", body={}), dict[str, Any])

svcgov.testing.faults("soon", 5, int)  # type: ignore[arg-type]
svcgov.testing.faults({"rate": 1})  # type: ignore[arg-type]
svcgov.testing.forced("payments", "opened")  # type: ignore[arg-type]
svcgov.testing.event("lex")  # type: ignore[call-overload]
svcgov.testing.event("sqs", method="PUT")  # type: ignore[call-overload]

with faulty as entered, svcgov.testing.forced(circuit_breaker("payments"), "half-open"):
    assert_type(entered.calls, int)


async def faulty_too() -> None:
    assert_type(await faulty(acharge)("order-1"), bytes)


# -- what travels ------------------------------------------------------------------------------------------------------

assert_type(svcgov.carry(), dict[str, str])
assert_type(svcgov.carry("headers", ours=False), dict[str, str])
assert_type(svcgov.carry("attributes")["traceparent"]["StringValue"], str)
assert_type(svcgov.carry("detail").get("_svcgov"), dict[str, str] | None)
assert_type(svcgov.carry("client_context"), str)
assert_type(svcgov.carry("cloudevent"), dict[str, str])
assert_type(svcgov.carry("kafka"), list[tuple[str, bytes]])
assert_type(svcgov.signed_colour("blue"), str)
assert_type(svcgov.spawn(charge, "order-1"), Future[bytes])
assert_type(svcgov.copy_context(), Context)

svcgov.carry("amqp")  # type: ignore[call-overload]
svcgov.spawn(charge, 7)  # type: ignore[call-overload]


async def spawned() -> None:
    assert_type(svcgov.spawn(acharge, "order-1"), asyncio.Task[bytes])
    assert_type(await svcgov.spawn(acharge, "order-1"), bytes)


# -- logs --------------------------------------------------------------------------------------------------------------

handler_of_logs = logging.StreamHandler()
svcgov.logs.setup()
svcgov.logs.setup(handler_of_logs, secrets=False)
handler_of_logs.addFilter(svcgov.logs.correlate)
handler_of_logs.addFilter(svcgov.logs.Redact("iban"))
structlog.configure(processors=[svcgov.logs.correlate, svcgov.logs.redact, structlog.processors.JSONRenderer()])
assert_type(svcgov.logs.ids(), dict[str, str | int])
assert_type(svcgov.logs.redact.headers({"cookie": "a"}), dict[str, str])
assert_type(svcgov.logs.redact.text("/?token=a"), str)

svcgov.logs.setup("root")  # type: ignore[arg-type]
