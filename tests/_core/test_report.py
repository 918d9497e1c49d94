"""What goes wrong inside governance is said once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from svcgov._core import _report
from svcgov._core._report import outside, report_once

if TYPE_CHECKING:
    import pytest


def test_it_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """With the name of who says it."""
    report_once("key", "a listener raised")
    assert capsys.readouterr() == ("", "svcgov: a listener raised (said once)\n")


def test_it_is_said_once_for_each_key(capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand times the same is once."""
    for _ in range(1000):
        report_once(("a", 1), "one")
        report_once(("a", 2), "two")
    assert capsys.readouterr().err.count("\n") == 2


def test_it_remembers_a_thousand_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """More would be a leak: then it begins anew, and may say something again."""
    assert _report._KEPT == 1000
    monkeypatch.setattr(_report, "_KEPT", 3)
    for key in (1, 2, 3, 1, 4, 1):
        report_once(key, str(key))
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["1", "2", "3", "4", "1"]
    assert len(_report._said) <= 3


def test_it_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with a key that cannot be one, nor where standard error is closed or gone."""
    report_once([], "unhashable")
    monkeypatch.setattr(sys, "stderr", None)
    report_once("gone", "nobody hears it")
    assert "gone" in _report._said


def test_code_without_a_module_is_outside() -> None:
    """As what somebody has given to `exec`."""
    names: dict[str, Any] = {"outside": outside}
    exec("found = outside()", names)  # noqa: S102  # our own code
    assert names["found"] == 1
