"""The report on mutants, made from a folder as mutmut leaves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mutation import report
from mutation.report import Mutant, change, main

if TYPE_CHECKING:
    from pathlib import Path

MUTATED = """\
class Box:
    async def xǁBoxǁput__mutmut_orig(self, n):
        if n > 0:
            self.n = n
    async def xǁBoxǁput__mutmut_1(self, n):
        if n >= 0:
            self.n = n
    async def xǁBoxǁput__mutmut_2(self, n):
        if n > 0:
            self.n = None
def x_make__mutmut_orig(n=1):
    return n
def x_make__mutmut_12(n=2):
    return n
"""
SPANS = {"xǁBoxǁput__mutmut_orig": [2, 4], "xǁBoxǁput__mutmut_1": [5, 7], "xǁBoxǁput__mutmut_2": [8, 10]} | {
    "x_make__mutmut_orig": [11, 12],
    "x_make__mutmut_12": [13, 14],
}
PUT = Mutant("_core/_box.py", "Box.put", "if n > 0:", "if n >= 0:")
MAKE = Mutant("_core/_box.py", "make", "def make(n=1):", "def make(n=2):")
REASON = """\
[[reason]]
because = "equal: n is never 0."
of = [{ module = "_core/_box.py", function = "Box.put", was = 'if n > 0:', now = ['if n >= 0:'] }]
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three mutants of which one has survived, and no reasons."""
    for folder in ("docs", "tests/mutation"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tests/mutation/reasons.toml").touch()
    found(tmp_path, 0, 1, -24)
    monkeypatch.setattr(report, "version", lambda _: "3.8.1")
    monkeypatch.setattr(report, "LEAST", 0.6)
    return tmp_path


def found(tree: Path, *codes: int | None, module: str = "_box") -> None:
    """Leave behind what mutmut does: how the tests of each mutant have ended."""
    core = tree / "mutants/src/svcgov/_core"
    core.mkdir(parents=True, exist_ok=True)
    names = ("xǁBoxǁput__mutmut_1", "xǁBoxǁput__mutmut_2", "x_make__mutmut_12")
    keys = dict(zip((f"svcgov._core.{module}.{name}" for name in names), codes, strict=True))
    (core / f"{module}.py").write_text(MUTATED, "utf-8")
    (core / f"{module}.py.spans").write_text(json.dumps({"version": 1, "spans": SPANS}), "utf-8")
    (core / f"{module}.py.meta").write_text(json.dumps({"exit_code_by_key": keys}), "utf-8")


def reasons(tree: Path, text: str) -> None:
    (tree / "tests/mutation/reasons.toml").write_text(text, "utf-8")


def test_a_survivor_without_a_reason_is_a_failure(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what has to be written is said; when a reason is in it, all is well."""
    assert main(tree) == 1
    said = capsys.readouterr().out
    assert "1 survivors have no reason" in said
    reasons(tree, said.partition("[[reason]]")[1] + said.partition("[[reason]]")[2].replace('""', '"equal: n is never 0."'))
    assert main(tree) == 0
    assert "no reason" not in capsys.readouterr().out


def test_the_page_has_a_table_and_each_survivor(tree: Path) -> None:
    """What the clock has killed counts, and is shown as well."""
    reasons(tree, REASON)
    assert main(tree) == 0
    page = (tree / "docs/mutation.md").read_text("utf-8")
    assert "with mutmut 3.8.1 on Python" in page
    assert "| `_core/_box.py` | 3 | 2 | 1 | 1 | 66.7% |\n| **total** | 3 | 2 | 1 | 1 | 66.7% |\n" in page
    end = "### _core/_box.py\n\nEqual: n is never 0.\n\n```diff\n@@ Box.put @@\n- if n > 0:\n+ if n >= 0:\n```\n"
    assert page.endswith(end)


def test_too_few_are_killed(tree: Path) -> None:
    """Reasons do not help where many survive."""
    found(tree, 0, 1, 33)
    reasons(
        tree,
        REASON + REASON.replace("Box.put", "make").replace("if n > 0:", "def make(n=1):").replace("if n >= 0:", "def make(n=2):"),
    )
    assert main(tree) == 1


def test_part_of_the_mutants_is_printed_and_not_written(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is of one run over everything."""
    found(tree, 1, None, 1, module="_later")
    reasons(tree, REASON)
    assert main(tree) == 0
    assert not (tree / "docs/mutation.md").exists()
    said = capsys.readouterr().out
    assert "### _core/_box.py" in said
    assert "_later" not in said


def test_nothing_tried_is_no_success(tree: Path) -> None:
    """As when mutmut could not begin."""
    found(tree, None, None, None)
    assert main(tree) == 1


def test_a_reason_that_nobody_needs_is_told(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its mutant is killed by now, or its line is another."""
    found(tree, 1, 1, 1)
    reasons(tree, REASON)
    assert main(tree) == 0
    assert "1 reasons are for mutants that do not survive" in capsys.readouterr().out


def test_a_mutant_is_known_by_its_function_and_lines(tree: Path) -> None:
    """Numbers and the names that mutmut gives are no part of it, so a reason outlives them."""
    found(tree, 0, 1, 0)
    (module,), whole = report.read(tree / "mutants")
    assert (module.survivors, whole) == ([PUT, MAKE], True)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (["def f():", "    a", "    b"], ["def f():", "    a", "    c"], ("b", "c")),
        (["  g(", "    1,", "    2,", "  )"], ["  g(", "    1,", "  )"], ("2,", "")),
        (["if a:", "    b", "    c"], ["if x:", "    b", "    d"], ("if a:\n    b\n    c", "if x:\n    b\n    d")),
    ],
)
def test_what_differs_is_shown(before: list[str], after: list[str], changed: tuple[str, str]) -> None:
    """From the first line to the last, without the indentation in common."""
    assert change(before, after) == changed
