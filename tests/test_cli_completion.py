"""The command ``svcgov completion``: a shell completes what is typed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from svcgov._cli_completion import SHELLS
from svcgov.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The one for bash, in a folder of its own."""
    assert main(["completion", "bash"]) == 0
    file = tmp_path / "svcgov.bash"
    file.write_text(capsys.readouterr().out)
    return file


def completed(script: Path, *typed: str) -> list[str]:
    """What bash offers for the last of the words that were *typed* after ``svcgov``, in the folder of the script."""
    words = ["svcgov", *typed]
    program = f"""
source {shlex.quote(script.name)}
COMP_WORDS=({" ".join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}
$(complete -p svcgov | sed 's/.*-F \\([^ ]*\\) .*/\\1/') svcgov {shlex.quote(words[-1])} {shlex.quote(words[-2])}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["/bin/bash", "--norc", "-euo", "pipefail", "-c", program],
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(done.stdout.split())


@pytest.mark.extras
def test_bash_understands_the_script(script: Path) -> None:
    """All of it."""
    done = subprocess.run(["/bin/bash", "-n", str(script)], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.extras
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("re",), ["registry"]),
        (("registry", "d"), ["drain"]),
        (("registry", "drain", "--u"), ["--undo"]),
        (("completion", ""), sorted(SHELLS)),
        (("sign", "--layer", "f"), ["file", "fleet"]),
        (("push", "--fl"), ["--fleet"]),
    ],
)
def test_bash_completes_commands_options_and_choices(script: Path, typed: tuple[str, ...], offered: list[str]) -> None:
    """Those that there are where they are typed."""
    assert completed(script, *typed) == offered


@pytest.mark.extras
@pytest.mark.parametrize(
    "typed", [("push", "orders"), ("check", "orders"), ("check", "a.toml", "orders"), ("diff", "orders"), ("sign", "orders")]
)
def test_bash_completes_files(script: Path, typed: tuple[str, ...]) -> None:
    """Where a document is meant, and nowhere else."""
    (script.parent / "orders.toml").touch()
    assert completed(script, *typed) == ["orders.toml"]
    assert completed(script, "registry", "get", "orders") == []


@pytest.mark.extras
@pytest.mark.parametrize(("shell", "beginning"), [("zsh", "#compdef svcgov\n"), ("tcsh", "# AUTOMATICALLY GENERATED")])
def test_other_shells_have_a_script_too(shell: str, beginning: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In their own words, with all commands."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script.startswith(beginning)
    for word in ("check", "registry", "drain", *SHELLS):
        assert word in script


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    with pytest.raises(SystemExit, match="2"):
        main(["completion", "sh"])
    assert "choose from" in capsys.readouterr().err


def test_without_the_package_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every other command does without."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr().err == "error: completion needs a package that is not here: pip install 'svcgov[cli]'\n"
    assert main(["show"]) == 0
