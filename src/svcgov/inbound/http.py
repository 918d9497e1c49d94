"""An HTTP function, ``(request)``, as functions-framework calls it: with a request of Flask, or of Starlette where it is async.

===========  ==============================================  =========================================
form         recognised by                                   an answer
===========  ==============================================  =========================================
flask        ``request.environ``                             ``(body, status, headers)``
starlette    ``request.scope``                               a ``Response`` of its own
===========  ==============================================  =========================================

Rule 1: a request is looked at by what it can do. Neither package is imported: whoever calls has loaded it.
Rule 2: only text counts: in a test, anything at all may stand in the place of a request.
Rule 3: who asks for the health of the service (`_health`), or for its figures (`_pages`), asks us, and not the function.
"""

from __future__ import annotations

import sys
from functools import wraps

from .._core._callable import kind_of
from .._core._environment import text
from ..propagation.deadline import NAMES, read
from ._arrival import Came
from .asgi import joined
from .invocation import named_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._answers import Answer
    from ._pages import Answers


_RESPONSES = "starlette.responses"


def came(request: Any, _: object) -> Came:
    """Look at *request*."""
    headers = joined(request.headers.items())
    scope = getattr(request, "scope", None)
    if scope is None:
        form, path, client = "flask", request.path, request.remote_addr
    else:
        form = "starlette" if _RESPONSES in sys.modules else ""
        path, client = scope["path"], (scope.get("client") or ("",))[0]
    return Came(
        "http",
        "http",
        headers,
        request_id=named_request(headers, "x-request-id", "function-execution-id"),
        method=str(request.method),
        path=str(path),
        client=str(client or ""),
        form=form,
    )


def waits() -> Callable[[Any, Any], float | None]:
    """What tells the seconds that the caller still waits, or that the platform gives a call, which is the same for each."""
    given = platforms()

    def left_of(request: Any, _: object) -> float | None:
        try:
            asked = request.headers
            said = read({name: value for name in NAMES if isinstance(value := asked.get(name), str)})
        except Exception:  # whatever stands in the place of a request; who looks closer will report it
            said = None
        return given if said is None or (given is not None and given < said) else said

    return left_of


def platforms() -> float | None:
    """Seconds that the platform gives a call, where it says so: Cloud Run does, and with none the framework sets no end."""
    said = text("CLOUD_RUN_TIMEOUT_SECONDS")
    return (float(said) or None) if said.isascii() and said.isdigit() and len(said) <= 6 else None


def asked_first(pages: Answers, governed: Callable[..., Any]) -> Callable[..., Any]:
    """*governed*, but *pages* are asked first."""
    if kind_of(governed) == "async":

        @wraps(governed)
        async def aserve(*args: Any, **kw: Any) -> Any:
            answer = _asked(pages, args, kw)
            return await governed(*args, **kw) if answer is None else answer

        return aserve

    @wraps(governed)
    def serve(*args: Any, **kw: Any) -> Any:
        answer = _asked(pages, args, kw)
        return governed(*args, **kw) if answer is None else answer

    return serve


def _asked(pages: Answers, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """What they answer to the request among these arguments, as the framework takes it; None where it is the function's."""
    try:
        request = args[0] if args else next(iter(kw.values()))
        scope = getattr(request, "scope", None)
        form, path, said = ("flask", request.path, request.environ) if scope is None else ("starlette", scope["path"], scope)
        answer = pages.answer(request.method, path, said)
        return None if answer is None else written(form, answer)
    except Exception:  # whatever stands in the place of a request; who looks closer will report it
        return None


def status_of(came: Came, result: Any) -> int | None:
    """The status that the caller gets."""
    if isinstance(result, tuple):
        result = next((one for one in result[1:2] if isinstance(one, int)), 200)
    status = getattr(result, "status_code", result)
    return status if isinstance(status, int) and not isinstance(status, bool) else 200


def written(form: str, answer: Answer) -> Any:
    """*answer*, as the framework takes it."""
    if form == "flask":
        return answer.body, answer.status, dict(answer.headers)
    response = sys.modules[_RESPONSES].Response
    return response(answer.body, answer.status, dict(answer.headers))
