"""The table of behaviours and the tests of this folder are the same list."""

from __future__ import annotations

import ast
from pathlib import Path

from . import NUMBERS

HERE = Path(__file__)


def names() -> list[str]:
    """The functions of this folder whose names begin with a number."""
    trees = [ast.parse(one.read_text()) for one in sorted(HERE.parent.glob("test_*.py")) if one != HERE]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [name for name in functions if name.startswith("test_")]


def test_each_behaviour_has_its_one_test() -> None:
    """By its number and its title; and there is no test without a number here."""
    assert sorted(names()) == sorted(f"test_{number:03}_{title.replace(' ', '_')}" for number, title in NUMBERS.items())


def test_the_table_is_in_the_order_of_its_numbers() -> None:
    """So that one that is missing is seen to be."""
    assert list(NUMBERS) == sorted(NUMBERS)
