"""The deadline in headers: milliseconds that are left."""

from __future__ import annotations

import pytest

from svcgov.propagation import deadline


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, None),
        ({"x-request-deadline-ms": "1500"}, 1.5),
        ({"x-request-deadline-ms": " 0 "}, 0.0),
        ({"x-envoy-expected-rq-timeout-ms": "250"}, 0.25),
        ({"grpc-timeout": "2S"}, 2.0),
        ({"grpc-timeout": "3m"}, 0.003),
        ({"grpc-timeout": "1H"}, 3600.0),
        ({"grpc-timeout": "5M"}, 300.0),
        ({"grpc-timeout": "7u"}, 7e-6),
        ({"grpc-timeout": "9n"}, 9e-9),
        ({"x-request-deadline-ms": "1500", "grpc-timeout": "1S", "x-envoy-expected-rq-timeout-ms": "1200"}, 1.0),
        ({"x-request-deadline-ms": "999999999999"}, 7 * 86400.0),
        ({"x-request-deadline-ms": "-1"}, None),
        ({"x-request-deadline-ms": "1.5"}, None),
        ({"x-request-deadline-ms": "soon"}, None),
        ({"x-request-deadline-ms": "\u0661"}, None),
        ({"x-request-deadline-ms": "9" * 13}, None),
        ({"grpc-timeout": "2"}, None),
        ({"grpc-timeout": "2x"}, None),
        ({"grpc-timeout": ""}, None),
    ],
)
def test_the_tightest_that_can_be_read_holds(headers: dict[str, str], left: float | None) -> None:
    """In seconds; what cannot be read is as good as absent."""
    assert deadline.read(headers) == (left if left is None else pytest.approx(left))


@pytest.mark.parametrize(("left", "text"), [(2.0, "1995"), (0.0051, "0"), (0.001, "0"), (-3.0, "0")])
def test_a_margin_is_kept_for_the_way(left: float, text: str) -> None:
    """And nothing below zero is ever said."""
    headers: dict[str, str] = {}
    deadline.write(left, headers)
    assert headers == {"x-request-deadline-ms": text}
