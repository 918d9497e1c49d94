"""The commands ``svcgov registry``: what is in a registry, and what is written there by hand.

=============================================  =================================================================
``svcgov registry ls``                         all services, and how many there are of each
``svcgov registry get SERVICE``                the instances and endpoints of one
``svcgov registry watch SERVICE``              the same, whenever they are others, until you end it
``svcgov registry put SERVICE URL``            write an endpoint, which nobody has to renew
``svcgov registry rm SERVICE``                 take an endpoint away
``svcgov registry drain SERVICE``              give instances no more calls, for maintenance; ``--undo``: again
=============================================  =================================================================

The registry is that of ``--registry``, or else of ``SVCGOV_REGISTRY``. Exit status: 1 when it does not answer, or there is
somebody else's change, or nobody to drain.
"""

from __future__ import annotations

import json
import sys

from .errors import ConfigError, RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from .registry import Found, Registry

_OF_DOCUMENTS = ("applied", "refused")  # columns that are left out where there is nothing in them
_COLUMNS = ("id", "kind", "place", "version", "colour", "weight", "status", *_OF_DOCUMENTS)


def add_to(commands: Any) -> None:
    """Add the command to those of `cli`."""
    parser = commands.add_parser("registry", help="which services there are, and where they are called")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for verb, said in (
        ("ls", "all services"),
        ("get", "the instances and endpoints of one"),
        ("watch", "the same, whenever they are others"),
        ("put", "write an endpoint"),
        ("rm", "take an endpoint away"),
        ("drain", "give instances no more calls, for maintenance"),
    ):
        one = verbs.add_parser(verb, help=said)
        one.add_argument("--registry", metavar="URL", help="else SVCGOV_REGISTRY")
        if verb != "ls":
            one.add_argument("service")
        if verb in ("ls", "get", "watch"):
            one.add_argument("--json", action="store_true", help="as JSON, for programs")
        if verb == "watch":
            one.add_argument("--timeout", type=float, metavar="SECONDS", help="end after so long without a change")
        if verb in ("put", "rm"):
            one.add_argument("--id", default="default", help="which one, where there are several")
            one.add_argument("--expected", type=int, metavar="REVISION", help="only over this one; 0: only where there is none")
        if verb == "put":
            one.add_argument("url")
            one.add_argument("--version", default="")
            one.add_argument("--colour")
            one.add_argument("--weight", type=int, default=1)
        if verb == "drain":
            one.add_argument("--id", help="only this one; else all of the service's")
            one.add_argument("--undo", action="store_true", help="give them calls again")


def registry(given: argparse.Namespace) -> int:
    """Do what was asked; return the exit status."""
    from .registry import connect

    try:
        opened = connect(given.registry)
        try:
            return int(_VERBS[given.verb](opened, given))
        finally:
            opened.close()
    except (ConfigError, RegistryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # how a watch is ended
        return 0


def _ls(opened: Registry, given: argparse.Namespace) -> int:
    rows = []
    for service in opened.services():
        found = opened.instances(service)
        kinds = [_kind(one) for one in found]
        rows.append([service, kinds.count("instance"), kinds.count("endpoint"), found.revision])
    columns = ("service", "instances", "endpoints", "revision")
    if given.json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
    else:
        table([columns, *rows])
    return 0


def _get(opened: Registry, given: argparse.Namespace) -> int:
    return _shown(opened.instances(given.service), given)


def _watch(opened: Registry, given: argparse.Namespace) -> int:
    for found in opened.watch(given.service, timeout=given.timeout):
        _shown(found, given)
        sys.stdout.flush()
    return 0


def _put(opened: Registry, given: argparse.Namespace) -> int:
    from .registry import Endpoint

    endpoint = Endpoint(
        service=given.service, id=given.id, url=given.url, version=given.version, colour=given.colour, weight=given.weight
    )
    print(opened.put(endpoint, expected=given.expected))
    return 0


def _rm(opened: Registry, given: argparse.Namespace) -> int:
    from .registry import Endpoint

    opened.remove(Endpoint(service=given.service, id=given.id, url=""), expected=given.expected)
    return 0


def _drain(opened: Registry, given: argparse.Namespace) -> int:
    told = opened.tell(given.service, given.id, status="up" if given.undo else "draining")
    table([("id", "place", "status"), *((one.id, one.place, one.status) for one in told)])
    return 0


def _shown(found: Found, given: argparse.Namespace) -> int:
    if found.stale:
        print("error: the registry does not answer", file=sys.stderr)
        return 1
    rows = [_row(one, found) for one in found]
    if given.json:
        records = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        print(json.dumps({"service": found.service, "revision": found.revision, "found": records}))
    else:
        shown = [column for column in zip(_COLUMNS, *rows, strict=True) if column[0] not in _OF_DOCUMENTS or any(column[1:])]
        table(list(zip(*shown, strict=True)))
    return 0


def _row(one: Any, found: Found) -> list[Any]:
    """What is known of one; an endpoint says nothing of its documents."""
    status, applied, refused = (getattr(one, name, "") for name in ("status", "applied", "refused"))
    status = _status(one.id, found, status or "up")
    return [one.id, _kind(one), one.place, one.version, one.colour, one.weight, status, applied, refused]


def _kind(record: Any) -> str:
    return type(record).__name__.lower()


def _status(key: str, found: Found, status: str) -> str:
    return "suspect" if key in found.suspects else status


def table(rows: Sequence[Sequence[Any]]) -> None:
    """Print *rows*, the first of which is the head."""
    table = [[str(cell) if cell not in ("", None) else "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


_VERBS = {"ls": _ls, "get": _get, "watch": _watch, "put": _put, "rm": _rm, "drain": _drain}
COMMANDS = {"registry": registry}
