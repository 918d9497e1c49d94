"""Importing a module while optional packages are hidden from it."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from svcgov._core._veil import Veil, import_without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WANTS = """
try:
    import veiled_optional
except ImportError as missing:
    veiled_optional = None
    name = missing.name
"""


@pytest.fixture(autouse=True)
def _packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module that imports an optional one if it can."""
    (tmp_path / "veiled_wants.py").write_text(WANTS)
    (tmp_path / "veiled_optional.py").write_text("here = True\n")
    (tmp_path / "veiled_broken.py").write_text("raise RuntimeError('broken')\n")
    (tmp_path / "veiled_meets.py").write_text("import veiled_meeting\nveiled_meeting.during()\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield
    assert sys.meta_path == finders
    for name in [name for name in sys.modules if name.startswith("veiled_")]:
        del sys.modules[name]


def test_an_optional_package_is_not_there() -> None:
    """The module takes it for not installed; what was hidden is told."""
    module, hidden = import_without("veiled_wants", "veiled_optional")
    assert module.veiled_optional is None
    assert module.name == "veiled_optional"
    assert hidden == ("veiled_optional",)
    assert "veiled_optional" not in sys.modules


def test_afterwards_it_can_be_imported() -> None:
    """Nothing was put in its place."""
    import_without("veiled_wants", "veiled_optional")
    assert importlib.import_module("veiled_optional").here


def test_a_package_that_is_loaded_costs_nothing_and_is_not_hidden() -> None:
    """The module gets it."""
    loaded = importlib.import_module("veiled_optional")
    module, hidden = import_without("veiled_wants", "veiled_optional")
    assert module.veiled_optional is loaded
    assert hidden == ()


def test_a_module_that_is_loaded_is_returned_as_it_is() -> None:
    """Nothing is imported, so nothing is hidden, and the finders are the same list as before."""
    loaded, finders = importlib.import_module("veiled_wants"), sys.meta_path
    del sys.modules["veiled_optional"]
    module, hidden = import_without("veiled_wants", "veiled_optional")
    assert sys.meta_path is finders
    assert module is loaded
    assert hidden == ()


def test_an_import_that_fails_leaves_no_veil() -> None:
    """Its error is its own."""
    with pytest.raises(RuntimeError, match="broken"):
        import_without("veiled_broken", "veiled_optional")
    with pytest.raises(ModuleNotFoundError, match="veiled_nowhere"):
        import_without("veiled_nowhere", "veiled_optional")
    with pytest.raises(ModuleNotFoundError, match="veiled_optional is left for later"):
        import_without("veiled_optional", "veiled_optional")
    assert importlib.import_module("veiled_optional").here


def during(work: object) -> None:
    """Let *work* be done in the middle of an import behind the veil."""
    meeting = type(sys)("veiled_meeting")
    meeting.during = work  # type: ignore[attr-defined]  # a module made by hand
    sys.modules["veiled_meeting"] = meeting
    import_without("veiled_meets", "veiled_optional")


def test_another_thread_sees_everything_meanwhile() -> None:
    """It may import the very same package at that moment."""
    found: list[object] = []

    def meanwhile() -> None:
        thread = threading.Thread(target=lambda: found.append(importlib.import_module("veiled_optional")))
        thread.start()
        thread.join(timeout=10)

    during(meanwhile)
    assert found == [sys.modules["veiled_optional"]]


def test_a_finder_that_comes_meanwhile_stays() -> None:
    """The veil takes itself away, and nothing else."""
    other = Veil(())
    during(lambda: sys.meta_path.append(other))
    assert other in sys.meta_path
    assert not any(isinstance(finder, Veil) for finder in sys.meta_path if finder is not other)
    sys.meta_path.remove(other)


def test_a_list_of_finders_that_was_exchanged_meanwhile_stays() -> None:
    """As when another veil was put before this one."""
    other = Veil(())

    def exchange() -> None:
        sys.meta_path = [other, *sys.meta_path]

    during(exchange)
    assert sys.meta_path[0] is other
    assert not any(isinstance(finder, Veil) for finder in sys.meta_path[1:])
    sys.meta_path = sys.meta_path[1:]
