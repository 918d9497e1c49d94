"""The commands ``svcgov push``, ``rollback`` and ``history``."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, _cli_push
from svcgov.cli import main
from svcgov.errors import RegistryError
from svcgov.registry import Endpoint, Registry, connect
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

    Said = pytest.CaptureFixture[str]

LIMIT = "policies.stock.bulkhead.limit"
ORDERS = ["--service", "orders"]
KEY = "k1=a-secret-of-16-bytes-or-more"


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file, which is the registry of the environment; what is kept for the next start is not found by other tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SVCGOV_REGISTRY", f"sqlite://{tmp_path}/registry.db")
    opened = connect()
    yield opened
    opened.close()


@pytest.fixture
def said(capsys: Said) -> Said:
    """What is printed."""
    return capsys


def says(registry: Registry, service: str = "orders") -> Any:
    """The document that is there."""
    return registry.config(service).document


def rows(said: Said) -> list[list[str]]:
    """The cells of what was printed."""
    return [re.split(" {2,}", line) for line in said.readouterr().out.splitlines()]


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "signed"])
def test_a_push_reaches_what_runs_with_its_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """And a rollback does, too, also where only what is signed is taken."""
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", key)
    (tmp_path / "one.toml").write_text("[policies.stock]\nbulkhead = 6")
    assert main(["push", "one.toml", *ORDERS]) == 0
    clock = ManualClock()
    running = connect(clock=clock)
    governor = Governor(service="orders", registry=running, clock=clock)
    stock = governor.bulkhead(1, name="stock")
    governor.handler(lambda event, context: None)
    limits = [stock.snapshot()["limit"]]
    for command in (["push", "--set", f"{LIMIT}=7"], ["rollback"]):
        assert main([*command, *ORDERS]) == 0
        clock.advance(12.0)
        running.beat.once()
        limits.append(stock.snapshot()["limit"])
    running.close()
    assert limits == [6, 7, 6]


def test_a_push_tells_what_it_changes(registry: Registry, said: Said) -> None:
    """In a table, with the revision that it made, and the one that was there."""
    first = registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    assert main(["push", "--set", f"{LIMIT}=7", "--set", "policies.stock.retry.on=connection", *ORDERS]) == 0
    assert rows(said) == [
        ["service", "setting", "before", "after"],
        ["orders", LIMIT, "6", "7"],
        ["orders", "policies.stock.retry.on", "-", "connection"],
        [f"orders: revision {registry.config('orders').revision}, over {first}"],
    ]


def test_a_value_that_stands_for_a_table_is_that_table(registry: Registry) -> None:
    """Whichever of the two is there, and also in an overlay."""
    stock: dict[str, Any] = {"policies": {"stock": {"bulkhead": 6}}}
    registry.publish("orders", {**stock, "overlay": {"stage": {"test": stock}}})
    assert main(["push", "--set", "policies.stock.bulkhead.max_wait=1s", *ORDERS]) == 0
    assert main(["push", "--set", "policies.stock.bulkhead=7", *ORDERS]) == 0
    assert main(["push", "--set", "overlay.stage.test.policies.stock.bulkhead.max_wait=2s", *ORDERS]) == 0
    document = says(registry)
    assert document["policies"] == {"stock": {"bulkhead": {"limit": 7, "max_wait": "1s"}}}
    assert document["overlay"]["stage"]["test"]["policies"] == {"stock": {"bulkhead": {"limit": 6, "max_wait": "2s"}}}


def test_the_order_of_slots_is_no_table(registry: Registry) -> None:
    """It is replaced."""
    registry.publish("orders", {"policies": {"stock": {"order": ["timeout"]}}})
    assert main(["push", "--set", 'policies.stock.order=["retry", "timeout"]', *ORDERS]) == 0
    assert says(registry) == {"policies": {"stock": {"order": ["retry", "timeout"]}}}


def test_what_says_the_same_changes_nothing(registry: Registry, said: Said, tmp_path: Path) -> None:
    """It is a revision all the same, and no table tells of it."""
    first = registry.publish("orders", {"policies": {"stock": {"bulkhead": 6}}})
    (tmp_path / "one.toml").write_text("[policies.stock.bulkhead]\nlimit = 6")
    assert main(["push", "one.toml", *ORDERS]) == 0
    assert rows(said) == [[f"orders: revision {registry.config('orders').revision}, over {first}"]]


def test_what_is_no_document_can_be_written_over(registry: Registry, tmp_path: Path) -> None:
    """By a file, and by what sets a value."""
    registry.publish("orders", "[]")
    (tmp_path / "one.toml").write_text("[policies.stock]\nbulkhead = 6")
    assert main(["push", "--set", f"{LIMIT}=7", *ORDERS, "--dry-run"]) == 0
    assert main(["push", "one.toml", *ORDERS]) == 0
    assert says(registry) == {"policies": {"stock": {"bulkhead": 6}}}


def test_a_dry_run_writes_nothing(registry: Registry, said: Said) -> None:
    """It tells what would change."""
    assert main(["push", "--set", 'unset=["policies.stock"]', "--dry-run", "--json", *ORDERS]) == 0
    changes = [{"setting": "unset", "before": None, "after": ["policies.stock"]}]
    assert json.loads(said.readouterr().out) == [{"service": "orders", "revision": None, "over": 0, "changes": changes}]
    assert main(["push", "--set", 'unset=["policies.stock"]', "--dry-run", *ORDERS]) == 0
    assert rows(said)[-2:] == [["orders", "unset", "-", '["policies.stock"]'], ["orders: nothing is written, over none"]]
    assert registry.history("orders") == []


def test_a_push_reaches_all_services_of_a_pattern(registry: Registry) -> None:
    """Of those that are registered; the fleet has a document of its own."""
    for service in ("shop-a", "shop-b", "mails"):
        registry.put(Endpoint(service=service, url="http://a.test"))
    assert main(["push", "--set", f"{LIMIT}=7", "--service", "shop-*"]) == 0
    assert main(["push", "--set", f"{LIMIT}=8", "--fleet"]) == 0
    document = {"policies": {"stock": {"bulkhead": {"limit": 7}}}}
    assert [says(registry, service) for service in ("shop-a", "shop-b", "mails")] == [document, document, None]
    assert registry.config("fleet", "fleet").document["policies"]["stock"]["bulkhead"] == {"limit": 8}


def test_nothing_is_written_where_one_document_is_wrong(registry: Registry, said: Said) -> None:
    """Of any service; all that is wrong is told, with its place and what was probably meant."""
    for service in ("shop-a", "shop-b"):
        registry.put(Endpoint(service=service, url="http://a.test"))
    registry.publish("shop-b", {"service": "mails"})
    assert main(["push", "--set", "policies.stock.bulkhead.limt=7", "--service", "shop-*"]) == 1
    assert [line.split(": expected")[0] for line in said.readouterr().err.splitlines()] == [
        "error: shop-a: policies.stock.bulkhead.limt",
        "error: shop-b: policies.stock.bulkhead.limt",
        "error: shop-b: service",
    ]
    assert [len(registry.history(service)) for service in ("shop-a", "shop-b")] == [0, 1]


@pytest.mark.parametrize(("layer", "whose"), [(("orders", "service"), ORDERS), (("fleet", "fleet"), ["--fleet"])])
def test_what_somebody_else_writes_meanwhile_is_not_lost(
    registry: Registry, said: Said, monkeypatch: pytest.MonkeyPatch, layer: tuple[str, str], whose: list[str]
) -> None:
    """The command says so, what to do, and what it has not written."""
    monkeypatch.setattr(_cli_push, "_who", lambda: str(registry.publish(layer[0], {}, layer=layer[1])))
    assert main(["push", "--set", f"{LIMIT}=7", *whose]) == 1
    hint = f"another revision; see svcgov history {' '.join(whose)}, and try again (not written: {layer[0]})"
    assert hint in said.readouterr().err
    assert registry.config(*layer).document == {}


def test_the_history_tells_who_and_why(registry: Registry, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first; what was rolled back is one more."""
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    registry.publish("orders", None)
    assert main(["push", "--set", f"{LIMIT}=7", "--why", "a slow stock", *ORDERS]) == 0
    (second, first) = (one.revision for one in registry.history("orders"))
    assert main(["rollback", "--to", str(first), *ORDERS]) == 0
    said.readouterr()
    assert main(["history", "--json", *ORDERS]) == 0
    found = json.loads(said.readouterr().out)
    assert [(one["who"], one["why"], one["rollback_of"]) for one in found] == [
        ("ann@desk", "", first),
        ("ann@desk", "a slow stock", None),
        (None, None, None),
    ]
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(moment, registry.history("orders")[1].meta["when"])
    assert re.fullmatch(moment, found[1]["at"])
    assert says(registry) is None
    assert main(["history", *ORDERS]) == 0
    assert rows(said)[2] == ["orders", str(second), found[1]["at"], "ann@desk", "a slow stock", "-"]


def test_who_has_no_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""

    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert _cli_push._who().startswith(f"{os.getuid()}@")


def test_what_is_written_is_signed_where_there_are_keys(
    registry: Registry, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under revisions that go up, also for what is rolled back; without the keys nothing is built on it."""
    registry.publish("orders", {"policies": {}})
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", KEY)
    assert main(["push", "--set", f"{LIMIT}=6", *ORDERS]) == 1
    assert "a signed document" in said.readouterr().err
    (tmp_path / "one.json").write_text("{}")
    assert main(["push", "one.json", *ORDERS]) == 0
    assert main(["push", "--set", f"{LIMIT}=7", *ORDERS]) == 0
    assert main(["rollback", *ORDERS]) == 0
    found = [json.loads(one.text or "") for one in registry.history("orders")[:3]]
    assert [json.loads(one["payload"]) for one in found] == [{}, {"policies": {"stock": {"bulkhead": {"limit": 7}}}}, {}]
    revisions = [one["rev"] for one in found]
    assert revisions == sorted(set(revisions), reverse=True)
    monkeypatch.delenv("SVCGOV_DOCUMENT_KEYS")
    assert main(["push", "one.json", *ORDERS]) == 1
    assert "the document of orders is signed" in said.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["push", *ORDERS], 2, "svcgov push: a FILE, or --set"),
        (["push", "--set", LIMIT, *ORDERS], 1, "--set: expected path=value"),
        (["push", "--set", "policies.stock.retry=3", *ORDERS], 1, "policies.stock.retry: expected a table of settings"),
        (["push", "no.toml", *ORDERS], 1, "no.toml: expected a file"),
        (["push", "--set", "service=orders", "--fleet"], 1, "service: expected nothing: it is for many services"),
        (["push", "--set", f"{LIMIT}=1", "--service", "no such"], 1, "--service: expected 1 to 128 letters"),
        (["push", "--set", f"{LIMIT}=1", "--service", "no-*"], 1, "there is none"),
        (["rollback", *ORDERS], 1, "--to (orders): expected an earlier revision: there is none"),
        (["history", *ORDERS, "--registry", "nowhere"], 1, "connect.url: expected a URL"),
        (["push", "--set", f"{LIMIT}=1", *ORDERS, "--registry", "sqlite:///no/such/folder/registry.db"], 1, "unable to open"),
    ],
)
def test_what_cannot_be_is_said(arguments: list[str], status: int, expected: str, said: Said) -> None:
    """On standard error, and by the exit status."""
    assert main(arguments) == status
    assert expected in said.readouterr().err


def test_a_registry_that_goes_away_meanwhile_is_said(registry: Registry, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was not written."""
    monkeypatch.setattr(_cli_push, "_who", lambda: registry.backend.url)

    def away(*_: Any, **__: Any) -> int:
        raise RegistryError("sqlite", "locked")

    monkeypatch.setattr(Registry, "publish", away)
    assert main(["push", "--set", f"{LIMIT}=7", *ORDERS]) == 1
    assert said.readouterr().err == "error: sqlite: locked (not written: orders)\n"


def test_what_a_rollback_would_bring_back_has_to_be_right(registry: Registry, said: Said) -> None:
    """As what is pushed has to be."""
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 0}}})
    registry.publish("orders", {})
    assert main(["rollback", *ORDERS]) == 1
    assert "orders: policies.stock.bulkhead: expected" in said.readouterr().err
