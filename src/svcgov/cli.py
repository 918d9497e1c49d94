"""The command ``svcgov``.

=================  ==========================================================================================
``svcgov show``    the settings that a function would find in this environment, and where each comes from
``--version``      the version
=================  ==========================================================================================

Exit status: 0 when all is well, 1 when a setting cannot be, 2 when the command is not understood.
"""

from __future__ import annotations

import argparse
import json
import sys
from warnings import catch_warnings, simplefilter

from . import __version__
from ._core._clock import SYSTEM
from ._core._environment import SERVICE, VERSION, disabled, first, text, word, words
from .errors import ConfigError
from .governor import colours_of
from .propagation import colour
from .propagation.forwarded import Forward
from .propagation.signed import Keys
from .telemetry.access_log import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Setting:
    """One setting of the environment: how it is read, and where it may come from, first come, first served.

    A *secret* is not shown, only that it is set.
    """

    def __init__(self, name: str, read: Callable[[], str], *variables: str, secret: bool = False) -> None:
        self.name = name
        self.read = read
        self.variables = variables
        self.secret = secret

    def shown(self) -> dict[str, str | None]:
        """``setting``, ``value``, ``origin`` and, if it cannot be, ``error``."""
        origin = next((name for name in self.variables if text(name)), "default")
        try:
            value, error = self.read(), None
        except ConfigError as wrong:
            value, error = text(origin), str(wrong)
        if value and self.secret:
            value = "set"
        return {"setting": self.name, "value": value, "origin": origin, "error": error}


def _colour_headers() -> str:
    colour.also_named(words("SVCGOV_COLOUR_HEADERS"), "SVCGOV_COLOUR_HEADERS")
    return ",".join(colour.names[1:])


def _colour_key() -> str:
    return repr(Keys(words("SVCGOV_COLOUR_KEY"), "SVCGOV_COLOUR_KEY", SYSTEM.wall)) if text("SVCGOV_COLOUR_KEY") else ""


SETTINGS = (
    Setting("service", lambda: first(*SERVICE), *SERVICE),
    Setting("version", lambda: first(*VERSION), *VERSION),
    Setting("colours", lambda: ",".join(sorted(colours_of(words("SVCGOV_COLOURS"), "SVCGOV_COLOURS"))), "SVCGOV_COLOURS"),
    Setting("colour_headers", _colour_headers, "SVCGOV_COLOUR_HEADERS"),
    Setting("colour_key", _colour_key, "SVCGOV_COLOUR_KEY", secret=True),
    Setting("forward", lambda: ",".join(Forward(words("SVCGOV_FORWARD"), "SVCGOV_FORWARD").given), "SVCGOV_FORWARD"),
    Setting("log", lambda: word("SVCGOV_LOG", WORDS, "structlog if it is loaded, else json"), "SVCGOV_LOG"),
    Setting("disabled", lambda: ",".join(sorted(disabled())), "SVCGOV_DISABLED"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = _parser().parse_args(arguments)
    with catch_warnings():
        simplefilter("ignore")  # that policies are off is what this shows, not what it warns of
        rows = [setting.shown() for setting in SETTINGS]
    if given.json:
        print(json.dumps(rows, indent=2))
    else:
        _print(rows)
    return 1 if any(row["error"] for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="svcgov", description="Governance for Python functions, in their own process.")
    parser.add_argument("--version", action="version", version=f"svcgov {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    show = commands.add_parser("show", help="the settings that a function would find in this environment")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    return parser


def _print(rows: list[dict[str, str | None]]) -> None:
    columns = ("setting", "value", "origin")
    table = [columns, *(tuple(row[column] or "-" for column in columns) for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    for row in rows:
        if row["error"]:
            print(f"error: {row['error']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
