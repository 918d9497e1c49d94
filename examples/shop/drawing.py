"""What is shown while the story goes on: a live table in a terminal, plain lines anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TextIO

from story import PARTS
from summary import span

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

    from figures import Tally
    from play import Play

INTRODUCTION = """\
A shop's front, an AWS Lambda function, has payments, an HTTP server, charge each
line of an order. Payments is about to get into trouble. Two copies of the front
get the same orders at the same time: one is governed by svcgov, the other one has
nothing but a time-out of 2 s. It takes half a minute; Ctrl-C ends it.
"""
_LEGEND = """\
itself: answered by the handler itself, "payment will follow"
refused: calls that svcgov did not let out
"""


def drawing(out: TextIO) -> Live | Lines:
    """What suits *out*."""
    if out.isatty():
        try:
            from rich.console import Console
        except ImportError:
            return Lines(out)  # the table is an extra, the story is not
        console = Console(file=out)
        if console.is_terminal and not console.is_dumb_terminal:
            return Live(console)
    return Lines(out)


class Lines:
    """A line for each thing that happens."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = 0

    def __enter__(self) -> Self:
        self._say(INTRODUCTION)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._say("")

    def update(self, play: Play) -> None:
        """Say what is new."""
        while self._shown < play.begun:
            if self._shown > 0:
                self._ended(play, PARTS[self._shown - 1].name)
            if self._shown < len(PARTS):
                part = PARTS[self._shown]
                self._say(f"{part.name}: {part.told}\n  ({part.watch})")
            self._shown += 1

    def _ended(self, play: Play, part: str) -> None:
        with play.lock:
            for front, tallies in play.tallies.items():
                self._say(f"  {front:<12} {_sentence(tallies[part])}")

    def _say(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


class Live:
    """A table that changes."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as Screen

        self._console = console
        self._screen = Screen(console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._console.print(INTRODUCTION, highlight=False)
        self._screen.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._screen.stop()

    def update(self, play: Play) -> None:
        """Draw how it stands."""
        with play.lock:
            picture = _picture(play)
        self._screen.update(picture)


def _picture(play: Play) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for title in ("part", "front"):
        table.add_column(title, no_wrap=True)
    for title in ("orders", "answered", "itself", "failed", "retried", "refused", "longest"):
        table.add_column(title, justify="right", no_wrap=True, min_width=7)
    for index, part in enumerate(PARTS):
        style = "dim" if index >= play.begun else "bold" if index == play.begun - 1 else ""
        for row, (front, tallies) in enumerate(play.tallies.items()):
            tally, last = tallies[part.name], row == len(play.tallies) - 1
            cells = _cells(tally, part.orders) if index < play.begun else [""] * 7
            failed = Text(cells[3], style="red" if tally.failed else "")
            table.add_row("" if row else part.name, front, *cells[:3], failed, *cells[4:], style=style, end_section=last)
    return Group(table, Text(_LEGEND, style="dim"), Text(_now(play)))


def _cells(tally: Tally, orders: int) -> list[str]:
    counts = (tally.answered, tally.itself, tally.failed, tally.retried, tally.refused.total())
    return [
        f"{tally.asked}/{orders}",
        *(str(count) if count else "-" for count in counts),
        span(tally.longest) if tally.waits else "-",
    ]


def _now(play: Play) -> str:
    """What goes on, and what the circuit has been through."""
    if play.begun == 0:
        return "The processes are starting ..."
    if play.begun > len(PARTS):
        return ""
    part = PARTS[play.begun - 1]
    circuit = [state for tallies in play.tallies.values() for tally in tallies.values() for state in tally.circuit]
    return f"{part.name}: {part.told}\n{part.watch}\ncircuit: {' > '.join(['closed', *circuit])}"


def _sentence(tally: Tally) -> str:
    """One part of one front, in words."""
    words = [f"{tally.asked} orders", f"{tally.answered} answered"]
    words += [f"{tally.itself} answered by the handler itself"] if tally.itself else []
    words += [f"{tally.failed} failed"] if tally.failed else []
    words += [f"{tally.retried} further attempts"] if tally.retried else []
    words += [f"{tally.refused.total()} refused in {span(tally.refusal_median)}"] if tally.refusals else []
    words += [f"circuit {' > '.join(tally.circuit)}"] if tally.circuit else []
    return ", ".join(words) + f"; longest wait {span(tally.longest)}"
