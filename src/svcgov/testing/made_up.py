"""What a test makes up: an invocation, the context of a platform, a listener that keeps what it hears."""

from __future__ import annotations

from contextlib import contextmanager
from uuid import uuid4

from .._core._clock import SYSTEM
from .._core._context import DEADLINE, INVOCATION, Invocation, well_coloured
from .._core._schema import duration
from ..errors import ConfigError
from ..facts import Fact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    from ..typing import Duration

    F = TypeVar("F", bound=Fact)

ACCOUNT, REGION = "123456789012", "eu-central-1"  # where whatever is made up is said to be
_remaining = duration(optional=True, zero=True)


class Facts(list[Fact]):
    """The facts that were told, in order."""

    def of(self, kind: type[F]) -> list[F]:
        """Those of one kind."""
        return [fact for fact in self if isinstance(fact, kind)]


@contextmanager
def invocation(*, remaining: Duration | None = None, **fields: Any) -> Iterator[Invocation]:
    """What is called inside is part of this call: `svcgov.current` gives it, and governed clients hand it on.

    Args:
        remaining: the time that is left, from now on; None for no deadline.
        fields: those of an `Invocation`, such as ``service``, ``colour``, ``request_id`` or ``headers``.

    Raises:
        ConfigError: for another field, or a value that cannot be.
    """
    known = [name for name in Invocation._fields if name != "deadline"]
    for name, value in fields.items():
        if name not in known:
            raise ConfigError(f"invocation.{name}", value, f"one of remaining, {', '.join(known)}")
    colour = fields.get("colour")
    if colour is not None and not well_coloured(colour):
        raise ConfigError("invocation.colour", colour, "1 to 64 letters, digits or . _ -")
    left = _remaining.read(remaining, "invocation.remaining")
    deadline = None if left is None else SYSTEM.monotonic() + left
    made = Invocation(**{"platform": "test", "trigger": "direct", "request_id": str(uuid4()), **fields, "deadline": deadline})
    before = INVOCATION.set(made), DEADLINE.set(deadline)
    try:
        yield made
    finally:
        INVOCATION.reset(before[0])
        DEADLINE.reset(before[1])


class LambdaContext:
    """The second argument of a handler on AWS Lambda, with what the platform documents of it.

    Args:
        remaining: the time that is left, from now on, by the clock of the process or by the one that stands in for it.
        function_name, function_version, memory_limit_in_mb: as the platform would say.
        request_id: the id of the call; by default a new one.
        headers: what a direct call carries in its client context.
    """

    def __init__(
        self,
        *,
        remaining: Duration = 3.0,
        function_name: str = "function",
        function_version: str = "$LATEST",
        memory_limit_in_mb: int = 128,
        request_id: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._end = SYSTEM.monotonic() + _remaining.read(remaining, "LambdaContext.remaining")
        self.function_name = function_name
        self.function_version = function_version
        self.memory_limit_in_mb = memory_limit_in_mb
        self.aws_request_id: str = request_id or str(uuid4())
        self.invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}"
        self.log_group_name: str = f"/aws/lambda/{function_name}"
        self.log_stream_name: str = f"2026/01/31/[{function_version}]0123456789abcdef0123456789abcdef"
        self.identity: None = None
        self.client_context: _Client | None = None if headers is None else _Client(headers)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform ends the call."""
        return max(0, int((self._end - SYSTEM.monotonic()) * 1000))


class _Client:
    """The client context, as much of it as is read."""

    def __init__(self, custom: dict[str, str]) -> None:
        self.custom = custom
        self.env: dict[str, str] = {}
        self.client: None = None
