"""Events made up for tests: in the shapes of the platform, which a handler reads as it reads those of the platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import TESTS, in_child
from svcgov import testing
from svcgov.errors import ConfigError
from svcgov.inbound import aws_lambda

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENTS = {path.stem: json.loads(path.read_text()) for path in sorted((TESTS / "events").glob("*.json"))}
REQUESTS = ("http_v2", "function_url", "rest_v1", "alb", "alb_multi", "authorizer_v1", "authorizer_v2")
CARRYING = ("sqs", "sqs_fifo", "sns", "sns_in_sqs", "eventbridge", "eventbridge_in_sqs")
FREE = {
    "headers",
    "multiValueHeaders",
    "messageAttributes",
    "MessageAttributes",
    "detail",
    "NewImage",
    "Keys",
}  # names are the sender's
SOMETIMES = {"cookies", "pathParameters", "queryStringParameters", "stageVariables", "multiValueQueryStringParameters"}


def shape(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every place in *value*, and the kind of what is there; of lists the first element stands for all."""
    name = path.rpartition(".")[2]
    if isinstance(value, dict) and name not in FREE and not name.endswith("QueryStringParameters"):
        for key, one in value.items():
            yield from shape(one, f"{path}.{key}")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from shape(value[0], f"{path}[]")
    else:
        yield path, "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def made(kind: Any) -> dict[str, Any]:
    """An event of this kind, made as those in the files are."""
    if kind in REQUESTS:
        return testing.event(
            kind, method="POST", path="/orders/7", query={"token": "secret"}, body={}, headers={"traceparent": TRACE}
        )
    return testing.event(kind) if kind not in CARRYING else testing.event(kind, headers={"traceparent": TRACE})


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_has_the_shape_of_the_platforms(kind: str) -> None:
    """Place by place, but for what only some events have."""
    theirs, ours = dict(shape(EVENTS[kind])), dict(shape(made(kind)))
    differing = {path for path in theirs.keys() | ours.keys() if theirs.get(path) != ours.get(path)}
    assert {path for path in differing if not SOMETIMES & set(path.split("."))} == set()


def test_every_kind_that_is_read_can_be_made() -> None:
    """Each event in the files has its kind."""
    with pytest.raises(ConfigError, match=r"event\.kind: expected one of") as refused:
        testing.event("lex")  # type: ignore[call-overload]  # no such kind
    assert set(refused.value.expected.removeprefix("one of ").split(", ")) == set(EVENTS)


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_is_read_as_one(kind: Any) -> None:
    """Method, path, headers, and the form of an answer."""
    event = testing.event(kind, method="PUT", path="/orders/7", headers={"X-Tenant": "acme"}, colour="blue")
    came = aws_lambda.came(event, None)
    assert came.trigger == ("authorizer" if kind.startswith("authorizer") else "http")
    assert (came.method, came.path) == ("PUT", "/orders/7")
    assert (came.headers["x-tenant"], came.headers["x-svcgov-colour"]) == ("acme", "blue")
    assert came.form == aws_lambda.came(EVENTS[kind], None).form


@pytest.mark.parametrize("kind", CARRYING)
def test_what_came_along_is_found_where_this_kind_has_it(kind: Any) -> None:
    """The trace and the baggage, with the colour in it."""
    fields: dict[str, Any] = {} if kind == "eventbridge" else {"records": [{"order": 1}, {"order": 2}]}
    event = testing.event(kind, headers={"traceparent": TRACE, "baggage": "tenant=acme"}, colour="blue", **fields)
    came = aws_lambda.came(event, None)
    assert came.trigger == aws_lambda.came(EVENTS[kind], None).trigger
    assert came.headers == {"traceparent": TRACE, "baggage": "tenant=acme,svcgov.colour=blue"}


@pytest.mark.parametrize(
    ("kind", "sent", "body"),
    [
        ("sqs", {"order": 1}, '{"order": 1}'),
        ("sqs", "order 1", "order 1"),
        ("sqs_fifo", {"order": 1}, '{"order": 1}'),
        ("sns", {"order": 1}, '{"order": 1}'),
        ("sns_in_sqs", {"order": 1}, '{"order": 1}'),
        ("kinesis", {"order": 1}, b'{"order": 1}'),
        ("kinesis", b"\x00\xff", b"\x00\xff"),
    ],
)
def test_a_record_says_what_was_sent(kind: Any, sent: Any, body: Any) -> None:
    """Text and bytes as they are, all else as JSON."""
    records = testing.event(kind, records=[sent])["Records"]
    assert [svcgov.message(record).body for record in records] == [body]


def test_a_queue_hands_an_event_on_whole() -> None:
    """As its body."""
    (record,) = testing.event("eventbridge_in_sqs", records=[{"order": 1}])["Records"]
    assert json.loads(record["body"])["detail"] == {"order": 1}
    assert testing.event("eventbridge", body={"order": 1})["detail"] == {"order": 1}


def test_images_are_written_as_the_table_does() -> None:
    """Each value with its type; the first field is the key."""
    image = {"id": 7, "name": "acme", "paid": True, "note": None, "lines": [1.5], "to": {"city": "Oslo"}}
    (record,) = testing.event("dynamodb", records=[image])["Records"]
    assert record["dynamodb"]["Keys"] == {"id": {"N": "7"}}
    assert record["dynamodb"]["NewImage"] == {
        "id": {"N": "7"},
        "name": {"S": "acme"},
        "paid": {"BOOL": True},
        "note": {"NULL": True},
        "lines": {"L": [{"N": "1.5"}]},
        "to": {"M": {"city": {"S": "Oslo"}}},
    }
    assert testing.event("s3", records=["orders/7.json"])["Records"][0]["s3"]["object"]["key"] == "orders/7.json"


@pytest.mark.parametrize("kind", ["sqs", "sqs_fifo", "sns", "kinesis", "dynamodb"])
def test_records_of_several_events_can_be_put_together(kind: Any) -> None:
    """No id comes twice; those of streams, which are numbers, only grow."""
    records = [record for _ in range(3) for record in testing.event(kind, records=[{}, {}])["Records"]]
    ids = [svcgov.message(record).id for record in records]
    assert len(set(ids)) == 6
    if kind in ("kinesis", "dynamodb"):
        assert ids == sorted(ids)


def test_bodies_of_requests() -> None:
    """Text as it is, bytes in base64, all else as JSON; no body is no body, and a GET."""
    text, data, other, none = (testing.event("http_v2", body=body) for body in ("text", b"data", {"a": 1}, None))
    assert (text["body"], text["isBase64Encoded"]) == ("text", False)
    assert (data["body"], data["isBase64Encoded"]) == ("ZGF0YQ==", True)
    assert (other["body"], other["headers"]["content-type"]) == ('{"a": 1}', "application/json")
    assert ("body" in none, none["requestContext"]["http"]["method"]) == (False, "GET")
    assert text["requestContext"]["http"]["method"] == "POST"
    assert (testing.event("rest_v1")["body"], testing.event("alb")["body"]) == (None, "")


def test_queries_of_requests() -> None:
    """In each of the ways in which a kind has them."""
    query = {"q": "a b"}
    v2, v1, alb, multi = (testing.event(kind, query=query) for kind in ("http_v2", "rest_v1", "alb", "alb_multi"))
    assert (v2["rawQueryString"], v2["queryStringParameters"]) == ("q=a+b", query)
    assert (v1["queryStringParameters"], v1["multiValueQueryStringParameters"]) == (query, {"q": ["a b"]})
    assert (alb["queryStringParameters"], multi["multiValueQueryStringParameters"]) == (query, {"q": ["a b"]})


def test_times_are_those_of_the_test() -> None:
    """Its clock is the clock of the process."""
    with testing.by_hand(testing.ManualClock(wall=1_795_600_800.0)):
        assert testing.event("http_v2")["requestContext"]["time"] == "25/Nov/2026:10:00:00 +0000"
        assert testing.event("eventbridge")["time"] == "2026-11-25T10:00:00Z"
        assert testing.event("sqs")["Records"][0]["attributes"]["SentTimestamp"] == "1795600800000"


def test_a_handler_is_tested_in_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came in is what it sees."""
    monkeypatch.setenv("SVCGOV_COLOURS", "blue")
    monkeypatch.setenv("SVCGOV_LOG", "off")

    @svcgov.handler(service="orders")
    def handle(event: Any, context: Any) -> Any:
        batch = svcgov.batch(event)
        seen = []
        for item in batch:
            with item:
                seen.append((item.body, svcgov.current().colour))
                assert item.body != "bad"
        return seen, batch.response()["batchItemFailures"]

    event = testing.event("sqs", records=["good", "bad"], colour="blue")
    seen, failed = handle(event, testing.LambdaContext())
    assert seen == [("good", "blue"), ("bad", "blue")]
    assert failed == [{"itemIdentifier": event["Records"][1]["messageId"]}]


@pytest.mark.parametrize(
    ("kind", "fields", "path"),
    [
        ("sqs", {"body": ""}, "event.body: expected one of records, headers, colour"),
        ("http_v2", {"records": []}, "event.records: expected one of method, path, query, body, headers, colour"),
        ("eventbridge", {"records": []}, "event.records: expected one of body, headers, colour"),
        ("kinesis", {"headers": {"traceparent": TRACE}}, "event.headers: expected none: a record of kinesis"),
        ("s3", {"colour": "blue"}, "event.headers: expected none: a record of s3"),
        ("sqs", {"colour": "sky blue"}, "event.colour: expected 1 to 64 letters"),
    ],
)
def test_an_event_that_cannot_be_is_refused(kind: Any, fields: dict[str, Any], path: str) -> None:
    """Said with the field."""
    with pytest.raises(ConfigError, match=path):
        testing.event(kind, **fields)


def test_events_bring_little_in() -> None:
    """What a kind needs is loaded with the first of it."""
    loaded = in_child(
        "import json, sys, svcgov.testing as testing; before = set(sys.modules); testing.event('http_v2');"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    assert "svcgov.testing.events" in loaded
    assert not {"hashlib", "asyncio", "svcgov.pipeline", "svcgov.testing.forced", "svcgov.testing.faults"} & set(loaded)
