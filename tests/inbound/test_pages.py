"""Pages that show what svcgov knows, of applications of either interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, bulkhead
from svcgov.errors import ConfigError

from .test_health import Shop

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["asgi", "wsgi"])
def interface(request: pytest.FixtureRequest) -> str:
    """Either interface."""
    interface: str = request.param
    return interface


def test_figures_are_shown_below_the_prefix(interface: str) -> None:
    """As text for Prometheus, and as JSON; never stored, and the application is not asked."""
    shop = Shop(interface, metrics="/-")
    shop.ask("/orders")
    figures, knowledge = shop.ask("/-/metrics"), shop.ask("/-/governance")
    assert (figures.status, figures.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'http_server_request_duration_seconds_count{service="shop"' in figures.body
    assert (knowledge.status, knowledge.headers["content-type"]) == (200, "application/json")
    assert json.loads(knowledge.body)["service"] == "shop"
    assert {one.headers["cache-control"] for one in (figures, knowledge)} == {"no-store"}
    assert shop.asked == ["/orders"]


def test_a_governed_call_is_counted_by_what_became_of_it(interface: str) -> None:
    """And whoever looks is not counted."""
    pool = bulkhead(1, name="pool")
    shop = Shop(interface, metrics="/-", policy=pool)
    for path in ("/orders", "/orders/7", "/-/metrics", "/-/governance"):
        shop.ask(path)
    with pool:
        assert shop.ask("/orders").status == 503
    calls = {one["outcome"]: one for one in json.loads(shop.ask("/-/governance").body)["calls"]}
    assert {outcome: one["durations"]["count"] for outcome, one in calls.items()} == {"ok": 2, "refused": 1}
    assert {(one["method"], one["status"]) for one in calls.values()} == {("GET", "204"), ("GET", "503")}


def test_pages_are_off_unless_mounted(interface: str) -> None:
    """Then the paths are the application's."""
    shop = Shop(interface)
    assert shop.ask("/-/metrics").status == 204
    assert shop.asked == ["/-/metrics"]


def test_a_word_in_the_environment_mounts_them(interface: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code says nothing; what it says counts."""
    monkeypatch.setenv("SVCGOV_METRICS", "prometheus")
    assert Shop(interface).ask("/-/metrics").status == 200
    shop = Shop(interface, metrics="/figures")
    assert [shop.ask(path).status for path in ("/-/metrics", "/figures/metrics")] == [204, 200]
    monkeypatch.setenv("SVCGOV_METRICS", "emf")
    assert Shop(interface).ask("/-/metrics").status == 204


def test_they_stand_beside_the_health(interface: str) -> None:
    """Under the same prefix or under another one."""
    for metrics in ("/-", "/figures"):
        shop = Shop(interface, health="/-", metrics=metrics)
        assert [shop.ask(path).status for path in ("/-/alive", f"{metrics}/metrics", "/")] == [200, 200, 204]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_they_can_only_be_read(interface: str, method: str) -> None:
    """Nothing is changed over them."""
    shop = Shop(interface, metrics="/-")
    for path in ("/-/metrics", "/-/governance"):
        found = shop.ask(path, method)
        assert (found.status, found.headers["allow"]) == (405, "GET, HEAD")


def test_a_head_has_no_body(interface: str) -> None:
    """And says how long it would be."""
    shop = Shop(interface, metrics="/-")
    found = shop.ask("/-/governance", "HEAD")
    assert (found.status, found.body) == (200, b"")
    assert int(found.headers["content-length"]) > 0


def test_a_page_that_cannot_be_made_is_reported_once(interface: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is not for everybody, and calls go on."""
    governor = Governor(service="shop")
    shop = Shop(interface, governor=governor, metrics="/-")
    outputs: Any = governor._outputs
    outputs.recorder.series = broken("secret")
    for _ in range(2):
        found = shop.ask("/-/metrics")
        assert (found.status, found.body) == (500, b"could not be made\n")
    assert shop.ask("/orders").status == 204
    assert capsys.readouterr().err == "svcgov: /-/metrics could not be made: LookupError('secret') (said once)\n"


def broken(why: str) -> Callable[[], None]:
    """A function that raises."""

    def raises() -> None:
        raise LookupError(why)

    return raises


@pytest.mark.parametrize("prefix", ["", "/", "metrics", "/metrics/", "/a b", 7])
def test_a_prefix_that_is_no_path_is_an_error(interface: str, prefix: Any) -> None:
    """As for the health; it is told where it stands."""
    with pytest.raises(ConfigError) as caught:
        Shop(interface, metrics=prefix)
    assert str(caught.value).startswith(f"{interface}.metrics: expected a path without a slash at its end")


CLASSIC, OPEN = "text/plain", "application/openmetrics-text"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", CLASSIC),
        ("*/*", CLASSIC),
        ("text/html", CLASSIC),
        (OPEN, OPEN),
        ("Application/OpenMetrics-Text; version=1.0.0, */*;q=0.1", OPEN),
        (f"{OPEN};version=1.0.0;q=0.5,{OPEN};version=0.0.1;q=0.4,{CLASSIC};version=0.0.4;q=0.3,*/*;q=0.2", OPEN),
        (f"{CLASSIC};q=0.9, {OPEN};q=0.8", CLASSIC),
        (f"{CLASSIC}, {OPEN}", CLASSIC),
        (f"{OPEN};q=0, text/*", CLASSIC),
        (f"{OPEN};version=1.0.0;q=0.5,{OPEN};version=0.0.1;q=0.1,{CLASSIC};q=0.3", OPEN),
        (f"{CLASSIC};q=1.0, {OPEN}", CLASSIC),
        ("application/*", OPEN),
        (f"{OPEN};q=much, {CLASSIC};q=0.1", CLASSIC),
    ],
)
def test_whoever_asks_gets_the_type_that_it_would_rather_have(interface: str, accept: str, kind: str) -> None:
    """The classic text, unless OpenMetrics is wanted more; a page of one type is what it is."""
    shop = Shop(interface, metrics="/-")
    found = shop.ask("/-/metrics", accept=accept)
    assert found.headers["content-type"].partition(";")[0] == kind
    assert found.body.endswith(b"# EOF\n") is (kind == OPEN)
    assert shop.ask("/-/governance", accept=accept).headers["content-type"] == "application/json"
