"""What holds, of documents in several layers: compared with a model that knows nothing but a list of rules."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from svcgov.config._paths import joined
from svcgov.config.document import document_of
from svcgov.config.merge import LAYERS, NOTHING, merged

LABELS = {"stage": "prod", "version": "v2", "colour": "blue"}


def holds(labels: dict[str, str] | None = None, **layers: dict[str, Any]) -> Any:
    """What holds of these documents."""
    documents = {}
    for layer, text in layers.items():
        documents[layer], errors = document_of(text)
        assert errors == []
    return merged(documents, LABELS if labels is None else labels)


def of_payments(**slots: Any) -> dict[str, Any]:
    """The tables of one pipeline."""
    return {"policies": {"payments": slots}}


def test_nothing_holds_of_nothing() -> None:
    """No layer, no value."""
    assert holds() == NOTHING
    assert NOTHING.slots("payments") == {}
    assert NOTHING.origin(("policies", "payments")) is None


def test_the_order_of_the_layers() -> None:
    """Each says the same setting; the highest one that is there has the word."""
    order = [
        ("fleet", ""), ("group", ""), ("service", ""), ("fleet", "stage"), ("service", "stage"), ("fleet", "version"),
        ("group", "colour"), ("file", ""), ("file", "stage"), ("file", "version"), ("file", "colour"), ("environment", ""),
    ]  # fmt: skip
    layers: dict[str, dict[str, Any]] = {}
    for attempts, (layer, kind) in enumerate(order, 1):
        document = layers.setdefault(layer, {})
        said = of_payments(retry={"attempts": attempts})
        if kind:
            document.setdefault("overlay", {})[kind] = {LABELS[kind]: said}
        else:
            document.update(said)
        assert holds(**layers).slots("payments")["retry"]["attempts"] == attempts


def test_tables_merge_and_lists_replace() -> None:
    """A shorthand is a table with one setting."""
    effective = holds(
        fleet=of_payments(
            retry={"attempts": 3, "on": ["timeout"], "backoff": {"initial": 1, "max": 9}}, bulkhead={"limit": 5, "order": "lifo"}
        ),
        service=of_payments(retry={"on": ["connection"], "backoff": {"initial": 2}}, bulkhead=7),
    )
    assert effective.values == of_payments(
        retry={"attempts": 3, "on": ["connection"], "backoff": {"initial": 2, "max": 9}}, bulkhead={"limit": 7, "order": "lifo"}
    )


def test_what_is_replaced_is_gone() -> None:
    """A value in the place of a table, and a table in the place of a value."""
    table = of_payments(retry={"backoff": {"initial": 1, "max": 9}})
    value = of_payments(retry={"backoff": "1s"})
    assert holds(fleet=table, service=value).values == value
    assert holds(fleet=value, service=table).values == table
    assert {path for path, _, _ in holds(fleet=table, service=value).leaves()} == {("policies", "payments", "retry", "backoff")}


def test_what_is_taken_back_is_taken_back_from_below() -> None:
    """Not from what the same part says, nor from what is said above it."""
    below = of_payments(retry={"attempts": 3}, bulkhead=5)
    assert holds(fleet=below, service={"unset": ["policies.payments.retry"]}).values == of_payments(bulkhead={"limit": 5})
    assert holds(
        fleet=below, service={"unset": ["policies.payments.retry"], **of_payments(retry={"on": "timeout"})}
    ).values == of_payments(retry={"on": "timeout"}, bulkhead={"limit": 5})
    assert holds(fleet={"unset": ["policies.payments.retry"]}, service=below).values == of_payments(
        retry={"attempts": 3}, bulkhead={"limit": 5}
    )
    for nowhere in ("policies.search.retry", "policies.payments.bulkhead.limit.x", "process"):
        assert holds(fleet=below, service={"unset": [nowhere]}).values == holds(fleet=below).values


def test_an_overlay_is_for_those_of_its_name() -> None:
    """Not for others, and not for those who have no name."""
    document = {"overlay": {"colour": {"blue": of_payments(bulkhead=1), "": of_payments(bulkhead=2)}}}
    assert holds(file=document).slots("payments")["bulkhead"] == {"limit": 1}
    assert holds({"colour": "green"}, file=document).values == {}
    assert holds({}, file=document).values == {}


def test_each_value_has_its_origin() -> None:
    """The layer, and the place as it is written there: also of a shorthand, and in an overlay."""
    effective = holds(
        fleet=of_payments(timeout="5s", retry={"attempts": 3}),
        file={"overlay": {"version": {"v2": of_payments(retry={"on": ["timeout"]})}}},
        environment=of_payments(bulkhead=5),
    )
    assert [(joined(path), value, origin.layer, origin.written) for path, value, origin in effective.leaves()] == [
        ("policies.payments.timeout.seconds", "5s", "fleet", "policies.payments.timeout"),
        ("policies.payments.retry.attempts", 3, "fleet", "policies.payments.retry.attempts"),
        ("policies.payments.retry.on", ["timeout"], "file", "overlay.version.v2.policies.payments.retry.on"),
        ("policies.payments.bulkhead.limit", 5, "environment", "policies.payments.bulkhead"),
    ]
    origin = effective.origin(("policies", "payments", "retry", "nothing"))
    assert (origin.layer, origin.written) == ("file", "overlay.version.v2.policies.payments.retry")


def test_a_table_with_nothing_in_it_is_something() -> None:
    """A breaker as it is by itself."""
    ((path, value, origin),) = holds(file=of_payments(circuit_breaker={})).leaves()
    assert (path, value, origin.layer) == (("policies", "payments", "circuit_breaker"), {}, "file")


def test_what_is_gone_comes_from_nowhere() -> None:
    """Nor does what was in it: a mistake there is one of whoever has said the table around it last."""
    below = of_payments(retry={"backoff": {"initial": 1, "max": 9}})
    backoff = ("policies", "payments", "retry", "backoff")
    for over, written in (
        (of_payments(retry={"backoff": "1s"}), "policies.payments.retry.backoff"),
        ({"unset": ["policies.payments.retry"], **of_payments(retry={"on": ["timeout"]})}, "policies.payments.retry"),
    ):
        for place in (backoff, (*backoff, "initial")):
            origin = holds(fleet=below, service=over).origin(place)
            assert (origin.layer, origin.written) == ("service", written)


# -- a model: every part says a list of sentences, the last one about a place is what holds -----------------------------

VALUES = {
    "timeout": st.sampled_from(["1s", 2, "PT3S"]),
    "bulkhead": st.integers(1, 5),
    "retry.attempts": st.integers(1, 9),
    "retry.on": st.sampled_from(["timeout", ["connection", 429]]),
    "retry.backoff": st.sampled_from(["1s", [1, 2]]),
    "retry.backoff.initial": st.integers(1, 3),
    "retry.backoff.max": st.integers(4, 9),
}
PLACES = st.sampled_from(sorted(VALUES)).flatmap(lambda place: st.tuples(st.just(place), VALUES[place]))
GONE = st.sampled_from(
    ["", ".timeout", ".bulkhead", ".bulkhead.limit", ".retry", ".retry.on", ".retry.backoff", ".retry.backoff.max"]
)
PARTS = st.tuples(
    st.sampled_from(["a", "b"]), st.lists(GONE, max_size=2), st.lists(PLACES, max_size=4, unique_by=lambda one: one[0])
)
WHERE = st.sampled_from([(layer, kind) for layer in LAYERS for kind in ("base", "stage", "version", "colour")])
SHORT = {"timeout": "timeout.seconds", "bulkhead": "bulkhead.limit"}


def alone(sentences: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Without those that cannot stand beside another one in one document: a value where a table is."""
    table = any(place.startswith("retry.backoff.") for place, _ in sentences)
    return [one for one in sentences if not (table and one[0] == "retry.backoff")]


def model(parts: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """What holds, by place: go through the parts from the lowest, and let each sentence undo what it contradicts."""
    rank = {"base": 0, "stage": 1, "version": 2, "colour": 3}

    def precedence(where: tuple[str, str]) -> tuple[int, int, int]:
        layer, kind = where
        remote = layer in ("fleet", "group", "service")
        return (0, rank[kind], LAYERS.index(layer)) if remote else (LAYERS.index(layer), rank[kind], 0)

    said: dict[str, Any] = {}
    for where in sorted(parts, key=precedence):
        name, gone, sentences = parts[where]
        for place in gone:
            begin = f"policies.{name}{place}"
            said = {known: value for known, value in said.items() if known != begin and not known.startswith(f"{begin}.")}
        for place, value in sentences:
            full = f"policies.{name}.{SHORT.get(place, place)}"
            above = [full.rsplit(".", steps)[0] for steps in range(1, full.count("."))]
            said = {known: one for known, one in said.items() if not known.startswith(f"{full}.") and known not in above}
            said[full] = value
    return said


@settings(max_examples=1000)
@given(st.dictionaries(WHERE, PARTS, max_size=8))
def test_merging_is_what_the_rules_say(parts: dict[tuple[str, str], Any]) -> None:
    """Compared with a model that has no tables at all, only places."""
    parts = {where: (name, gone, alone(sentences)) for where, (name, gone, sentences) in parts.items()}
    layers: dict[str, dict[str, Any]] = {}
    for (layer, kind), (name, gone, sentences) in parts.items():
        body: dict[str, Any] = {"unset": [f"policies.{name}{place}" for place in gone]}
        for place, value in sentences:
            table = body.setdefault("policies", {}).setdefault(name, {})
            *keys, last = place.split(".")
            for key in keys:
                table = table.setdefault(key, {})
            table[last] = value
        document = layers.setdefault(layer, {})
        if kind == "base":
            document.update(body)
        else:
            document.setdefault("overlay", {})[kind] = {LABELS[kind]: body}
    effective = holds(**layers)
    assert {joined(path): value for path, value, _ in effective.leaves() if value != {}} == model(parts)
