"""What the example shows of its story: tables, lines, figures, and what one order has left in three logs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from desk import CommandFailedError, Desk, Push
from drawing import Lines, Live
from figures import Tally
from play import GOVERNED, PLAIN, Play
from runtime_api import FunctionFailed
from story import PARTS, V1, V2
from summary import as_json, beside, changed, span
from traces import Traces

from .conftest import needed
from .told import as_told, tally

if TYPE_CHECKING:
    import pathlib


@pytest.mark.parametrize(("seconds", "said"), [(0.00018, "180 µs"), (0.1044, "104 ms"), (2.006, "2.01 s")])
def test_times_are_readable(seconds: float, said: str) -> None:
    """Three digits and a unit."""
    assert span(seconds) == said


def test_what_a_push_has_changed_is_shown() -> None:
    """Before it and after it: what both versions go by, and what came of it."""
    governed, _, push = as_told()
    lines = [line.split("  ") for line in changed(governed, push).splitlines()]
    shown = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert ["orders v2: calls to payments", "15 in 1 s", "200 in 1 s"] in shown
    assert ["orders v1: failures in a row to open its circuit", "-", "3"] in shown
    assert ["opened in the outage by", "failure rate", "consecutive failures"] in shown
    assert ["refused: the rate limit was used up", "20", "0"] in shown
    assert ["orders v2 goes by it", "-", "after 2.5 s"] in shown
    assert "goes by it" not in changed({name: Tally() for name in governed}, None)


def test_the_summary_has_both_shops_side_by_side() -> None:
    """The numbers of the shops, and a dash where only svcgov has something to tell."""
    governed, plain, _ = as_told()
    lines = {line[:50].strip(): line[50:].split() for line in beside(governed, plain).splitlines()}
    assert lines["orders asked"] == ["28", "24"]
    assert lines["failed"] == ["8", "7"]
    assert lines["of blue, served by orders v2"] == ["7", "-"]
    assert lines["the circuit was open"] == ["5", "-"]
    assert lines["median time of a refusal"] == ["150", "µs", "-"]
    assert lines["longest wait of a customer"] == ["600", "ms", "2.00", "s"]


def test_the_figures_are_json_for_programmes() -> None:
    """Each front by parts and in total, the differences and how long it took."""
    governed, plain, _ = as_told()
    value = json.loads(as_json({GOVERNED: governed, PLAIN: plain}, ["something"], 23.4))
    assert (value["differences"], value["seconds"]) == (["something"], 23.4)
    assert value["fronts"][GOVERNED]["parts"]["down"]["refused"] == {"open": 4}
    assert value["fronts"][PLAIN]["total"]["longest_wait"] == 2.0


class _Empty:
    """A stage on which nothing happens: its function does not start, or nobody ever asks it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.closed = False

    def ready(self) -> None:
        """Say whether it started."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_a_function_that_fails_ends_the_play_for_both() -> None:
    """The other one does not wait for ever, and the failure is there to be told."""
    failure = FunctionFailed("no such module")
    stages: dict[str, Any] = {GOVERNED: _Empty(failure), PLAIN: _Empty()}
    play = Play(stages, Desk("memory://desk"))
    play.start()
    assert play.over(5.0)
    assert (play.failure, play.begun) == (failure, 0)
    assert all(stage.closed for stage in stages.values())


def test_lines_tell_each_part_once() -> None:
    """A part is told when it begins, and counted when it is over."""
    stages: dict[str, Any] = {GOVERNED: _Empty(), PLAIN: _Empty()}
    play, out = Play(stages, Desk("memory://desk")), io.StringIO()
    with Lines(out) as lines:
        play.begun = 1
        lines.update(play)
        lines.update(play)
        play.tallies[GOVERNED][PARTS[0].name] = tally(answered=5, wait=0.104)
        play.begun = 2
        lines.update(play)
    said = out.getvalue()
    assert said.count(PARTS[0].told) == said.count(PARTS[1].told) == 1
    assert "with svcgov  5 orders, 5 answered; longest wait 104 ms" in said
    assert PARTS[2].told not in said


def test_the_table_fits_a_small_terminal() -> None:
    """All columns in 80 characters, the part that goes on among as many lines as there are, and all parts in the end."""
    needed("rich")
    from rich.console import Console

    stages: dict[str, Any] = {GOVERNED: _Empty(), PLAIN: _Empty()}
    play = Play(stages, Desk("memory://desk"))
    governed, plain, play.push = as_told()
    play.tallies.update({GOVERNED: governed, PLAIN: plain})

    def drawn(begun: int) -> list[str]:
        play.begun, out = begun, io.StringIO()
        with Live(Console(file=out, width=80, height=24, force_terminal=True, color_system=None)) as live:
            live.update(play)
            out.truncate(0)
        return out.getvalue().splitlines()

    during, end = drawn(7), drawn(len(PARTS) + 1)
    assert any(line.rstrip().endswith("longest") for line in during)
    assert len(during) < 24
    assert [part.name for part in PARTS if any(line.startswith(f" {part.name} ") for line in during)] == [
        "burst",
        "push",
        "burst 2",
    ]
    assert all(any(line.startswith(f" {part.name} ") for line in end) for part in PARTS)
    assert "svcgov push: followed by front after 0.1 s" in "\n".join(end)


# -- the desk, and the logs --------------------------------------------------------------------------------------------


def test_what_is_pushed_can_be_read_at_the_desk(tmp_path: pathlib.Path) -> None:
    """The command, and what it has said."""
    desk = Desk(f"sqlite://{tmp_path}/registry.db")
    push = desk.push("--service", "orders", "--set", "policies.payments.bulkhead=5", "--why", "few tills")
    *typed, _, _, last = desk.said.splitlines()
    command = "$ svcgov push --service orders --set policies.payments.bulkhead=5 --why 'few tills'"
    assert " ".join(line.strip(" \\") for line in typed) == command
    assert last == f"orders: revision {push.revision}, over none"


def test_what_cannot_be_pushed_is_said(tmp_path: pathlib.Path) -> None:
    """With what the command has said."""
    desk = Desk(f"sqlite://{tmp_path}/registry.db")
    with pytest.raises(CommandFailedError, match=r"policies\.payments\.bulkhead: expected an integer >= 1(.|\n)*exit status 1"):
        desk.push("--service", "orders", "--set", "policies.payments.bulkhead=-5")
    assert desk.said == ""


def test_who_follows_is_found_in_the_logs(tmp_path: pathlib.Path) -> None:
    """By the revision; before that nobody does."""
    push = Push(revision="7", at=datetime(2026, 1, 1, tzinfo=UTC))
    logs = {who: tmp_path / who for who in ("front", V1)}
    line = {"event": "svcgov.document_applied", "timestamp": "2026-01-01T00:00:02.500Z", "revision": "7"}
    for who, revision in (("front", "7"), (V1, "6")):
        logs[who].write_text(f"started\n{json.dumps(line | {'revision': revision})}\n")
    assert (push.look(logs), push.followed) == (False, {"front": 2.5})
    logs[V1].write_text(json.dumps(line | {"timestamp": "2025-12-31T23:59:59.999Z"}) + "\n")
    assert (push.look(logs), push.followed) == (True, {"front": 2.5, V1: 0.0})


class _Written:
    """A stage that has written its logs: orders by their traces, each with its colour and who has had it."""

    def __init__(self, folder: pathlib.Path, *orders: tuple[str, str | None, str]) -> None:
        self._logs = {who: folder / who for who in ("front", V1, V2)}
        self._charges = []
        for log in self._logs.values():
            log.write_text("")
        for trace, colour, had in orders:
            call = {"event": "svcgov.call", "trace_id": trace} | ({"colour": colour} if colour else {})
            for who in ("front", had):
                with self._logs[who].open("a") as file:
                    file.write(json.dumps(call) + "\n")
            self._charges.append({"traceparent": f"00-{trace}-span-01", "status": 200, "x-svcgov-colour": colour})

    def logs(self) -> dict[str, pathlib.Path]:
        """Who has written where."""
        return self._logs

    def charges(self) -> list[dict[str, Any]]:
        """What payments has written."""
        return [*self._charges, {"traceparent": None, "status": 200, "x-svcgov-colour": None}]


def test_one_order_is_found_in_three_logs(tmp_path: pathlib.Path) -> None:
    """The last one in blue."""
    written: Any = _Written(tmp_path, ("a", "blue", V2), ("b", "blue", V2), ("c", None, V1))
    traces = Traces(written)
    assert (traces.whole(), traces.wrong()) == (["a", "b", "c"], [])
    assert [line[:9].strip() for line in traces.one().splitlines()] == ["front", V2, "payments"]
    assert traces.one().count('"b"') == 2


@pytest.mark.parametrize("orders", [[], [("a", "blue", V1)], [("a", None, V2)], [("a", "blue", V2), ("a", "blue", V2)]])
def test_a_trace_that_does_not_fit_is_a_difference(tmp_path: pathlib.Path, orders: list[tuple[str, str | None, str]]) -> None:
    """None at all, the wrong version for its colour, or the same one twice."""
    written: Any = _Written(tmp_path, *orders)
    (wrong,) = Traces(written).wrong()
    assert "trace" in wrong
