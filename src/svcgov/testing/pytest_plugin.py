"""The fixtures for pytest, which finds them by itself (entry point ``svcgov``).

Rule: every run of pytest loads this file, also one that has nothing to do with svcgov: nothing is imported before a
fixture is used.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .made_up import Facts
    from .manual_clock import ManualClock


@pytest.fixture
def svcgov_clock() -> Iterator[ManualClock]:
    """A clock that all policies of the process go by in this test, as if they were new; chance is at its most."""
    from .switches import by_hand

    with by_hand() as clock:
        yield clock


@pytest.fixture
def svcgov_facts() -> Iterator[Facts]:
    """The facts that all policies of the process tell in this test, in order."""
    from .._core._listeners import PROCESS
    from .made_up import Facts

    facts = Facts()
    stop = PROCESS.add(facts.append)
    yield facts
    stop()
