"""The two shells are one text: what is written for plain functions is written for coroutine functions, and no more."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path
from typing import Any

import pytest

SHELLS = Path(__file__).parent.parent / "src" / "svcgov" / "_shells"

# What the two files say differently on purpose: as the plain file says it, and as the other one does.
ALLOWED = {
    "the world it is for": (
        "The frames of a governed call, for plain functions. `_async` is the mirror of this file.",
        "The frames of a governed call, for coroutine functions. `_sync` is the mirror of this file.",
    ),
    "a coroutine is handed on": (
        "The innermost frame, with no gate in it.",
        "The innermost frame, with no gate in it: hands the coroutine on, which saves an awaited frame.",
    ),
}
# The same of the frame of generators.
ALLOWED_OF_GENERATORS = {
    "the world it is for": (
        "The frame of a governed generator. `_generators_async` is the mirror of this file.",
        "The frame of a governed async generator. `_generators_sync` is the mirror of this file.",
    ),
    "what would be shorter": ("``yield from`` would do", "``async for`` would not do"),
    "what has begun": ("from ._life import Life", "from ._task_life import TaskLife as Life"),
    "the kind, imported": ("import Callable, Generator", "import AsyncGenerator, Callable"),
    "the kind": ("-> Generator[Any, Any, Any]:", "-> AsyncGenerator[Any, Any]:"),
    "what is sent": ("step = body.send", "step = body.asend"),
    "what is thrown in": ("step = body.throw", "step = body.athrow"),
    "how it is closed": ("body.close()", "body.aclose()"),
    "how it takes a permit": ("life.take(", "life.take_in_turn("),
    "how it is over": ("except StopIteration as stop:", "except StopAsyncIteration:"),
    "what it returns": ("return stop.value", "return\n"),
}
SLEEP = {"asleep": "sleep"}  # the clock's two ways to wait
PLAIN_IN_BOTH = {"leaf0"}  # frames whose inner function is a plain one in both worlds


class Plain(ast.NodeTransformer):
    """Takes async and await out of a tree."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        fields = {name: getattr(node, name) for name in ast.FunctionDef._fields if hasattr(node, name)}
        return ast.FunctionDef(**fields)

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = SLEEP.get(node.attr, node.attr)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        for plain, other in ALLOWED.values():
            if isinstance(node.value, str):
                node.value = node.value.replace(other, plain)
        return node


def differences(plain: str, other: str) -> list[str]:
    """What the second text says differently once its async and await are taken out, line by line."""
    ours = ast.dump(ast.parse(plain), indent=1).splitlines()
    theirs = ast.dump(Plain().visit(ast.parse(other)), indent=1).splitlines()
    return [line for line in difflib.unified_diff(ours, theirs, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]


def functions(text: str, kind: type[ast.AST]) -> set[str]:
    """The functions of this kind, by the names of the frames they are in."""
    found = set()
    for frame in ast.parse(text).body:
        for node in ast.walk(frame):
            if isinstance(node, kind):
                found.add(f"{getattr(frame, 'name', '')}.{getattr(node, 'name', '')}")
    return found


@pytest.fixture
def plain() -> str:
    """The text of the plain shell."""
    return (SHELLS / "_sync.py").read_text()


@pytest.fixture
def other() -> str:
    """The text of its mirror."""
    return (SHELLS / "_async.py").read_text()


def test_the_shells_are_mirrors(plain: str, other: str) -> None:
    """Async and await taken out, and the few differences that have a name, they are the same."""
    assert differences(plain, other) == []


@pytest.mark.parametrize("name", ALLOWED)
def test_every_allowed_difference_is_there(name: str, plain: str, other: str) -> None:
    """One that is gone is taken off the list."""
    of_plain, of_other = ALLOWED[name]
    assert of_plain in plain
    assert of_other in other
    assert of_other not in plain


def test_every_inner_frame_awaits_in_one_world_and_in_the_other_not(plain: str, other: str) -> None:
    """But for those that hand the coroutine on: a forgotten ``async`` is no mirror image."""
    inner = {
        name
        for name in functions(plain, ast.FunctionDef)
        if name.endswith((".call", "again.again", "watched.watched", "direct.direct"))
    }
    exempt = {f"{name}.call" for name in PLAIN_IN_BOTH}
    assert len(inner) >= 9
    assert functions(plain, ast.AsyncFunctionDef) == set()
    assert functions(other, ast.AsyncFunctionDef) == inner - exempt
    assert exempt <= functions(other, ast.FunctionDef)


def test_the_plain_shell_awaits_nothing(plain: str) -> None:
    """No await, no loop and no task in it."""
    assert not any(isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for node in ast.walk(ast.parse(plain)))
    assert "asyncio" not in plain


def test_every_inner_call_is_awaited_in_the_mirror(other: str) -> None:
    """Whatever hands the call on inwards waits for it, but for the frames that hand the coroutine on."""
    tree = ast.parse(other)
    waits = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    inward = []
    for frame in tree.body:
        calls = [node for node in ast.walk(frame) if isinstance(node, ast.Call)]
        onwards = [call for call in calls if ast.unparse(call.func) in ("inner", "route.inner", "fn", "again", "watched")]
        inward += [(getattr(frame, "name", ""), id(call) in waits) for call in onwards]
    assert {name for name, is_awaited in inward if not is_awaited} == PLAIN_IN_BOTH
    assert len(inward) >= 9


def differences_of_generators(plain: str, other: str) -> list[str]:
    """As `differences`, with what is allowed taken out first."""
    for of_plain, of_other in ALLOWED_OF_GENERATORS.values():
        other = other.replace(of_other, f"{of_plain}\n" if of_other.endswith("\n") else of_plain)
    return differences(plain, other)


def test_the_frames_of_generators_are_mirrors() -> None:
    """The same, and so are their few differences."""
    plain, other = ((SHELLS / f"_generators_{name}.py").read_text() for name in ("sync", "async"))
    assert differences_of_generators(plain, other) == []
    for of_plain, of_other in ALLOWED_OF_GENERATORS.values():
        assert of_plain in plain
        assert of_other in other
        assert of_other not in plain
    assert "async" not in plain.replace("_generators_async", "")


def differences_of_kept(plain: str, other: str) -> list[str]:
    """As `differences`, of the frame that keeps a permit."""
    said = "for plain functions. `_kept_async` is its mirror.", "for coroutine functions. `_kept_sync` is its mirror."
    assert said[0] in plain
    assert said[1] in other
    plain, other = (text.partition("TYPE_CHECKING = False")[0] + text[text.index("def kept(") :] for text in (plain, other))
    return differences(plain, other.replace(said[1], said[0]))


def test_the_frames_that_keep_a_permit_are_mirrors() -> None:
    """The same; and the comparison can fail."""
    plain, other = ((SHELLS / f"_kept_{name}.py").read_text() for name in ("sync", "async"))
    assert differences_of_kept(plain, other) == []
    assert differences_of_kept(plain, other.replace("if again or not", "if not", 1)) != []
    assert functions(other, ast.AsyncFunctionDef) == {"kept.call"}
    assert "await" not in plain


def differences_of_spanned(plain: str, other: str) -> list[str]:
    """As `differences`, of the frame that makes a span."""
    said = "for plain functions. `_span_async` is its mirror.", "for coroutine functions. `_span_sync` is its mirror."
    assert said[0] in plain
    assert said[1] in other
    plain, other = (text.partition("TYPE_CHECKING = False")[0] + text[text.index("def spanned(") :] for text in (plain, other))
    return differences(plain, other.replace(said[1], said[0]))


def test_the_frames_that_make_a_span_are_mirrors() -> None:
    """The same; and the comparison can fail."""
    plain, other = ((SHELLS / f"_span_{name}.py").read_text() for name in ("sync", "async"))
    assert differences_of_spanned(plain, other) == []
    assert differences_of_spanned(plain, other.replace("span.end(None)", "span.end(0)", 1)) != []
    assert functions(other, ast.AsyncFunctionDef) == {"spanned.call"}
    assert "await" not in plain


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("item = None", "item = 0"),
        ("raise life.cut_short()", "raise GeneratorExit"),
        ("life.end(error)", "life.end(None)"),
        ("await life.take_in_turn(machine", "await life.take_in_turn(call"),
    ],
)
def test_a_difference_of_generators_is_found(said: str, instead: str) -> None:
    """The comparison can fail."""
    plain, other = ((SHELLS / f"_generators_{name}.py").read_text() for name in ("sync", "async"))
    assert said in other
    assert differences_of_generators(plain, other.replace(said, instead, 1)) != []


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("if permit is not gate.calm:", "if permit is not gate.free:"),
        ("await _sleeping.asleep(retry, delay, plan.last)", "await _sleeping.asleep(retry, 0.0, plan.last)"),
        ("raise plan.last", "raise error"),
        ("took = limit.clock.monotonic() - now", "took = 0.0"),
        ('"""One gate around the frames inside."""', '"""One gate."""'),
    ],
)
def test_a_difference_is_found(said: str, instead: str, plain: str, other: str) -> None:
    """The comparison can fail: a changed line of the mirror shows."""
    assert said in other
    assert differences(plain, other.replace(said, instead, 1)) != []
