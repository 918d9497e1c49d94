"""The examples: each is run, has what its reader needs, and is in the documentation."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(one.name for one in (ROOT / "examples").iterdir() if one.is_dir() and not one.name.startswith("_"))


def test_every_example_is_run() -> None:
    """By ``nox -s examples``; the shop is a demo of its own."""
    tree = ast.parse((ROOT / "examples" / "run.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(FOLDERS) - {"shop"} <= defined
    assert "(api_gateway, sqs_batch, fastapi, flask, functions_framework, knative_func)" in ast.unparse(tree)
    assert len(FOLDERS) == 7


@pytest.mark.parametrize("folder", [one for one in FOLDERS if one != "shop"])
def test_an_example_says_what_it_is_and_what_it_needs(folder: str) -> None:
    """In a few lines of its own, and in the list that its platform installs."""
    example = ROOT / "examples" / folder
    assert 3 < len((example / "README.md").read_text().splitlines()) < 20
    assert "svcgov" in (example / "requirements.txt").read_text().splitlines()


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_example_is_in_the_documentation(folder: str) -> None:
    """With what it shows and how it is deployed."""
    rows = (ROOT / "docs" / "guide" / "examples.md").read_text().splitlines()
    assert [row for row in rows if row.startswith(f"| `{folder}` |")] != []


def test_the_demo_installs_what_the_shop_needs() -> None:
    """What it asks for when it begins is in its dependency group."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    installed = {re.split(r"[^\w-]", one)[0] for one in groups["demo"]}
    tree = ast.parse((ROOT / "examples" / "shop" / "__main__.py").read_text())
    (needed,) = (one.value for one in tree.body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "_NEEDED")
    assert set(ast.literal_eval(needed)) <= installed | {"svcgov"}


def test_the_plain_shop_is_the_same_without_svcgov() -> None:
    """Both fronts have one handler, letter by letter, and none of the plain programs knows of svcgov."""
    shop = ROOT / "examples" / "shop"
    handlers = []
    for name in ("front", "front_plain"):
        (handler,) = (one for one in ast.parse((shop / f"{name}.py").read_text()).body if isinstance(one, ast.FunctionDef))
        handlers.append([ast.unparse(line) for line in handler.body])
    assert handlers[0] == handlers[1]
    assert all("svcgov" not in (shop / f"{name}_plain.py").read_text() for name in ("front", "orders"))
