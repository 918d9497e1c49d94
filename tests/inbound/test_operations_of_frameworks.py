"""What real frameworks say of what was called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import fastapi
import flask
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from svcgov import Governor

if TYPE_CHECKING:
    from starlette.requests import Request

pytestmark = pytest.mark.extras


def operations(governor: Governor) -> list[str]:
    """What was counted."""
    outputs: Any = governor._outputs
    return [one.labels["operation"] for one in outputs.recorder.series()]


def over_asgi(app: Any, *paths: str) -> list[str]:
    """The operations of requests to these paths."""
    governor = Governor(service="shop")
    governed = governor.asgi(app, metrics="/-")

    async def nothing(*_: Any) -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    for path in paths:
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}
        asyncio.run(governed(scope, nothing, nothing))
    return operations(governor)


def test_fastapi_says_the_route() -> None:
    """With its parameters as they are written; a path that nobody serves is the application's."""
    app = fastapi.FastAPI()

    @app.get("/orders/{number}")
    def order(number: int) -> int:
        return number

    assert over_asgi(app, "/orders/7", "/orders/8", "/nowhere") == ["/orders/{number}", "fastapi.applications.FastAPI"]


async def order(request: Request) -> PlainTextResponse:
    """Serve."""
    return PlainTextResponse(request.path_params["number"])


def test_starlette_says_the_function() -> None:
    """Which has a name, too."""
    app = Starlette(routes=[Route("/orders/{number}", order)])
    assert over_asgi(app, "/orders/7", "/orders/8")[0] in {"/orders/{number}", f"{__name__}.order"}


def test_flask_says_the_route() -> None:
    """As FastAPI does."""
    app = flask.Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        return str(number)

    governor = Governor(service="shop")
    app.wsgi_app = governor.wsgi(app.wsgi_app, metrics="/-")  # type: ignore[method-assign]  # as their manual says
    for path in ("/orders/7", "/orders/8", "/nowhere"):
        app.test_client().get(path, buffered=True)
    assert operations(governor) == ["/orders/<int:number>", "flask.app.Flask.wsgi_app"]
