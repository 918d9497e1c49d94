"""Reads byte code for places where another thread could come between the load of a number and its store.

CPython with a GIL changes threads, and runs signal handlers, only where a function is entered, after a call and at a
backward jump; 3.11 may also run the collector where a container is made. With none of these between its first load and
its store, an attribute is changed in one step.

Needs the standard library and the package alone, so any interpreter can run it: ``python tests/_bytecode.py``.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SWITCHES = ("CALL", "PRECALL", "SEND", "FOR_ITER", "YIELD", "IMPORT", "BEFORE_", "GET_", "BUILD_", "WITH_")
ENDS = ("RETURN", "RAISE", "RERAISE")
LOADS = {"STORE_ATTR": ("LOAD_ATTR", "LOAD_METHOD"), "STORE_DEREF": ("LOAD_DEREF",), "STORE_GLOBAL": ("LOAD_GLOBAL",)}


def torn(function: Callable[..., Any] | CodeType) -> set[str]:
    """The names whose first load and whose store have a switch between them; ``[]`` for a place in a list."""
    code = list(dis.get_instructions(function))
    found = set()
    for store, instruction in enumerate(code):
        name, loads = str(instruction.argval), LOADS.get(instruction.opname, ())
        first = [i for i in range(store) if code[i].opname in loads and code[i].argval == instruction.argval][:1]
        if instruction.opname == "STORE_SUBSCR":  # each place is loaded just before it is stored
            name, first = "[]", [i for i in range(store) if _takes_a_place(code[i])][-1:]
        if first and any(_switches(code[i]) and _leads(code, i, store) for i in range(first[0], store)):
            found.add(name)
    return found


def _takes_a_place(one: dis.Instruction) -> bool:
    return one.opname == "BINARY_SUBSCR" or (one.opname == "BINARY_OP" and one.argrepr == "[]")


def _switches(one: dis.Instruction) -> bool:
    return one.opname.startswith(SWITCHES) or ("JUMP_BACKWARD" in one.opname and "NO_INTERRUPT" not in one.opname)


def _leads(code: list[dis.Instruction], start: int, goal: int) -> bool:
    """Whether some way goes from one instruction to the other: a branch that returns or raises first does not."""
    places = {one.offset: number for number, one in enumerate(code)}
    todo, seen = [start], set()
    while todo:
        here = todo.pop()
        if here == goal:
            return True
        if here in seen or here >= len(code):
            continue
        seen.add(here)
        one = code[here]
        if "JUMP" in one.opname:
            todo.append(places[one.argval])
        if not one.opname.startswith(ENDS) and one.opname not in ("JUMP_FORWARD", "JUMP_BACKWARD"):
            todo.append(here + 1)
    return False


def inner(frame: Callable[..., Any]) -> CodeType:
    """The code of the function that *frame* makes."""
    return next(one for one in frame.__code__.co_consts if isinstance(one, CodeType))


def hot() -> dict[str, Callable[..., Any] | CodeType]:
    """What the package does without a lock, and the names that this changes."""
    from svcgov._core._budget import Budget
    from svcgov._core._record import Record
    from svcgov._shells import _async, _sync
    from svcgov.policies._circuit import Circuit
    from svcgov.policies.bulkhead import Seats
    from svcgov.policies.rate_limit import Gcra

    return {
        "Seats.admit": Seats.admit,
        "Seats.settle": Seats.settle,
        "Gcra.admit": Gcra.admit,
        "Circuit.settle": Circuit.settle,
        "Record.end": Record.end,
        "Budget.deposit": Budget.deposit,
        "head": inner(_sync.head),
        "head of coroutines": inner(_async.head),
        "loop": inner(_sync.loop),
        "loop of coroutines": inner(_async.loop),
    }


def stores(function: Callable[..., Any] | CodeType) -> set[str]:
    """The names that it stores; ``[]`` for places in lists."""
    code = dis.get_instructions(function)
    return {"[]" if one.opname == "STORE_SUBSCR" else str(one.argval) for one in code if one.opname in (*LOADS, "STORE_SUBSCR")}


if __name__ == "__main__":
    import json

    print(json.dumps({name: [sorted(stores(function)), sorted(torn(function))] for name, function in hot().items()}))
