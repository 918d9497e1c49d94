"""Applications that are asked for their health over HTTP, by either interface."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import svcgov
from svcgov import Governor, bulkhead, circuit_breaker
from svcgov.errors import ConfigError
from svcgov.testing import ManualClock

from .making import raising

if TYPE_CHECKING:
    from collections.abc import Iterable


class Answered(NamedTuple):
    """What the server sends."""

    status: int
    headers: dict[str, str]
    body: bytes


class Shop:
    """An application of one interface that answers 204 to all it is asked, and a server in front of it."""

    def __init__(self, interface: str, *, governor: Governor | None = None, **options: Any) -> None:
        self.interface = interface
        self.asked: list[str] = []
        inner = self.asgi if interface == "asgi" else self.wsgi
        self.app: Any = getattr(governor or Governor(service="shop"), interface)(inner, **options)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve."""
        self.asked.append(scope.get("path", scope["type"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def wsgi(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Serve."""
        self.asked.append(environ.get("PATH_INFO", ""))
        start_response("204 No Content", [])
        return [b""]

    def ask(self, path: str, method: str = "GET", root: str = "", accept: str = "") -> Answered:
        """One request; *root* is where the application is mounted."""
        if self.interface == "asgi":
            headers = [(b"accept", accept.encode())] if accept else []
            return self.over_asgi({"type": "http", "method": method, "path": root + path, "root_path": root, "headers": headers})
        started: list[Any] = []
        body = b"".join(
            self.app(
                {"REQUEST_METHOD": method, "SCRIPT_NAME": root, "PATH_INFO": path, "HTTP_ACCEPT": accept},
                lambda status, headers: started.append((status, headers)),
            )
        )
        ((status, headers),) = started
        return Answered(int(status[:3]), {name.lower(): value for name, value in headers}, body)

    def over_asgi(self, scope: Any) -> Answered:
        """One request of this scope."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, None, send))
        start, body = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answered(start["status"], headers, body["body"])


@pytest.fixture(params=["asgi", "wsgi"])
def interface(request: pytest.FixtureRequest) -> str:
    """Either interface."""
    interface: str = request.param
    return interface


def test_both_paths_are_answered_by_us(interface: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The application is not asked, the policies are not passed, and no line is written."""
    gate = bulkhead(1)
    shop = Shop(interface, health="/-", policy=gate)
    with gate:
        for path in ("/-/alive", "/-/ready"):
            answer = shop.ask(path)
            assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
            assert answer.headers == {
                "content-type": "application/json",
                "cache-control": "no-store",
                "content-length": str(len(answer.body)),
            }
    assert (shop.asked, capsys.readouterr().out) == ([], "")
    assert gate.snapshot()["refused"] == 0


def test_the_first_call_is_still_the_first_one(interface: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To ask for the health is no call."""
    shop = Shop(interface, health="/-")
    shop.ask("/-/ready")
    shop.ask("/orders")
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["path"], line["cold_start"]) == ("/orders", True)


@pytest.mark.parametrize("path", ["/", "/-", "/-/", "/-/alive/", "/-/health", "/x/-/alive", "/alive", ""])
def test_all_other_paths_are_the_application_s(interface: str, path: str) -> None:
    """However near they come."""
    shop = Shop(interface, health="/-")
    assert (shop.ask(path).status, shop.asked) == (204, [path])


def test_without_a_word_there_is_no_such_path(interface: str) -> None:
    """It may be one of the application's."""
    shop = Shop(interface)
    assert (shop.ask("/-/alive").status, shop.asked) == (204, ["/-/alive"])


def test_a_dependency_that_would_not_be_asked_is_a_reason(interface: str) -> None:
    """The service is alive, and not ready; all reasons are told."""
    payments, stock = circuit_breaker("payments"), circuit_breaker("stock")
    shop = Shop(interface, health="/-", requires=[payments, "stock"])
    assert shop.ask("/-/ready").status == 200
    payments.open()
    stock.force_open()
    answer = shop.ask("/-/ready")
    assert answer.status == 503
    assert json.loads(answer.body) == {"status": "unavailable", "reasons": ["payments: open", "stock: forced-open"]}
    assert shop.ask("/-/alive").status == 200


def test_it_is_ready_again_without_traffic(interface: str) -> None:
    """An instance out of traffic would never send the probe that closes the circuit. Asking changes nothing."""
    clock = ManualClock()
    breaker = circuit_breaker("payments", open_for=30.0, open_jitter=0.0, clock=clock)
    shop = Shop(interface, health="/-", requires=["payments"])
    breaker.open()
    clock.advance(29.0)
    assert shop.ask("/-/ready").status == 503
    clock.advance(1.0)
    assert [shop.ask("/-/ready").status for _ in range(3)] == [200] * 3
    assert breaker.current_state == "open"


def test_a_governor_looks_in_its_own_scope(interface: str) -> None:
    """Policies of the same name in different scopes are different policies."""
    governor = Governor(scope="shop")
    governor.circuit_breaker("payments").force_open()
    circuit_breaker("payments")
    assert Shop(interface, governor=governor, health="/-", requires=["payments"]).ask("/-/ready").status == 503
    assert Shop(interface, health="/-", requires=["payments"]).ask("/-/ready").status == 200


def test_a_head_is_an_answer_without_its_body(interface: str) -> None:
    """The length is that of the body that is left out."""
    shop = Shop(interface, health="/-")
    got, head = shop.ask("/-/ready"), shop.ask("/-/ready", "HEAD")
    assert head == got._replace(body=b"")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", ""])
def test_other_methods_are_not_allowed(interface: str, method: str) -> None:
    """There is nothing to change."""
    shop = Shop(interface, health="/-")
    answer = shop.ask("/-/alive", method)
    assert (answer.status, answer.headers["allow"], shop.asked) == (405, "GET, HEAD", [])


def test_a_path_is_meant_below_the_place_of_the_application(interface: str) -> None:
    """Mounted in another one, or behind a proxy that leaves something out, it is where it was."""
    shop = Shop(interface, health="/-")
    assert shop.ask("/-/alive", root="/shop").status == 200
    assert shop.ask("/-/alive/x", root="/shop").status == 204


@pytest.mark.parametrize("scope", [{}, {"root_path": "/"}, {"root_path": "/other"}, {"root_path": "/-/ali"}])
def test_a_root_that_is_no_part_of_the_path_is_left_alone(scope: dict[str, Any]) -> None:
    """Some servers take it off the path before."""
    shop = Shop("asgi", health="/-")
    assert shop.over_asgi({"type": "http", "method": "GET", "path": "/-/alive", **scope}).status == 200


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_no_request_passes_through(kind: str) -> None:
    """Whatever its path."""
    shop = Shop("asgi", health="/-")
    assert (shop.over_asgi({"type": kind, "path": "/-/alive"}).status, shop.asked) == (204, ["/-/alive"])


def test_an_application_with_health_is_named_as_without(interface: str) -> None:
    """What it was is still there."""
    shop = Shop(interface, health="/-")
    assert shop.app.__name__ == interface
    assert shop.app.__wrapped__ == getattr(shop, interface)


def test_what_cannot_be_found_out_counts_as_ready(interface: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of ours takes no instance out of traffic; it is reported once."""
    breaker: Any = circuit_breaker("payments")
    shop = Shop(interface, health="/-", requires=[breaker])
    breaker.would_admit = raising(OSError("broken"))
    assert [shop.ask("/-/ready").status, shop.ask("/-/ready").status] == [200] * 2
    assert capsys.readouterr().err.count("could not be found out: OSError('broken')") == 1


@pytest.mark.parametrize("wrong", ["-", "", "/", "/-/", "/a b", "/a?b", "/%2d", "/\u00e9", 7, True])
def test_a_path_that_cannot_be_is_refused(interface: str, wrong: Any) -> None:
    """At decoration, with its place."""
    with pytest.raises(ConfigError, match=rf"{interface}\.health: expected a path without a slash at its end, such as \"/-\""):
        Shop(interface, health=wrong)


def test_a_requirement_that_nobody_can_ask_for_is_refused(interface: str) -> None:
    """The path is missing."""
    with pytest.raises(ConfigError, match=rf"{interface}\.requires: expected a path in health="):
        Shop(interface, requires=["payments"])


def test_what_is_required_is_a_list(interface: str) -> None:
    """A name alone would be a list of letters."""
    with pytest.raises(ConfigError, match=rf"{interface}\.requires: expected a list of circuit breakers"):
        Shop(interface, health="/-", requires="payments")


def test_the_package_s_functions_take_it_too(interface: str) -> None:
    """As keywords, which is how a framework hands them on."""
    shop = Shop(interface)
    circuit_breaker("payments").force_open()
    shop.app = getattr(svcgov, interface)(getattr(shop, interface), health="/-", requires=["payments"])
    assert shop.ask("/-/ready").status == 503


def test_a_refusal_of_a_head_has_no_body(interface: str) -> None:
    """As any other answer to it."""
    gate = bulkhead(1)
    shop = Shop(interface, policy=gate)
    with gate:
        answer = shop.ask("/orders", "HEAD")
    assert (answer.status, answer.body) == (503, b"")
