"""What is left out: of headers and texts, and of the author's own lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest

from svcgov.errors import ConfigError
from svcgov.logs import Redact, redact
from svcgov.telemetry.redaction import DEEP, DEPTH, LONG, MOST, SHOWN, UNREAD, extra

SECRET = "hunter2"


def event(**fields: Any) -> dict[str, Any]:
    """The fields, as the processor leaves them."""
    return dict(redact(None, "info", dict(fields)))


def said(message: Any, *args: Any, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The message and the fields of a record, as the filter leaves them."""
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, message, args, None)
    record.__dict__.update(fields)
    assert redact.filter(record)
    return record.getMessage(), {name: record.__dict__[name] for name in fields}


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "proxy-authorization", "cookie", "Set-Cookie", "X-Api-Key", "apikey", "token", "X-Amz-Signature",
        "x-amz-credential", "X-Amz-Security-Token", "AWSAccessKeyId", "password", "db_password", "user.password", "clientSecret",
        "client_secret", "accessToken", "id_token", "x-auth-token", "sig", "private-key", "secret", "PASSWORD", "session_id",
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_name(name: str) -> None:
    """However it is written: as a header, a key of a query, a field or an attribute."""
    assert redact.secret(name)


@pytest.mark.parametrize(
    "name", ["tokens", "max_tokens", "author", "assignment", "designation", "secretary", "order", "x-request-id", "keys", ""]
)
def test_other_names_are_not_secret(name: str) -> None:
    """A part of a word does not make one."""
    assert not redact.secret(name)


def test_names_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment, for all; by the code, for one."""
    monkeypatch.setenv("SVCGOV_REDACT", "X-Tenant, iban")
    assert extra() == ["X-Tenant", "iban"]
    one = Redact("pin")
    assert [name for name in ("x_tenant", "customer_iban", "PIN", "city", "token") if one.secret(name)] == [
        "x_tenant",
        "customer_iban",
        "PIN",
        "token",
    ]
    assert not redact.secret("pin")


@pytest.mark.parametrize("name", ["", "...", 7])
def test_what_cannot_be_a_name_is_refused(name: Any) -> None:
    """By code, as by environment."""
    with pytest.raises(ConfigError, match=r"Redact\.names: expected names of headers"):
        Redact(name)


def test_names_without_end_are_not_remembered_without_end() -> None:
    """Anybody may send anything."""
    one = Redact()
    for number in range(5_000):
        one.secret(f"x-{number}")
    assert len(one._known) <= 1_000
    assert one.secret("token")
    assert one.secret("x" * 1_000 + "-token")
    assert max(map(len, one._known)) < 100


# -- headers and texts ------------------------------------------------------------------------------------------------


def test_headers_are_shown_without_what_is_secret() -> None:
    """That they came is shown."""
    headers = {"authorization": f"Bearer {SECRET}", "accept": "*/*", "referer": f"http://shop.test/?token={SECRET}"}
    assert redact.headers(headers) == {
        "authorization": SHOWN,
        "accept": "*/*",
        "referer": f"http://shop.test/?token={SHOWN}",
    }


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://u:hunter2@shop.test/a?b=1", "https://[redacted]@shop.test/a?b=1"),
        ("/a?b=1&X-Amz-Signature=hunter2&c=2", "/a?b=1&X-Amz-Signature=[redacted]&c=2"),
        ("/a?X%2DAmz%2DSignature=hunter2", "/a?X%2DAmz%2DSignature=[redacted]"),
        ("https://shop.test/#access_token=hunter2&state=1", "https://shop.test/#access_token=[redacted]&state=1"),
        ("/a?token=", "/a?token="),
        ("GET /a?sig=hunter2 failed", "GET /a?sig=[redacted] failed"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
        ("Basic aHVudGVyMg==", "Basic [redacted]"),
        ("bearer hunter2", "bearer [redacted]"),
        ("basic training", "basic training"),
        ("a=b, two of three", "a=b, two of three"),
        ("https://shop.test/@someone", "https://shop.test/@someone"),
        ("", ""),
    ],
)
def test_a_text_is_shown_without_what_is_secret(given: str, shown: str) -> None:
    """Of a URL who asks, and the values of its query; what a scheme of authorization stands before."""
    assert redact.text(given) == shown


# -- events -----------------------------------------------------------------------------------------------------------


def test_fields_are_left_out_by_their_names() -> None:
    """In what is nested in them too, whatever they are made of; a truth about a secret is none."""
    shown = event(
        event="paid",
        token=SECRET,
        pin=7,
        has_token=True,
        password=None,
        request={"headers": [(b"cookie", b"hunter2"), (b"accept", b"*/*")], "body": {"client_secret": [SECRET]}},
        response=httpx2.Headers({"set-cookie": SECRET, "age": "1"}),
        pairs=(("x-api-key", SECRET), ["a", "b"]),
        tags={f"/?sig={SECRET}"},
    )
    assert shown == {
        "event": "paid",
        "token": SHOWN,
        "pin": 7,
        "has_token": True,
        "password": None,
        "request": {"headers": [(b"cookie", SHOWN), (b"accept", b"*/*")], "body": {"client_secret": SHOWN}},
        "response": {"set-cookie": SHOWN, "age": "1"},
        "pairs": (("x-api-key", SHOWN), ["a", "b"]),
        "tags": {f"/?sig={SHOWN}"},
    }


def test_names_that_are_no_text_are_no_secrets() -> None:
    """A table by numbers is shown as it is."""
    assert event(table={1: "a", None: {"token": "hunter2"}})["table"] == {1: "a", None: {"token": "[redacted]"}}


def test_two_values_are_a_name_and_its_value_in_a_row_alone() -> None:
    """A set has no first one; and what is no name is looked through once."""
    assert event(kinds={"token", "password"})["kinds"] == {"token", "password"}
    rows = [[0] * 4_000, [0] * 4_000]
    assert event(rows=rows)["rows"] == rows


def test_what_the_author_holds_is_not_changed() -> None:
    """It is still in use."""
    request = {"headers": {"cookie": SECRET}}
    assert event(request=request) == {"request": {"headers": {"cookie": SHOWN}}}
    assert request == {"headers": {"cookie": SECRET}}


def test_what_lies_too_deep_is_not_written() -> None:
    """It has not been looked at; a list that holds itself ends there too."""
    nested: Any = SECRET
    for _ in range(DEPTH + 1):
        nested = {"a": nested}
    assert str(event(nested=nested)["nested"]).count("'a'") == DEPTH
    assert DEEP in str(event(nested=nested))
    endless: list[Any] = []
    endless.append(endless)
    assert str(event(endless=endless)["endless"]) == "[" * DEPTH + repr(DEEP) + "]" * DEPTH


def test_what_is_too_long_is_not_written() -> None:
    """All that one line holds together is looked at up to a limit."""
    assert event(a=["x"] * MOST, b=["x"])["b"] == LONG
    assert event(a=["x"] * MOST)["a"] == ["x"] * MOST
    assert event(a={str(number): number for number in range(MOST + 1)})["a"] == LONG


class Broken(Mapping[str, str]):
    """A mapping that another thread changes while it is looked at."""

    def __getitem__(self, name: str) -> str:
        return SECRET

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("dictionary changed size during iteration")

    def __len__(self) -> int:
        return 1


class Frozen(dict[str, str]):
    """A mapping that can stand in a set."""

    def __hash__(self) -> int:  # type: ignore[override]  # as here
        return 1


def test_what_cannot_be_read_is_not_written() -> None:
    """The line is written all the same: to log raises nothing."""
    assert event(a=Broken(), b=[Broken()], c={Frozen(token=SECRET)}) == {"a": UNREAD, "b": [UNREAD], "c": UNREAD}
    assert said("paid", order=Broken()) == ("paid", {"order": UNREAD})


# -- records ----------------------------------------------------------------------------------------------------------


def test_a_record_is_shown_without_what_is_secret() -> None:
    """Its own fields, its message, and what is put into it."""
    assert said(f"GET /?sig={SECRET}") == (f"GET /?sig={SHOWN}", {})
    assert said("%s of %d", f"Bearer {SECRET}", 3) == (f"Bearer {SHOWN} of 3", {})
    assert said("%(token)s of %(count)d", {"token": SECRET, "count": 3}) == (f"{SHOWN} of 3", {})
    assert said("paid", token=SECRET, order={"cookie": SECRET}) == ("paid", {"token": SHOWN, "order": {"cookie": SHOWN}})
    assert said({"token": SECRET}) == (str({"token": SHOWN}), {})


def test_a_message_is_looked_at_when_it_is_put_together() -> None:
    """As the line of a client that logs its URLs by itself; what has no secrets stays what it is."""
    url = httpx2.URL(f"https://shop.test/?X-Amz-Signature={SECRET}")
    assert said("HTTP Request: %s %s", "GET", url)[0] == f"HTTP Request: GET https://shop.test/?X-Amz-Signature={SHOWN}"
    assert said("GET /?token=%s", SECRET)[0] == f"GET /?token={SHOWN}"
    assert said("%s", [{"token": SECRET}])[0] == f"[{{'token': '{SHOWN}'}}]"
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, "%d of %s", (3, url.host), None)
    redact.filter(record)
    assert (record.msg, record.args) == ("%d of %s", (3, "shop.test"))


def test_arguments_of_any_kind_are_looked_at() -> None:
    """A record that was made by hand may have a list of them."""
    record = logging.makeLogRecord({"msg": "%s", "args": [f"Bearer {SECRET}"]})
    assert redact.filter(record)
    assert record.getMessage() == f"['Bearer {SHOWN}']"


def test_an_object_that_cannot_be_said_raises_where_it_is_said() -> None:
    """Not here: the filter of a log raises nothing."""

    class Mute:
        def __str__(self) -> str:
            raise LookupError

    record = logging.LogRecord("shop", logging.INFO, __file__, 1, "%s", (Mute(),), None)
    assert redact.filter(record)
    with pytest.raises(LookupError):
        record.getMessage()


def test_the_record_s_own_attributes_stay() -> None:
    """They are not fields of the author's, whatever they are called."""
    try:
        raise LookupError
    except LookupError:
        record = logging.LogRecord("token", logging.INFO, __file__, 1, "x", (), sys.exc_info())
    before = {name: value for name, value in record.__dict__.items() if name != "args"}
    redact.filter(record)
    assert {name: value for name, value in record.__dict__.items() if name != "args"} == before
