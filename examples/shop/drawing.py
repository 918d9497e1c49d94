"""What is shown while the story goes on: a live table in a terminal, plain lines anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TextIO

from story import PARTS, V1, V2
from summary import span

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

    from figures import Tally
    from play import Play

PUSHED = next(part.name for part in PARTS if part.push)
INTRODUCTION = """\
A shop's front, an AWS Lambda function, hands what it is asked for to `orders`, an
ASGI application, which has `payments`, an HTTP server, charge each line of it.
Payments is about to get into trouble. Two such shops are asked for the same at the
same time. One is governed by svcgov: its front finds `orders` by that name, and by
the colour of a call one of two versions. The other one has nothing but time-outs.
It takes less than a minute; Ctrl-C ends it.
"""
_AROUND = 14  # lines of the picture that are not about a part
_LEGEND = """\
itself: answered by orders itself, "payment will follow"
refused: calls to payments that svcgov did not let out
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
            if part == PUSHED:
                self._say(f"  {_followed(play)}")

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
        room = (self._console.height - _AROUND) // 3
        with play.lock:
            picture = _picture(play, len(PARTS) if play.begun > len(PARTS) else max(1, room))
        self._screen.update(picture)


def _picture(play: Play, room: int) -> RenderableType:
    """The last parts that have begun, or the first, as many as there is *room* for."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for title in ("part", "front"):
        table.add_column(title, no_wrap=True)
    for title in ("orders", "answered", "itself", "failed", "retried", "refused", "longest"):
        table.add_column(title, justify="right", no_wrap=True, min_width=7)
    first = max(0, min(play.begun, len(PARTS)) - room)
    for index, part in list(enumerate(PARTS))[first : first + room]:
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
    """What goes on, what the circuits have been through, and who goes by what was pushed."""
    if play.begun == 0:
        return "The processes are starting ..."
    lines = [f"circuit of {who}: {_circuit(play, who)}" for who in (V1, V2)]
    if play.push is not None:
        lines.append(_followed(play))
    if play.begun <= len(PARTS):
        part = PARTS[play.begun - 1]
        lines = [f"{part.name}: {part.told}", part.watch, *lines]
    return "\n".join(lines)


def _circuit(play: Play, who: str) -> str:
    """The last that happened to it."""
    states = [state for tallies in play.tallies.values() for tally in tallies.values() for state in tally.states(who)]
    return " > ".join(["closed", *states][-6:])


def _followed(play: Play) -> str:
    """Who goes by what was pushed."""
    followed = {} if play.push is None else play.push.followed
    who = [f"{one} after {seconds:.1f} s" for one, seconds in sorted(followed.items(), key=lambda item: item[1])]
    return f"svcgov push: followed by {', '.join(who) or 'nobody yet'}"


def _sentence(tally: Tally) -> str:
    """One part of one front, in words."""
    words = [f"{tally.asked} orders", f"{tally.answered} answered"]
    words += [f"{tally.itself} answered by orders itself"] if tally.itself else []
    words += [f"{tally.failed} failed"] if tally.failed else []
    words += [f"{tally.retried} further attempts"] if tally.retried else []
    words += [f"{tally.refused.total()} refused in {span(tally.refusal_median)}"] if tally.refusals else []
    words += [f"circuit of {who} {' > '.join(states)}" for who in (V1, V2) if (states := tally.states(who))]
    return ", ".join(words) + f"; longest wait {span(tally.longest)}"
