"""A colour that is signed, so that it is taken although it is on no list: ``blue;t=1767225600;s=<signature>``.

``t`` is when it was signed, in seconds of the wall clock; ``s`` is HMAC-SHA256 (RFC 2104) of ``blue.1767225600``, in base64url
without padding. Signed by the first key, and taken by any: so a new key is put in front, and the old one taken away later.

Rule 1: it is good for 300 s, and 30 s ahead of time: clocks differ.
Rule 2: what is forged, old or malformed is no colour, and said once.
Rule 3: keys are shown nowhere.
"""

from __future__ import annotations

from .._core._context import well_coloured
from .._core._report import report_once
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GOOD_FOR = 300  # seconds
AHEAD = 30  # seconds
SHORTEST = 16  # bytes of a key
_LONGEST = 64 + 3 + 12 + 3 + 43  # characters of what is signed


class Keys:
    """The keys that colours are signed by; *wall* tells the time."""

    __slots__ = ("_keys", "_wall")

    def __init__(self, given: Sequence[object], path: str, wall: Callable[[], float]) -> None:
        expected = f"secrets of at least {SHORTEST} bytes"
        self._keys = [key.encode() if isinstance(key, str) else b"" for key in given]
        self._wall = wall
        if not self._keys:
            raise ConfigError(path, None, expected)
        for key in self._keys:
            if len(key) < SHORTEST:
                raise ConfigError(path, f"one of {len(key)} bytes", expected)  # which is not shown

    def sign(self, name: str) -> str:
        """The value of a header that carries the colour *name* from now on."""
        if not well_coloured(name):
            raise ConfigError("signed_colour", name, "1 to 64 letters, digits or . _ -")
        at = str(int(self._wall()))
        return f"{name};t={at};s={_signature(self._keys[0], name, at)}"

    def verified(self, text: str) -> str | None:
        """The colour in *text*, if it is one that we have signed not long ago."""
        name, at, signature = _parts(text)
        if not name:
            why = "it is malformed"
        elif not any(_same(_signature(key, name, at), signature) for key in self._keys):
            why = "no key of ours has signed it"
        elif not -AHEAD <= self._wall() - int(at) <= GOOD_FOR:
            why = "it was not signed in the last minutes (or a clock is wrong)"
        else:
            return name
        report_once(f"colour {why}", f"a signed colour was not taken: {why}")
        return None

    def __repr__(self) -> str:
        return f"Keys({len(self._keys)})"


def _parts(text: str) -> tuple[str, str, str]:
    """Colour, time and signature; empty where they are not well-formed."""
    parts = [part.strip() for part in text.split(";")] if len(text) <= _LONGEST and text.isascii() else []
    if len(parts) == 3 and parts[1][:2] == "t=" and parts[2][:2] == "s=":
        name, at, signature = parts[0], parts[1][2:], parts[2][2:]
        if well_coloured(name) and at.isdigit() and len(at) <= 12:
            return name, at, signature
    return "", "", ""


def _signature(key: bytes, name: str, at: str) -> str:
    from binascii import b2a_base64
    from hmac import digest

    signed = b2a_base64(digest(key, f"{name}.{at}".encode(), "sha256"), newline=False)
    return signed.decode().rstrip("=").replace("+", "-").replace("/", "_")


def _same(one: str, other: str) -> bool:
    from hmac import compare_digest

    return compare_digest(one, other)
