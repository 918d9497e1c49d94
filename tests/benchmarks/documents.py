"""Section `documents`: what it costs to put a document in force, and to look for one where nothing is new.

Whoever has answered a call does both, after the answer: no call waits for it, but the next one may.
"""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from itertools import cycle
from typing import TYPE_CHECKING, Any

from svcgov import Governor, bulkhead, circuit_breaker, retry
from svcgov.config.sources import Environment, File
from svcgov.registry import connect
from svcgov.registry.layer import Layer
from svcgov.testing import ManualClock

from . import frames
from .harness import PLAIN, Case, Spread, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .table import Figures

FEW, MANY = 25, 100  # pipelines; with four slots each, 100 policies, and 400
SAID = "policies.search.bulkhead=7;policies.search.timeout=3"
TEXT = '[policies.payments]\ntimeout = "5s"\nretry = { attempts = 5 }\n'
TTL = 36.0


def nothing() -> None:
    """The target, and what all of it is beside."""


def slots(more: int) -> dict[str, Any]:
    """What is said of one pipeline: six settings in four slots."""
    return {
        "timeout": 5 + more,
        "bulkhead": 20 + more,
        "retry": {"attempts": 3 + more, "backoff": {"max": 2 + more}},
        "circuit_breaker": {"failure_rate": 0.3 + more / 10, "open_for": 10 + more},
    }


def applied(scope: str, names: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What changes every value of so many pipelines around functions, each time; and what changes none."""
    governor = Governor(scope=scope)
    pipelines = [
        governor.Pipeline(bulkhead(9), retry(on=OSError), circuit_breaker(), name=f"p{number}") for number in range(names)
    ]
    functions = [pipeline(nothing) for pipeline in pipelines]
    first, second = ({"policies": {pipeline.name: slots(more) for pipeline in pipelines}} for more in (0, 1))
    turns = cycle((first, second))

    def change() -> None:
        """Names are known weakly: the functions have to stay."""
        assert governor.apply(next(turns)), functions

    def repeat() -> None:
        assert governor.apply(second)

    return change, repeat


@contextlib.contextmanager
def looked() -> Iterator[Callable[[], Any]]:
    """A look at a file, the environment, and three layers of a registry in a file of SQLite, whose beat is due each time."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        file, store = pathlib.Path(folder, "svcgov.toml"), pathlib.Path(folder, "registry.db")
        file.write_text(TEXT)
        registry = connect(f"sqlite://{store}", ttl=TTL, clock=clock)
        whose = {"fleet": "fleet", "group": "checkout", "service": "orders"}
        for layer, name in whose.items():
            registry.publish(name, {"policies": {"payments": {"bulkhead": 7}}}, layer=layer)
        documents = Governor(scope="looked", service="orders", clock=clock)._under()
        layers = [Layer(registry, name, layer) for layer, name in whose.items()]
        documents.follow(File(str(file)), Environment(SAID), *layers)
        assert set(documents.revisions) == {*whose, "file", "environment"}, documents.refused

        def look() -> None:
            clock.advance(TTL / 3)
            documents.look()

        yield look
        assert not documents.refused
        registry.close()


def documents(*, quick: bool) -> Figures:
    """In one process, with nobody else at the registry."""
    with looked() as look:
        change, repeat = applied("few", FEW)
        change_many, _ = applied("many", MANY)
        cases = [
            Case(PLAIN, nothing),
            Case("look", look, calls=10),
            Case("change", change, calls=1),
            Case("repeat", repeat, calls=1),
            Case("change many", change_many, calls=1),
        ]
        rounds = run(cases, rounds=5 if quick else 60)
    return {case.name: Spread(*(part / 1e6 for part in rounds.in_nanoseconds(case.name))) for case in cases[1:]}


def profile() -> None:
    """Where a look goes, and a document."""
    with looked() as look:
        frames.show("a look at what is not new", look, calls=1000)
    frames.show("a document of a hundred pipelines", applied("many", MANY)[0], calls=20)
