"""Documents of every shape, right and wrong: none is applied in part, none does any harm, each mistake has a place in it."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

import svcgov
from svcgov import Governor, Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._core._names import NAMES
from svcgov.config._formats import parsed
from svcgov.config._paths import split

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 200), st.integers(), st.floats(), st.text(max_size=4),
    st.sampled_from(["1s", "200ms", "5/second", "timeout", "5xx", "429", "observe", "colour", "header:x", "is_busy", "lifo"]),
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
SETTINGS = st.sampled_from(
    [
        "on", "ignore", "on_result", "attempts", "backoff", "initial", "max", "budget", "seconds", "enforce", "limit", "max_wait",
        "cost", "key", "mode", "when", "order", "failure_rate", "window", "failures", "open_for", "count_in_flight", "burst",
        "algorithm", "overrides", "warm_up", "attemps",
    ]
)  # fmt: skip
SLOTS = st.sampled_from(
    ["timeout", "attempt_timeout", "retry", "circuit_breaker", "bulkhead", "rate_limit", "order", "rate_limt"]
)
PIPELINES = st.dictionaries(
    st.sampled_from(["one", "two", "three", "four", "a b"]),
    st.one_of(ANYTHING, st.dictionaries(SLOTS, st.one_of(ANYTHING, st.dictionaries(SETTINGS, ANYTHING, max_size=4)), max_size=4)),
    max_size=3,
)
BODY = {
    "policies": st.one_of(PIPELINES, ANYTHING),
    "inbound": st.one_of(ANYTHING, st.dictionaries(SLOTS, st.dictionaries(SETTINGS, ANYTHING, max_size=3), max_size=3)),
    "callers": st.one_of(ANYTHING, st.dictionaries(SLOTS, st.dictionaries(SETTINGS, ANYTHING, max_size=2), max_size=2)),
    "unset": st.one_of(
        ANYTHING, st.lists(st.sampled_from(["policies.one", "policies.two.retry", "policies..", "x"]), max_size=3)
    ),
}
DOCUMENTS = st.one_of(
    ANYTHING.filter(lambda one: not isinstance(one, str)),  # which would be the path of a file
    st.fixed_dictionaries(
        {},
        optional={
            **BODY,
            "overlay": st.dictionaries(
                st.sampled_from(["version", "stage", "color"]),
                st.one_of(
                    ANYTHING, st.dictionaries(st.sampled_from(["v2", "v3"]), st.fixed_dictionaries({}, optional=BODY), max_size=2)
                ),
                max_size=2,
            ),
            "rollouts": st.one_of(
                ANYTHING,
                st.dictionaries(
                    st.sampled_from(["a", "b c"]),
                    st.fixed_dictionaries(
                        {},
                        optional={
                            **BODY,
                            "until": st.sampled_from(["2026-03-01T12:00:00Z", "2999-03-01", "noon", 7]),
                            "percent": st.sampled_from([100, 50, 0, "5", -1]),
                        },
                    ),
                    max_size=2,
                ),
            ),
            "api_version": st.sampled_from(["svcgov/v1", "svcgov/v2", 1]),
            "x": ANYTHING,
        },
    ),
)


def made() -> list[Any]:
    """Things of every kind that a document may speak of."""
    inner = circuit_breaker("two", failures=3)
    return [
        Pipeline(timeout(3), retry(on=OSError, name="two"), inner, timeout(1), name="one"),
        Pipeline(bulkhead(3, name="three"), name="two"),
        Pipeline(rate_limit("5/second", key="colour", name="three"), bulkhead(1), bulkhead(2), name="three"),
        svcgov.policy("four"),
    ]


def state(pipelines: list[Any]) -> list[Any]:
    """All that is in force."""
    return [[(id(one), one.settings, one.documented) for one in pipeline.policies] for pipeline in pipelines]


def place_exists(document: Any, path: str) -> bool:
    """Whether the author of *document* can find this place in it."""
    if path == "document":
        return True
    keys = split(path)
    assert keys is not None, path
    here = document
    for key in keys:
        found = re.fullmatch(r"(.*?)((?:\[\d+\])*)", key, re.DOTALL)
        assert found is not None
        whole = isinstance(here, dict) and key in here
        for step in [key] if whole else [found[1], *map(int, re.findall(r"\d+", found[2]))]:
            if not (step in here if isinstance(here, dict) else isinstance(step, int) and step < len(here)):
                return False
            here = here[step]
    return True


@settings(max_examples=1000)
@given(DOCUMENTS, DOCUMENTS)
@example({}, {"policies": {"one": {"circuit_breaker": {"open_for": {"": None}}}}})
@example({}, {"policies": {"one": {"circuit_breaker": {"open_for": {'a."b': None}}}}})
@example({}, {"policies": {"three": {"rate_limit": {"overrides": {"a.b": 0}}}}})
def test_a_document_is_applied_whole_or_not_at_all(first: Any, second: Any) -> None:
    """Whatever it is, and whatever was in force before."""
    NAMES.forget()
    pipelines = made()
    governor = Governor(version="v2")
    governor.apply(first if isinstance(first, dict) else {})
    before = state(pipelines)
    answer = governor.apply(second)
    if not answer:
        assert state(pipelines) == before
        for error in answer.errors:  # type: ignore[union-attr]  # as refusals have
            assert place_exists(second, error.path), str(error)
    assert governor.apply({})
    assert [list(pipeline.policies) for pipeline in pipelines] == [list(pipeline.own) for pipeline in pipelines]
    assert [one.documented for pipeline in pipelines for one in pipeline.policies] == [{}] * 8
    for pipeline in pipelines:
        assert pipeline.call(lambda: "done") == "done"


@given(DOCUMENTS)
def test_what_is_applied_twice_changes_nothing(document: Any) -> None:
    """The second time all is as it says already."""
    NAMES.forget()
    pipelines = made()
    governor = Governor(version="v2")
    if governor.apply(document):
        before = state(pipelines)
        assert governor.apply(document).changed == 0  # type: ignore[union-attr]  # it was right the first time
        assert state(pipelines) == before


@given(DOCUMENTS)
def test_it_makes_no_difference_what_is_there_first(document: Any) -> None:
    """The code, or the document: where it can be with all that there is, both ways lead to the same."""
    NAMES.forget()
    first = made()
    if not Governor(version="v2").apply(document):
        return
    there = [[(one.kind, one.documented) for one in pipeline.policies] for pipeline in first]
    NAMES.forget()
    assert Governor(version="v2").apply(document)
    assert [[(one.kind, one.documented) for one in pipeline.policies] for pipeline in made()] == there


@given(DOCUMENTS)
def test_json_says_the_same(document: Any) -> None:
    """A document in bytes is what its mapping is."""
    text = json.dumps(document)
    if "NaN" not in text and "Infinity" not in text:
        assert parsed(text.encode(), "json", "here") == document
