"""One name, one state."""

from __future__ import annotations

import types
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import hasty_switches, in_threads
from svcgov import Pipeline, bulkhead, circuit_breaker
from svcgov._core import _names
from svcgov._core._names import NAMES, PIPELINE, Names, calling_place, check_name, scoped
from svcgov.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Thing:
    """Something that has a name: remembers how it was redefined."""

    def __init__(self) -> None:
        self.redefined: list[Mapping[str, Any]] = []

    def redefine(self, declared: Mapping[str, Any]) -> None:
        if declared.get("wrong"):
            raise ConfigError("thing", declared, "something right")
        self.redefined.append(declared)


class Elsewhere:
    """A module, in which code can be run."""

    def __init__(self, name: str) -> None:
        self.module = types.ModuleType(name)

    def run(self, code: str, **known: Any) -> Any:
        """Run *code*; what it sets ``made`` to is returned."""
        vars(self.module).update(known)
        exec(code, vars(self.module))  # noqa: S102  # our own code, in a module of its own
        return vars(self.module)["made"]


ORDERS, PAYMENTS = Elsewhere("shop.orders"), Elsewhere("shop.payments")
MAKE = "made = bulkhead({limit}, name='db')"


def make(place: Elsewhere, limit: int) -> Any:
    """A bulkhead of one name, with this limit, in the code of *place*."""
    return place.run(MAKE.format(limit=limit), bulkhead=bulkhead)


def test_asked_for_twice_it_is_the_same_thing() -> None:
    """Made once."""
    assert make(ORDERS, 3) is make(ORDERS, 3) is make(PAYMENTS, 3)


def test_a_name_alone_refers_to_what_exists() -> None:
    """Wherever it was made, its settings stay."""
    made = circuit_breaker("db", window=7)
    assert PAYMENTS.run("made = circuit_breaker('db')", circuit_breaker=circuit_breaker) is made
    assert made.settings.window == 7


def test_the_first_settings_that_a_name_is_given_are_its_own() -> None:
    """When it was only referred to before, from wherever."""
    referred = ORDERS.run("made = circuit_breaker('db')", circuit_breaker=circuit_breaker)
    made = PAYMENTS.run("made = circuit_breaker('db', window=7)", circuit_breaker=circuit_breaker)
    assert made is referred
    assert made.settings.window == 7


def test_other_settings_from_another_module_are_an_error_that_names_both_places() -> None:
    """Nothing has changed then."""
    made = make(ORDERS, 3)
    with pytest.raises(ConfigError) as wrong:
        make(PAYMENTS, 4)
    assert wrong.value.path == "bulkhead[db]"
    assert wrong.value.value == {"limit": 4}
    assert wrong.value.expected == "the settings given at shop.orders:1, or the name alone, at shop.payments:1"
    assert made.settings.limit == 3


def test_the_same_module_may_say_it_anew() -> None:
    """A reload, or a notebook: the thing is reconfigured, and what it has counted stays."""
    made = make(ORDERS, 3)
    with made:
        assert make(ORDERS, 5) is made
        assert made.snapshot() == {"limit": 5, "in_use": 1, "waiting": 0, "refused": 0}
    with pytest.raises(ConfigError):
        make(PAYMENTS, 3)
    assert make(PAYMENTS, 5) is made


def test_a_reloaded_module_with_functions_in_its_settings_says_the_same() -> None:
    """Functions and classes are the same by where they are written, not by being the same object."""
    code = """
from functools import partial
class Odd(Exception): pass
class Judge:
    @classmethod
    def judge(cls, error): return True
def named(error): return True
made = circuit_breaker('db', on=[Odd, Judge.judge], ignore=partial(named))
"""
    made = ORDERS.run(code, circuit_breaker=circuit_breaker)
    tuned: list[object] = []
    made._tune = tuned.append
    assert ORDERS.run(code, circuit_breaker=circuit_breaker) is made
    assert tuned == []


def test_a_wrong_redefinition_changes_nothing() -> None:
    """Afterwards the settings that it had are still the ones that count."""
    names, thing = Names(), Thing()
    names.claim("", "thing", "x", {"n": 1}, lambda: thing)
    with pytest.raises(ConfigError):
        names.claim("", "thing", "x", {"wrong": True}, Thing)
    assert names.claim("", "thing", "x", {"n": 1}, Thing) is thing
    assert thing.redefined == []


def test_what_could_not_be_made_has_no_name() -> None:
    """A second try may succeed."""
    with pytest.raises(ConfigError):
        bulkhead(0, name="db")
    assert bulkhead(1, name="db").settings.limit == 1


def test_names_are_of_a_kind_and_a_scope() -> None:
    """A breaker and a bulkhead of one name are two things, and so are those of two scopes."""
    names = Names()
    things = {names.claim(scope, kind, "x", {}, Thing) for scope in ("", "a") for kind in ("bulkhead", "retry")}
    assert len(things) == 4


def test_in_a_scope_names_are_those_of_the_scope() -> None:
    """Only while something is made in it, also when that fails."""
    inside = scoped("a", bulkhead)
    with pytest.raises(ConfigError):
        inside(0, name="db")
    one, other = inside(1, name="db"), bulkhead(1, name="db")
    assert one is not other
    assert inside(1, name="db") is one


def test_what_is_being_made_may_claim_a_name_itself() -> None:
    """As a retry does its budget's."""
    names = Names()
    outer = names.claim("", "outer", "x", {}, lambda: [names.claim("", "inner", "x", {}, Thing)])
    assert outer == [names.claim("", "inner", "x", {}, Thing)]


def test_there_are_at_most_ten_thousand_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name for every customer is a leak: the error points to what is meant for that. Those that exist are found."""
    assert _names.MOST == 10_000
    monkeypatch.setattr(_names, "MOST", 3)
    names = Names()
    things = [names.claim("", "bulkhead", f"n{number}", {}, Thing) for number in range(3)]
    with pytest.raises(ConfigError) as wrong:
        names.claim("", "bulkhead", "n3", {}, Thing)
    assert (wrong.value.path, wrong.value.value) == ("bulkhead.name", "n3")
    assert wrong.value.expected == "at most 3 names (for many keys of one policy: key=)"
    assert [names.claim("", "bulkhead", f"n{number}", {}, Thing) for number in range(3)] == things


def test_what_stands_under_a_name_can_be_looked_up() -> None:
    """Nothing is made by that."""
    names = Names()
    assert names.find("", "thing", "x") is None
    thing = names.claim("", "thing", "x", {}, Thing)
    assert names.find("", "thing", "x") is thing
    assert names.find("shop", "thing", "x") is None


def test_what_has_come_since_can_be_forgotten() -> None:
    """What was there before is as it was, also what was said anew."""
    names, thing = Names(), Thing()
    names.claim("", "thing", "x", {"n": 1}, lambda: thing)
    forget_the_rest = names.remembered()
    names.claim("", "thing", "x", {"n": 2}, Thing)
    later = names.claim("", "thing", "y", {"n": 1}, Thing)
    forget_the_rest()
    assert names.claim("", "thing", "x", {"n": 1}, Thing) is thing
    assert thing.redefined == [{"n": 2}]
    with pytest.raises(ConfigError, match=f"the settings given at {__name__}:"):
        PAYMENTS.run("made = names.claim('', 'thing', 'x', {'n': 3}, Thing)", names=names, Thing=Thing)
    assert names.claim("", "thing", "y", {"n": 1}, Thing) is not later


def test_in_a_forked_process_nobody_is_making_anything() -> None:
    """Although another thread, which does not exist here, was."""
    names = Names()
    keeper = Thread(target=names._lock.acquire)
    keeper.start()
    keeper.join()
    names.forked()
    made: list[Any] = []
    maker = Thread(target=lambda: made.append(names.claim("", "thing", "x", {}, Thing)), daemon=True)
    maker.start()
    maker.join(timeout=5)
    assert len(made) == 1


def test_a_name_that_cannot_be_is_refused_at_its_place() -> None:
    """Which is that of what was to be made."""
    with pytest.raises(ConfigError, match=r"^thing\.name: expected 1 to 128 letters"):
        Names().claim("", "thing", "two words", {}, Thing)


def test_forgotten_names_are_made_anew() -> None:
    """What existed goes on; it is just no longer found."""
    made = bulkhead(1, name="db")
    NAMES.forget()
    assert bulkhead(2, name="db") is not made
    assert made.settings.limit == 1


@pytest.mark.parametrize("name", ["a", "A9._:-", "x" * 128, "payments.eu-west:1"])
def test_what_can_be_a_name(name: str) -> None:
    """Letters, digits and a few marks, that fit into any log, header or key."""
    check_name(name, "place")
    assert bulkhead(1, name=name).name == name


@pytest.mark.parametrize("name", ["", "x" * 129, "a b", "a/b", "ä", "a\n", "\u0661", None, 5, b"a", ["a"]])
def test_what_cannot_be_a_name(name: Any) -> None:
    """It is refused by its place."""
    with pytest.raises(ConfigError) as wrong:
        check_name(name, "place")
    assert (wrong.value.path, wrong.value.value, wrong.value.expected) == ("place", name, "1 to 128 letters, digits or . _ : -")


def test_the_calling_place_is_the_code_outside() -> None:
    """The module and line that uses the package; here, this very line."""
    assert calling_place().startswith(f"{__name__}:")
    assert PAYMENTS.run("\n\nmade = calling_place()", calling_place=calling_place) == "shop.payments:3"
    nameless: dict[str, Any] = {"calling_place": calling_place}
    exec("made = calling_place()", nameless)  # noqa: S102  # our own code
    assert nameless["made"] == "?:1"


def test_many_threads_make_one_thing() -> None:
    """Whoever comes first makes it, and all get it."""
    found: list[Any] = []
    made: list[Thing] = []
    names = Names()

    def new() -> Thing:
        made.append(Thing())
        return made[-1]

    def claim(number: int) -> None:
        found.extend((one, names.claim("", "thing", f"x{one}", {"n": 1}, new)) for one in range(50))

    with hasty_switches():
        assert in_threads(8, claim) == []
    assert len(made) == 50
    assert len({(one, id(thing)) for one, thing in found}) == 50


def test_what_only_a_document_has_gives_way_to_code() -> None:
    """It is found by its name, until another one takes its place, or code has settings of its own for it."""
    names = Names()
    first, second, third = Thing(), Thing(), Thing()
    names.introduce("", "thing", "x", first)
    names.introduce("", "thing", "x", second)
    assert names.claim("", "thing", "x", {}, Thing) is second
    assert names.claim("", "thing", "x", {"n": 1}, Thing) is second
    assert second.redefined == [{"n": 1}]
    names.introduce("", "thing", "x", third)
    assert names.find("", "thing", "x") is second


def test_pipelines_that_nobody_holds_are_not_known() -> None:
    """However many there have been: they are made for a while, too."""
    for _ in range(3):
        Pipeline(name="payments")
    pipeline = Pipeline(name="search")
    assert NAMES.pipelines("") == [("search", pipeline)]
    assert len(NAMES._pipelines) == 1


class Binder:
    """Who gives to what has a name what documents say of it: here, who writes it down."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    def bind(self, kind: str, name: str, thing: Any) -> None:
        self.told.append((kind, name, thing))


class Late(Thing):
    """A pipeline that is what another one of its name will be."""

    def __init__(self) -> None:
        self.followed: list[Any] = []

    def follow(self, pipeline: Any) -> None:
        self.followed.append(pipeline)


def test_who_binds_the_names_of_a_scope_is_told_of_each() -> None:
    """Once, when it is made; the names of other scopes are not his."""
    names, binder = Names(), Binder()
    names.binders["shop"] = binder
    thing = names.claim("shop", "thing", "x", {}, Thing)
    names.claim("shop", "thing", "x", {}, Thing)
    names.claim("", "thing", "x", {}, Thing)
    pipeline, other = Thing(), Thing()
    names.know("shop", "payments", pipeline)
    names.know("", "payments", other)
    assert binder.told == [("thing", "x", thing), (PIPELINE, "payments", pipeline)]


def test_who_has_waited_for_a_pipeline_of_its_name_follows_it() -> None:
    """And is told of anew; nobody follows himself, one of another name, or one of another scope."""
    names, binder = Names(), Binder()
    names.binders["shop"] = binder
    late, other, elsewhere = Late(), Late(), Late()
    names.know("shop", "payments", late)
    names.know("shop", "search", other)
    names.know("", "payments", elsewhere)
    binder.told.clear()
    pipeline = Thing()
    names.know("shop", "payments", pipeline)
    assert binder.told == [(PIPELINE, "payments", pipeline), (PIPELINE, "payments", late)]
    assert (late.followed, other.followed, elsewhere.followed) == ([pipeline], [], [])
