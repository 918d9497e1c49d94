"""Run the benchmarks: `python tests/benchmarks/run.py [section ...] [--quick] [--write] [--profile SECTION]`.

Prints the table of what was measured beside its budgets. The exit status says whether the sections ran, not whether the
budgets were met: ratios are noisy, a human reads them. A full run writes `docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import os
import pathlib
import platform
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":  # started as a program: the folder's modules are a package, not top-level names
    sys.path[0] = str(HERE.parent)

from benchmarks.table import SECTIONS, as_markdown, as_text, cells  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPORT = HERE.parent.parent / "docs" / "benchmarks.md"
MEASURES = {  # section: its module, what measures it, what profiles it
    "sync": ("calls", "sync", "profile_sync"),
    "async": ("calls", "asynchronous", "profile_async"),
    "refusals": ("paths", "refusals", "profile"),
    "threads": ("crowd", "crowded", None),
    "quiet": ("quiet", "quiet", None),
    "memory": ("footprint", "footprint", "profile"),
    "http": ("loopback", "http", "profile"),
    "inbound": ("inbound", "inbound", "profile"),
    "log": ("lines", "lines", "profile"),
    "metrics": ("counted", "counted", "profile"),
    "spans": ("traced", "traced", "profile"),
    "documents": ("documents", "documents", "profile"),
    "coldstart": ("coldstart", "coldstart", "profile"),
}
FIVE = ["pybreaker", "limits", "opentelemetry-api", "structlog", "wrapt"]
PACKAGES = [
    "svcgov",
    *FIVE,
    "tenacity",
    "hyx",
    "interlock-cb",
    "httpx2",
    "requests",
    "urllib3",
    "aiohttp",
    "redis",
    "aws-lambda-powertools",
]
INTRODUCTION = """# Benchmarks

Measured on {date} with Python {python} on {cores} cores ({versions}).
Run them again with `nox -s bench`, or one section of them with `python tests/benchmarks/run.py SECTION`
(`--quick` for a look, `--profile SECTION` for where the time goes).

Machines are shared and noisy, so no figure here is a time to be relied upon. Every case runs in every round, what it
adds to its floor is worked out round by round, and the table shows the median and the quartiles of the rounds.
**One u is what a bare `functools.wraps` pass-through adds to a call in the same round** (in the asynchronous rounds: a
pass-through coroutine function). Ratios compare what is added with what a hand-written closure adds, or a stack
assembled from the packages of today: 1/20 means that svcgov adds a twentieth. The result is said of the median.
"""


def known(name: str) -> str:
    """The name of a section, or a complaint."""
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(SECTIONS)}, got {name!r}")
    return name


def chosen(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Benchmarks of svcgov.")
    parser.add_argument("sections", nargs="*", type=known, metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a few rounds only: does it run?")
    parser.add_argument("--write", action="store_true", help=f"write docs/{REPORT.name} in any case")
    parser.add_argument("--profile", choices=[name for name, (*_, by) in MEASURES.items() if by], metavar="SECTION")
    return parser.parse_args(arguments)


def part(section: str, name: str) -> Callable[..., Any]:
    """A function of a section; its module, and with it svcgov and the peers, is imported only now."""
    found: Callable[..., Any] = getattr(importlib.import_module(f"benchmarks.{MEASURES[section][0]}"), name)
    return found


def versions() -> str:
    """The installed packages that the figures depend on."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def report(tables: dict[str, list[tuple[str, ...]]]) -> str:
    """The page for the documentation."""
    introduction = INTRODUCTION.format(
        date=datetime.datetime.now(datetime.UTC).date(),
        python=platform.python_version(),
        cores=os.cpu_count(),
        versions=versions(),
    )
    return "\n\n".join([introduction.rstrip(), *(as_markdown(name, rows) for name, rows in tables.items())]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the page after a full run."""
    options = chosen(arguments)
    if options.profile:
        part(options.profile, MEASURES[options.profile][2] or "")()
        return 0
    names = options.sections or list(SECTIONS)
    tables: dict[str, list[tuple[str, ...]]] = {}
    broken = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            figures = part(name, MEASURES[name][1])(quick=options.quick)
        except Exception:
            traceback.print_exc()
            broken.append(name)
            figures = {}
        tables[name] = cells(name, figures)
        print(f"{as_text(name, tables[name])}\n({time.perf_counter() - start:.0f} s)\n", flush=True)
    results = [row[-1] for rows in tables.values() for row in rows if row[-1]]
    print(f"{len(results)} budgets: {results.count('MISSED')} missed, {results.count('moonshot')} beyond the moonshot")
    if broken:
        print(f"did not run: {', '.join(broken)}")
        return 1
    if options.write or not (options.sections or options.quick):
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(report(tables), encoding="utf-8")
        print(f"written: docs/{REPORT.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
