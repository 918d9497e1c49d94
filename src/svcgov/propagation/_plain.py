"""What may stand in a header: what comes from outside may have anything in it, line breaks and half characters too."""

from __future__ import annotations

_TOKEN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")


def is_token(text: str) -> bool:
    """Whether *text* can be a name (RFC 9110, 5.6.2)."""
    return text != "" and _TOKEN.issuperset(text)


def is_plain(text: str) -> bool:
    """Whether *text* can be a value as it is: ASCII that can be seen, and spaces."""
    return text.isascii() and text.isprintable()
