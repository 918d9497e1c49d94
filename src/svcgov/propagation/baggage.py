"""The baggage: small values that a request takes along everywhere (W3C Baggage), read and written by hand.

``key=value;property,key=value``, values percent-encoded. Properties are not kept.

Rule: what is handed on is bounded, since it comes from outside: 64 members and 8 192 bytes, the standard's least.
"""

from __future__ import annotations

from ._plain import is_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "baggage"
_MEMBERS, _BYTES = 64, 8192
_HEX = frozenset("0123456789abcdefABCDEF")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_PLAIN = _LETTERS | frozenset(b"!#$&'()*+-./:<=>?@[]^_`{|}~")  # baggage-octet of the standard, but for %


def read(headers: Mapping[str, str]) -> dict[str, str]:
    """The members that can be read, decoded; of a key that comes twice, the last one."""
    found: dict[str, str] = {}
    carried = headers.get(HEADER)
    if not carried:
        return found
    for member in carried[:_BYTES].split(",")[:_MEMBERS]:
        key, sign, value = member.partition(";")[0].partition("=")
        key = key.strip()
        if sign and is_token(key):
            found[key] = _decoded(value.strip())
    return found


def write(members: Mapping[str, str], headers: dict[str, str]) -> None:
    """Put *members* into *headers*, as many as are allowed."""
    written: list[str] = []
    size = 0
    for key, value in members.items():
        if not is_token(key):
            continue
        member = f"{key}={_encoded(value)}"
        size += len(member) + 1
        if len(written) >= _MEMBERS or size > _BYTES:
            break
        written.append(member)
    if written:
        headers[HEADER] = ",".join(written)


def _encoded(text: str) -> str:
    raw = text.encode("utf-8", "replace")
    return raw.decode() if _PLAIN.issuperset(raw) else "".join(chr(b) if b in _PLAIN else f"%{b:02X}" for b in raw)


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    first, *rest = text.split("%")
    raw = first.encode("utf-8", "replace")
    for part in rest:
        code, after = part[:2], part[2:]
        if len(code) == 2 and _HEX.issuperset(code):
            raw += bytes((int(code, 16),)) + after.encode("utf-8", "replace")
        else:
            raw += b"%" + part.encode("utf-8", "replace")
    return raw.decode("utf-8", "replace")
