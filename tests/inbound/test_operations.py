"""What was called, as the application calls it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from svcgov.inbound._operations import of_environ, of_scope

from .test_health import Shop


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


class Trap:
    """Something of a framework's that is not what it seems."""

    @property
    def path(self) -> str:
        """Raises."""
        raise LookupError

    rule = path


def test_what_raises_says_nothing() -> None:
    """A call is worth more than the name of what was called."""
    assert of_scope({"route": Trap()}, "app") == "app"
    assert of_environ({"bottle.route": Trap()}, "app") == "app"


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_where_nobody_counts_and_nothing_is_logged_nobody_looks(interface: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is answered, and that is all."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    looked: list[Any] = []
    for name in ("asgi.of_scope", "wsgi.of_environ"):
        monkeypatch.setattr(f"svcgov.inbound.{name}", lambda *given: looked.append(given))
    assert Shop(interface).ask("/orders").status == 204
    assert looked == []
