"""What should travel with something that svcgov does not send itself, in the form that it travels in.

==================  ================================================================  ====================
``headers``         headers of an HTTP request                                        ``dict``
``attributes``      ``MessageAttributes`` of a message of SQS or SNS                  ``dict``
``detail``          members of the ``Detail`` of an event of EventBridge              ``dict``
``client_context``  the ``ClientContext`` of an invocation of a Lambda function       text, in base64
``cloudevent``      attributes of a CloudEvent                                        ``dict``
``kafka``           headers of a record                                               pairs of text and bytes
==================  ================================================================  ====================

Rule 1: always the form that was asked for: an empty one where there is nothing to carry.
Rule 2: where nobody waits for an answer, no deadline goes along; the colour is in the baggage.
"""

from __future__ import annotations

from .._core._clock import SYSTEM
from ..errors import ConfigError
from ._carrier import outgoing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypedDict, overload

    class Attribute(TypedDict):
        """An attribute of a message."""

        DataType: str
        StringValue: str

    class Detail(TypedDict, total=False):
        """Members of the detail of an event."""

        _svcgov: dict[str, str]


NOTHING = "e30="  # a client context without anything in it

if TYPE_CHECKING:

    @overload
    def carry(form: Literal["headers"] = "headers", *, ours: bool = True) -> dict[str, str]: ...
    @overload
    def carry(form: Literal["attributes"], *, ours: bool = True) -> dict[str, Attribute]: ...
    @overload
    def carry(form: Literal["detail"], *, ours: bool = True) -> Detail: ...
    @overload
    def carry(form: Literal["client_context"], *, ours: bool = True) -> str: ...
    @overload
    def carry(form: Literal["cloudevent"], *, ours: bool = True) -> dict[str, str]: ...
    @overload
    def carry(form: Literal["kafka"], *, ours: bool = True) -> list[tuple[str, bytes]]: ...


def carry(form: str = "headers", *, ours: bool = True) -> Any:
    """What should travel with something that you send yourself: the trace, the baggage, the colour, the deadline.

    Args:
        form: ``headers``, ``attributes`` (of SQS and SNS), ``detail`` (of EventBridge, to be merged into yours),
            ``client_context`` (of Lambda), ``cloudevent`` or ``kafka``.
        ours: whether a service of yours gets it; others are told the trace and the deadline only.

    Raises:
        ConfigError: for another form.
    """
    written = next((write for name, write in _FORMS.items() if name == form), None)
    if written is None:
        raise ConfigError("carry.form", form, f"one of {', '.join(_FORMS)}")
    return written(outgoing(SYSTEM.monotonic(), ours=ours))


def _attributes(headers: dict[str, str]) -> Any:
    from ._attributes import in_attributes

    return in_attributes(None, headers) or {}


def _detail(headers: dict[str, str]) -> Any:
    from ._attributes import ENVELOPE, in_messages

    carried = in_messages(headers)
    return {ENVELOPE: carried} if carried else {}


def _client_context(headers: dict[str, str]) -> Any:
    from ._attributes import in_client_context

    return in_client_context(None, headers) or NOTHING


def _cloudevent(headers: dict[str, str]) -> Any:
    from ._attributes import IN_EVENTS

    return {attribute: headers[name] for attribute, name in IN_EVENTS.items() if name in headers}


def _kafka(headers: dict[str, str]) -> Any:
    from ._attributes import in_messages

    return [(name, value.encode()) for name, value in in_messages(headers).items()]


_FORMS: dict[str, Callable[[dict[str, str]], Any]] = {
    "headers": dict,
    "attributes": _attributes,
    "detail": _detail,
    "client_context": _client_context,
    "cloudevent": _cloudevent,
    "kafka": _kafka,
}
