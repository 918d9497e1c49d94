"""What is done without a lock is done in one step: no other thread can come between a load and its store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _bytecode import hot, inner, stores, torn

if TYPE_CHECKING:
    from collections.abc import Callable

HOT = hot()
CHANGES = {
    "Seats.admit": {"used"},
    "Seats.settle": {"used"},
    "Gcra.admit": {"at", "spent"},
    "Circuit.settle": {"at", "in_row", "ok", "[]"},
    "Record.end": {"refused", "failed", "cancelled"},
    "Budget.deposit": {"calls"},
    "head": {"[]"},
    "head of coroutines": {"[]"},
    "loop": {"calls", "cancelled"},
    "loop of coroutines": {"calls", "cancelled"},
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_function_changes_its_numbers_in_one_step(name: str) -> None:
    """From the first load to the store of each number there is no call, no jump back, and nothing is made."""
    assert torn(HOT[name]) == set()


@pytest.mark.parametrize("name", HOT)
def test_the_guard_looks_at_the_numbers_that_are_meant(name: str) -> None:
    """A hot function that changes another number is a surprise."""
    assert stores(HOT[name]) == CHANGES[name]


class Wrong:
    """Ways to get it wrong."""

    n: int
    rows: list[int]

    def call_between(self) -> None:
        self.n = self.n + len("a")

    def call_in_another_statement(self) -> None:
        n = self.n
        more = len("b")
        self.n = n + more

    def check_then_call_then_act(self) -> None:
        if self.n > 3:
            return
        print()
        self.n += 1

    def branch_that_comes_back(self, flag: bool) -> None:
        n = self.n
        if flag:
            print()
        self.n = n + 1

    def container_between(self) -> None:
        n = self.n
        pair = [n, n]
        self.n = pair[0]

    def loop_between(self) -> None:
        n = self.n
        while n < 9:
            n += 1
        self.n = n

    def lock_between(self, lock: Any) -> None:
        n = self.n
        with lock:
            self.n = n + 1

    async def await_between(self, work: Any) -> None:
        n = self.n
        await work
        self.n = n + 1

    def place_in_a_list(self, i: int) -> None:
        self.rows[i] = self.rows[i] + len("a")


SEEDED = {
    Wrong.call_between: "n",
    Wrong.call_in_another_statement: "n",
    Wrong.check_then_call_then_act: "n",
    Wrong.branch_that_comes_back: "n",
    Wrong.container_between: "n",
    Wrong.loop_between: "n",
    Wrong.lock_between: "n",
    Wrong.await_between: "n",
    Wrong.place_in_a_list: "[]",
}


@pytest.mark.parametrize("function", SEEDED)
def test_a_seeded_fault_is_found(function: Callable[..., Any]) -> None:
    """The guard has power: each of these can lose a count."""
    assert torn(function) == {SEEDED[function]}


class Right:
    """Ways that look alike and are whole."""

    n: int
    rows: list[int]

    def plain(self) -> None:
        self.n += 1

    def branch_that_leaves(self) -> None:
        if self.n > 3:
            raise ValueError(str(self.n))
        self.n += 1

    def call_before(self, i: int) -> None:
        place = len("ab")
        self.rows[place] += 1

    def call_after(self) -> None:
        self.n += 1
        print()

    def fresh_value(self) -> None:
        self.n = len("a")


@pytest.mark.parametrize("function", [f for name, f in vars(Right).items() if callable(f) and not name.startswith("_")])
def test_what_is_whole_is_not_found(function: Callable[..., Any]) -> None:
    """Calls before the load, after the store, and in branches that leave, do not matter."""
    assert torn(function) == set()


def test_closures_are_read_too() -> None:
    """The frames of the shells are closures: a number of the enclosing function counts as well."""

    def frame() -> Callable[[], None]:
        n = 0

        def call() -> None:
            nonlocal n
            n = n + len("a")

        return call

    assert torn(inner(frame)) == {"n"}
