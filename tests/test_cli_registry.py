"""The commands ``svcgov registry``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import _cli_registry
from svcgov.cli import main
from svcgov.registry import Instance, connect

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry with one instance, which is that of the environment."""
    made = f"sqlite://{tmp_path}/registry.db"
    monkeypatch.setenv("SVCGOV_REGISTRY", made)
    return made


@pytest.fixture
def orders(url: str) -> Any:
    """One of the orders is there."""
    registry = connect(url)
    registry.register(Instance(service="orders", id="a", address="http://a.test:8080", version="v2"))
    yield registry
    registry.close()


def rows(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of a table that was printed."""
    return [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()]


def test_ls_counts(orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Instances and endpoints of every service."""
    assert main(["registry", "put", "mails", "https://mails.test"]) == 0
    revision = capsys.readouterr().out.strip()
    assert main(["registry", "ls"]) == 0
    assert rows(capsys) == [
        ["service", "instances", "endpoints", "revision"],
        ["mails", "0", "1", revision],
        ["orders", "1", "0", str(orders.instances("orders").revision)],
    ]
    assert main(["registry", "ls", "--json"]) == 0
    assert [one["service"] for one in json.loads(capsys.readouterr().out)] == ["mails", "orders"]


def test_get_shows_which_documents_they_go_by(orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And which they do not; where nobody goes by one, there is no column for that."""
    orders.say(applied="7, fleet 3")
    assert main(["registry", "get", "orders"]) == 0
    assert [row[6:] for row in rows(capsys)] == [["status", "applied"], ["up", "7, fleet 3"]]
    orders.say(refused="service 8: policies.stock")
    assert main(["registry", "get", "orders"]) == 0
    assert [row[7:] for row in rows(capsys)] == [["applied", "refused"], ["7, fleet 3", "service 8: policies.stock"]]
    assert main(["registry", "put", "mails", "https://mails.test"]) == 0
    assert main(["registry", "get", "mails", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: shown["found"][0][name] for name in ("status", "applied", "refused")} == {
        "status": "up", "applied": "", "refused": "",
    }  # fmt: skip


def test_get_shows_who_is_there(orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And how they are."""
    assert main(["registry", "get", "orders"]) == 0
    head = ["id", "kind", "place", "version", "colour", "weight", "status"]
    assert rows(capsys) == [head, ["a", "instance", "http://a.test:8080", "v2", "-", "1", "up"]]
    orders.drain()
    assert main(["registry", "get", "orders", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["revision"] == orders.instances("orders").revision
    assert [one["status"] for one in shown["found"]] == ["draining"]


def test_a_suspect_is_shown_as_one(orders: Any) -> None:
    """Whatever he has said."""
    found = orders.instances("orders").replace(suspects=frozenset("a"))
    assert _cli_registry._status("a", found, "up") == "suspect"


def test_put_and_rm_write_what_they_are_told(orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Over what they are told only."""
    put = [
        "registry",
        "put",
        "mails",
        "https://mails.test",
        "--id",
        "blue",
        "--colour",
        "blue",
        "--version",
        "12",
        "--weight",
        "2",
    ]
    assert main([*put, "--expected", "0"]) == 0
    revision = capsys.readouterr().out.strip()
    (found,) = orders.instances("mails")
    assert (found.id, found.url, found.colour, found.version, found.weight) == ("blue", "https://mails.test", "blue", "12", 2)
    assert main([*put, "--expected", "0"]) == 1
    assert "endpoint mails/blue has another revision" in capsys.readouterr().err
    assert main(["registry", "rm", "mails", "--id", "blue", "--expected", revision]) == 0
    assert len(orders.instances("mails")) == 0


def test_drain_tells_who_is_there(orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One of them or all, and back again; who runs takes it on."""
    orders.register(Instance(service="orders", id="b", address="http://b.test:8080"))
    head = ["id", "place", "status"]
    assert main(["registry", "drain", "orders", "--id", "b"]) == 0
    assert rows(capsys) == [head, ["b", "http://b.test:8080", "draining"]]
    orders.beat.once()
    assert [orders.mine["orders", key].status for key in "ab"] == ["up", "draining"]
    assert main(["registry", "drain", "orders"]) == 0
    assert [row[-1] for row in rows(capsys)] == ["status", "draining", "draining"]
    assert main(["registry", "drain", "orders", "--undo"]) == 0
    assert [row[-1] for row in rows(capsys)] == ["status", "up", "up"]
    orders.beat.once()
    assert [orders.mine["orders", key].status for key in "ab"] == ["up", "up"]


def test_watch_shows_each_list(orders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Until nothing changes for too long."""
    assert main(["registry", "watch", "orders", "--timeout", "0.01"]) == 0
    assert len(rows(capsys)) == 2


def test_a_watch_ends_when_it_is_told_to(orders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no error."""

    def ended(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(_cli_registry._VERBS, "watch", ended)
    assert main(["registry", "watch", "orders"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ls", "--registry", "nowhere"], "connect.url: expected a URL"),
        (["ls", "--registry", "sqlite:///no/such/folder/registry.db"], "unable to open"),
        (["get", "orders", "--registry", "sqlite:///no/such/folder/registry.db"], "the registry does not answer"),
        (["get", "no such"], "instances.service"),
        (["put", "mails", "mails.test"], "put.url: expected an address"),
        (["drain", "mails"], "tell.service: expected a service of which there is an instance"),
        (["drain", "mails", "--id", "a"], "tell.which: expected one of none: nobody is there, got 'a'"),
        (["drain", "mails", "--registry", "sqlite:///no/such/folder/registry.db"], "unable to open"),
    ],
)
def test_what_cannot_be_is_said(url: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, and by the exit status."""
    assert main(["registry", *arguments]) == 1
    assert said in capsys.readouterr().err
