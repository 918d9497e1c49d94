"""Type checkers see what the decorators promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
API = Path(__file__).with_name("api.py")


def mypy(path: Path, cache: Path) -> str:
    """What ``mypy --strict`` says of a file, with the settings of the project."""
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--cache-dir", str(cache), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300).stdout


def test_the_types_are_as_written(tmp_path: Path) -> None:
    """Signatures are kept, sync stays sync, ``with retry(...)`` is refused: an error too many or too few fails."""
    assert mypy(API, tmp_path).startswith("Success")


def test_a_wrong_type_is_found(tmp_path: Path) -> None:
    """The check has power: with its ignores taken out, every one of them is an error."""
    text = API.read_text()
    refused = text.count("# type: ignore")
    bare = tmp_path / "bare.py"
    bare.write_text(text.replace("# type: ignore", "# "))
    errors = [line for line in mypy(bare, tmp_path).splitlines() if ": error:" in line]
    assert refused >= 15
    assert len({line.split(":")[1] for line in errors}) == refused
