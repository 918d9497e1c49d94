"""The fixtures for pytest: run by a pytest of its own, as a user's project would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

from _worlds import SOURCE, TESTS, in_child

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "svcgov.testing.pytest_plugin"
PROJECT = """
import svcgov
from svcgov.facts import RetryScheduled

@svcgov.retry(on=OSError, attempts=2, backoff="1h")
def job(fail=[1]):
    if fail:
        fail.pop()
        raise OSError
    return "done"

def test_time(svcgov_clock, svcgov_facts):
    assert job() == "done"
    assert svcgov_clock.monotonic() == 3600.0
    assert [fact.delay for fact in svcgov_facts.of(RetryScheduled)] == [3600.0]

def test_the_next_one(svcgov_clock, svcgov_facts):
    assert svcgov_clock.monotonic() == 0.0
    assert svcgov_facts == []

def test_without():
    from svcgov._core._clock import SYSTEM
    from svcgov._core._listeners import PROCESS
    assert SYSTEM.wall() > 1_700_010_000
    assert not PROCESS._ears
"""


def in_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """What pytest says of the tests in *folder*, with this plugin and no other."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider", "-W", "error", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": SOURCE},
        cwd=folder,
    )


def test_a_project_uses_the_fixtures(tmp_path: Path) -> None:
    """Its decorated functions obey the clock, and the next test begins anew."""
    (tmp_path / "test_project.py").write_text(PROJECT)
    done = in_pytest(tmp_path)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_pytest_finds_it_by_itself() -> None:
    """The package says where it is."""
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"svcgov": PLUGIN}


def test_who_does_not_use_it_pays_for_the_doors_alone() -> None:
    """A run of pytest that has nothing to do with svcgov loads the plugin and the two front doors."""
    loaded = in_child(
        f"import json, sys, pytest, {PLUGIN}; print(json.dumps([one for one in sys.modules if one.startswith('svcgov')]))"
    )
    assert set(loaded) == {"svcgov", "svcgov.testing", PLUGIN}


def test_the_page_about_testing_passes_its_own_tests(tmp_path: Path) -> None:
    """Its examples are one module, and pytest finds tests in it, which use the fixtures."""
    page = (TESTS.parent / "docs" / "guide" / "testing.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "test_page.py").write_text("\n".join(code))
    done = in_pytest(tmp_path)
    assert f"{page.count('def test_')} passed" in done.stdout, done.stdout + done.stderr
