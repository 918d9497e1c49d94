"""The command ``svcgov``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import svcgov
from _worlds import SOURCE
from svcgov.cli import SETTINGS, main


def test_show_tells_where_each_setting_comes_from(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Set by us, by the platform, or not at all."""
    monkeypatch.setenv("SVCGOV_COLOURS", "green,blue")
    monkeypatch.setenv("SVCGOV_FORWARD", "X-Tenant,x-b3-*")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    assert main(["show"]) == 0
    assert [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()] == [
        ["setting", "value", "origin"],
        ["service", "orders", "AWS_LAMBDA_FUNCTION_NAME"],
        ["version", "-", "default"],
        ["colours", "blue,green", "SVCGOV_COLOURS"],
        ["colour_headers", "-", "default"],
        ["colour_key", "-", "default"],
        ["forward", "x-tenant,x-b3-*", "SVCGOV_FORWARD"],
        ["log", "structlog if it is loaded, else json", "default"],
        ["log_level", "info", "default"],
        ["log_sample", "1", "default"],
        ["redact", "-", "default"],
        ["metrics", "what the code mounts", "default"],
        ["traces", "where a provider is set", "default"],
        ["config", "-", "default"],
        ["appconfig", "-", "default"],
        ["document_keys", "-", "default"],
        ["min_revision", "0", "default"],
        ["group", "-", "default"],
        ["stage", "-", "default"],
        ["colour", "-", "default"],
        ["registry", "-", "default"],
        ["address", "-", "default"],
        ["disabled", "-", "default"],
        ["keeper", "auto", "default"],
    ]


def test_show_has_every_variable_that_there_is() -> None:
    """Those of the settings of documents are shown as what they set."""
    shown = {name for setting in SETTINGS for name in setting.variables if name.startswith("SVCGOV_")}
    written = {name for file in Path(SOURCE).rglob("*.py") for name in re.findall(r"SVCGOV_[A-Z_]+", file.read_text())}
    assert shown | {"SVCGOV_SET"} == written


def test_the_profile_of_appconfig_is_shown_with_the_port_of_its_agent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is said by the agent's own variable."""
    monkeypatch.setenv("SVCGOV_APPCONFIG", "shop / test/limits")
    monkeypatch.setenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT", "4000")
    assert main(["show"]) == 0
    assert re.search(r"appconfig +shop/test/limits, port 4000 +SVCGOV_APPCONFIG", capsys.readouterr().out)
    monkeypatch.setenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT", "all")
    assert main(["show"]) == 1
    assert "error: AWS_APPCONFIG_EXTENSION_HTTP_PORT: expected a port" in capsys.readouterr().err


@pytest.mark.parametrize(("group", "error"), [("web", None), ("a b", "SVCGOV_GROUP: expected 1 to 128 letters")])
def test_the_group_is_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], group: str, error: str | None
) -> None:
    """One that cannot be is told."""
    monkeypatch.setenv("SVCGOV_GROUP", group)
    assert main(["show"]) == (error is not None)
    said = capsys.readouterr()
    assert re.search(rf"^group +{group} +SVCGOV_GROUP$", said.out, re.MULTILINE)
    assert error is None or error in said.err


def test_who_asks_is_not_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither of a URL that can be, nor of one that cannot."""
    monkeypatch.setenv("SVCGOV_ADDRESS", "http://me:hunter2@shop")
    monkeypatch.setenv("SVCGOV_REGISTRY", "carrier-pigeon://me:hunter2@roof")
    assert main(["show", "--json"]) == main(["show"]) == 1
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "http://[redacted]@shop" in said.out
    assert said.err.startswith("error: SVCGOV_REGISTRY: expected a URL")


def test_show_speaks_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    monkeypatch.setenv("SVCGOV_DISABLED", "retry")
    assert main(["show", "--json"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["disabled"] == {"setting": "disabled", "value": "retry", "origin": "SVCGOV_DISABLED", "error": None}


def test_a_key_of_documents_is_not_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Only that there is one."""
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", "first=a secret of this house")
    assert main(["show"]) == 0
    said = capsys.readouterr()
    assert "secret" not in said.out + said.err
    assert re.search(r"document_keys +set +SVCGOV_DOCUMENT_KEYS", said.out)


@pytest.mark.parametrize(("key", "status"), [("a secret of this house", 0), ("hunter2", 1)])
def test_a_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str, status: int
) -> None:
    """Neither one that can be, nor one that cannot: only that it is set."""
    monkeypatch.setenv("SVCGOV_COLOUR_KEY", key)
    assert main(["show", "--json"]) == main(["show"]) == status
    said = capsys.readouterr()
    assert key not in said.out + said.err
    assert '"value": "set"' in said.out
    assert said.err.count("error: SVCGOV_COLOUR_KEY: expected secrets of at least 16 bytes, got 'one of 7 bytes'") == status


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SVCGOV_COLOURS", "light blue"),
        ("SVCGOV_COLOUR_HEADERS", "x mesh"),
        ("SVCGOV_FORWARD", "connection"),
        ("SVCGOV_LOG", "xml"),
        ("SVCGOV_LOG_LEVEL", "loud"),
        ("SVCGOV_LOG_SAMPLE", "1.5"),
        ("SVCGOV_REDACT", "..."),
        ("SVCGOV_METRICS", "carrier-pigeon"),
        ("SVCGOV_TRACES", "all"),
        ("SVCGOV_APPCONFIG", "shop/test"),
        ("SVCGOV_MIN_REVISION", "first"),
        ("SVCGOV_COLOUR", "light blue"),
        ("SVCGOV_REGISTRY", "carrier-pigeon://roof"),
        ("SVCGOV_DISABLED", "everything"),
        ("SVCGOV_KEEPER", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    """It is named once, and the exit status says so."""
    monkeypatch.setenv(variable, value)
    assert main(["show"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {variable}: expected ")
    assert said.err.count("error:") == 1
    assert value in said.out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As the package has it."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"svcgov {svcgov.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["sow"], ["show", "--yaml"]])
def test_what_is_not_understood(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and how it is used."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: svcgov" in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    """``python -m svcgov.cli``, where no script was installed."""
    command = [sys.executable, "-m", "svcgov.cli", "show", "--json"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env={**os.environ, "PYTHONPATH": SOURCE})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["setting"] == "service"
