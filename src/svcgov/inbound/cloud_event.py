"""A function of an event, ``(event)``, as functions-framework calls it: with a CloudEvent.

What it carries stands in its attributes, whose names have letters and digits only (CloudEvents 1.0): ``traceparent`` and
``tracestate`` by the extension for distributed tracing, ``baggage``, and ``svcgovcolour``. They say where the event began; the
request that brings it may say where it was last, and comes first.

Rule 1: an event is looked at by what it can do: there are two packages for them, of two generations.
Rule 2: nobody waits for an answer, so a refusal is raised: whoever delivers the event delivers it again.
"""

from __future__ import annotations

import sys

from ..propagation._attributes import IN_EVENTS
from ._arrival import Came
from .asgi import joined
from .http import platforms
from .invocation import loggable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._answers import Answer


def came(event: Any, _: object) -> Came:
    """Look at *event*."""
    attributes = attributes_of(event)
    headers = carried(attributes) | _of_request()
    return Came("cloud_event", "cloudevent", headers, request_id=loggable(attributes.get("id")))


def attributes_of(event: Any) -> Mapping[str, Any]:
    """The attributes, names in lower case as they are."""
    get = getattr(event, "get_attributes", None)
    attributes = get() if callable(get) else event
    return attributes if hasattr(attributes, "get") else {}


def carried(attributes: Mapping[str, Any]) -> dict[str, str]:
    """What they carry, as headers."""
    return {name: said for key, name in IN_EVENTS.items() if isinstance(said := attributes.get(key), str)}


def waits() -> Callable[[Any, Any], float | None]:
    """What tells the seconds that the platform gives a call: the same for each."""
    given = platforms()
    return lambda event, _: given


def status_of(came: Came, result: Any) -> int | None:
    """None: the framework answers for the function."""


def written(form: str, answer: Answer) -> Any:
    """Never called: nobody could read an answer."""


def _of_request() -> dict[str, str]:
    """What the request that brings the event carries, where Flask knows it."""
    flask = sys.modules.get("flask")
    if flask is None or not flask.has_request_context():
        return {}
    headers = joined(flask.request.headers.items())
    return {name: headers[name] for name in IN_EVENTS.values() if name in headers}
