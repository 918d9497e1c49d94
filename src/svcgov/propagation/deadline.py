"""The deadline, as milliseconds that are left: an instant would need clocks that agree.

=================================  ============================================================
``x-request-deadline-ms``          ours: read and written
``grpc-timeout``                   read: up to eight digits and a unit, ``H M S m u n``
``x-envoy-expected-rq-timeout-ms`` read: what Envoy gives an upstream
=================================  ============================================================

Rule 1: each hop takes off what it has used, and a margin for the way.
Rule 2: the tightest one that can be read holds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

HEADER = "x-request-deadline-ms"
MARGIN = 0.005  # seconds that the way there and back may take
_MILLISECONDS = (HEADER, "x-envoy-expected-rq-timeout-ms")
_GRPC = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_LONGEST = 7 * 86400.0
NAMES = frozenset((*_MILLISECONDS, "grpc-timeout"))
LENGTHS = frozenset(map(len, NAMES))


def read(headers: Mapping[str, str]) -> float | None:
    """Seconds that the caller still waits, or None when it does not say."""
    left = [_number(headers[name], 0.001) for name in _MILLISECONDS if name in headers]
    grpc = headers.get("grpc-timeout", "").strip()
    if grpc:
        left.append(_number(grpc[:-1], _GRPC.get(grpc[-1:], 0.0)))
    return min((seconds for seconds in left if seconds is not None), default=None) if left else None


def among(headers: Mapping[Any, Any]) -> float | None:
    """As `read`, of headers as they came, names in any case.

    Raises:
        TypeError, AttributeError: for what are no headers.
    """
    found = [name for name in headers if len(name) in LENGTHS]  # by far the most are passed by with that one look
    return read({name.lower(): headers[name] for name in found}) if found else None


def write(left: float, headers: dict[str, str]) -> None:
    """Say that *left* seconds are left."""
    headers[HEADER] = str(max(0, int((left - MARGIN) * 1000)))


def _number(text: str, unit: float) -> float | None:
    text = text.strip()
    if not unit or not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    return min(int(text) * unit, _LONGEST)
