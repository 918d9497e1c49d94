"""Events as AWS Lambda gives them to a handler, in the shapes of the platform's documentation.

==========================================================  =========================================================
kind                                                        what ``headers`` become
==========================================================  =========================================================
``http_v2 function_url rest_v1 alb alb_multi``              headers of the request
``authorizer_v1 authorizer_v2``                             the same: what decides about a request gets it too
``sqs sqs_fifo``                                            message attributes
``sns sns_in_sqs``                                          message attributes, over SQS those inside the notification
``eventbridge eventbridge_in_sqs``                          ``detail._svcgov``
``kinesis dynamodb s3``                                     nothing: their records have no place for them
==========================================================  =========================================================

Rule 1: ids differ from one event to the next and numbers only grow, so records of several events can be put together.
Rule 2: times are those of the clock of the process, or of the one that stands in for it.
"""

from __future__ import annotations

from itertools import count
from json import dumps
from uuid import uuid4

from .._core._clock import SYSTEM, utc
from .._core._context import well_coloured
from ..errors import ConfigError
from ..propagation import baggage
from ..propagation import colour as colours
from ..propagation._attributes import ENVELOPE
from ._requests import REQUESTS, request
from .made_up import ACCOUNT, REGION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal, TypeAlias, overload

    Requests: TypeAlias = Literal["http_v2", "function_url", "rest_v1", "alb", "alb_multi", "authorizer_v1", "authorizer_v2"]
    Records: TypeAlias = Literal["sqs", "sqs_fifo", "sns", "sns_in_sqs", "eventbridge_in_sqs", "kinesis", "dynamodb", "s3"]
    Carried: TypeAlias = Mapping[str, str]

_numbers = count(1)


if TYPE_CHECKING:

    @overload
    def event(
        kind: Requests,
        /,
        *,
        method: str | None = None,
        path: str = "/",
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        colour: str | None = None,
    ) -> dict[str, Any]: ...
    @overload
    def event(
        kind: Records, /, *, records: Sequence[Any] = ..., headers: Mapping[str, str] | None = None, colour: str | None = None
    ) -> dict[str, Any]: ...
    @overload
    def event(
        kind: Literal["eventbridge"],
        /,
        *,
        body: Mapping[str, Any] = ...,
        headers: Mapping[str, str] | None = None,
        colour: str | None = None,
    ) -> dict[str, Any]: ...


def event(kind: str, /, *, headers: Mapping[str, str] | None = None, colour: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event of AWS Lambda, as a handler gets it.

    What is no text in a body or a record is written as JSON.

    Args:
        kind: a request (``http_v2``, ``function_url``, ``rest_v1``, ``alb``, ``alb_multi``, ``authorizer_v1``,
            ``authorizer_v2``), records (``sqs``, ``sqs_fifo``, ``sns``, ``sns_in_sqs``, ``eventbridge_in_sqs``, ``kinesis``,
            ``dynamodb``, ``s3``), or ``eventbridge``.
        headers: what came along, put where this kind has it; with several records, into each.
        colour: the colour of the traffic, which is one of the things that come along.
        method, path, query, body: of a request. The method is GET, or POST where there is a body. Of ``eventbridge`` the
            *body* is the detail.
        records: what was sent, one for each record; of ``dynamodb`` the new images as plain values, their first field being
            the key, of ``s3`` the keys of the objects.

    Raises:
        ConfigError: for a kind that there is not, a field that this kind does not have, or a colour that cannot be.
    """
    if colour is not None and not well_coloured(colour):
        raise ConfigError("event.colour", colour, "1 to 64 letters, digits or . _ -")
    known = ("method", "path", "query", "body") if kind in REQUESTS else ("body",) if kind == "eventbridge" else ("records",)
    if kind not in REQUESTS and kind != "eventbridge" and kind not in _RECORDS:
        raise ConfigError("event.kind", kind, f"one of {', '.join((*REQUESTS, *_RECORDS, 'eventbridge'))}")
    for name, value in fields.items():
        if name not in known:
            raise ConfigError(f"event.{name}", value, f"one of {', '.join((*known, 'headers', 'colour'))}")
    carried = dict(headers or {})
    if kind in REQUESTS:
        return request(kind, carried if colour is None else {**carried, colours.HEADER: colour}, **fields)
    if colour is not None:
        baggage.write({**baggage.read(carried), colours.KEY: colour}, carried)
    if kind == "eventbridge":
        return _happened(fields.get("body", {}), carried)
    if carried and kind in ("kinesis", "dynamodb", "s3"):
        raise ConfigError("event.headers", carried, f"none: a record of {kind} has no place for them")
    return {"Records": [_RECORDS[kind](sent, carried) for sent in fields.get("records", ({},))]}


def _message(sent: Any, carried: Carried, *, queue: str = "queue") -> dict[str, Any]:
    """A record of SQS."""
    from hashlib import md5

    body, moment = _text(sent), str(int(SYSTEM.wall() * 1000))
    return {
        "messageId": str(uuid4()),
        "receiptHandle": f"handle-{next(_numbers)}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": moment,
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": moment,
        },
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in carried.items()
        },
        "md5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }


def _in_order(sent: Any, carried: Carried) -> dict[str, Any]:
    """A record of SQS from a queue that keeps the order."""
    made = _message(sent, carried, queue="queue.fifo")
    made["attributes"] |= {
        "SequenceNumber": f"{next(_numbers):020}",
        "MessageGroupId": "group",
        "MessageDeduplicationId": made["messageId"],
    }
    return made


def _notification(sent: Any, carried: Carried) -> dict[str, Any]:
    """What SNS tells, as it stands in its own record and in the body of a queue's."""
    return {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:topic",
        "Message": _text(sent),
        "Timestamp": utc(SYSTEM.wall()),
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in carried.items()},
    }


def _announced(sent: Any, carried: Carried) -> dict[str, Any]:
    """A record of SNS."""
    links = {"SigningCertUrl": "https://sns.example.com/cert.pem", "UnsubscribeUrl": "https://sns.example.com/unsubscribe"}
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:topic:{uuid4()}",
        "Sns": {**_notification(sent, carried), "Subject": None, **links},
    }


def _announced_in_queue(sent: Any, carried: Carried) -> dict[str, Any]:
    """A record of SQS with a notification in its body, where the links have other names."""
    links = {"SigningCertURL": "https://sns.example.com/cert.pem", "UnsubscribeURL": "https://sns.example.com/unsubscribe"}
    return _message({**_notification(sent, carried), **links}, {})


def _happened(detail: Any, carried: Carried) -> dict[str, Any]:
    """An event of EventBridge."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Event",
        "source": "svcgov.testing",
        "account": ACCOUNT,
        "time": f"{utc(SYSTEM.wall())[:19]}Z",
        "region": REGION,
        "resources": [],
        "detail": {**detail, ENVELOPE: dict(carried)} if carried else dict(detail),
    }


def _streamed(sent: Any, carried: Carried) -> dict[str, Any]:
    """A record of Kinesis."""
    from base64 import b64encode

    data = sent if isinstance(sent, bytes) else _text(sent).encode()
    number = f"{next(_numbers):056}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "key",
            "sequenceNumber": number,
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": SYSTEM.wall(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/function",
        "awsRegion": REGION,
        "eventSourceARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/stream",
    }


def _inserted(sent: Any, carried: Carried) -> dict[str, Any]:
    """A record of DynamoDB."""
    image: dict[str, Any] = {name: _attribute(value) for name, value in (sent or {"id": 1}).items()}
    return {
        "eventID": uuid4().hex,
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": int(SYSTEM.wall()),
            "Keys": dict([next(iter(image.items()))]),
            "NewImage": image,
            "SequenceNumber": f"{next(_numbers):021}",
            "SizeBytes": len(dumps(image, default=str)),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table/stream/2026-01-31T00:00:00.000",
    }


def _stored(sent: Any, carried: Carried) -> dict[str, Any]:
    """A record of S3."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": utc(SYSTEM.wall()),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "bucket"},
            "object": {"key": sent or "key", "size": 1024},
        },
    }


_RECORDS: dict[str, Callable[[Any, Carried], dict[str, Any]]] = {
    "sqs": _message,
    "sqs_fifo": _in_order,
    "sns": _announced,
    "sns_in_sqs": _announced_in_queue,
    "eventbridge_in_sqs": lambda sent, carried: _message(_happened(sent, carried), {}),
    "kinesis": _streamed,
    "dynamodb": _inserted,
    "s3": _stored,
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _attribute(value: Any) -> dict[str, Any]:
    """*value* as DynamoDB writes it."""
    if value is None or isinstance(value, bool):
        return {"NULL": True} if value is None else {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, dict):
        return {"M": {name: _attribute(one) for name, one in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"L": [_attribute(one) for one in value]}
    return {"N": str(value)}
