"""What ``svcgov push --set`` makes of a document: ``--for`` and ``--percent`` make a rollout of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, _cli_push
from svcgov._cli_sets import for_good, laid, tried
from svcgov.cli import main
from svcgov.config.document import document_of
from svcgov.config.merge import merged
from svcgov.errors import ConfigError
from svcgov.registry import connect
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1772366400.0  # 2026-03-01 12:00 UTC
LIMIT = "policies.stock.bulkhead.limit"
STOCK: dict[str, Any] = {"policies": {"stock": {"bulkhead": 6}}}


def of_stock(**slots: Any) -> dict[str, Any]:
    """A document about one pipeline."""
    return {"policies": {"stock": slots}}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file, which is the registry of the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SVCGOV_REGISTRY", f"sqlite://{tmp_path}/registry.db")
    opened = connect()
    yield opened
    opened.close()


# -- the command -----------------------------------------------------------------------------------------------------


def test_what_is_pushed_for_a_while_ends_by_itself(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process that runs; the document needs no other push."""
    clock = ManualClock(wall=NOW)
    monkeypatch.setattr(_cli_push, "SYSTEM", clock)
    registry.publish("orders", STOCK)
    running = connect(clock=clock)
    governor = Governor(service="orders", registry=running, clock=clock)
    stock = governor.bulkhead(1, name="stock")
    governor.handler(lambda event, context: None)
    limits = [stock.settings.limit]
    assert main(["push", "--set", f"{LIMIT}=9", "--for", "30m", "--service", "orders"]) == 0
    for seconds in (12, 1787, 1):
        clock.advance(seconds)
        running.beat.once()
        limits.append(stock.settings.limit)
    running.close()
    assert limits == [6, 9, 9, 6]


def test_what_is_pushed_to_some_reaches_some(registry: Any) -> None:
    """A tenth of the processes, each by its own lot."""
    registry.publish("orders", STOCK)
    assert main(["push", "--set", f"{LIMIT}=9", "--percent", "25", "--service", "orders"]) == 0
    document = registry.config("orders").document
    ((_, rollout),) = document["rollouts"].items()
    assert rollout == {"percent": 25.0, **of_stock(bulkhead={"limit": 9})}
    assert document["policies"] == STOCK["policies"]


def test_a_rollout_is_told_before_it_is_written(registry: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its end, its share, and what it says."""
    registry.publish("orders", STOCK)
    pushed = ["push", "--set", f"{LIMIT}=9", "--for", "1h", "--percent", "5", "--service", "orders", "--dry-run"]
    assert main(pushed) == 0
    lines = [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()]
    assert [[cells[1].split(".", 2)[2], *cells[2:3]] for cells in lines[1:4]] == [
        ["percent", "-"], [LIMIT, "-"], ["until", "-"],
    ]  # fmt: skip
    assert "rollouts" not in registry.config("orders").document


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["one.toml", "--for", "30m"], 2, "--for and --percent are about what is --set"),
        (["one.toml", "--percent", "3"], 2, "--for and --percent are about what is --set"),
        (["--set", f"{LIMIT}=9", "--for", "soon"], 1, "--for: expected"),
        (["--set", f"{LIMIT}=9", "--for", "0s"], 1, "--for: expected"),
        (["--set", "overlay.stage.prod.process.idle=1", "--for", "1m"], 1, "--set: expected a place that is for all"),
        (["--set", f"{LIMIT}=0", "--for", "1m"], 1, ".policies.stock.bulkhead.limit: expected"),
    ],
)
def test_what_cannot_be_tried(
    registry: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    """A clear word, and nothing is written."""
    assert main(["push", *arguments, "--service", "orders"]) == status
    assert said in capsys.readouterr().err
    assert registry.config("orders").revision == 0


@pytest.mark.parametrize("rollouts", ["rollouts = 1", "[rollouts]\na = 1", "[rollouts.a]\nuntil = 1"])
def test_a_file_with_a_rollout_that_is_none_is_refused(
    registry: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, rollouts: str
) -> None:
    """By a clear word, as any other mistake."""
    (tmp_path / "one.toml").write_text(rollouts)
    assert main(["push", "one.toml", "--service", "orders"]) == 1
    assert "error: orders: rollouts" in capsys.readouterr().err


@pytest.mark.parametrize("percent", ["-1", "101", "many", "nan"])
def test_a_share_is_a_number_of_a_hundred(capsys: pytest.CaptureFixture[str], percent: str) -> None:
    """Told by the parser."""
    with pytest.raises(SystemExit):
        main(["push", "--set", f"{LIMIT}=9", f"--percent={percent}", "--service", "orders"])
    assert f"--percent: expected a number from 0 to 100, got {percent}" in capsys.readouterr().err


def test_a_group_has_a_document_for_its_services(registry: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is pushed, told of and rolled back under its name, and names no service."""
    assert main(["push", "--set", f"{LIMIT}=9", "--group", "web"]) == 0
    assert main(["push", "--set", f"{LIMIT}=8", "--group", "web"]) == 0
    assert main(["rollback", "--group", "web"]) == 0
    assert registry.config("web", "group").document == of_stock(bulkhead={"limit": 9})
    assert main(["history", "--group", "web"]) == 0
    assert capsys.readouterr().out.count("web") >= 3
    (tmp_path / "one.toml").write_text('service = "web"')
    assert main(["push", "one.toml", "--group", "web"]) == 1
    assert "service: expected nothing: it is for many services, got 'web'" in capsys.readouterr().err
    assert main(["push", "one.toml", "--group", "a b"]) == 1
    assert "--group: expected 1 to 128 letters" in capsys.readouterr().err


# -- the documents ---------------------------------------------------------------------------------------------------


def test_a_rollout_says_what_is_set_and_when_it_ends() -> None:
    """Whatever is there already stays; two in one second have two names."""
    once = tried([of_stock(bulkhead=9)], STOCK, NOW, seconds=60, percent=None)
    assert once == {
        **STOCK,
        "rollouts": {"20260301T120000": {"until": "2026-03-01T12:01:00.000Z", **of_stock(bulkhead=9)}},
    }  # fmt: skip
    twice = tried([of_stock(bulkhead=9), of_stock(retry={"attempts": 2})], once, NOW, seconds=None, percent=5)
    assert list(twice["rollouts"]) == ["20260301T120000", "20260301T120000.2"]
    assert twice["rollouts"]["20260301T120000.2"] == {"percent": 5, **of_stock(bulkhead=9, retry={"attempts": 2})}
    thrice = tried([of_stock(bulkhead=9)], twice, NOW, seconds=None, percent=5)
    assert list(thrice["rollouts"])[2] == "20260301T120000.3"
    assert document_of(thrice)[1] == []


def test_what_is_said_for_good_is_not_tried_any_more() -> None:
    """Rollouts no longer say it, whichever form it is written in, and go on with what else they say."""
    document = {
        **STOCK,
        "rollouts": {
            "a": {"percent": 10, **of_stock(bulkhead=9)},
            "b": {"percent": 10, **of_stock(bulkhead={"limit": 9, "max_wait": 1}, retry={"attempts": 2})},
            "c": {"percent": 10, "process": {"idle": 1}},
        },
    }
    assert for_good([of_stock(bulkhead=7)], document, NOW) == {
        **of_stock(bulkhead={"limit": 7}),
        "rollouts": {
            "b": {"percent": 10, **of_stock(bulkhead={"max_wait": 1}, retry={"attempts": 2})},
            "c": {"percent": 10, "process": {"idle": 1}},
        },
    }
    assert for_good([of_stock(bulkhead={"max_wait": 2})], document, NOW)["rollouts"]["a"] == {
        "percent": 10,
        **of_stock(bulkhead={"limit": 9}),
    }
    assert for_good([{"policies": {"stock": None}}], {"rollouts": {"a": document["rollouts"]["a"]}}, NOW) == {
        "policies": {"stock": None}
    }


def test_what_has_ended_is_taken_out() -> None:
    """With whatever is set next; a rollout without an end has none."""
    ended = {"until": "2026-03-01T11:00:00Z", **of_stock(bulkhead=9)}
    going = {"until": "2026-03-01T13:00:00Z", **of_stock(timeout=1)}
    assert for_good([of_stock(retry={"attempts": 2})], {"rollouts": {"a": ended}}, NOW) == of_stock(retry={"attempts": 2})
    after = tried([of_stock(bulkhead=8)], {"rollouts": {"a": ended, "b": going}}, NOW, seconds=None, percent=5)
    assert list(after["rollouts"]) == ["b", "20260301T120000"]


def test_a_rollout_itself_can_be_set() -> None:
    """Another share for one that is there, and a value in it, in whichever form it is there."""
    document = {"rollouts": {"a": {"percent": 10, **of_stock(bulkhead=9)}}}
    more = for_good([{"rollouts": {"a": {"percent": 50, **of_stock(bulkhead={"max_wait": 1})}}}], document, NOW)
    assert more == {"rollouts": {"a": {"percent": 50, **of_stock(bulkhead={"limit": 9, "max_wait": 1})}}}


def test_what_is_no_document_is_written_over() -> None:
    """And what is no table of rollouts is gone with it."""
    assert for_good([STOCK], [1], NOW) == STOCK
    assert for_good([STOCK], {"rollouts": 7}, NOW) == STOCK
    assert tried([STOCK], None, NOW, seconds=None, percent=1)["rollouts"]


def test_a_slot_without_a_shorthand_is_a_table() -> None:
    """What is laid over it has to be one."""
    with pytest.raises(ConfigError, match="a table of settings"):
        laid(of_stock(retry=3), of_stock(retry={"attempts": 2}))


def test_the_last_word_has_a_rollout() -> None:
    """Above all overlays of its layers, and below the file."""
    said = {
        "fleet": {"rollouts": {"a": {"percent": 100, **of_stock(bulkhead=1)}}},
        "service": {**of_stock(bulkhead=2), "overlay": {"colour": {"blue": of_stock(bulkhead=3)}}},
    }
    documents = {layer: document_of(text)[0] for layer, text in said.items()}
    labels = {"colour": "blue"}
    assert merged(documents, labels).values == of_stock(bulkhead={"limit": 3})
    effective = merged(documents, labels, lambda rollout: rollout.name == "a")
    assert effective.values == of_stock(bulkhead={"limit": 1})
    (leaf,) = effective.leaves()
    assert (leaf[2].layer, leaf[2].written) == ("fleet", "rollouts.a.policies.stock.bulkhead")
    documents["file"] = document_of(of_stock(bulkhead=4))[0]
    assert merged(documents, labels, lambda rollout: True).values == of_stock(bulkhead={"limit": 4})
