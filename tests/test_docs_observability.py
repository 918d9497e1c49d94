"""The dashboard and the rules that come with the documentation: they ask for nothing that there is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from svcgov.telemetry._reading import STATES
from svcgov.telemetry.metrics import METRICS
from svcgov.telemetry.prometheus import name_of

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "observability"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
RULES = (FOLDER / "prometheus-rules.yaml").read_text()
RULE_TESTS = (FOLDER / "prometheus-rules-test.yaml").read_text()
GUIDE = (ROOT / "docs" / "guide" / "what-to-look-at.md").read_text()

KNOWN = {
    f"{name_of(metric)}{part}": {label.replace(".", "_") for label in metric.labels}
    for metric in METRICS
    for part in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}
SCRAPED = {"job", "instance"}  # the labels that whoever scrapes adds
OURS = re.compile(r"(?:svcgov|faas|http_server|http_client|process|cpython)_")
RECORDED = set(re.findall(r"record: (\S+)", RULES))
ALERTS = re.findall(r"alert: (\S+)", RULES)
LE = re.compile(r"_bucket\b")


def panels() -> list[dict[str, Any]]:
    """All of the dashboard that show something."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def asked() -> dict[str, str]:
    """What the dashboard asks Prometheus, by where it stands."""
    found = {f"{panel['title']}-{target['refId']}": target["expr"] for panel in panels() for target in panel["targets"]}
    found |= {
        f"variable-{one['name']}": one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["name"] != "datasource"
    }
    return found | {one["name"]: one["expr"] for one in DASHBOARD["annotations"]["list"]}


def ruled() -> list[str]:
    """What the rules ask: each expression, on one line or on several."""
    return [text.strip() for text in re.findall(r"expr: (?:\|\n)?(.*?)(?=\n {8}\w|\n {6}- |\n\n|\Z)", RULES, re.DOTALL)]


EVERYTHING = {**asked(), **{f"rule-{place}": text for place, text in enumerate(ruled())}}


def test_everything_that_is_asked_has_been_found() -> None:
    """By these tests: one expression for each rule, and for each panel one at least."""
    assert len(ruled()) == len(RECORDED) + len(ALERTS)
    assert all(panel["targets"] for panel in panels())


@pytest.mark.parametrize("place", EVERYTHING)
def test_every_metric_that_is_asked_for_is_one_of_ours(place: str) -> None:
    """By the name that Prometheus has for it, or by that of a rule."""
    names = set(re.findall(r"[a-zA-Z_:][\w:]*", EVERYTHING[place]))
    wanted = {name for name in names if ":" in name or OURS.match(name)}
    assert wanted
    assert wanted - set(KNOWN) - RECORDED - set().union(*KNOWN.values()) == set()


def test_every_metric_of_ours_is_asked_for() -> None:
    """By a panel of the dashboard at least: nobody looks at what is not there."""
    words = {word for text in asked().values() for word in re.findall(r"\w+", text)}
    assert [name for name in map(name_of, METRICS) if not {name, f"{name}_count", f"{name}_bucket"} & words] == []


@pytest.mark.parametrize("place", EVERYTHING)
def test_every_label_that_is_chosen_by_is_one_of_the_metric(place: str) -> None:
    """Else nothing would ever be found."""
    for name, chosen in re.findall(r"(\w+)\{([^}]*)\}", EVERYTHING[place]):
        assert set(re.findall(r"(\w+)\s*[!=]", chosen)) <= KNOWN[name] | SCRAPED, name


@pytest.mark.parametrize("place", EVERYTHING)
def test_every_label_that_is_grouped_by_is_one_of_some_metric_that_is_asked_for(place: str) -> None:
    """Of a rule that another rule has made, those that the other one has kept."""
    text = EVERYTHING[place]
    kept = {
        label for found in re.findall(r"\bby \(([^)]*)\)", RULES if ":" in text else "") for label in re.split(r"[,\s]+", found)
    }
    there = SCRAPED | kept | ({"le"} if LE.search(text) else set())
    there |= {label for name, labels in KNOWN.items() if name in text for label in labels}
    for found in re.findall(r"\bby \(([^)]*)\)", text):
        assert set(re.split(r"[,\s]+", found.strip())) <= there


def test_every_state_of_a_circuit_that_is_asked_for_is_one() -> None:
    """In words that cannot be wrong for long."""
    said = {
        word for text in EVERYTHING.values() for found in re.findall(r'state!?=~?"([^"]*)"', text) for word in found.split("|")
    }
    assert said
    assert said <= set(STATES)


def test_the_names_in_a_legend_are_those_that_are_grouped_by() -> None:
    """A name in braces that is not there would stay empty."""
    for panel in panels():
        for target in panel["targets"]:
            grouped = {label for found in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in re.split(r",\s*", found)}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped, panel["title"]


def test_no_panel_hides_another_one() -> None:
    """Each has its own number and its own place in the grid of 24 columns."""
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_says_what_it_shows() -> None:
    """In a sentence that is there when somebody needs it."""
    assert [panel["title"] for panel in panels() if not panel["description"].endswith(".")] == []


def test_every_alert_is_tried() -> None:
    """In the rules' own tests."""
    assert [name for name in ALERTS if f"alertname: {name}\n" not in RULE_TESTS] == []


def test_every_alert_leads_to_a_section_of_the_guide() -> None:
    """Whoever is woken by it reads on there."""
    alerts = RULES.partition("- name: svcgov.alerts")[2]
    pages = re.findall(r"guide: (.+)$", alerts, re.MULTILINE)
    assert len(pages) == len(ALERTS)
    assert set(pages) <= set(re.findall(r"^## (.+)$", GUIDE, re.MULTILINE))
