"""Real parts: Mangum, which makes requests of the events of AWS Lambda, around an application that is governed."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov.testing import LambdaContext, event

from ._webapps import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Say what is seen."""
    here = svcgov.current()
    seen = {
        "platform": here.platform,
        "path": here.path,
        "colour": here.colour,
        "trace": here.trace.trace_id if here.trace else None,
        "remaining": svcgov.remaining(),
    }
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    """The loop that Mangum works on: one that it makes by itself would stay open."""
    needed("mangum")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def asked(kind: Any, path: str = "/orders", headers: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """What the platform is answered."""
    from mangum import Mangum

    governed = svcgov.Governor(service="shop", colours=["blue"]).asgi(app, **options)
    handler = Mangum(governed, lifespan="off")
    answer: dict[str, Any] = handler(event(kind, path=path, headers=headers), LambdaContext(remaining=3.0))  # type: ignore[arg-type]
    return answer


@pytest.fixture(params=["http_v2", "function_url", "rest_v1", "alb", "alb_multi"])
def kind(request: pytest.FixtureRequest) -> Any:
    """The events that Mangum knows."""
    return request.param


def test_a_request_is_governed(kind: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace and colour come along in its headers, the deadline in the context of the platform."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    headers = {"Traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "X-Svcgov-Colour": "blue"}
    answer = asked(kind, headers=headers)
    assert answer["statusCode"] == 201
    seen = json.loads(answer["body"])
    assert (seen["platform"], seen["path"], seen["colour"], seen["trace"]) == ("asgi", "/orders", "blue", TRACE_ID)
    assert 0 < seen["remaining"] <= 3
    line = json.loads(capsys.readouterr().out)
    assert (line["outcome"], line["status"], line["trace_id"]) == ("ok", 201, TRACE_ID)


def test_a_refusal_is_an_answer(kind: Any) -> None:
    """In the form that the event asks for, which is Mangum's to find."""
    gate = svcgov.bulkhead(1)
    with gate:
        answer = asked(kind, policy=gate)
    assert answer["statusCode"] == 503
    assert answer["isBase64Encoded"] is True  # so it does with types that it does not know
    assert json.loads(base64.b64decode(answer["body"]))["reason"] == "full"


def test_the_health_is_asked_of_us(kind: Any) -> None:
    """By an event as by a request."""
    answer = asked(kind, "/-/ready", health="/-")
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})
