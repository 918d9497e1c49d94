"""The lines that your own code logs: with the ids of the call they belong to, and without secrets.

``svcgov.logs.setup()`` is all that is needed, once logging is configured. What it puts where can be put there by hand:

=====================  ============================================================================================
``correlate``          adds the ids of the call under way: a processor of structlog, and a filter of ``logging``
``redact``             leaves out what is secret by its name, in the same two places
``ids()``              the ids themselves, for a log of another kind
=====================  ============================================================================================

Rule: nothing is loaded for this: what is not in use is not set up.
"""

from __future__ import annotations

import sys

from .telemetry.correlation import Correlate, correlate, ids
from .telemetry.redaction import Redact, redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Filterer
    from typing import Any

__all__ = ["Correlate", "Redact", "correlate", "ids", "redact", "setup"]


def setup(*handlers: Filterer, secrets: bool = True) -> None:
    """Put the ids of the call under way into each line that is logged inside of one, and leave out what is secret.

    Call it after logging has been configured. Where it is in place already, nothing changes.

    Args:
        handlers: handlers of ``logging``; else all that the root logger has now. structlog's processors are those that it is
            configured with now, if it is loaded.
        secrets: False leaves the fields of your lines as they are (`redact`).
    """
    logging, structlog = sys.modules.get("logging"), sys.modules.get("structlog")
    if logging is not None:
        for handler in handlers or logging.getLogger().handlers:
            for one in (correlate, redact)[: 1 + secrets]:
                if one not in handler.filters:
                    handler.addFilter(one)
    if structlog is not None and hasattr(structlog, "get_config"):
        _processors(structlog, secrets=secrets)


def _processors(structlog: Any, *, secrets: bool) -> None:
    """The ids go behind what the author has bound to the context, which wins; secrets are left out last, before the renderer."""
    given = structlog.get_config()["processors"]
    processors = list(given)
    if correlate not in processors:
        names = [getattr(one, "__name__", "") for one in processors]
        processors.insert(names.index("merge_contextvars") + 1 if "merge_contextvars" in names else 0, correlate)
    if secrets and redact not in processors:
        processors.insert(len(processors) - 1, redact)
    if isinstance(given, list):
        given[:] = processors  # in place: loggers that are bound already hold this list
    else:
        structlog.configure(processors=processors)
