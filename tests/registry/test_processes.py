"""Processes that come and go in every way there is, and what happens to their file: each time all see the same in the end.

The waits are real, and short; the limits are there for a machine that is busy.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from svcgov.registry import connect

from .members import Members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TTL = 1.0
LIMIT = 30.0


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    """Four who see one another."""
    made = Members(tmp_path / "registry.db", TTL, 4)
    try:
        made.converge(LIMIT)
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_ends_is_seen_by_nobody_any_more(members: Members, number: signal.Signals) -> None:
    """By itself, or when its lease has run out."""
    ended = members.awake.pop()
    ended.gets(number)
    assert members.converge(LIMIT, but=(ended,)) < LIMIT


def test_who_is_frozen_goes_and_comes_back(members: Members) -> None:
    """Its lease has run out meanwhile."""
    frozen = members.awake.pop()
    frozen.gets(signal.SIGSTOP)
    assert members.converge(LIMIT, but=(frozen,)) < LIMIT
    frozen.gets(signal.SIGCONT)
    members.awake.append(frozen)
    assert members.converge(LIMIT) < LIMIT


@pytest.mark.parametrize("all_of_it", [True, False])
def test_a_file_that_is_deleted_fills_again(members: Members, tmp_path: Path, *, all_of_it: bool) -> None:
    """Whether what belongs to it is deleted too, or left."""
    for file in tmp_path.glob("registry.db*" if all_of_it else "registry.db"):
        file.unlink()
    reader, began = connect(f"sqlite://{tmp_path / 'registry.db'}"), time.monotonic()
    while len(reader.instances("orders")) < len(members.all):
        assert time.monotonic() - began < LIMIT
        members.look()  # who has no keeper comes by when it is called
        time.sleep(0.05)
    reader.close()
    assert members.converge(LIMIT) < LIMIT


def test_a_file_that_is_locked_for_longer_than_a_lease_loses_nobody(members: Members, tmp_path: Path) -> None:
    """In the end."""
    with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(0.15)
        members.converge(LIMIT)
        other.execute("ROLLBACK")
    assert members.converge(LIMIT) < LIMIT
