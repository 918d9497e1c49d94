"""The plan of the house, and who goes where: read from the syntax trees, nothing is run.

A *room* is a module by its path inside the package: ``policies/retry``, ``_core/_clock``, ``policies/__init__``.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = Path(__file__).parent.parent / "src" / "svcgov"

LAYERS = (
    ("_core", "errors", "facts", "typing"),
    ("_describe", "_documented", "_policy", "_process", "pipeline", "_shells"),
    ("policies", "propagation"),
    ("routing", "config"),
    ("inbound", "outbound", "registry", "telemetry"),
    ("governor", "_default", "_override", "_under_documents", "_under_registry", "_ways_in", "_ways_in_functions", "logs"),
    ("__init__", "_cli_completion", "_cli_documents", "_cli_push", "_cli_registry", "_cli_sets", "cli", "agent", "testing"),
)
LAYER_OF = {part: number for number, parts in enumerate(LAYERS) for part in parts}
STRANGERS = LAYERS[2] + LAYERS[4]  # parts that know nothing of the others on their floor

OWNERS = {  # third-party package: the rooms that may bring it in
    "limits": ("registry/",),
    "opentelemetry": ("propagation/trace", "telemetry/"),
    "pybreaker": ("policies/circuit_breaker",),
    "pytest": ("testing/pytest_plugin",),
    "redis": ("policies/_pybreaker",),
    "shtab": ("_cli_completion",),
    "snapshot_restore_py": ("inbound/_lifecycle",),
    "structlog": ("telemetry/access_log",),
    "tornado": ("policies/_pybreaker",),
    "wrapt": ("agent/", "outbound/_patch"),
    "yaml": ("config/_formats",),
}
WAITING = ("_shells/", "inbound/", "outbound/", "registry/_aio", "registry/_watch", "testing")
DOORS = {  # functions elsewhere that wait for what the shells do
    "_core/_clock:SystemClock.asleep",
    "_policy:Enterable.__aenter__",
    "_policy:Gated.__aenter__",
    "pipeline:Pipeline.acall",
    "policies/circuit_breaker:CircuitBreaker.call_async",
}
CLOCK = "_core/_clock"
CLOCKS = {"time", "datetime"}
READINGS = {"monotonic_ns", "perf_counter", "time_ns", "now", "utcnow", "today"}
DOOR_NAMES = {"__all__", "__version__", "TYPE_CHECKING", "_HOMES", "_MODULES"}
DOOR_FUNCTIONS = {"__getattr__", "__dir__"}


class Entry(NamedTuple):
    """One import: from which room, of what (a room, or a module from outside), on which line, and whether it is run."""

    room: str
    target: str
    line: int
    run: bool
    inside: bool


def rooms() -> dict[str, str]:
    """The texts of all modules."""
    return {path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree_of(text: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(text)


def part_of(room: str) -> str:
    """The part of the house that a room belongs to: a folder or a file of the package."""
    return room.partition("/")[0]


def imports(house: dict[str, str]) -> Iterator[Entry]:
    """Every import of every room, those inside functions and those for type checkers too."""
    for room, text in house.items():
        for node, run in _walk(tree_of(text), run=True):
            for target in _targets(room, node, house):
                outside = target.startswith(":")
                yield Entry(room, target.removeprefix(":"), getattr(node, "lineno", 0), run, not outside)


def _walk(tree: ast.AST, *, run: bool) -> Iterator[tuple[ast.AST, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for child in node.body:
                yield child, False
                yield from _walk(child, run=False)
            for child in node.orelse:
                yield child, run
                yield from _walk(child, run=run)
            continue
        yield node, run
        yield from _walk(node, run=run)


def _targets(room: str, node: ast.AST, house: dict[str, str]) -> list[str]:
    """The rooms that *node* imports; modules from outside with a colon before them."""
    if isinstance(node, ast.Import):
        return [_inside(alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level == 0:
            return [_inside(node.module or "")]
        folder = room.split("/")[: -node.level]
        base = "/".join([*folder, *(node.module or "").split(".")]).strip("/")
        return [_room(f"{base}/{alias.name}".strip("/"), base, house) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "__import__", "import_without"):
        first = node.args[0]
        return [_inside(first.value)] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
    return []


def _inside(module: str) -> str:
    top, _, rest = module.partition(".")
    return (rest.replace(".", "/") or "__init__") if top == "svcgov" else f":{module}"


def _room(full: str, base: str, house: dict[str, str]) -> str:
    for room in (full, base, f"{base}/__init__".strip("/")):
        if room in house:
            return room
    return base or "__init__"


# -- the rules: each yields what breaks it -----------------------------------------------------------------------------


def upward(house: dict[str, str]) -> Iterator[str]:
    """Imports go down only, those for type checkers too."""
    for one in imports(house):
        if one.inside and LAYER_OF[part_of(one.target)] > LAYER_OF[part_of(one.room)]:
            yield f"{one.room}:{one.line} looks up to {one.target}"


def between_strangers(house: dict[str, str]) -> Iterator[str]:
    """Siblings do not import each other: the governor hands them to one another."""
    for one in imports(house):
        ours, theirs = part_of(one.room), part_of(one.target)
        if one.inside and ours != theirs and {ours, theirs} <= set(STRANGERS) and LAYER_OF[ours] == LAYER_OF[theirs]:
            yield f"{one.room}:{one.line} imports its sibling {one.target}"


def between_policies(house: dict[str, str]) -> Iterator[str]:
    """A policy never imports another one; it may have private parts, which may name it to type checkers."""
    for one in imports(house):
        if not (one.inside and part_of(one.room) == part_of(one.target) == "policies") or one.room.endswith("/__init__"):
            continue
        public = not one.target.split("/")[-1].startswith("_")
        if public and (one.run or not one.room.split("/")[-1].startswith("_")):
            yield f"{one.room}:{one.line} imports the policy {one.target}"


def from_outside(house: dict[str, str]) -> Iterator[str]:
    """The standard library is everybody's; a third-party package is its owner's alone."""
    for one in imports(house):
        top = one.target.split(".")[0]
        if one.inside or top in sys.stdlib_module_names or top == "__future__":
            continue
        if part_of(one.room) in LAYERS[0]:
            yield f"{one.room}:{one.line} imports {top} on the floor of the standard library"
        elif top not in OWNERS or (one.run and not one.room.startswith(OWNERS[top])):
            yield f"{one.room}:{one.line} imports {top}, which is not its own"


def logic_in_doors(house: dict[str, str]) -> Iterator[str]:
    """``__init__`` files hold no logic but for the lazy doors."""
    for room, text in house.items():
        if not room.endswith("__init__"):
            continue
        for node in tree_of(text).body:
            if not _of_a_door(node):
                yield f"{room}:{node.lineno} holds logic"


def _of_a_door(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.ImportFrom(module="__future__"):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
            return all(isinstance(child, ast.ImportFrom) for child in node.body)
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in DOOR_NAMES
        case ast.FunctionDef(name=name):
            return name in DOOR_FUNCTIONS
    return False


def waiting(house: dict[str, str]) -> Iterator[str]:
    """Only the shells and the edges wait: policies decide."""
    for room, text in house.items():
        if room.startswith(WAITING):
            continue
        for name, node in _inside_functions(tree_of(text)):
            waits = isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)) or (
                isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("sleep", "asleep")
            )
            if waits and f"{room}:{name}" not in DOORS:
                yield f"{room}:{node.lineno} waits"


def _inside_functions(tree: ast.AST, name: str = "") -> Iterator[tuple[str, ast.expr | ast.stmt]]:
    for node in ast.iter_child_nodes(tree):
        inner = name
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{name}.{node.name}".lstrip(".")
        if isinstance(node, (ast.expr, ast.stmt)):
            yield inner, node
        yield from _inside_functions(node, inner)


def reading_time(house: dict[str, str]) -> Iterator[str]:
    """One door for time: whoever needs it is given a clock."""
    for one in imports(house):
        if one.run and one.target.split(".")[0] in CLOCKS and not one.inside and one.room != CLOCK:
            yield f"{one.room}:{one.line} imports {one.target}"
    for room, text in house.items():
        for node in ast.walk(tree_of(text)):
            if room != CLOCK and isinstance(node, ast.Attribute) and node.attr in READINGS:
                yield f"{room}:{node.lineno} reads {ast.unparse(node)}"


RULES: tuple[Callable[[dict[str, str]], Iterator[str]], ...] = (
    upward,
    between_strangers,
    between_policies,
    from_outside,
    logic_in_doors,
    waiting,
    reading_time,
)
