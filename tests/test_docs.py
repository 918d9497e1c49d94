"""The documentation: what it shows runs, and what it says of settings and names is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.util._once import Once
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

import svcgov
from svcgov._core import _chores, _spans
from svcgov._core._budget import BudgetSettings
from svcgov.policies import Bulkhead, CircuitBreaker, RateLimit, Retry, Timeout
from svcgov.telemetry import access_log, outputs

if TYPE_CHECKING:
    from svcgov.pipeline import Policy

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "guide"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
POLICIES: dict[str, type[Policy]] = {
    "retry": Retry,
    "circuit-breaker": CircuitBreaker,
    "bulkhead": Bulkhead,
    "rate-limit": RateLimit,
    "timeout": Timeout,
}
CHOICES: dict[str, tuple[str, ...]] = {
    "SVCGOV_KEEPER": _chores.MODES,
    "SVCGOV_LOG": access_log.WORDS,
    "SVCGOV_LOG_LEVEL": tuple(access_log.RANKS),
    "SVCGOV_METRICS": outputs.WORDS,
    "SVCGOV_TRACES": _spans.WORDS,
}
BESIDE = {"name", "listeners"}  # arguments that are no settings
PARSE = PythonCodeBlockParser()


def page_of(path: Path) -> Document:
    """A page, with a name of its own for what its examples define."""
    page = Document.parse(str(path), PARSE)
    page.namespace["__name__"] = f"docs.{path.stem}"
    return page


def defaults_of(page: str) -> dict[str, str]:
    """The first table under *Defaults*: the default as it is written, by the name of the setting."""
    table = (GUIDE / f"{page}.md").read_text().partition("## Defaults\n\n")[2].partition("\n\n")[0]
    return {row[1].strip("` "): row[2].strip() for row in (line.split("|") for line in table.splitlines()[2:])}


@pytest.mark.parametrize("path", [path for path in PAGES if "```python" in path.read_text()], ids=lambda path: path.stem)
def test_the_examples_of_a_page_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of a page are one program, from its first line to its last."""
    monkeypatch.delitem(sys.modules, "structlog", raising=False)  # no reader has loaded it
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)  # and a provider that a page sets is the page's
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    page = page_of(path)
    for example in page.examples():
        example.evaluate()
    assert len(list(page.examples())) == path.read_text().count("```python")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_an_example_says_what_language_it_is_in(path: Path) -> None:
    """A fence without a language would be neither highlighted nor run."""
    fences = [line for line in path.read_text().splitlines() if line.startswith("```")]
    assert "```" not in fences[::2]


@pytest.mark.parametrize("page", [*POLICIES, "budget"])
def test_the_pages_of_policies_have_the_same_headings(page: str) -> None:
    """Who knows one page finds his way about the others."""
    headings = re.findall("^## (.+)$", (GUIDE / f"{page}.md").read_text(), re.MULTILINE)
    wanted = ["About", "Usage", "Defaults", "Behaviour", "Diagram", "Telemetry", "Patterns", "Anti-patterns"]
    assert headings == wanted


@pytest.mark.parametrize("page", POLICIES)
def test_the_table_of_defaults_has_every_setting(page: str) -> None:
    """A setting that is not on its page does not exist, and one that does not exist is not on the page."""
    assert set(defaults_of(page)) - BESIDE == set(POLICIES[page].settings_class._fields)


@pytest.mark.parametrize("page", POLICIES)
def test_the_table_of_defaults_has_the_numbers_of_the_code(page: str) -> None:
    """A number in the table is the number that holds."""
    said = defaults_of(page)
    for name, field in POLICIES[page].settings_class._fields.items():
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert said[name].split()[0] == f"{field.default:g}", name


def test_the_page_of_the_budget_has_every_setting() -> None:
    """In its table of settings, with the numbers of the code; ``min_per_second`` is another way to say one of them."""
    table = (GUIDE / "budget.md").read_text().partition("| setting |")[2].partition("\n\n")[0]
    said = {row[1].strip("` "): row[2].split() for row in (line.split("|") for line in table.splitlines()[2:])}
    fields = BudgetSettings._fields
    assert set(said) - BESIDE - {"min_per_second"} == set(fields) - {"kind"}
    assert {name: said[name][0] for name in set(fields) - {"kind"}} == {
        name: f"{field.default:g}" for name, field in fields.items() if name != "kind"
    }


def test_the_reference_has_every_public_name() -> None:
    """What can be imported from the package is in the reference."""
    reference = (ROOT / "docs" / "reference.md").read_text()
    missing = [name for name in svcgov.__all__ if not re.search(rf":: {name}\b|:: svcgov\.{name}\b", reference)]
    assert missing == []


def test_the_page_of_errors_has_every_error() -> None:
    """What can be raised can be looked up."""
    page = (GUIDE / "errors.md").read_text()
    assert [name for name in svcgov.errors.__all__ if name not in page] == []


def test_the_guide_has_every_fact() -> None:
    """What can be heard is in a table under *Telemetry*, with all of its fields."""
    pages = "".join(page.read_text().partition("## Telemetry")[2] for page in sorted(GUIDE.glob("*.md")))
    rows = [line for line in pages.splitlines() if line.startswith("| `")]
    for name in set(svcgov.facts.__all__) - {"Fact"}:
        row = "".join(line for line in rows if line.startswith(f"| `{name}` |"))
        fields = set(getattr(svcgov.facts, name)._fields) - {"policy", "at"}
        assert row, name
        assert fields <= set(re.findall(r"`(\w+)", row)) | {"retry_after"}, name  # which not every refusal has


def test_the_page_of_configuration_has_every_variable() -> None:
    """What the package reads from the environment is on the page, and nothing else."""
    sources = "".join(path.read_text() for path in Path(svcgov.__file__).parent.rglob("*.py"))
    page = (GUIDE / "configuration.md").read_text()
    assert set(re.findall(r"SVCGOV_[A-Z_]+", sources)) == set(re.findall(r"SVCGOV_[A-Z_]+", page))


@pytest.mark.parametrize(("variable", "words"), CHOICES.items())
def test_the_page_of_configuration_has_the_words_of_a_variable(variable: str, words: tuple[str, ...]) -> None:
    """Those that it may hold are those that are taken."""
    page = (GUIDE / "configuration.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| `{variable}` |"))
    assert sorted(re.findall(r"`(\w+)`", row.split("|")[2])) == sorted(words)
