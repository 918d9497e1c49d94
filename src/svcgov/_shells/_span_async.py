"""The frame that makes a span of a governed call, for coroutine functions. `_span_sync` is its mirror.

It is nested around all others but the head, from when somebody begins to trace: until then, no call has such a frame. A call
that the head refuses, as its deadline has passed, has not begun, and has no span.
"""

from __future__ import annotations

from .._core._spans import SPANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._span_sync import Inner


def spanned(name: str, inner: Inner, *, edge: bool) -> Inner:
    """The frames inside, in a span of this *name*; at an *edge*, one of a client's call."""

    async def call(now: float, args: Any, kw: Any) -> Any:
        tracer = SPANS.tracer or SPANS.look()
        span = None if tracer is None else tracer.governed(name, edge=edge)
        if span is None:
            return await inner(now, args, kw)
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            span.end(error)
            raise
        span.end(None)
        return result

    return call
