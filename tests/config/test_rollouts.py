"""Rollouts: what holds for a while, or for some processes of all."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, bulkhead
from svcgov.config._parts import Part
from svcgov.config._rollouts import Lots
from svcgov.config.document import document_of
from svcgov.facts import DocumentApplied, DocumentRefused
from svcgov.testing import ManualClock

NOON = "2026-03-01T12:00:00Z"
AT_NOON = 1772366400.0


def part(name: str = "try", *, until: float = float("inf"), percent: float = 100) -> Part:
    """A rollout."""
    return Part(
        kind="rollout", name=name, values={}, unset=(), prefix=(), short=frozenset(), until=until, percent=percent
    )  # fmt: skip


def trying(limit: int, **when: Any) -> dict[str, Any]:
    """A document that says 5, and tries *limit*."""
    return {
        "policies": {"reports": {"bulkhead": 5}},
        "rollouts": {"try": {**when, "policies": {"reports": {"bulkhead": limit}}}},
    }


# -- how it is read ------------------------------------------------------------------------------------------------------


def test_what_a_rollout_says() -> None:
    """Its end, its share, and whatever an overlay may say."""
    document, errors = document_of(
        {"rollouts": {"a": {"until": NOON, "unset": ["process"]}, "b": {"percent": 12.5, "process": {"idle": 1}}}}
    )
    assert errors == []
    _, first, second = document.parts
    assert (first.kind, first.name, first.until, first.percent, first.unset) == ("rollout", "a", AT_NOON, 100.0, (("process",),))
    assert (second.name, second.until, second.percent, second.values) == ("b", float("inf"), 12.5, {"process": {"idle": 1}})


def test_a_date_of_toml_is_a_time() -> None:
    """It need not be written as a text."""
    from svcgov.config._formats import parsed

    said = parsed(b"[rollouts.a]\nuntil = 2026-03-01T12:00:00Z\n", "toml", "x")
    document, errors = document_of(said)
    assert errors == []
    assert document.parts[1].until == AT_NOON


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"a": {}}, "rollouts.a"),
        ({"a": {"until": "noon"}}, "rollouts.a.until"),
        ({"a": {"until": "2026-03-01T12:00:00"}}, "rollouts.a.until"),
        ({"a": {"until": 7}}, "rollouts.a.until"),
        ({"a": {"percent": 101}}, "rollouts.a.percent"),
        ({"a": {"percent": -1}}, "rollouts.a.percent"),
        ({"a": {"percent": True}}, "rollouts.a.percent"),
        ({"a": {"percent": "10"}}, "rollouts.a.percent"),
        ({"a": {"percent": 1, "overlay": {}}}, "rollouts.a.overlay"),
        ({"a b": {"percent": 1}}, 'rollouts."a b"'),
        ({"a": 1}, "rollouts.a"),
        ([], "rollouts"),
        ({"a": {"percent": 1, "policies": {"p": {"bulkhead": 0}}}}, "rollouts.a.policies.p.bulkhead"),
    ],
)
def test_what_a_rollout_may_not_say(said: Any, path: str) -> None:
    """Each mistake is told, with its place."""
    assert document_of({"rollouts": said})[1][0].path == path


# -- whom it is for ------------------------------------------------------------------------------------------------------


def test_who_is_among_ten_is_among_fifty() -> None:
    """The lot of a process stays, whatever the share."""
    for _ in range(50):
        lots = Lots(lambda: 0.0)
        held = [lots.holds(part(percent=percent)) for percent in (0, 10, 50, 100)]
        assert held == sorted(held)
        assert (held[0], held[-1]) == (False, True)


def test_lots_are_fair_and_others_for_each_rollout() -> None:
    """A tenth of a thousand processes, and not the same ones for another rollout."""
    many = [Lots(lambda: 0.0) for _ in range(1000)]
    first, second = ({one for one in many if one.holds(part(name, percent=10))} for name in ("a", "b"))
    assert 50 < len(first) < 160  # 5 standard deviations
    assert 50 < len(second) < 160
    assert len(first & second) < 50


def test_a_forked_process_draws_anew() -> None:
    """It is another process."""
    lots = Lots(lambda: 0.0)
    before = lots.lot("a")
    assert lots.lot("a") == before
    lots.forked()
    assert lots.lot("a") != before


def test_what_has_ended_stays_ended() -> None:
    """Also when the clock is put back."""
    now = [10.0]
    lots = Lots(lambda: now[0])
    assert lots.holds(part(until=11))
    now[0] = 11.0
    assert not lots.holds(part(until=11))
    now[0] = 5.0
    assert not lots.holds(part(until=11))
    assert lots.holds(part(until=12))


# -- while it holds ------------------------------------------------------------------------------------------------------


def test_it_holds_until_its_end() -> None:
    """And then what is said without it, with the next look; what was counted stays."""
    clock = ManualClock(wall=AT_NOON - 60)
    gate = bulkhead(3, name="reports")
    applied: list[Any] = []
    governor = Governor(document=trying(9, until=NOON), clock=clock)
    stop = svcgov.listen(applied.append, DocumentApplied)
    look = governor._under().look
    with gate:
        assert gate.settings.limit == 9
        clock.advance(59.0)
        look()
        assert (gate.settings.limit, applied) == (9, [])
        clock.advance(1.0)
        look()
        look()
        assert (gate.settings.limit, gate.snapshot()["in_use"]) == (5, 1)
    stop()
    assert [(one.layer, one.revision, one.changed) for one in applied] == [("rollouts", "ended", 1)]


def test_several_end_one_after_another() -> None:
    """Each at its own time; a share has no end."""
    clock = ManualClock(wall=AT_NOON - 60)
    gate = bulkhead(3, name="reports")
    document = trying(9, until=NOON)
    document["rollouts"]["more"] = {"until": "2026-03-01T13:00:00+00:30", "policies": {"reports": {"bulkhead": 11}}}
    document["rollouts"]["wait"] = {"percent": 100, "policies": {"reports": {"bulkhead": {"max_wait": 2}}}}
    governor = Governor(document=document, clock=clock)
    seen = [gate.settings.limit]
    for _ in range(2):
        clock.advance(60 if len(seen) == 1 else 1800)
        governor._under().look()
        seen.append(gate.settings.limit)
    assert (seen, gate.settings.max_wait) == ([11, 11, 5], 2.0)


def test_nothing_ends_that_was_for_nobody() -> None:
    """A rollout of no process changes nothing at its beginning, and nothing at its end."""
    clock = ManualClock(wall=AT_NOON - 60)
    gate = bulkhead(3, name="reports")
    applied: list[Any] = []
    governor = Governor(document=trying(9, until=NOON, percent=0), clock=clock)
    stop = svcgov.listen(applied.append, DocumentApplied)
    assert gate.settings.limit == 5
    clock.advance(60)
    governor._under().look()
    stop()
    assert (gate.settings.limit, applied) == (5, [])


def test_an_end_that_cannot_be_is_told() -> None:
    """The code that came meanwhile goes together with what is tried only: that stays, and it is told once."""
    clock = ManualClock(wall=AT_NOON - 60)
    refused: list[Any] = []
    governor = Governor(clock=clock)
    governor.apply({**of_two(5), "rollouts": {"try": {"until": NOON, "unset": ["policies.two.bulkhead"]}}})
    two = Pipeline(bulkhead(1), bulkhead(2), name="two")
    stop = svcgov.listen(refused.append, DocumentRefused)
    clock.advance(60)
    governor._under().look()
    governor._under().look()
    stop()
    assert [(one.layer, one.revision, one.path) for one in refused] == [("rollouts", "ended", "policies.two.bulkhead")]
    assert two.policies == two.own


def of_two(limit: int) -> dict[str, Any]:
    """A document that says one bulkhead of the pipeline called two."""
    return {"policies": {"two": {"bulkhead": limit}}}


def test_who_is_forked_looks_again() -> None:
    """With a lot of its own; a process without documents has nothing to look for."""
    clock = ManualClock(wall=AT_NOON)
    gate = bulkhead(3, name="reports")
    governor = Governor(clock=clock)
    documents = governor._under()
    documents.forked()
    documents.look()
    governor.apply(trying(9, percent=50))
    limits = set()
    for _ in range(64):
        documents.forked()
        documents.look()
        limits.add(gate.settings.limit)
    assert limits == {5, 9}
