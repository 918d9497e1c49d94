"""The benchmarks' arithmetic on made-up figures, and their table. Nothing is timed here."""

from __future__ import annotations

import pytest

from benchmarks.harness import PLAIN, UNIT, Case, Rounds, Spread, run, spread
from benchmarks.run import MEASURES, chosen
from benchmarks.table import SECTIONS, Row, as_markdown, as_text, cells


def made_up() -> Rounds:
    """Three rounds on a machine that slows down by half in the second."""

    def nothing() -> None:
        """Never called: the times are written below."""

    rounds = Rounds([Case(name, nothing) for name in (PLAIN, UNIT, "ours", "theirs")])
    rounds.times[PLAIN] = [50.0, 100.0, 50.0]
    rounds.times[UNIT] = [150.0, 300.0, 150.0]
    rounds.times["ours"] = [1050.0, 2100.0, 1450.0]
    rounds.times["theirs"] = [4050.0, 8100.0, 4050.0]
    return rounds


def test_the_median_is_taken_with_its_quartiles() -> None:
    """Of five values in any order, the second, third and fourth."""
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(2.0, 3.0, 4.0)


def test_one_value_is_its_own_quartiles() -> None:
    """A figure measured once has no spread."""
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)


def test_what_a_case_adds_is_taken_round_by_round() -> None:
    """The floor of the same round is taken away, not the median floor."""
    assert made_up().added("ours") == [1000.0, 2000.0, 1400.0]


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    """In u, the slow round reads as the first one does."""
    assert made_up().in_units("ours") == Spread(10.0, 10.0, 12.0)


def test_ratios_compare_what_is_added() -> None:
    """The floor is taken away from both sides."""
    assert made_up().ratio("ours", "theirs").middle == pytest.approx(0.25)


def test_a_round_whose_floor_took_a_break_is_left_out() -> None:
    """A pass-through that seems to cost less than nothing divides nothing."""
    rounds = made_up()
    rounds.times[PLAIN][2] = 200.0
    assert rounds.in_units("ours") == Spread(10.0, 10.0, 10.0)


def test_every_case_has_its_turn_in_every_round() -> None:
    """Cases alternate, and what puts one back runs after each of its turns."""
    turns: list[str] = []
    first = Case("first", lambda: turns.append("first"), calls=1)
    second = Case("second", lambda: turns.append("second"), calls=1, rest=lambda: turns.append("rest"))
    run([first, second], rounds=2)
    assert turns[-6:] == ["first", "second", "rest", "first", "second", "rest"]


@pytest.mark.parametrize("row", [row for rows in SECTIONS.values() for row in rows], ids=lambda row: row.what)
def test_every_row_says_its_budget(row: Row) -> None:
    """A bound with its direction, or that there is none."""
    assert row.budget == "for comparison" or row.budget.startswith(("<= ", ">= "))


def test_a_moonshot_lies_beyond_its_budget() -> None:
    """Below a budget that is an upper bound, above one that is a lower bound."""
    for rows in SECTIONS.values():
        for row in rows:
            assert row.moonshot is None or row.verdict(row.moonshot) == "moonshot", row.what


def test_every_section_is_measured() -> None:
    """The table and the list of measurements name the same sections."""
    assert list(MEASURES) == list(SECTIONS)


@pytest.mark.parametrize(
    ("figure", "verdict"), [(12.0, "met"), (15.0, "met"), (15.1, "MISSED"), (11.0, "moonshot"), (9.0, "moonshot")]
)
def test_the_verdict_on_an_upper_bound(figure: float, verdict: str) -> None:
    """At the bound it is met, above it missed, at the moonshot beyond."""
    assert Row("key", "what", "u", most=15.0, moonshot=11.0).verdict(figure) == verdict


@pytest.mark.parametrize(("figure", "verdict"), [(89.9, "MISSED"), (90.0, "met"), (98.0, "moonshot")])
def test_the_verdict_on_a_lower_bound(figure: float, verdict: str) -> None:
    """Below the bound it is missed."""
    assert Row("key", "what", "%", least=90.0, moonshot=98.0).verdict(figure) == verdict


def test_a_figure_without_a_budget_has_no_verdict() -> None:
    """It is there to be compared with."""
    assert Row("key", "what", "u").verdict(1e9) == ""


def test_a_budget_that_was_not_measured_is_missed() -> None:
    """A section that broke down does not read as a success."""
    budgets = [row for row in cells("threads", {}) if row[3] != "for comparison"]
    assert budgets
    assert all(row[1] == "not measured" and row[-1] == "MISSED" for row in budgets)


def test_a_fraction_reads_as_one() -> None:
    """A twentieth is written 1/20, in the figure and in the budget."""
    row = Row("key", "what", "fraction", most=1 / 20)
    assert (row.value(1 / 25), row.budget) == ("1/25.0", "<= 1/20")


def test_both_tables_show_every_row() -> None:
    """One line per row below the heading, for the terminal and for the page."""
    rows = cells("threads", {"waiting": Spread(95.0, 97.0, 99.0)})
    assert as_text("threads", rows).count("\n") == 1 + len(rows)
    assert "| 97.0 % | 95.0 % to 99.0 % | >= 90 % | >= 98 % | met |" in as_markdown("threads", rows)


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those there are."""
    with pytest.raises(SystemExit):
        chosen(["speed"])
    assert "refusals" in capsys.readouterr().err
