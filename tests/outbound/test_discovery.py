"""Services by name: which requests are sent to instances, to which of them, and in which turn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

import svcgov
from engines.http_service import Answer
from svcgov import Pipeline
from svcgov._core._frozen import Frozen
from svcgov._core._model import Endpoint, Instance
from svcgov.outbound import target as targets
from svcgov.outbound.govern import govern
from svcgov.outbound.target import FINDER, Discovered, as_written, seat_of

from .worlds import again, invoked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.http_service import Service

    from .aio import Sessions
    from .plain import Client
    from .worlds import World


class Known(Frozen):
    """What a registry knows."""

    all: tuple[Any, ...]
    suspects: frozenset[str] = frozenset()


def at(key: str, **more: Any) -> Instance:
    """An instance of the orders."""
    return Instance(**{"service": "orders", "id": key, "address": f"http://{key}.test:8080", **more})


class Book:
    """Who is there, by name; tests write into it."""

    def __init__(self, *some: Any, suspects: frozenset[str] = frozenset()) -> None:
        self.pages = {"orders": Known(all=some, suspects=suspects)}
        self.asked: list[str] = []

    def finder(self) -> Discovered:
        """Which looks here, and begins with the first."""
        return Discovered(self.look, random=lambda: 0.0)

    def look(self, name: str) -> Known:
        """What is known of *name*."""
        self.asked.append(name)
        return self.pages.get(name) or Known(all=())


@contextmanager
def finding(*some: Any) -> Iterator[None]:
    """Clients that are governed here find these."""
    token = FINDER.set(Book(*some).finder())
    try:
        yield
    finally:
        FINDER.reset(token)


def hosts(book: Book, times: int, colour: str | None = None) -> list[str]:
    """Where so many requests to the orders go."""
    find, went = book.finder(), []
    with svcgov.colour(colour):
        for _ in range(times):
            choose = find("orders", "http", "orders", None).choose
            seat = choose and choose(None)
            went.append(seat.host.removesuffix(".test") if seat else "as written")
    return went


# -- which requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [("http", "orders", None), ("http", "Orders", 80), ("https", "orders", 443)])
@pytest.mark.parametrize("target", ["orders", None])
def test_the_name_of_a_service_is_its_instances(target: str | None, parts: Any) -> None:
    """It is a service of ours, and its policies are by its name."""
    place = Book(at("a")).finder()(target, *parts)
    assert place.choose is not None
    assert place.choose(None) == seat_of("http://a.test:8080")
    assert (place.ours, place.authority) == (True, as_written(None, *parts).authority)


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        (None, "orders.test", None),
        (None, "orders", 8080),
        (None, "::1", None),
        (None, "localhost", None),
        ("payments", "orders", None),
    ],
)
def test_other_hosts_are_asked_as_they_are_written(target: str | None, host: str, port: int | None) -> None:
    """And nobody is asked for them."""
    book = Book(at("a"))
    assert book.finder()(target, "http", host, port) == as_written(target, "http", host, port)
    assert book.asked == []


def test_a_name_that_nobody_has_is_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So are those that are too many."""
    book = Book(at("a"))
    find = book.finder()
    assert find(None, "http", "stock", None) == as_written(None, "http", "stock", None)
    monkeypatch.setattr(targets, "MOST", 1)
    assert find(None, "http", "orders", None) == as_written(None, "http", "orders", None)
    assert book.asked == ["stock"]


# -- to whom -----------------------------------------------------------------------------------------------------------


def test_instances_have_their_turn() -> None:
    """And endpoints."""
    book = Book(at("a"), at("b"), Endpoint(service="orders", id="c", url="https://c.test/"))
    assert hosts(book, 5) == ["a", "b", "c", "a", "b"]


def test_a_weight_is_a_share_and_is_spread_over_the_round() -> None:
    """Nothing for nothing."""
    assert hosts(Book(at("a", weight=3), at("b"), at("c", weight=0)), 8) == ["a", "a", "b", "a"] * 2


def test_traffic_of_a_colour_goes_to_its_own() -> None:
    """All other traffic to those without one."""
    book = Book(at("a"), at("b", colour="blue"), at("c", colour="blue"))
    assert hosts(book, 3, "blue") == ["b", "c", "b"]
    assert hosts(book, 2, "green") == ["a", "a"]
    assert hosts(book, 2) == ["a", "a"]


def test_traffic_without_a_colour_goes_to_nobody_with_one() -> None:
    """Rather where the URL says."""
    assert hosts(Book(at("b", colour="blue")), 1) == ["as written"]


def test_who_is_draining_gets_nothing_and_who_is_unsure_what_nobody_else_can_have() -> None:
    """The own colour does not count for more than being there."""
    some = at("a", status="draining"), at("b"), at("c", colour="blue")
    assert hosts(Book(*some), 2) == ["b", "b"]
    assert hosts(Book(*some, suspects=frozenset("c")), 2, "blue") == ["b", "b"]
    assert hosts(Book(*some, suspects=frozenset("bc")), 2, "blue") == ["c", "c"]


def test_an_attempt_goes_to_another_one_than_that_before() -> None:
    """If there is another one."""
    choose = Book(at("a"), at("b")).finder()("orders", "http", "orders", None).choose
    assert choose is not None
    a, b = seat_of("http://a.test:8080"), seat_of("http://b.test:8080")
    assert [choose(a), choose(a), choose(b), choose(None)] == [b, b, a, b]
    alone = Book(at("a")).finder()("orders", "http", "orders", None).choose
    assert alone is not None
    assert alone(a) == a


def test_processes_that_begin_at_once_do_not_begin_with_the_same_one() -> None:
    """Chance says with which."""
    book, chances, went = Book(at("a"), at("b")), iter((0.0, 0.001)), []
    for _ in range(2):
        choose = Discovered(book.look, random=lambda: next(chances))("orders", "http", "orders", None).choose
        seat = choose and choose(None)
        went.append(seat and seat.host)
    assert went == ["a.test", "b.test"]


def test_what_is_known_later_holds_from_then_on() -> None:
    """As soon as it is known."""
    book = Book(at("a"))
    find = book.finder()
    assert find("orders", "http", "orders", None).choose(None).host == "a.test"  # type: ignore[misc,union-attr]  # it is there
    book.pages["orders"] = Known(all=(at("b"),))
    assert find("orders", "http", "orders", None).choose(None).host == "b.test"  # type: ignore[misc,union-attr]  # it is there


def test_all_have_their_turn_where_one_call_comes_between_two_beats() -> None:
    """After a beat what is known is another one, also where it says the same."""
    book = Book(at("a"), at("b"), at("c"))
    find, went = book.finder(), []
    for _ in range(6):
        book.pages["orders"] = book.pages["orders"].replace()
        choose = find("orders", "http", "orders", None).choose
        seat = choose and choose(None)
        went.append(seat and seat.host)
    assert went == ["a.test", "b.test", "c.test"] * 2


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080/a?b"),
        ("http://10.0.0.7:80/", "http://10.0.0.7/a?b"),
        ("https://[::1]:8443/v2/", "https://[::1]:8443/v2/a?b"),
    ],
)
def test_a_seat_is_what_a_url_begins_with(address: str, url: str) -> None:
    """A port that goes without saying is not said."""
    assert seat_of(address).url("/a?b") == url
    assert seat_of(address).url("?b") == url.replace("/a", "/")


# -- by every client ---------------------------------------------------------------------------------------------------


def test_httpx_sends_each_attempt_to_an_instance(world: World) -> None:
    """The caller's request, and what comes back, speak of the service."""
    wire = world.wire(ConnectionError("no"), 200, 503)
    with finding(at("a"), Endpoint(service="orders", id="b", url="https://b.test/v2/")):
        client = world.governed(wire, again(on=ConnectionError), target="orders")
    with invoked():
        response = world.call(client.get, "http://orders/charge?x=%2F")
        failing = world.call(client.get, "http://orders/", headers={"host": "other.test"})
    sent = [(str(one.url), one.headers["host"]) for one in wire.requests]
    assert sent == [
        ("http://a.test:8080/charge?x=%2F", "a.test:8080"),
        ("https://b.test/v2/charge?x=%2F", "b.test"),
        ("http://a.test:8080/", "other.test"),
    ]
    assert [str(one.request.url) for one in (response, failing)] == ["http://orders/charge?x=%2F", "http://orders/"]


def test_httpx_needs_no_header_to_find_an_instance(world: World) -> None:
    """Outside of any call nothing goes along."""
    wire = world.wire(200)
    with finding(at("a")):
        client = world.governed(wire, target=None)
    world.call(client.get, "http://orders/")
    world.call(client.get, "http://elsewhere/")
    assert [str(one.url) for one in wire.requests] == ["http://a.test:8080/", "http://elsewhere/"]


def test_plain_clients_send_each_attempt_to_an_instance(plain: Client, service: Service) -> None:
    """A redirect leads to the service, and so to any instance of it."""
    for path in ("/one/charge?x=1", "/two/charge?x=1"):
        service.script(path, Answer(302, {"Location": "/paid"}))
    for path in ("/one/paid", "/two/paid"):
        service.script(path, 503, 200)
    made: Any = requests.Session() if plain.name == "requests" else urllib3.PoolManager()
    with finding(*(Endpoint(service="orders", id=key, url=f"{service.url}/{key}") for key in ("one", "two"))):
        client = govern(made, target="orders", pipeline=Pipeline(again(on=Exception)))
    response = plain.ask(client, url="http://orders/charge?x=1")
    assert plain.status(response) == 200
    assert sorted(service.seen) == ["/one/charge?x=1", "/one/paid", "/two/paid"]


def test_aiohttp_sends_each_attempt_to_an_instance(sessions: Sessions, service: Service) -> None:
    """A redirect leads to the service, and so to any instance of it."""
    service.script("/one/charge?x=1%2B2", 503)
    service.script("/two/charge?x=1%2B2", 200)
    with finding(*(Endpoint(service="orders", id=key, url=f"{service.url}/{key}") for key in ("one", "two"))):
        session = sessions.governed(again(on=Exception), target="orders")
    answer = sessions.get(session, "http://orders/charge?x=1%2B2")
    assert answer.status == 200
    sessions.get(session, "http://orders/charge?x=1%2B2", headers={"Host": "other.test"})
    own, path = service.url.removeprefix("http://"), "/charge?x=1%2B2"
    seen = {key: [one.headers["host"] for one in service.seen[f"/{key}{path}"]] for key in ("one", "two")}
    assert seen == {"one": [own, "other.test"], "two": [own, "other.test"]}


def test_a_list_that_changes_while_it_is_being_read_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The turns of an old list are not those of the new one."""
    book = Book(at("a"))
    find, fit = book.finder(), targets._fit

    def meanwhile(known: Any, colour: str | None) -> Any:
        monkeypatch.setattr(targets, "_fit", fit)
        book.pages["orders"] = Known(all=(at("b"),))
        find("orders", "http", "orders", None)
        return fit(known, colour)

    monkeypatch.setattr(targets, "_fit", meanwhile)
    choose = find("orders", "http", "orders", None).choose
    assert choose
    assert [seat and seat.host for seat in (choose(None), choose(None))] == ["a.test", "b.test"]


def test_colours_that_nobody_has_are_not_remembered() -> None:
    """A request may say any; it goes where traffic without one goes, in the same turn."""
    find = Book(at("a"), at("b")).finder()
    choose = find("orders", "http", "orders", None).choose
    assert choose
    went = []
    for number in range(4):
        with svcgov.colour(f"made-up-{number}"):
            seat = choose(None)
            went.append(seat and seat.host)
    assert went == ["a.test", "b.test", "a.test", "b.test"]
    assert len(find._rounds["orders"]._now[1]) == 1
