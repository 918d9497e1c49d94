"""What records of queues, topics and streams say and carry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.inbound._records import body_of, carried_by, carrier_of, id_of, ordered, records_of, shared, source_of

from .events import SPAN_ID, TRACE_ID, golden

TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"
OTHER_SPAN = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FULL = {"traceparent": TRACE, "baggage": "tenant=acme,svcgov.colour=blue"}


def first(name: str) -> Any:
    """The first record of a golden event."""
    return records_of(golden(name))[0]


@pytest.mark.parametrize("name", ["sqs", "sqs_fifo", "sns", "sns_in_sqs", "eventbridge", "eventbridge_in_sqs"])
def test_a_record_carries_what_was_sent_along(name: str) -> None:
    """Each source keeps it in another place; attributes that are no text are none."""
    assert carrier_of(first(name)) == FULL


@pytest.mark.parametrize("name", ["kinesis", "dynamodb", "s3"])
def test_other_records_carry_nothing(name: str) -> None:
    """There is no place for it."""
    assert carrier_of(first(name)) == {}


ORDER = '{"order": 1}'


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("sqs", ORDER),
        ("sns", ORDER),
        ("sns_in_sqs", ORDER),
        ("kinesis", ORDER.encode()),
        ("eventbridge", golden("eventbridge")["detail"]),
        ("dynamodb", golden("dynamodb")["Records"][0]["dynamodb"]),
        ("s3", golden("s3")["Records"][0]),
    ],
)
def test_the_body_is_what_was_sent(name: str, body: Any) -> None:
    """Out of the wrappings of those who brought it; the record itself where there is nothing else."""
    assert body_of(first(name)) == body


def test_the_body_of_an_event_by_way_of_a_queue_is_the_event() -> None:
    """As text: its detail alone would not say what happened."""
    assert json.loads(body_of(first("eventbridge_in_sqs")))["detail-type"] == "OrderPlaced"


def test_data_that_cannot_be_decoded_stays_as_it_is() -> None:
    """Better than an error in a loop over a batch."""
    assert body_of({"kinesis": {"data": "a"}}) == "a"


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("sqs", "2e1424d4-f796-459a-8184-9c92662be6d0"),
        ("sns", "95df01b4-ee98-5cb9-9903-4c221d41eb5e"),
        ("kinesis", "49590338271490256608559692538361571095921575989136583900"),
        ("dynamodb", "111"),
        ("eventbridge", "6a7e8feb-b491-4cf7-a9f1-bf3703467718"),
        ("s3", ""),
    ],
)
def test_the_identifier_is_what_a_batch_reports(name: str, identifier: str) -> None:
    """Of a queue the message's, of a stream the sequence number's."""
    assert id_of(first(name)) == identifier


@pytest.mark.parametrize(
    ("name", "in_order"),
    [("sqs", False), ("sqs_fifo", True), ("kinesis", True), ("dynamodb", True), ("sns", False), ("eventbridge", False)],
)
def test_order_matters_in_streams_and_in_fifo_queues(name: str, in_order: bool) -> None:
    """There the records after a failed one have to wait."""
    assert ordered(first(name)) is in_order


def test_what_looks_like_a_notification_is_none() -> None:
    """The body stays as it was sent."""
    for body in ('{"TopicArn"', '{"TopicArn": 1, "Type": "Notification", "Message": 7}', '{"TopicArn": 1}', '{"detail-type": 7}'):
        record = {"eventSource": "aws:sqs", "body": body}
        assert (body_of(record), carrier_of(record)) == (body, {})


def test_a_body_that_is_too_deep_to_read_is_not_read() -> None:
    """Whoever sent it."""
    body = '{"TopicArn": ' + "[" * 100_000
    assert carrier_of({"eventSource": "aws:sqs", "body": body}) == {}


@pytest.mark.parametrize(
    "record",
    [None, 7, {}, {"eventSource": 7}, {"eventSource": "aws:"}, {"eventSource": "gcp:x"}, {"eventSource": "aws:" + "x" * 33}],
)
def test_a_record_that_does_not_say_where_it_comes_from(record: Any) -> None:
    """Then its event is a direct call."""
    assert source_of(record) == ""
    assert carried_by({"Records": [record]}) is None


# -- what a batch carries ----------------------------------------------------------------------------------------------


def test_a_batch_carries_what_its_records_agree_on() -> None:
    """Here nothing, since the last one carries nothing."""
    event = golden("sqs")
    assert carried_by(event) == ("sqs", {})
    del event["Records"][2]
    assert carried_by(event) == ("sqs", {"baggage": "tenant=acme"})
    del event["Records"][1]
    assert carried_by(event) == ("sqs", FULL)


@pytest.mark.parametrize(
    ("carriers", "common"),
    [
        ([], {}),
        ([FULL, FULL], FULL),
        (
            [{"traceparent": TRACE, "tracestate": "a=1"}, {"traceparent": OTHER_SPAN, "tracestate": "a=1"}],
            {"traceparent": TRACE, "tracestate": "a=1"},
        ),
        ([{"traceparent": TRACE, "tracestate": "a=1"}, {"traceparent": OTHER, "tracestate": "a=1"}], {}),
        ([{"baggage": "a=1, b=2"}, {"baggage": "b=2,c=3"}], {"baggage": "b=2"}),
        ([{"baggage": "a=1"}, {"baggage": "b=2"}, {"baggage": "a=1"}], {}),
        ([{"x-svcgov-colour": "blue", "a": "1"}, {"x-svcgov-colour": "blue"}], {"x-svcgov-colour": "blue"}),
    ],
)
def test_what_carriers_have_in_common(carriers: list[dict[str, str]], common: dict[str, str]) -> None:
    """One trace may have many spans; a state without its trace says nothing."""
    assert shared(carriers) == common


PLACES = """Records body eventSource EventSource Sns Message MessageAttributes messageAttributes kinesis data dynamodb
detail detail-type source _svcgov Type TopicArn dataType stringValue id"""
KEYS = st.sampled_from(PLACES.split())
TEXTS = st.sampled_from(["aws:sqs", "aws:kinesis", "String", "Notification", "{}", '{"detail-type": "a"}', "\u00e9=", ""])
WILD = st.recursive(
    st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=20
)


@given(WILD)
def test_no_record_is_an_error(record: Any) -> None:
    """Whatever stands in the places that are looked at."""
    for one in [record, *records_of(record)]:
        assert isinstance(source_of(one), str)
        assert isinstance(id_of(one), str)
        assert isinstance(ordered(one), bool)
        assert all(isinstance(value, str) for value in carrier_of(one).values())
        assert body_of(one) is not None or one is None or _is_event(one)


def _is_event(one: Any) -> bool:
    return source_of(one) == "eventbridge"
