"""Where in a call its key stands: as the platforms write it down, and as nobody should."""

from __future__ import annotations

import json
from typing import Any

import pytest

from _worlds import TESTS, World
from svcgov import rate_limit
from svcgov._core._call import Call
from svcgov._core._context import INVOCATION, Invocation
from svcgov.errors import ConfigError
from svcgov.policies._key_readers import read_key


def read(key: str, raw: Any = None, **more: Any) -> Any:
    """The key of a call, where the platform gave *raw*."""
    reader = read_key(key, "gate.key")
    assert reader is not None
    token = INVOCATION.set(Invocation(raw=raw, **more))
    try:
        return reader(Call(None, (len,), {}))
    finally:
        INVOCATION.reset(token)


def event(name: str) -> Any:
    """A golden event."""
    return json.loads((TESTS / "events" / f"{name}.json").read_text())


V1 = {"requestContext": {"authorizer": {"claims": {"sub": "ann", "level": 3}}}}
V2 = {"requestContext": {"authorizer": {"jwt": {"claims": {"sub": "bob", "iat": 1.5}, "scopes": None}}}}
V3 = {"requestContext": {"authorizer": {"claims": {"https://shop.test/tenant": "acme"}}}}
ASGI = {"type": "http", "path": "/orders/7", "client": ("198.51.100.2", 51234), "headers": []}
WSGI = {"SCRIPT_NAME": "/shop", "PATH_INFO": "/orders/7", "REMOTE_ADDR": "198.51.100.3", "REQUEST_METHOD": "GET"}


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("claim:sub", V1, "ann"),
        ("claim:sub", V2, "bob"),
        ("claim:level", V1, "3"),
        ("claim:iat", V2, "1.5"),
        ("claim:tenant", V1, None),
        ("claim:https://shop.test/tenant", V3, "acme"),
        ("claim:sub", event("rest_v1"), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_key_is_where_the_platform_writes_it(key: str, raw: Any, expected: str | None) -> None:
    """Of each platform; what is not there is no key."""
    assert read(key, raw) == expected


@pytest.mark.parametrize(("key", "field"), [("path", "path"), ("ip", "client"), ("colour", "colour")])
def test_a_key_is_what_the_invocation_says(key: str, field: str) -> None:
    """On every way in alike; what it does not say is no key."""
    assert read(key, **{field: "here"}) == "here"
    assert read(key) is None


def test_an_address_is_never_that_of_a_header() -> None:
    """Anybody can write into ``X-Forwarded-For``; who trusts his proxy may say ``header:``."""
    headers = {"x-forwarded-for": "6.6.6.6", "forwarded": "for=6.6.6.6", "x-real-ip": "6.6.6.6"}
    assert read("ip", event("alb"), headers=headers) is None
    assert read("ip", client="198.51.100.2", headers=headers) == "198.51.100.2"
    assert read("header:X-Forwarded-For", event("alb"), headers=headers) == "6.6.6.6"


@pytest.mark.parametrize("key", ["claim:sub", "path", "ip", "header:x", "arg:x", "colour"])
@pytest.mark.parametrize(
    "raw",
    [
        None,
        7,
        "text",
        [],
        {},
        {"path": 5, "rawPath": [], "client": 7, "REMOTE_ADDR": {}, "requestContext": None, "PATH_INFO": 1, "SCRIPT_NAME": 2},
        {"requestContext": {"authorizer": "me", "identity": [], "http": 5}, "client": []},
        {"requestContext": {"authorizer": {"claims": None, "jwt": {"claims": ["sub"]}}, "identity": {"sourceIp": 9}}},
        {"requestContext": {"authorizer": {"claims": "sub", "jwt": "sub"}}, "client": [None]},
    ],
    ids=range(9),
)
def test_a_strange_event_has_no_key(key: str, raw: Any) -> None:
    """Whatever it looks like, nothing is raised."""
    assert read(key, raw) is None


@pytest.mark.parametrize("key", ["claim:sub", "path", "ip", "arg:who", "header:x", "colour"])
def test_the_same_key_said_twice_is_the_same(key: str) -> None:
    """Settings are compared; keys of different kinds with one name are not the same."""
    assert read_key(key, "gate.key") == read_key(key, "gate.key")
    assert read_key("claim:who", "gate.key") != read_key("arg:who", "gate.key")


@pytest.mark.parametrize("key", ["", "claim", "claim:", "arg:", "header:", "cookie:x", "Path", "colour:x", 5, ["ip"]])
def test_what_is_no_key_is_refused(key: Any) -> None:
    """With what could have stood there."""
    with pytest.raises(ConfigError, match=r'gate\.key: expected a function of the call, "header:x-tenant", "claim:sub"'):
        read_key(key, "gate.key")


def test_a_limit_goes_by_the_claim_of_the_caller(world: World) -> None:
    """Each caller has it to himself."""
    gate = rate_limit("1/minute", key="claim:sub", clock=world.clock)
    call = world.governed(gate, "answer")
    answers = []
    for raw in (V1, V2, V1):
        token = INVOCATION.set(Invocation(raw=raw))
        try:
            answers.append(call())
        except Exception as error:
            answers.append(type(error).__name__)
        finally:
            INVOCATION.reset(token)
    assert answers == ["answer", "answer", "RateLimitedError"]
