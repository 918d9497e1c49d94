"""What holds of random documents, compared with a model that has no tables: it knows sentences, and who said them last."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from svcgov.config._callers import wish
from svcgov.config._parts import CALLERS
from svcgov.config._paths import joined
from svcgov.config._rollouts import Lots
from svcgov.config.document import document_of
from svcgov.config.merge import LAYERS, REMOTE, merged

if TYPE_CHECKING:
    from collections.abc import Callable

LABELS = {"stage": "prod", "version": "v2", "colour": "blue"}
KINDS = ("base", *LABELS, "rollout")  # lowest first
NOW, PAST, FUTURE = 1772366400.0, "2026-03-01T11:59:59Z", "2026-03-01T12:00:01Z"  # which is at noon
INSTANCES = 10  # that each set of documents is merged for

VALUES = {
    "timeout": st.sampled_from(["1s", 2, "PT3S"]),
    "bulkhead": st.integers(1, 5),
    "retry.attempts": st.integers(1, 9),
    "retry.on": st.sampled_from(["timeout", ["connection", 429]]),
    "retry.backoff": st.sampled_from(["1s", [1, 2]]),
    "retry.backoff.initial": st.integers(1, 3),
    "retry.backoff.max": st.integers(4, 9),
    "circuit_breaker.failure_rate": st.sampled_from([0.3, 0.5, 0.7]),
}
ASKED: dict[str, Callable[[Any], bool]] = {  # what callers may be asked for, and what of it is stricter than what is built in
    "timeout": lambda value: True,
    "bulkhead": lambda value: True,
    "retry.attempts": lambda value: value < 3,
    "circuit_breaker.failure_rate": lambda value: value < 0.5,
}
SHORT = {"timeout": "timeout.seconds", "bulkhead": "bulkhead.limit"}


def sentences(places: list[str], most: int) -> st.SearchStrategy[list[tuple[str, Any]]]:
    """What is said of some *places*, each at most once."""
    one = st.sampled_from(places).flatmap(lambda place: st.tuples(st.just(place), VALUES[place]))
    return st.lists(one, max_size=most, unique_by=lambda said: said[0])


class Part(NamedTuple):
    """One part of a document: what it is about, what of that it takes back, what it says; a rollout has a time and a share."""

    about: str
    gone: list[str]
    said: list[tuple[str, Any]]
    until: str
    percent: int


WHERE = st.sampled_from(
    [(layer, kind, name) for layer in LAYERS for kind in KINDS for name in ("", "more")[: 1 + (kind == "rollout")]]
)
PARTS = st.builds(
    Part,
    about=st.sampled_from(["policies.a", "policies.b", "inbound", "callers"]),
    gone=st.lists(
        st.sampled_from(
            ["", ".timeout", ".bulkhead", ".bulkhead.limit", ".retry", ".retry.on", ".retry.backoff", ".retry.backoff.max"]
        ),
        max_size=2,
    ),
    said=sentences(list(VALUES), 4),
    until=st.sampled_from([PAST, FUTURE, FUTURE]),
    percent=st.sampled_from([0, 50, 50, 100]),
)
WISHES = st.dictionaries(
    st.sampled_from(["a", "b"]), st.fixed_dictionaries({}, optional=dict.fromkeys(("base", "stage"), sentences(list(ASKED), 3)))
)


class Who(NamedTuple):
    """One instance: its labels, the layers that it has, whom it calls, and its lots."""

    labels: dict[str, str]
    layers: set[str]
    calls: set[str]
    lots: Lots


def instances(seed: int) -> list[Who]:
    """Some, each another one."""
    random, some = Random(seed), []
    for _ in range(INSTANCES):
        lots = Lots(lambda: NOW)
        lots._seed = random.randbytes(16)
        labels = {kind: random.choice([name, name, "other", ""]) for kind, name in LABELS.items()}
        layers = {layer for layer in LAYERS if random.random() < 0.8}
        some.append(Who(labels, layers, {name for name in "ab" if random.random() < 0.8}, lots))
    return some


def possible(kind: str, part: Part) -> Part:
    """*part* without what cannot stand in one document: a value where a table is, and callers who are asked by some instances."""
    said = part.said
    if any(place.startswith("retry.backoff.") for place, _ in said):
        said = [one for one in said if one[0] != "retry.backoff"]
    if part.about != "callers":
        return part._replace(said=said)
    if kind not in ("base", "stage"):
        return part._replace(about="inbound", said=said)
    return part._replace(said=[one for one in said if one[0] in ASKED])


# -- the model -----------------------------------------------------------------------------------------------------------


def precedence(where: tuple[str, str, str]) -> tuple[int, int, int]:
    """Of the registry's layers all bases come first, then all stages, and so on; each other layer is for itself."""
    layer, kind, _ = where
    place, rank = LAYERS.index(layer), KINDS.index(kind)
    return (0, rank, place) if layer in REMOTE else (place, rank, 0)


def meant(where: tuple[str, str, str], part: Part, who: Who) -> bool:
    """Whether *who* is."""
    layer, kind, name = where
    if kind == "rollout":
        return layer in who.layers and part.until == FUTURE and who.lots.lot(f"try{name}") < part.percent
    return layer in who.layers and (kind == "base" or who.labels[kind] == LABELS[kind])


def model(parts: dict[tuple[str, str, str], Part], wishes: dict[str, Any], who: Who) -> dict[str, tuple[Any, str]]:
    """What holds, by place, and who says so: go through all from the lowest, and let each sentence undo what it contradicts."""
    known: dict[str, tuple[Any, str]] = {}
    for service in who.calls:
        asked = dict(wishes.get(service, {}).get("base", ()))
        if who.labels["stage"] == LABELS["stage"]:
            asked |= dict(wishes.get(service, {}).get("stage", ()))
        for place, value in asked.items():
            if ASKED[place](value):
                known[f"policies.{service}.{SHORT.get(place, place)}"] = value, CALLERS
    for where in sorted(parts, key=precedence):
        part = parts[where]
        if not meant(where, part, who):
            continue
        for place in part.gone:
            begin = f"{part.about}{place}"
            known = {one: said for one, said in known.items() if one != begin and not one.startswith(f"{begin}.")}
        for place, value in part.said:
            full = f"{part.about}.{SHORT.get(place, place)}"
            above = [full.rsplit(".", steps)[0] for steps in range(1, full.count("."))]
            known = {one: said for one, said in known.items() if not one.startswith(f"{full}.") and one not in above}
            known[full] = value, where[0]
    return known


# -- the same as documents -----------------------------------------------------------------------------------------------


def table(about: str, said: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is *said*, as tables."""
    whole: dict[str, Any] = {}
    for place, value in said:
        *keys, last = [*about.split("."), *place.split(".")]
        under = whole
        for key in keys:
            under = under.setdefault(key, {})
        under[last] = value
    return whole


def read(text: dict[str, Any]) -> Any:
    """A document in which nothing is wrong."""
    document, errors = document_of(text)
    assert errors == []
    return document


def written(parts: dict[tuple[str, str, str], Part]) -> dict[str, Any]:
    """All *parts* as documents, by their layers."""
    layers: dict[str, dict[str, Any]] = {}
    for (layer, kind, name), part in parts.items():
        body = {"unset": [f"{part.about}{place}" for place in part.gone], **table(part.about, part.said)}
        document = layers.setdefault(layer, {})
        if kind == "base":
            document.update(body)
        elif kind == "rollout":
            document.setdefault("rollouts", {})[f"try{name}"] = {"until": part.until, "percent": part.percent, **body}
        else:
            document.setdefault("overlay", {})[kind] = {LABELS[kind]: body}
    return {layer: read(text) for layer, text in layers.items()}


def wished(wishes: dict[str, Any], who: Who) -> list[Any]:
    """What those ask whom it calls, as their own documents say it."""
    some = []
    for service in sorted(who.calls & set(wishes)):
        said = wishes[service]
        stage = {LABELS["stage"]: table("callers", said.get("stage", []))}
        document = read({**table("callers", said.get("base", [])), "overlay": {"stage": stage}})
        its = merged({"service": document}, {"stage": who.labels["stage"]}).values
        some.append(wish(service, its.get(CALLERS, {})))
    return some


def places(values: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Of all that is in these tables, and of the tables themselves."""
    inside = [places(value, (*path, key)) for key, value in values.items() if isinstance(value, dict)]
    return {(*path, key) for key in values}.union(*inside)


@settings(max_examples=1000)
@given(st.dictionaries(WHERE, PARTS, max_size=8), WISHES, st.integers(0, 2**32))
def test_merging_is_what_the_rules_say(parts: dict[tuple[str, str, str], Part], wishes: dict[str, Any], seed: int) -> None:
    """Ten thousand merges: a thousand sets of documents, each as ten instances see it; each value, and where it is from."""
    parts = {where: possible(where[1], part) for where, part in parts.items()}
    documents = written(parts)
    for who in instances(seed):
        there = {layer: document for layer, document in documents.items() if layer in who.layers}
        effective = merged(there, who.labels, who.lots.holds, wished(wishes, who))
        found = {joined(path): (value, origin.layer) for path, value, origin in effective.leaves() if value != {}}
        assert found == model(parts, wishes, who)
        assert set(effective.origins) == places(effective.values)
