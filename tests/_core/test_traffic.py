"""Which calls are meant, said by a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import bulkhead, rate_limit
from svcgov._core._context import Invocation
from svcgov._core._traffic import Traffic
from svcgov.errors import ConfigError, RateLimitedError
from svcgov.testing import invocation

if TYPE_CHECKING:
    from _worlds import World

ORDER = Invocation(
    trigger="http",
    method="POST",
    path="/orders/17",
    client="192.0.2.7",
    colour="blue",
    headers={"x-tier": "gold", "cookie": 'theme=dark; session="s1"; bare; shop:cart=Xa=b'},
)


@pytest.mark.parametrize(
    ("table", "meant"),
    [
        ({"method": "POST"}, True),
        ({"method": "post"}, False),
        ({"method": ["PUT", "POST"]}, True),
        ({"method": ("PUT", "GET")}, False),
        ({"path": {"prefix": "/orders"}}, True),
        ({"path": {"prefix": "/order/"}}, False),
        ({"path": {"suffix": "/17"}}, True),
        ({"path": {"suffix": "/18"}}, False),
        ({"path": {"exact": "/orders/17"}}, True),
        ({"path": {"exact": "/orders"}}, False),
        ({"path": {"exact": "/17"}}, False),
        ({"path": {"regex": r"/\d+$"}}, True),
        ({"path": {"regex": r"^orders"}}, False),
        ({"path": {"prefix": "/orders", "suffix": "/18"}}, False),
        ({"path": {"prefix": "/orders"}, "method": "GET"}, False),
        ({"method": "GET", "path": {"prefix": "/orders"}}, False),
        ({"path": {"prefix": "/orders"}, "method": "POST"}, True),
        ({"colour": "blue", "trigger": "http", "client": "192.0.2.7"}, True),
        ({"colour": {"empty": False}}, True),
        ({"colour": {"empty": True}}, False),
        ({"header:X-Tier": "gold"}, True),
        ({"header:x-tier": "silver"}, False),
        ({"header:x-tenant": {"empty": True}}, True),
        ({"cookie:theme": "dark"}, True),
        ({"cookie:session": "s1"}, True),
        ({"cookie:them": "dark"}, False),
        ({"cookie:bare": {"empty": True}}, True),
        ({"cookie:none": {"empty": True}}, True),
        ({"cookie:shop:cart": "Xa=b"}, True),
    ],
)
def test_a_table_says_which_calls_are_meant(table: dict[str, Any], meant: bool) -> None:
    """All that it names has to be so."""
    assert Traffic(table, "when").holds(ORDER) is meant


def test_nothing_is_known_outside_of_any_call() -> None:
    """What an invocation has not is empty."""
    for name in ("path", "colour", "header:x-tier", "cookie:theme"):
        assert Traffic({name: {"empty": True}}, "when").holds(Invocation())
        assert not Traffic({name: {"prefix": "a"}}, "when").holds(Invocation())


def test_a_regular_expression_sees_so_much_of_a_value_and_no_more() -> None:
    """Whoever sends a long one does not keep us busy."""
    long = Invocation(path="/" + "a" * 2000 + "b")
    assert not Traffic({"path": {"regex": "b"}}, "when").holds(long)
    assert Traffic({"path": {"suffix": "b"}}, "when").holds(long)


def test_a_gate_is_meant_for_the_calls_of_its_table(world: World) -> None:
    """The others pass it by, uncounted."""
    gate = rate_limit("1/minute", when={"path": {"prefix": "/orders"}}, clock=world.clock)
    call = world.governed(gate, "through")
    with invocation(path="/health"):
        assert [call() for _ in range(3)] == ["through"] * 3
    with invocation(path="/orders/17"):
        assert call() == "through"
        call.fails(RateLimitedError)


def test_equal_tables_are_equal_settings() -> None:
    """One name, one state: said twice in the same way, it is the same."""
    first = bulkhead(2, name="orders", when={"method": "POST"})
    assert bulkhead(2, name="orders", when={"method": "POST"}) is first
    assert Traffic({"method": "POST"}, "when") == Traffic({"method": "POST"}, "when")
    assert Traffic({"method": "POST"}, "when") != Traffic({"method": "PUT"}, "when")
    assert Traffic({"method": "POST"}, "when") != {"method": "POST"}
    assert len({Traffic({"method": "POST"}, "when"), Traffic({"method": "POST"}, "when")}) == 1
    assert repr(Traffic({"method": "POST"}, "when")) == "{'method': 'POST'}"


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ({}, {}),
        ({"verb": "GET"}, "verb"),
        ({"path": 3}, 3),
        ({"path": {"starts": "/a"}}, "/a"),
        ({"path": {"regex": "("}}, "("),
    ],
)
def test_what_is_refused_is_shown(table: dict[str, Any], value: object) -> None:
    """The name where that is wrong, or what was said of it."""
    with pytest.raises(ConfigError) as wrong:
        Traffic(table, "when")
    assert wrong.value.value == value


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "bulkhead.when: expected at least one thing that has to be so"),
        ({"verb": "GET"}, "bulkhead.when.verb: expected one of path, method, trigger, colour, client, header:NAME, cookie:NAME"),
        ({3: "GET"}, "bulkhead.when.3: expected one of path"),
        ({"header:": "x"}, "bulkhead.when.header:: expected one of path"),
        ({"cookie:": "x"}, "bulkhead.when.cookie:: expected one of path"),
        ({"path": 3}, "bulkhead.when.path: expected a text, a list of them, or a mapping of exact, prefix"),
        ({"path": []}, "bulkhead.when.path: expected a text"),
        ({"path": {}}, "bulkhead.when.path: expected a text"),
        ({"path": ["/a", 3]}, "bulkhead.when.path: expected a text"),
        ({"path": {"starts": "/a"}}, "bulkhead.when.path.starts: expected one of exact, prefix, suffix, regex, empty"),
        ({"path": {"prefix": 3}}, "bulkhead.when.path.prefix: expected a text, got 3"),
        ({"path": {"empty": "no"}}, "bulkhead.when.path.empty: expected true or false, got 'no'"),
        ({"path": {"regex": "("}}, "bulkhead.when.path.regex: expected a regular expression (missing )"),
    ],
)
def test_a_table_that_cannot_be_is_refused_where_it_stands(table: dict[Any, Any], message: str) -> None:
    """At the door, with the place."""
    with pytest.raises(ConfigError) as caught:
        bulkhead(2, when=table)
    assert str(caught.value).startswith(message)


def test_when_is_a_function_or_a_table() -> None:
    """Nothing else."""
    with pytest.raises(ConfigError, match="a function of the call") as wrong:
        bulkhead(2, when=3)  # type: ignore[arg-type]
    assert wrong.value.value == 3
