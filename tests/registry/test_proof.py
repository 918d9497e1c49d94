"""The proof of the registry: what it makes of its figures, and that its page is of all that it does. Nothing is run here."""

from __future__ import annotations

from typing import Any

import pytest

from .proof import EVENTS, HELD_UP, NOT_RUN, PAGE, PROCESSES, TTL, Figure, Proof, page

GOOD = Figure(took=1.25, missed=(), slowest=0.0312, limit=7.0)


@pytest.mark.parametrize(
    "changes", [{"took": 7.01}, {"missed": ("03",)}, {"slowest": HELD_UP + 0.001}], ids=["too late", "missing", "held up"]
)
def test_one_thing_that_does_not_hold_is_a_failure(changes: dict[str, Any]) -> None:
    """And the row says so."""
    assert GOOD.cells() == ("1.25 s", "nobody", "31.2 ms", "holds")
    bad = GOOD._replace(**changes)
    assert not bad.holds
    assert bad.cells()[-1] == "FAILED"


def test_what_was_not_run_says_so() -> None:
    """All of it, or what comes after an end that was not meant."""
    proof = Proof(PROCESSES, TTL)
    assert NOT_RUN in page(proof, NOT_RUN)
    assert page(proof, NOT_RUN).count("not run") == len(EVENTS)
    proof.figures[EVENTS[0]] = GOOD
    assert f"| {EVENTS[0]} | 1.25 s | nobody | 31.2 ms | holds |" in page(proof, "Run.")
    assert page(proof, "Run.").count("not run") == len(EVENTS) - 1


def test_the_stored_page_has_all_that_happens() -> None:
    """Each event once, in its order: after a change, ``nox -s proof`` writes the page anew."""
    rows = [line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert rows[1:] == list(EVENTS)
