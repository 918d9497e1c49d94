"""Whatever somebody sends: events, headers and bodies made up at random, through every detector and parser of the ways in.

``python tests/inbound/fuzz.py 100000`` makes so many of each kind; the tests make a few. Nothing may raise, and what is kept of a
call has to stay within its bounds, however large the call was.
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svcgov._core._context import Identity
from svcgov.inbound import asgi, aws_lambda, cloud_event, wsgi
from svcgov.inbound._arrival import arriving
from svcgov.inbound._records import body_of, carrier_of, id_of, records_of, source_of

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = [json.loads(path.read_text()) for path in sorted(pathlib.Path(__file__).parent.parent.joinpath("events").glob("*.json"))]
SHOP = Identity(service="shop", version="1", colours=frozenset({"blue"}))
NAMES = st.sampled_from(
    ["traceparent", "tracestate", "baggage", "x-svcgov-colour", "x-request-deadline-ms", "grpc-timeout", "x-request-id", "cookie"]
)
VALUES = st.text(max_size=40) | st.sampled_from(
    [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "a=1;b,c=%zz",
        "blue",
        "blue;t=1;s=x",
        "999999999999",
        "5S",
        "\x00",
        "é" * 9000,
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)
HEADERS = st.dictionaries(NAMES | st.text(max_size=12), VALUES | ANYTHING, max_size=12)


@st.composite
def events(draw: Any) -> Any:
    """An event of a platform, with anything in the place of some of it; or anything at all."""
    if draw(st.integers(0, 4)) == 0:
        return draw(ANYTHING)
    event = json.loads(json.dumps(draw(st.sampled_from(GOLDEN))))
    place = event
    for _ in range(draw(st.integers(0, 4))):
        inside = [key for key, value in _items(place) if isinstance(value, (dict, list)) and value]
        if not inside:
            break
        place = place[draw(st.sampled_from(inside))]
    keys = [key for key, _ in _items(place)]
    if keys:
        place[draw(st.sampled_from(keys))] = draw(HEADERS | ANYTHING)
    if isinstance(place, dict):
        place[draw(NAMES | st.text(max_size=8))] = draw(HEADERS | ANYTHING)
    return event


def _items(place: Any) -> list[tuple[Any, Any]]:
    return list(place.items()) if isinstance(place, dict) else list(enumerate(place))


def seen(look: Callable[[Any, Any], Any], first: Any, second: Any) -> None:
    """All that is kept of the call, within its bounds."""
    invocation = arriving(look, first, second, SHOP, None)
    assert invocation.trace is not None
    assert invocation.colour in (None, "blue")
    assert len(invocation.request_id) <= 128 or look is aws_lambda.came
    assert sum(map(len, invocation.baggage)) <= 8192


def one_event(event: Any, context: Any) -> None:
    """Through the handler of AWS Lambda, and each of its records."""
    left = aws_lambda.left_of(event, context)
    assert left is None or left >= 0
    seen(aws_lambda.came, event, context)
    for record in records_of(event):
        assert isinstance(carrier_of(record), dict)
        assert isinstance(source_of(record), str)
        assert isinstance(id_of(record), str)
        body_of(record)


def one_request(pairs: list[tuple[bytes, bytes]], path: str) -> None:
    """Over ASGI, and over WSGI."""
    scope = {"type": "http", "headers": pairs, "path": path, "method": "GET"}
    asgi.left_of(scope)
    seen(asgi.came, scope, None)
    environ = {f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1") for name, value in pairs}
    wsgi.left_of(environ)
    seen(wsgi.came, {**environ, "PATH_INFO": path.encode("utf-8", "replace").decode("latin-1")}, None)


def one_cloud_event(attributes: Any) -> None:
    """As functions-framework hands it over."""
    seen(cloud_event.came, attributes, None)


def run(times: int) -> dict[str, float]:
    """So many of each kind; seconds for each."""
    plenty = settings(max_examples=times, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    raw = st.lists(
        st.tuples(NAMES.map(str.encode) | st.binary(max_size=20), VALUES.map(str.encode) | st.binary(max_size=64)), max_size=20
    )
    took: dict[str, float] = {}
    for name, test in {
        "events": given(events(), ANYTHING)(one_event),
        "requests": given(raw, st.text(max_size=30))(one_request),
        "cloud events": given(HEADERS | ANYTHING)(one_cloud_event),
    }.items():
        start = time.perf_counter()
        plenty(test)()
        took[name] = time.perf_counter() - start
    return took


if __name__ == "__main__":
    for what, figure in run(int(sys.argv[1])).items():
        print(f"{what}: {figure:.0f} s")
