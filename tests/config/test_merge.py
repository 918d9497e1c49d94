"""What holds, of documents in several layers, and where each value comes from."""

from __future__ import annotations

from typing import Any

from svcgov.config._paths import joined
from svcgov.config.document import document_of
from svcgov.config.merge import NOTHING, merged

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
