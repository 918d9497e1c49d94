"""Headers that are handed on as they came."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import svcgov
from svcgov import Governor
from svcgov.errors import ConfigError
from svcgov.propagation import colour
from svcgov.propagation._carrier import outgoing
from svcgov.propagation.forwarded import Forward
from svcgov.testing import LambdaContext


def picked(names: list[str], **headers: str) -> dict[str, str]:
    """What of *headers*, with underscores for dashes, is handed on."""
    return Forward(names, "forward")({name.replace("_", "-"): value for name, value in headers.items()})


def handed_on(governor: Governor, **headers: str) -> dict[str, str]:
    """What a service of ours is told, below a handler of *governor*."""
    event = {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/"}}, "headers": headers}
    told: dict[str, str] = governor.handler(lambda event, context: outgoing(0.0, ours=True))(event, LambdaContext())
    return told


def test_names_know_no_case_and_may_be_written_by_their_beginning() -> None:
    """All others stay."""
    found = picked(["X-Tenant", "X-B3-*"], x_tenant="acme", x_b3_traceid="1", x_b3_="2", x_b4_spanid="3", x_tenant_id="4")
    assert found == {"x-tenant": "acme", "x-b3-traceid": "1", "x-b3-": "2"}


def test_the_id_of_the_request_is_always_handed_on() -> None:
    """Unless nobody could read it in a log."""
    assert picked([], x_request_id="id-1") == {"x-request-id": "id-1"}
    assert picked([], x_request_id="i" * 129) == {}


def test_what_proves_who_somebody_is_must_be_named_in_full() -> None:
    """A beginning is written for what it is known to find."""
    assert picked(["a*", "c*", "x-*"], authorization="Bearer", cookie="a=b", x_api_key="7", accept="*/*") == {"accept": "*/*"}
    assert picked(["authorization", "cookie"], authorization="Bearer", cookie="a=b") == {
        "authorization": "Bearer",
        "cookie": "a=b",
    }


def test_what_belongs_to_one_connection_or_body_stays() -> None:
    """Whatever it begins with; and a connection may name others."""
    found = picked(["t*", "c*", "x-*"], te="trailers", connection="close, X-Near", content_length="3", x_near="1", x_far="2")
    assert found == {"x-far": "2"}


def test_what_we_write_ourselves_stays() -> None:
    """Those of ours say how things are now."""
    came = {"x_svcgov_colour": "red", "x_request_deadline_ms": "1", "traceparent": "x", "grpc_timeout": "1S", "baggage": "a=b"}
    assert picked(["x-*", "t*", "g*", "b*"], **came) == {}


def test_a_header_that_colours_are_written_in_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a colour that was not taken would travel on in it."""
    monkeypatch.setattr(colour, "names", (colour.HEADER, "x-mesh-service-canary"))
    assert picked(["x-mesh-*"], x_mesh_service_canary="red", x_mesh_other="1") == {"x-mesh-other": "1"}


@pytest.mark.parametrize("value", ["", "   ", "a\r\nx-admin: 1", "caf\u00e9", "\ud800", "a\x00b"])
def test_a_value_that_cannot_stand_in_a_header_is_left_out(value: str) -> None:
    """The request goes out without it."""
    assert picked(["x-tenant"], x_tenant=value) == {}


def test_a_name_that_cannot_be_one_is_left_out() -> None:
    """An event has names of any kind."""
    assert Forward(["x-*"], "forward")({"x-a b": "1", "x-\u00e4": "2", "x-c": "3"}) == {"x-c": "3"}


def test_a_flood_is_bounded_and_does_not_push_out_what_is_named() -> None:
    """64 headers, 8 192 bytes."""
    forward = Forward(["x-*", "x-tenant"], "forward")
    many = forward({**{f"x-{number}": "v" for number in range(10_000)}, "x-tenant": "acme"})
    assert (len(many), many["x-tenant"]) == (64, "acme")
    large = forward({**{f"x-{number}": "v" * 4000 for number in range(10)}, "x-tenant": "acme", "x-small": "s"})
    assert sum(len(name) + len(value) for name, value in large.items()) <= 8192
    assert (large["x-tenant"], large["x-small"], len(large)) == ("acme", "s", 4)


def test_what_is_named_twice_takes_no_more_room() -> None:
    """In full, and by its beginning."""
    assert len(Forward(["x-a", "x-*"], "forward")({"x-a": "v" * 4000, "x-b": "v" * 4000})) == 2


@pytest.mark.parametrize(
    "names",
    [
        "x-tenant",
        *(["*"], ["x-*-y"], ["x-**"], ["x y"], [""], [7]),
        *(["connection"], ["Content-Type"], ["content-*"]),
        *(["traceparent"], ["x-svcgov-colour"], ["grpc-timeout"]),
        [f"x-{number}" for number in range(65)],
    ],
)
def test_what_cannot_be_is_refused(names: Any) -> None:
    """At the door, with its place."""
    with pytest.raises(ConfigError) as caught:
        Governor(forward=names)
    assert caught.value.path == "Governor.forward"


def test_a_governor_hands_on_what_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what the environment says."""
    given = Governor(service="shop", forward=["x-tenant"])
    assert handed_on(given, **{"X-Tenant": "acme", "X-Other": "1"})["x-tenant"] == "acme"
    monkeypatch.setenv("SVCGOV_FORWARD", "x-other, X-B3-*")
    told = handed_on(Governor(service="shop"), **{"X-Tenant": "acme", "X-Other": "1", "X-B3-Flags": "d"})
    assert (told["x-other"], told["x-b3-flags"]) == ("1", "d")
    assert "x-tenant" not in told


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first handler is made."""
    monkeypatch.setenv("SVCGOV_FORWARD", "x-tenant,*")
    with pytest.raises(ConfigError, match=r"SVCGOV_FORWARD: expected names of headers.*got '\*'"):
        svcgov.handler(lambda event, context: None)


def test_a_list_is_swapped_as_one() -> None:
    """Each call hands on what one list says, old or new, and never a part of both."""
    governor = Governor(service="shop")
    lists = Forward(["x-a", "x-b"], "old"), Forward(["x-c", "x-d"], "new")
    seen: set[tuple[str, ...]] = set()
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for one in lists:
                governor.identity.forward = one

    governor.identity.forward = lists[0]
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(300):
            told = handed_on(governor, **{"x-a": "1", "x-b": "2", "x-c": "3", "x-d": "4"})
            seen.add(tuple(sorted(name for name in told if len(name) == 3)))
    finally:
        over.set()
        thread.join()
    assert seen <= {("x-a", "x-b"), ("x-c", "x-d")}
    assert seen


def test_it_shows_its_names() -> None:
    """As they are compared."""
    assert repr(Forward(["X-Tenant", "x-b3-*"], "forward")) == "Forward(x-tenant, x-b3-*)"
