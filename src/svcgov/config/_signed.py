"""Documents that are signed, so that whoever can write them where they are kept cannot make one.

What is kept is an envelope, in JSON::

    {"rev": 7, "payload": "<the document, as JSON>", "sig": "<base64>", "kid": "k1"}

``sig`` is HMAC-SHA256 (RFC 2104) of ``svcgov/1``, the stage, the service, the layer, the revision and the payload, a line each.

Rule 1: the payload is a text: what is signed is exactly those bytes, and no form of them has to be agreed on.
Rule 2: a signature is good for one place and one revision: a document of another stage or service is none here.
Rule 3: several keys are good at a time, each by its name: a new one is added first, and the old one taken away later.
Rule 4: keys are shown nowhere.
"""

from __future__ import annotations

from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sources import Raw

SHORTEST = 16  # bytes of a key


class DocumentKeys:
    """The keys that documents are signed by, each as ``name=secret``; the first one signs."""

    __slots__ = ("_keys",)

    def __init__(self, given: Sequence[str], path: str) -> None:
        self._keys: dict[str, bytes] = {}
        for one in given:
            name, _, secret = one.partition("=")
            key = secret.encode()
            if not name or len(key) < SHORTEST:
                raise ConfigError(path, f"one of {len(key)} bytes", f"name=secret, with secrets of at least {SHORTEST} bytes")
            self._keys[name] = key
        if not self._keys:
            raise ConfigError(path, None, f"name=secret, with secrets of at least {SHORTEST} bytes")

    def sealed(self, payload: str, *, stage: str, service: str, layer: str, revision: int) -> bytes:
        """The envelope of a document in JSON, signed by the first key."""
        import json

        name, key = next(iter(self._keys.items()))
        signature = _signature(key, (stage, service, layer, str(revision), payload))
        return json.dumps({"rev": revision, "payload": payload, "sig": signature, "kid": name}).encode()

    def opened(self, raw: Raw, *, stage: str, service: str) -> Raw:
        """The document in the envelope that *raw* is.

        Raises:
            ConfigError: for what is no envelope, or is not signed by a key of ours for this place.
        """
        from hmac import compare_digest

        from ._formats import parsed

        assert isinstance(raw.data, bytes)  # noqa: S101  # what the code hands over is not asked for a signature
        envelope = parsed(raw.data, "json", raw.place)
        fields = envelope if isinstance(envelope, dict) else {}
        revision, payload = fields.get("rev"), fields.get("payload")
        if isinstance(revision, bool) or not isinstance(revision, int) or not isinstance(payload, str):
            raise ConfigError(raw.place, "none", 'a signed document: {"rev": 7, "payload": "...", "sig": "...", "kid": "..."}')
        key = self._keys.get(str(fields.get("kid")))
        if key is None:
            raise ConfigError(raw.place, fields.get("kid"), f"a signature by one of {', '.join(self._keys)}")
        wanted = _signature(key, (stage, service, raw.layer, str(revision), payload))
        if not compare_digest(wanted.encode(), _bytes(str(fields.get("sig")))):
            raise ConfigError(raw.place, "another", f"a signature for stage {stage!r}, service {service!r}, layer {raw.layer}")
        return raw.replace(data=_bytes(payload), form="json", revision=str(revision), number=revision)

    def __repr__(self) -> str:
        return f"DocumentKeys({', '.join(self._keys)})"


def _signature(key: bytes, lines: tuple[str, ...]) -> str:
    from binascii import b2a_base64
    from hmac import digest

    said = "\n".join(("svcgov/1", *lines))
    return b2a_base64(digest(key, _bytes(said), "sha256"), newline=False).decode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can say what no text can be
