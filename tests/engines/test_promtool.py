"""Prometheus' own tool reads our figures, our rules, and what our dashboard asks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from svcgov import budget, bulkhead, circuit_breaker, rate_limit
from svcgov.telemetry.metrics import METRICS
from svcgov.telemetry.prometheus import name_of, text
from svcgov.telemetry.recorder import COUNTED
from telemetry.counting import Counting
from test_docs_observability import asked

FOLDER = Path(__file__).parents[2] / "docs" / "observability"
PATIENCE = 60.0  # seconds
GRAFANA = {"$__rate_interval": "5m", "$__interval": "1m", "$job": ".*", "$instance": ".*", "$colour": ".*"}
NAMED_BY_OTHERS = {"process_thread_count", "process_unix_file_descriptor_count"}  # "_count" is the end of a histogram's name

pytestmark = pytest.mark.extras


@pytest.fixture(scope="module")
def promtool() -> str:
    """The tool; fail, where everything should be installed, or skip."""
    found = shutil.which("promtool")
    if found is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("missing: promtool (apt-get install prometheus)")
    return found


def run(*command: str, given: str = "", folder: Path = FOLDER) -> tuple[int, str]:
    """How it ended, and all that it said."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def test_the_rules_are_rules(promtool: str) -> None:
    """With nothing to find fault with, as the strictest would."""
    ended, said = run(promtool, "check", "rules", "--lint-fatal", "prometheus-rules.yaml")
    assert ended == 0, said
    assert f"{(FOLDER / 'prometheus-rules.yaml').read_text().count('expr:')} rules found" in said


def test_the_rules_do_what_they_should(promtool: str) -> None:
    """By tests of their own: over made-up figures each alert holds when it should, and not when it should not."""
    ended, said = run(promtool, "test", "rules", "prometheus-rules-test.yaml")
    assert (ended, "SUCCESS" in said) == (0, True), said


def test_a_rule_that_does_something_else_is_noticed(promtool: str, tmp_path: Path) -> None:
    """By those tests: with another threshold it is another alert."""
    rules = (FOLDER / "prometheus-rules.yaml").read_text()
    (tmp_path / "prometheus-rules.yaml").write_text(rules.replace("ratio_rate5m > 0.05", "ratio_rate5m > 0.5"))
    shutil.copy(FOLDER / "prometheus-rules-test.yaml", tmp_path)
    ended, said = run(promtool, "test", "rules", "prometheus-rules-test.yaml", folder=tmp_path)
    assert (ended, "SvcgovErrors" in said) == (1, True), said


def test_what_the_dashboard_asks_can_be_asked(promtool: str, tmp_path: Path) -> None:
    """Each query is one of Prometheus' language; those of variables are Grafana's own."""
    questions = [text for place, text in asked().items() if not place.startswith("variable-")]
    rules = ["groups:", "  - name: dashboard", "    rules:"]
    for number, question in enumerate(questions):
        written = re.sub("|".join(map(re.escape, GRAFANA)), lambda found: GRAFANA[found[0]], question)
        rules += [f"      - record: asked:{number}", f"        expr: {json.dumps(written)}"]
    (tmp_path / "asked.yaml").write_text("\n".join(rules) + "\n")
    ended, said = run(promtool, "check", "rules", "asked.yaml", folder=tmp_path)
    assert (ended, f"{len(questions)} rules found" in said) == (0, True), said


def told() -> str:
    """Our page, with a value of every metric that can be had in a moment."""
    counting = Counting()
    clock = counting.clock
    for trigger in ("http", "sqs"):
        counting.call(trigger=trigger, method="GET", status=200, colour="blue", late=True, cold_start=True)
    counting.attempt()
    for kind in COUNTED:
        fields: dict[str, Any] = {name: "x" for name, default in kind._fields.items() if repr(default) == "required"}
        counting.recorder.heard(kind(**fields))
    circuit_breaker("payments", clock=clock, consecutive_failures=1)
    bulkhead(3, name="pool", clock=clock)
    rate_limit("5/minute", name="quota", clock=clock)
    budget("shared", clock=clock)

    @bulkhead(1)
    def governed() -> None:
        """Counted."""

    governed()
    return text(counting.recorder)


def test_our_figures_are_as_prometheus_wants_them(promtool: str) -> None:
    """Names, units, texts and types; it finds fault with names that are OpenTelemetry's, not ours."""
    page = told()
    shown = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    assert len(shown & {name_of(metric) for metric in METRICS}) == len(shown) > 25
    _, said = run(promtool, "check", "metrics", given=page)
    assert {line.partition(" ")[0] for line in said.splitlines()} == NAMED_BY_OTHERS, said
