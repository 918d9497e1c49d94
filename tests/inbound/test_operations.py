"""What was called, as the application calls it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from svcgov.inbound._operations import of_environ, of_scope


def orders() -> None:
    """An endpoint."""


@pytest.mark.parametrize(
    ("scope", "operation"),
    [
        ({"path": "/orders/7"}, "app"),
        ({"route": SimpleNamespace(path="/orders/{id}"), "endpoint": orders}, "/orders/{id}"),
        ({"route": SimpleNamespace(path=7)}, "app"),
        ({"endpoint": orders}, f"{__name__}.orders"),
        ({"endpoint": "orders"}, "app"),
    ],
)
def test_the_operation_of_an_asgi_request(scope: Any, operation: str) -> None:
    """The route, or the function, or else the application; never the path."""
    assert of_scope(scope, "app") == operation


@pytest.mark.parametrize(
    ("environ", "operation"),
    [
        ({"PATH_INFO": "/orders/7"}, "app"),
        ({"werkzeug.request": SimpleNamespace(url_rule=SimpleNamespace(rule="/orders/<id>"))}, "/orders/<id>"),
        ({"werkzeug.request": SimpleNamespace(url_rule=None)}, "app"),
        ({"bottle.route": SimpleNamespace(rule="/orders/<id:int>")}, "/orders/<id:int>"),
    ],
)
def test_the_operation_of_a_wsgi_request(environ: Any, operation: str) -> None:
    """Where the framework leaves it in the environment, or else the application; never the path."""
    assert of_environ(environ, "app") == operation
