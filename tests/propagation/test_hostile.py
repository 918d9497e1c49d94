"""Whatever comes in: nothing is raised, and what goes out is bounded and can stand in a header."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcgov._core._context import DEADLINE, INVOCATION, Identity, Invocation, well_coloured
from svcgov.propagation import colour
from svcgov.propagation._carrier import Carried, incoming, outgoing
from svcgov.propagation.forwarded import Forward
from svcgov.propagation.signed import Keys

NOW = 1_767_225_600.0
KEYS = Keys(["a secret of this house"], "keys", lambda: NOW)
OPEN = Identity(
    service="shop", version="1", colours=frozenset({"*"}), verified=KEYS.verified, forward=Forward(["x-*", "cookie"], "forward")
)
CLOSED = Identity(service="shop", version="1", colours=frozenset({"blue"}), verified=KEYS.verified)
VISIBLE = re.compile(r"[\x20-\x7e]*")
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")

HEX = "0123456789abcdef"
anything = st.text(st.characters(), max_size=300)  # half characters and line breaks among them
large = st.builds(lambda text, times: text * times, st.text(max_size=4), st.integers(0, 20_000))
ids = st.builds(
    lambda *parts: "-".join(parts),
    st.sampled_from(["00", "01", "cc", "ff", "0"]),
    st.text(HEX, min_size=31, max_size=33),
    st.text(HEX, min_size=15, max_size=17),
    st.sampled_from(["00", "01", "ff", "0", "01-more"]),
)
members = st.lists(st.builds(lambda key, value: f"{key}={value}", anything, anything), max_size=80).map(",".join)
signed = st.builds(
    lambda name, at, signature: f"{name};t={at};s={signature}",
    st.text(max_size=70),
    st.one_of(st.integers(-(10**13), 10**13).map(str), st.text("0123456789\u0661", max_size=14)),
    st.text("ABCabc-_=", max_size=50),
)
numbers = st.one_of(st.integers(-(10**14), 10**14).map(str), st.text("0123456789HMSmun\u0661 .e", max_size=12))
NAMES = {
    "traceparent": ids,
    "tracestate": st.just("vendor=value"),
    "baggage": members,
    "x-svcgov-colour": signed,
    "x-request-deadline-ms": numbers,
    "grpc-timeout": numbers,
    "x-envoy-expected-rq-timeout-ms": numbers,
    "x-request-id": anything,
    "connection": anything,
    "cookie": anything,
}
known = st.fixed_dictionaries({}, optional={name: st.one_of(kind, anything, large) for name, kind in NAMES.items()})
others = st.dictionaries(st.one_of(anything, anything.map(lambda text: f"x-{text}")), st.one_of(anything, large), max_size=20)
headers = st.builds(lambda one, other: {**one, **other}, others, known)


def sent(came: dict[str, str], carried: Carried, *, ours: bool) -> dict[str, str]:
    """What goes out while such a call is under way."""
    here = Invocation(
        colour=carried.colour,
        trace=carried.trace,
        baggage=carried.baggage,
        forwarded=carried.forwarded,
        headers=came,
        request_id=came.get("x-request-id", ""),
    )
    tokens = INVOCATION.set(here), DEADLINE.set(carried.left)
    try:
        return outgoing(0.0, ours=ours)
    finally:
        INVOCATION.reset(tokens[0])
        DEADLINE.reset(tokens[1])


@settings(max_examples=400)
@given(headers, st.sampled_from([OPEN, CLOSED]), st.booleans())
def test_nothing_is_raised_and_what_goes_out_is_bounded(came: dict[str, str], identity: Identity, ours: bool) -> None:
    """64 headers of 8 KiB that are handed on, 8 KiB of baggage, and a handful of short ones of our own."""
    carried = incoming(came, identity)
    assert carried.colour is None or well_coloured(carried.colour)
    assert carried.left is None or 0 <= carried.left <= 7 * 86400
    assert colour.KEY not in carried.baggage
    out = sent(came, carried, ours=ours)
    assert all(TOKEN.fullmatch(name) and VISIBLE.fullmatch(value) for name, value in out.items())
    assert len(out) <= 64 + 7
    assert sum(len(name) + len(value) for name, value in out.items()) <= 2 * 8192 + 1024
    if not ours:
        assert set(out) <= {"traceparent", "tracestate", "x-request-deadline-ms"}


@settings(max_examples=200)
@given(headers)
def test_what_was_handed_on_is_read_the_same_by_the_next(came: dict[str, str]) -> None:
    """Nothing is lost or changed on the second hop, but for the time and the spans."""
    first = incoming(came, OPEN)
    second = incoming(sent(came, first, ours=True), OPEN)
    assert (second.colour, second.forwarded) == (first.colour, first.forwarded)
    assert (second.trace is None) == (first.trace is None)
    if second.trace is not None and first.trace is not None:
        assert second.trace.replace(span_id=first.trace.span_id) == first.trace
    assert second.baggage.items() <= first.baggage.items()


@settings(max_examples=200)
@given(st.text("blue;t=s0123456789ABC_-", max_size=90))
def test_a_colour_is_not_forged(text: str) -> None:
    """Only what is on the list passes."""
    assert incoming({"x-svcgov-colour": text}, CLOSED).colour in ({None, "blue"} if text.strip() == "blue" else {None})


@pytest.mark.parametrize(
    "came",
    [
        {"baggage": ",".join(f"key-{number}=value" for number in range(100_000))},
        {"baggage": "k=" + "%" * 1_000_000},
        {"traceparent": "-" * 1_000_000},
        {"tracestate": "a" * 1_000_000, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
        {"x-svcgov-colour": ";" * 1_000_000},
        {"connection": "," * 1_000_000},
        {"grpc-timeout": "9" * 1_000_000},
        {f"x-{number}": "v" * 100 for number in range(50_000)},
    ],
    ids=["members", "percents", "parent", "state", "colour", "connection", "deadline", "headers"],
)
def test_a_flood_leaves_little(came: dict[str, str]) -> None:
    """However much there is of one thing."""
    out = sent(came, incoming(came, OPEN), ours=True)
    assert len(out) <= 64 + 7
    assert sum(len(name) + len(value) for name, value in out.items()) <= 2 * 8192 + 1024
