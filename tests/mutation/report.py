"""Reads what mutmut has found, and writes ``docs/mutation.md``: the score, and each survivor with its reason.

Run it after mutmut, in the same folder (``nox -s mutation`` does). A mutant is known by its function and by the lines before
and after, so a reason in ``reasons.toml`` outlives the numbers that mutmut gives. It exits with 1 when too few mutants are
killed, or a survivor has no reason, and then prints what to write into ``reasons.toml``. Where only some of the mutants have
been tried, the report is printed and not written.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from datetime import UTC, datetime
from difflib import SequenceMatcher
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from textwrap import dedent
from typing import NamedTuple

TREE = Path(__file__).parent.parent.parent
LEAST = 0.9
KILLED = frozenset({1, 3})
TIMED_OUT = frozenset({-24, -9, 24, 36, 152, 255})  # a signal when the time is over, or what became of it
UNTRIED = frozenset({None, 2})  # not yet, or stopped by hand
_NUMBER = re.compile(r"__mutmut_\d+$")

HEAD = """\
# Mutation testing

Tests are worth what they notice. In a session of its own, mutmut changes the package in one small place at a time (a comparison,
a number, a word, an argument), and runs the tests that come by there. A change that no test notices has *survived*. Each
survivor stands below with the reason why it may live; most change nothing that anybody could see.

`nox -s mutation` does it all anew and writes this page, in about an hour. It fails when less than {least:.0%} are killed, or a
survivor has no reason. The tests of the syntax trees, of the byte code, of what is loaded and of references left over are not
part of it: they look at the functions themselves, around which mutmut puts its own.

Measured on {day} with mutmut {mutmut} on Python {python}.

## The score

A mutant that never ends is killed by the clock; it counts as killed, and stands in a column of its own as well.

| module | mutants | killed | of these timed out | survived | share |
|---|---:|---:|---:|---:|---:|
"""


class Mutant(NamedTuple):
    """One change: the function it is in, and its lines before and after."""

    module: str
    function: str
    was: str
    now: str


class Module(NamedTuple):
    """What became of the mutants of one module."""

    name: str
    mutants: int
    timed_out: int
    survivors: list[Mutant]

    @property
    def killed(self) -> int:
        """How many a test has noticed, or the clock."""
        return self.mutants - len(self.survivors)


def change(before: list[str], after: list[str]) -> tuple[str, str]:
    """The lines that differ, without the indentation that they have in common."""
    blocks = [block for block in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if block[0] != "equal"]
    first, last = blocks[0], blocks[-1]
    return dedent("\n".join(before[first[1] : last[2]])), dedent("\n".join(after[first[3] : last[4]]))


def mutant_of(module: str, name: str, lines: list[str], spans: dict[str, list[int]]) -> Mutant:
    """The mutant that mutmut calls *name*; *lines* are those of the mutated file, *spans* where each version of a function is."""
    mangled = _NUMBER.sub("", name)
    function = mangled.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in mangled else mangled.removeprefix("x_")

    def version_called(one: str) -> list[str]:
        start, end = spans[one]
        text = "\n".join(lines[start - 1 : end])
        return text.replace(f"def {one}(", f"def {function.rpartition('.')[2]}(").splitlines()

    was, now = change(version_called(f"{mangled}__mutmut_orig"), version_called(name))
    return Mutant(module, function, was, now)


def read(mutants: Path) -> tuple[list[Module], bool]:
    """What mutmut has left in its folder: the modules whose mutants have all been tried, and whether that is all of them."""
    modules, whole = [], True
    for meta in sorted((mutants / "src").rglob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
        if UNTRIED.intersection(codes.values()):
            whole = False
            continue
        if not codes:
            continue
        source = meta.with_suffix("")
        name = source.relative_to(mutants / "src" / "svcgov").as_posix()
        lines = source.read_text("utf-8").split("\n")
        spans = json.loads(source.with_suffix(".py.spans").read_text("utf-8"))["spans"]
        left = [key.rpartition(".")[2] for key, code in codes.items() if code not in KILLED | TIMED_OUT]
        survivors = [mutant_of(name, key, lines, spans) for key in left]
        modules.append(Module(name, len(codes), sum(code in TIMED_OUT for code in codes.values()), survivors))
    return modules, whole


def reasons_in(file: Path) -> dict[Mutant, str]:
    """Why which mutants may live."""
    return {
        Mutant(one["module"], one["function"], one["was"], now): group["because"]
        for group in tomllib.loads(file.read_text("utf-8")).get("reason", [])
        for one in group["of"]
        for now in one["now"]
    }


def share(modules: list[Module]) -> float:
    """How many of all mutants are killed, from 0 to 1."""
    return sum(one.killed for one in modules) / max(1, sum(one.mutants for one in modules))


def table(modules: list[Module]) -> str:
    """A row for each module, and the total."""
    total = Module(
        "total",
        sum(one.mutants for one in modules),
        sum(one.timed_out for one in modules),
        [left for one in modules for left in one.survivors],
    )
    rows = [(f"`{one.name}`", one) for one in modules] + [("**total**", total)]
    return "".join(
        f"| {name} | {one.mutants} | {one.killed} | {one.timed_out} | {len(one.survivors)} | {share([one]):.1%} |\n"
        for name, one in rows
    )


def survivors(modules: list[Module], reasons: dict[Mutant, str]) -> str:
    """Each survivor, below its module and its reason."""
    parts = ["\n## The survivors\n"]
    for module in modules:
        by_reason: dict[str, list[Mutant]] = {}
        for one in module.survivors:
            by_reason.setdefault(reasons.get(one, "NO REASON IS KNOWN"), []).append(one)
        if by_reason:
            parts.append(f"\n### {module.name}\n")
        for reason, mutants in by_reason.items():
            parts.append(f"\n{reason[0].upper()}{reason[1:]}\n\n```diff\n")
            function = ""
            for one in mutants:
                if one.function != function:
                    parts.append(f"@@ {one.function} @@\n")
                function = one.function
                parts.extend(f"{sign} {line}\n" for sign, text in (("-", one.was), ("+", one.now)) for line in text.split("\n"))
            parts.append("```\n")
    return "".join(parts)


def _quoted(text: str) -> str:
    """As TOML writes it: as it is where that can be."""
    return f"'{text}'" if "'" not in text and "\n" not in text else json.dumps(text, ensure_ascii=False)


def to_be_written(mutants: list[Mutant]) -> str:
    """A group of ``reasons.toml`` for those without a reason; the changes of one line stand together."""
    by_line: dict[tuple[str, str, str], list[str]] = {}
    for one in dict.fromkeys(mutants):
        by_line.setdefault(one[:3], []).append(one.now)
    rows = [
        f"  {{ module = {_quoted(module)}, function = {_quoted(function)}, was = {_quoted(was)}, "
        f"now = [{', '.join(map(_quoted, after))}] }},\n"
        for (module, function, was), after in by_line.items()
    ]
    return f'[[reason]]\nbecause = ""\nof = [\n{"".join(rows)}]\n'


def main(tree: Path = TREE) -> int:
    """Read, write, judge."""
    modules, whole = read(tree / "mutants")
    reasons = reasons_in(tree / "tests" / "mutation" / "reasons.toml")
    head = HEAD.format(least=LEAST, day=datetime.now(UTC).date().isoformat(), mutmut=version("mutmut"), python=python_version())
    page = head + table(modules) + survivors(modules, reasons)
    if whole:
        (tree / "docs" / "mutation.md").write_text(page, "utf-8")
    say = sys.stdout.write
    say(table(modules) if whole else page)
    found = [left for one in modules for left in one.survivors]
    unexplained = [left for left in found if left not in reasons]
    if unexplained:
        say(f"\n{len(unexplained)} survivors have no reason. For tests/mutation/reasons.toml:\n\n{to_be_written(unexplained)}")
    names = {one.name for one in modules}
    gone = [one for one in reasons if one.module in names and one not in found]
    if gone:
        say(f"\n{len(gone)} reasons are for mutants that do not survive, or do not exist any more:\n\n{to_be_written(gone)}")
    return int(not modules or bool(unexplained) or share(modules) < LEAST)


if __name__ == "__main__":
    sys.exit(main())
