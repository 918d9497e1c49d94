"""The commands of ``svcgov`` that are about documents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from svcgov.cli import main

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[policies.payments]
timeout = "5s"
retry = { attempts = 3, on = ["connection"] }

[overlay.version.v2.policies.payments.retry]
attempts = 5
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the documents are, and the command is run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_finds_nothing_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In any of the files."""
    (folder / "one.toml").write_text(GOOD)
    (folder / "two.json").write_text("{}")
    assert main(["check", "one.toml", "two.json"]) == 0
    assert capsys.readouterr().out == "one.toml: nothing is wrong\ntwo.json: nothing is wrong\n"


def test_check_tells_all_that_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, with its file and its place; the exit status says so."""
    (folder / "one.toml").write_text(GOOD.replace("attempts = 5", "attempts = 0").replace("timeout", "time_out"))
    (folder / "two.json").write_text("{}")
    assert main(["check", "one.toml", "two.json", "three.toml"]) == 1
    said = capsys.readouterr()
    assert said.out == "two.json: nothing is wrong\n"
    assert [re.split(": ", line)[:2] for line in said.err.splitlines()] == [
        ["one.toml", "policies.payments.time_out"],
        ["one.toml", "overlay.version.v2.policies.payments.retry.attempts"],
        ["three.toml", "three.toml"],
    ]
    assert "(did you mean timeout?)" in said.err


def test_check_speaks_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    (folder / "one.toml").write_text("x = 1")
    assert main(["check", "--json", "one.toml"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["file"], found["path"]) == ("one.toml", "x")


def test_show_tells_what_a_document_says_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the overlays of this instance, and where each value is written."""
    (folder / "orders.toml").write_text(GOOD)
    monkeypatch.setenv("SVCGOV_CONFIG", "orders.toml")
    monkeypatch.setenv("SVCGOV_SET", "policies.payments.bulkhead=4")
    monkeypatch.setenv("SVCGOV_VERSION", "v2")
    assert main(["show"]) == 0
    shown = [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()]
    assert [row for row in shown if row[0].startswith("policies")] == [
        ["policies.payments.timeout.seconds", "5s", "orders.toml: policies.payments.timeout"],
        ["policies.payments.retry.attempts", "5", "orders.toml: overlay.version.v2.policies.payments.retry.attempts"],
        ["policies.payments.retry.on", '["connection"]', "orders.toml: policies.payments.retry.on"],
        ["policies.payments.bulkhead.limit", "4", "SVCGOV_SET"],
    ]
    assert main(["show", "--json"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["policies.payments.bulkhead.limit"]["origin"] == "SVCGOV_SET"


def test_show_finds_the_document_of_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is wrong with it."""
    (folder / "svcgov.toml").write_text("[policies.payments]\nbulkhead = 0")
    assert main(["show"]) == 1
    said = capsys.readouterr()
    assert said.err == "error: policies.payments.bulkhead: expected an integer >= 1, got 0\n"


def test_diff_tells_what_another_document_would_change(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From one to the other, or from the one of this environment."""
    (folder / "svcgov.toml").write_text(GOOD)
    (folder / "new.toml").write_text(
        '[policies.payments]\ntimeout = "5s"\nbulkhead = 4\nretry = { attempts = 2, on = ["connection"] }'
    )
    for files in (["new.toml"], ["svcgov.toml", "new.toml"]):
        assert main(["diff", *files]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "+ policies.payments.bulkhead.limit = 4",
            "- policies.payments.retry.attempts = 3",
            "+ policies.payments.retry.attempts = 2",
        ]
    assert main(["diff", "--json", "new.toml", "svcgov.toml"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"setting": "policies.payments.bulkhead.limit", "before": 4, "after": None},
        {"setting": "policies.payments.retry.attempts", "before": 2, "after": 3},
    ]


def test_diff_of_what_cannot_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is compared."""
    (folder / "new.toml").write_text("x = 1")
    assert main(["diff", "old.toml", "new.toml"]) == 1
    said = capsys.readouterr()
    assert [line.partition(" expected")[0] for line in said.err.splitlines()] == ["error: old.toml:", "error: x:"]
    assert said.out == ""
    assert main(["diff", "a", "b", "c"]) == 2
    assert capsys.readouterr().err == "svcgov diff: one file, or two\n"
