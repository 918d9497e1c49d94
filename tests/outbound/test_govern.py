"""What can be governed, and how often."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from svcgov import Backoff, Pipeline, circuit_breaker, retry, timeout
from svcgov.errors import ConfigError
from svcgov.outbound.govern import govern

from .worlds import URL, Clock

if TYPE_CHECKING:
    from .worlds import World


def test_the_same_object_comes_back(world: World) -> None:
    """Governed in place: whoever holds the client already holds a governed one."""
    client = world.client(world.wire(200))
    assert govern(client, target="payments", pipeline=Pipeline()) is client


def test_a_client_of_a_subclass_is_governed(world: World) -> None:
    """Client kits bring subclasses of their own."""
    kit = type("KitClient", (type(world.client()),), {})
    wire = world.wire(503, 200)
    client = kit(transport=wire)
    govern(client, target="payments", pipeline=Pipeline(retry(backoff=0)))
    assert world.call(client.get, URL).status_code == 200
    world.call(client.close if world.kind == "sync" else client.aclose)


@pytest.mark.parametrize("thing", [None, "http://payments", httpx2.Client, httpx2.Timeout(1), object(), httpx2], ids=repr)
def test_what_cannot_be_governed_is_refused_by_name(thing: Any) -> None:
    """The error shows what was given and says what can be."""
    with pytest.raises(ConfigError, match=r"govern\.client: expected .*Client or AsyncClient of httpx2 or httpx"):
        govern(thing, target=None, pipeline=Pipeline())


@pytest.mark.parametrize("target", ["", "pay ments", 7, "x" * 129])
def test_a_target_is_a_name(target: Any) -> None:
    """It names a budget and a service, so it is held to what names may be."""
    with httpx2.Client() as client, pytest.raises(ConfigError, match=r"govern\.target"):
        govern(client, target=target, pipeline=Pipeline())


def policies(attempts: int = 3, failing: Any = "transient") -> Pipeline:
    """Made anew at each call, as a module that is run twice does."""
    return Pipeline(timeout(5.0), retry(on=failing, attempts=attempts, backoff=Backoff(0.001, jitter="none")), circuit_breaker())


def test_an_equal_repeat_does_nothing(world: World) -> None:
    """Policies of the same settings are the same policies, and are not put around each other."""
    wire = world.wire(503)
    client = world.client(wire)
    govern(client, target="payments", pipeline=policies())
    transport = client._transport
    assert govern(client, target="payments", pipeline=policies()) is client
    assert client._transport is transport
    world.call(client.get, URL)
    assert len(wire.requests) == 3


DIFFERENT: dict[str, tuple[str | None, Pipeline]] = {
    "target": ("ledger", policies()),
    "no target": (None, policies()),
    "setting": ("payments", policies(attempts=4)),
    "function": ("payments", policies(failing=lambda error: True)),
    "fewer": ("payments", Pipeline(timeout(5.0))),
    "none": ("payments", Pipeline()),
    "order": ("payments", Pipeline(*reversed(policies().policies))),
    "name": ("payments", Pipeline(*policies().policies[:2], circuit_breaker("of-another-name"))),
}


@pytest.mark.parametrize(("target", "pipeline"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_different_repeat_is_refused(world: World, target: str | None, pipeline: Pipeline) -> None:
    """Nobody could say which of both holds; the first one goes on."""
    wire = world.wire(503)
    client = world.client(wire)
    govern(client, target="payments", pipeline=policies())
    with pytest.raises(ConfigError, match="governed by already"):
        govern(client, target=target, pipeline=pipeline)
    world.call(client.get, URL)
    assert len(wire.requests) == 3


def test_policies_on_another_clock_are_different() -> None:
    """A client that is tested with a clock of its own is not governed by the process's."""
    with httpx2.Client() as client:
        govern(client, target="payments", pipeline=Pipeline(timeout(5.0)))
        with pytest.raises(ConfigError, match="governed by already"):
            govern(client, target="payments", pipeline=Pipeline(timeout(5.0, clock=Clock())))


def test_threads_that_govern_one_client_at_once_govern_it_once() -> None:
    """Handlers are often imported by several threads."""
    with httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200))) as client:
        start = threading.Barrier(8)

        def work() -> None:
            start.wait()
            govern(client, target="payments", pipeline=policies())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert isinstance(client._transport._inner, httpx2.MockTransport)  # type: ignore[attr-defined]  # the one inside


def test_no_client_library_is_imported_to_recognise_a_client() -> None:
    """A function that uses one pays for that one."""
    code = (
        "import sys, svcgov.outbound.govern, svcgov.outbound.httpx, svcgov.outbound.requests, svcgov.outbound.urllib3\n"
        "import svcgov.outbound.aiohttp, svcgov.outbound.botocore\n"
        "clients = {'aiohttp', 'boto3', 'botocore', 'httpx', 'httpx2', 'requests', 'urllib3', 'ssl'}\n"
        "sys.exit(bool(clients & {name.partition('.')[0] for name in sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_in_a_forked_child_nobody_is_governing_a_client() -> None:
    """The lock is a new one."""
    module = importlib.import_module("svcgov.outbound.govern")
    before = module._lock
    module._unlocked()
    assert module._lock is not before
