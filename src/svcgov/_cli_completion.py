"""The command ``svcgov completion``: what a shell has to know to complete the words of ``svcgov``.

The scripts are made by shtab, which is loaded here, and is there with ``pip install 'svcgov[cli]'``.

Rule: what the help calls a ``FILE`` is completed as one.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

SHELLS = ("bash", "zsh", "tcsh")


def add_to(commands: Any, parser: ArgumentParser) -> None:
    """Add the command to those of the *parser*, whose words it is about."""
    completion = commands.add_parser("completion", help="the script by which a shell completes what you type")
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(of=parser)


def completion(given: Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError:
        print("error: completion needs a package that is not here: pip install 'svcgov[cli]'", file=sys.stderr)
        return 1
    for action in _actions(given.of):
        if action.metavar == "FILE":
            action.complete = shtab.FILE
    print(shtab.complete(given.of, shell=given.shell))
    return 0


def _actions(parser: Any) -> Iterator[Any]:
    """All that can be said to *parser*, and to the commands in it."""
    for action in parser._actions:
        yield action
        if hasattr(action, "add_parser"):
            for inner in action.choices.values():
                yield from _actions(inner)


COMMANDS = {"completion": completion}
