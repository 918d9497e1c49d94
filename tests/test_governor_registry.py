"""A governor and its registry: clients find services by name, and a way in is found."""

from __future__ import annotations

import json
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

import svcgov
from _worlds import in_child
from svcgov import Governor
from svcgov._core._names import NAMES
from svcgov.errors import ConfigError, RegistryError
from svcgov.registry import Endpoint, Instance, connect
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "http://10.0.0.7:8080"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is kept for the next start is not found by other tests."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def asked(governor: Any, url: str = "http://orders/") -> str:
    """Where a request of a client governed by *governor* goes."""
    client = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, text=str(request.url))))
    return str(governor.govern(client, target="orders").get(url).text)


def way_in(governor: Any, **options: Any) -> Any:
    """A handler."""
    return governor.handler(lambda event, context: None, **options)


def test_a_client_finds_a_service_by_its_name(request: pytest.FixtureRequest) -> None:
    """Where there is a registry; else it goes where the URL says."""
    url = f"memory://{request.node.name}"
    connect(url).put(Endpoint(service="orders", url="http://a.test:8080"))
    assert asked(Governor(registry=url)) == "http://a.test:8080/"
    assert asked(Governor(registry=connect(url))) == "http://a.test:8080/"
    assert asked(Governor()) == "http://orders/"


def test_the_environment_says_where_the_registry_is(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """For the functions of the package, too."""
    monkeypatch.setenv("SVCGOV_REGISTRY", f"memory://{request.node.name}")
    connect().put(Endpoint(service="orders", url="http://a.test:8080"))
    assert asked(svcgov) == "http://a.test:8080/"


def test_a_way_in_is_found_by_others(request: pytest.FixtureRequest) -> None:
    """Once, however many there are; with the version that runs."""
    url = f"memory://{request.node.name}"
    governor = Governor(service="orders", version="v2", registry=url, address=ADDRESS)
    assert list(connect(url).instances("orders")) == []
    way_in(governor)
    way_in(governor)
    found = connect(url).instances("orders")
    assert [(one.place, one.version, one.colour) for one in found] == [(ADDRESS, "v2", None)]
    assert list(found) == [governor.instance]
    assert asked(governor) == f"{ADDRESS}/"


def test_the_environment_says_where_a_way_in_is_called(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """And of which colour it is."""
    monkeypatch.setenv("SVCGOV_REGISTRY", f"memory://{request.node.name}")
    monkeypatch.setenv("SVCGOV_ADDRESS", ADDRESS)
    monkeypatch.setenv("SVCGOV_COLOUR", "blue")
    way_in(svcgov, service="orders")
    assert [(one.place, one.colour) for one in connect().instances("orders")] == [(ADDRESS, "blue")]


def test_a_registry_goes_by_the_clock_of_its_governor(request: pytest.FixtureRequest) -> None:
    """As all that is made by it."""
    clock = ManualClock()
    assert Governor(registry=f"memory://{request.node.name}", clock=clock).registry.clock is clock  # type: ignore[union-attr]  # it has one


def test_without_an_address_nobody_is_registered(request: pytest.FixtureRequest) -> None:
    """Nobody guesses one."""
    url = f"memory://{request.node.name}"
    governor = Governor(service="orders", registry=url)
    way_in(governor)
    assert governor.instance is None
    assert connect(url).services() == []


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ({"service": "orders"}, "Governor.address", "a registry too"),
        ({"registry": "memory://wrong"}, "Governor.address", "the name of a service too"),
        ({"service": "orders", "registry": "memory://wrong", "address": "10.0.0.7"}, "Governor.address", "an address, such as"),
        ({"service": "orders", "registry": "nowhere"}, "connect.url", "a URL that begins with one of"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], path: str, expected: str) -> None:
    """When the way in is made."""
    with pytest.raises(ConfigError) as refused:
        way_in(Governor(**{"address": ADDRESS, **given}))
    assert refused.value.path == path
    assert refused.value.expected.startswith(expected)


def test_a_colour_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the variable that says it."""
    monkeypatch.setenv("SVCGOV_COLOUR", "light blue")
    with pytest.raises(ConfigError, match="SVCGOV_COLOUR"):
        way_in(Governor(service="orders", registry="memory://wrong", address=ADDRESS))


def test_who_is_told_to_drain_is_not_ready(request: pytest.FixtureRequest) -> None:
    """Nor is who says so itself; whoever is not registered is asked about breakers only."""
    url = f"memory://{request.node.name}"
    registry, other = connect(url), connect(url)
    governor = Governor(service="orders", registry=registry, address=ADDRESS)
    assert governor.ready()
    way_in(governor)
    assert governor.ready()
    other.tell("orders", status="draining")
    assert governor.ready()
    registry.beat.once()
    assert governor.ready().reasons == ("draining",)
    governor.circuit_breaker("stock").force_open()
    assert governor.ready("stock").reasons == ("draining", "stock: forced-open")
    other.tell("orders", status="up")
    registry.beat.once()
    assert governor.ready()
    registry.drain()
    assert not governor.ready()
    registry.forked()
    assert governor.ready()


def test_a_platform_that_asks_is_told_who_drains(request: pytest.FixtureRequest) -> None:
    """Over HTTP, as of a breaker that is open."""
    registry = connect(f"memory://{request.node.name}")
    governor = Governor(service="orders", registry=registry, address=ADDRESS)
    app = governor.wsgi(lambda environ, start: [], health="/-")
    registry.drain()
    told: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/-/ready"}
    body = b"".join(app(environ, lambda status, headers, *_: told.append(status)))
    assert (told, json.loads(body)) == (["503 Service Unavailable"], {"status": "unavailable", "reasons": ["draining"]})


def test_what_a_process_says_of_its_documents_takes_nothing_back(request: pytest.FixtureRequest) -> None:
    """That it is to drain, for one; of another instance in the same registry it says nothing."""
    registry = connect(f"memory://{request.node.name}", clock=(clock := ManualClock()))
    governor = Governor(service="orders", registry=registry, address=ADDRESS, clock=clock)
    way_in(governor)
    registry.register(Instance(service="mails", id="a", address=ADDRESS))
    connect(registry.backend.url, clock=clock).tell("orders", status="draining")
    revision = registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    clock.advance(12.0)
    registry.beat.once()
    found: Any = registry.instances("orders")[0]
    assert (found.status, found.applied) == ("draining", str(revision))
    assert governor.instance == found
    assert registry.instances("mails")[0].applied == ""  # type: ignore[union-attr]  # an instance


# -- documents ---------------------------------------------------------------------------------------------------------


def test_a_document_of_the_registry_reaches_what_runs(request: pytest.FixtureRequest) -> None:
    """That of the service before that of the fleet; the next one with the next beat."""
    registry = connect(f"memory://{request.node.name}", clock=(clock := ManualClock()))
    registry.publish("fleet", {"policies": {"stock": {"bulkhead": 5}, "bank": {"bulkhead": 5}}}, layer="fleet")
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    governor = Governor(service="orders", registry=registry, clock=clock)
    stock, bank = governor.bulkhead(1, name="stock"), governor.bulkhead(1, name="bank")
    way_in(governor)
    assert (stock.snapshot()["limit"], bank.snapshot()["limit"]) == (6, 5)
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 7}}})
    clock.advance(12.0)
    registry.beat.once()
    assert (stock.snapshot()["limit"], bank.snapshot()["limit"]) == (7, 5)


def test_a_document_of_a_group_is_between_both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the group that the environment names, and of no other; a name that cannot be is told at once."""
    registry = connect(f"memory://{request.node.name}")
    registry.publish("fleet", {"policies": {"stock": {"bulkhead": 5}, "bank": {"bulkhead": 5}}}, layer="fleet")
    registry.publish("web", {"policies": {"stock": {"bulkhead": 6}, "bank": {"bulkhead": 6}}}, layer="group")
    registry.publish("shop", {"policies": {"bank": {"bulkhead": 9}}}, layer="group")
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 7}}})
    monkeypatch.setenv("SVCGOV_GROUP", "web")
    governor = Governor(service="orders", registry=registry)
    stock, bank = governor.bulkhead(1, name="stock"), governor.bulkhead(1, name="bank")
    way_in(governor)
    assert (stock.snapshot()["limit"], bank.snapshot()["limit"]) == (7, 6)
    monkeypatch.setenv("SVCGOV_GROUP", "a b")
    with pytest.raises(ConfigError, match="SVCGOV_GROUP: expected 1 to 128 letters"):
        way_in(Governor(service="orders", registry=registry))


def test_what_a_service_asks_reaches_those_who_call_it(request: pytest.FixtureRequest) -> None:
    """With the beat after the first call; those who ask nothing have nothing to say."""
    clock = ManualClock()
    registry = connect(f"memory://{request.node.name}", clock=clock)
    registry.put(Endpoint(service="orders", url="http://a.test:8080"))
    registry.put(Endpoint(service="bank", url="http://b.test:8080"))
    registry.publish("orders", {"callers": {"circuit_breaker": {"min_calls": 5}}})
    governor = Governor(service="front", registry=registry, clock=clock)
    breaker = governor.circuit_breaker("orders")
    assert asked(governor) == "http://a.test:8080/"
    assert asked(governor, "http://bank/") == "http://bank/"  # a client of orders finds no other service
    registry.beat.once()
    assert breaker.settings.min_calls == 5
    registry.publish("orders", None)
    clock.advance(12.0)
    registry.beat.once()
    assert breaker.settings.min_calls == 10


def test_nobody_listens_while_the_registry_does_not_answer(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two services that are called, none is asked for after the first silence."""
    registry = connect(f"memory://{request.node.name}", clock=(clock := ManualClock()))
    governor = Governor(service="front", registry=registry, clock=clock)
    way_in(governor)
    for service in ("orders", "stock", "front"):
        registry.refresh(service)
    reads: list[str] = []

    def read(service: str, layer: str, known: int | None) -> None:
        reads.append(service)
        raise RegistryError("memory:", "gone")

    monkeypatch.setattr(registry.backend, "read", read)
    clock.advance(12.0)
    governor._listen_to_callees()
    assert len(reads) == 1


def test_a_document_of_the_registry_reaches_a_process_that_only_calls_others(request: pytest.FixtureRequest) -> None:
    """With its first client; it is asked for once with each beat, however many follow."""
    registry = connect(f"memory://{request.node.name}")
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    governor = Governor(service="orders", registry=registry)
    stock = governor.bulkhead(1, name="stock")
    for _ in range(2):
        asked(governor)
    assert stock.snapshot()["limit"] == 6
    assert len(registry.beat.also) == 1


def test_a_document_that_cannot_be_stops_nobody_from_starting(request: pytest.FixtureRequest) -> None:
    """It is refused, and what was in force is."""
    registry = connect(f"memory://{request.node.name}", clock=(clock := ManualClock()))
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 0}}})
    governor = Governor(service="orders", registry=registry, clock=clock)
    stock = governor.bulkhead(1, name="stock")
    way_in(governor)
    assert stock.snapshot()["limit"] == 1


def test_what_was_in_force_last_is_in_force_at_a_start_that_finds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could tell that there is none."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "here").mkdir()
    url = f"sqlite://{tmp_path}/here/registry.db"
    connect(url).publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    way_in(Governor(service="orders", registry=url))
    NAMES.forget()
    rmtree(tmp_path / "here")
    away = Governor(service="orders", registry=url)
    stock = away.bulkhead(1, name="stock")
    way_in(away)
    assert stock.snapshot()["limit"] == 6


def test_a_process_without_documents_does_not_load_their_code() -> None:
    """Nor a registry where there is none; nor the engine of another one."""
    code = """
import json, sys, svcgov
from svcgov import Governor
governor = Governor(service="orders", registry={url!r})
governor.handler(lambda event, context: None)
print(json.dumps(sorted(sys.modules)))
"""
    loaded = set(in_child(code.format(url="memory://a")))
    assert {"svcgov.registry.client", "svcgov.registry.backends.memory"} <= loaded
    assert not loaded & {"svcgov.registry.backends.sqlite", "svcgov.config.document", "svcgov.registry._aio"}
    loaded = set(in_child(code.format(url=None)))
    assert not {name for name in loaded if name.startswith(("svcgov.registry", "svcgov.config"))}


def test_nobody_knows_whose_documents_are_meant_without_a_name(request: pytest.FixtureRequest) -> None:
    """Nothing is asked for."""
    registry = connect(f"memory://{request.node.name}")
    way_in(Governor(registry=registry))
    assert registry.beat.also == ()


def test_others_see_which_documents_a_process_goes_by(request: pytest.FixtureRequest) -> None:
    """And which it does not, with the place that is wrong in them."""
    registry = connect(f"memory://{request.node.name}", clock=(clock := ManualClock()))
    first = registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    governor = Governor(service="orders", registry=registry, address=ADDRESS, clock=clock)
    way_in(governor)
    found: Any = registry.instances("orders")[0]
    assert (found.applied, found.refused) == (str(first), "")
    second = registry.publish("orders", {"policies": {"stock": {"bulkhead": 0}}})
    clock.advance(12.0)
    registry.beat.once()
    found = registry.instances("orders")[0]
    assert (found.applied, found.refused) == (str(first), f"service {second}: policies.stock.bulkhead")
    assert governor.instance == found
    fleet = registry.publish("fleet", {"policies": {"bank": {"bulkhead": 3}}}, layer="fleet")
    clock.advance(12.0)
    registry.beat.once()
    found = registry.instances("orders")[0]
    assert found.applied == f"{first}, fleet {fleet}"
    revision = registry.instances("orders").revision
    clock.advance(12.0)
    registry.beat.once()
    assert registry.instances("orders").revision == revision


def test_a_process_that_was_forked_says_nothing(request: pytest.FixtureRequest) -> None:
    """What its parent has registered is its parent's."""
    registry = connect(f"memory://{request.node.name}", clock=(clock := ManualClock()))
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    way_in(Governor(service="orders", registry=registry, address=ADDRESS, clock=clock))
    registry.forked()
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 7}}})
    clock.advance(12.0)
    registry.beat.once()
    assert registry.mine == {}
