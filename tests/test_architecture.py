"""The layers of the house hold: imports go down only, and each part keeps to what is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from _house import DOORS, LAYER_OF, OWNERS, RULES, imports, part_of, rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Rule = Callable[[dict[str, str]], Iterator[str]]

HOUSE = rooms()
BY_NAME = {rule.__name__: rule for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=BY_NAME)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    """Read from the syntax tree of every file."""
    assert list(rule(HOUSE)) == []


def test_every_room_has_its_layer() -> None:
    """A new part of the package has to say where it stands."""
    assert {part_of(room) for room in HOUSE} <= set(LAYER_OF)
    assert len(HOUSE) > 40


def test_every_door_is_there() -> None:
    """An exception from a rule that nobody needs any more is taken off the list."""
    for door in DOORS:
        room, _, function = door.partition(":")
        owner, _, name = function.partition(".")
        assert f"class {owner}" in HOUSE[room]
        assert f"async def {name}" in HOUSE[room]


def test_imports_are_seen_wherever_they_stand() -> None:
    """At the top, in a function, for type checkers, by name; of the package and from outside."""
    text = """
import json
from .. import errors
from ..errors import ConfigError
from . import retry
import svcgov.pipeline
if TYPE_CHECKING:
    from ..typing import Clock
else:
    import_without('pybreaker', 'redis')
def f():
    from .._core import _clock
    import_module('redis.client')
"""
    seen = {(one.target, one.run) for one in imports({**HOUSE, "policies/planted": text}) if one.room == "policies/planted"}
    assert seen == {
        ("json", True),
        ("errors", True),
        ("policies/retry", True),
        ("pipeline", True),
        ("typing", False),
        ("pybreaker", True),
        ("_core/_clock", True),
        ("redis.client", True),
    }


PLANTED = {
    "upward": [
        ("_core/planted", "from ..pipeline import Pipeline"),
        ("_core/planted", "if TYPE_CHECKING:\n    from ..policies.retry import Retry"),
        ("_shells/planted", "def f():\n    from ..policies import retry"),
        ("policies/planted", "import svcgov.governor"),
        ("propagation/planted", "from ..inbound.handler import handled"),
        ("errors", "from .pipeline import Policy"),
        ("telemetry/planted", "from ..governor import DEFAULT"),
        ("governor", "from . import Pipeline"),
    ],
    "between_strangers": [
        ("inbound/planted", "from ..telemetry.access_log import AccessLog"),
        ("outbound/planted", "from ..inbound import handler"),
        ("telemetry/planted", "if TYPE_CHECKING:\n    from ..outbound.govern import govern"),
        ("policies/planted", "from ..propagation import trace"),
    ],
    "between_policies": [
        ("policies/planted", "from .retry import Retry"),
        ("policies/planted", "from . import timeout"),
        ("policies/planted", "def f():\n    from ..policies.bulkhead import Bulkhead"),
        ("policies/planted", "if TYPE_CHECKING:\n    from .retry import Retry"),
        ("policies/_planted", "from .circuit_breaker import CircuitBreaker"),
    ],
    "from_outside": [
        ("_core/planted", "import pybreaker"),
        ("facts", "from structlog import get_logger"),
        ("policies/retry", "import pybreaker"),
        ("policies/rate_limit", "def f():\n    import limits"),
        ("policies/planted", "import_without('pybreaker', 'redis')"),
        ("pipeline", "from wrapt import decorator"),
        ("governor", "import opentelemetry.trace"),
        ("outbound/planted", "import httpx2"),
        ("inbound/planted", "import_module('boto3')"),
    ],
    "logic_in_doors": [
        ("policies/__init__", "from .retry import retry"),
        ("policies/__init__", "CACHE = {}"),
        ("__init__", "def handler(fn):\n    return fn"),
        ("__init__", "for name in ():\n    print(name)"),
        ("outbound/__init__", "if TYPE_CHECKING:\n    print(1)"),
    ],
    "waiting": [
        ("policies/planted", "async def f():\n    await g()"),
        ("_core/_clock", "async def f():\n    await g()"),
        ("pipeline", "class Pipeline:\n    async def call(self):\n        await g()"),
        ("policies/planted", "async def f():\n    async with g: pass"),
        ("policies/planted", "def f(clock):\n    clock.sleep(1)"),
        ("governor", "sleep(1)"),
    ],
    "reading_time": [
        ("policies/planted", "import time"),
        ("_shells/planted", "def f():\n    from time import monotonic"),
        ("_core/planted", "from datetime import datetime"),
        ("telemetry/planted", "moment = datetime.now()"),
        ("inbound/planted", "began = time.perf_counter()"),
    ],
}


@pytest.mark.parametrize(("name", "room", "text"), [(name, *one) for name, some in PLANTED.items() for one in some])
def test_a_breach_is_found(name: str, room: str, text: str) -> None:
    """Every rule finds what is planted against it, and says in which room."""
    found = list(BY_NAME[name]({**HOUSE, room: text}))
    assert len(found) == 1
    assert found[0].startswith(f"{room}:")


def test_every_rule_is_broken_once() -> None:
    """No rule that has never failed."""
    assert set(PLANTED) == set(BY_NAME)


@pytest.mark.parametrize(
    ("name", "room", "text"),
    [
        ("upward", "governor", "from .inbound.handler import handled"),
        ("upward", "_core/planted", "from ..errors import ConfigError"),
        ("between_strangers", "inbound/planted", "from ..propagation import trace"),
        ("between_policies", "policies/planted", "from ._circuit import Circuit"),
        ("between_policies", "policies/_planted", "if TYPE_CHECKING:\n    from .circuit_breaker import CircuitBreaker"),
        ("from_outside", "policies/circuit_breaker", "import_without('pybreaker')"),
        ("from_outside", "pipeline", "import asyncio"),
        ("logic_in_doors", "policies/__init__", '"""A door."""\n__all__ = []\ndef __dir__(): ...'),
        ("waiting", "_shells/planted", "async def f():\n    await g()"),
        ("waiting", "pipeline", "class Pipeline:\n    async def acall(self):\n        await g()"),
        ("reading_time", "_core/_clock", "import time"),
        ("reading_time", "policies/planted", "if TYPE_CHECKING:\n    from datetime import timedelta"),
    ],
)
def test_what_is_allowed_is_not_found(name: str, room: str, text: str) -> None:
    """The rules forbid no more than they say."""
    assert list(BY_NAME[name]({**HOUSE, room: text})) == []


def test_each_dependency_has_an_owner() -> None:
    """The five that the project declares, what pybreaker would bring along, who looks for our fixtures, and a platform's own."""
    declared = {"limits", "opentelemetry", "pybreaker", "structlog", "wrapt"}
    assert set(OWNERS) == declared | {"pytest", "redis", "shtab", "snapshot_restore_py", "tornado", "yaml"}
