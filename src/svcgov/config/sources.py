"""Where documents come from: a file, the environment, what the code hands over; the governor adds a registry's.

Rule 1: a source is asked again and again (`Source.pull`), and says nothing where nothing is new.
Rule 2: it hands over bytes as it has found them; what they say is read elsewhere, so what cannot be read has a place.
Rule 3: a source that is away is no empty document: what it said last stands. Nor is a file with nothing in it, as one is that is
        being written.
"""

from __future__ import annotations

import os
from hashlib import sha256

from .._core._frozen import Frozen
from ..errors import ConfigError
from ._formats import MOST_BYTES, form_of, parsed
from ._paths import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    class Source(Protocol):
        """Something that has a document for one layer."""

        layer: str

        def pull(self) -> Raw | None:
            """What is new, or None. It is called by one thread at a time.

            Raises:
                Exception: where it cannot be asked: what it said before stands.
            """
            ...


class Raw(Frozen):
    """A document as it was found.

    Attributes:
        layer: the layer that it is for, one of `merge.LAYERS`.
        place: where it was found, for people.
        data: its bytes, or (from code) the mapping that it is.
        form: ``toml``, ``json``, ``yaml``; a mapping has none.
        revision: that of its source, or a checksum.
        number: the revision, where it is a number that only grows.
    """

    layer: str
    place: str
    data: bytes | Mapping[str, Any]
    form: str = ""
    revision: str
    number: int | None = None

    def said(self) -> Any:
        """What it says, not checked yet.

        Raises:
            ConfigError: for what cannot be read.
        """
        return parsed(self.data, self.form, self.place) if isinstance(self.data, bytes) else self.data


def revision_of(data: bytes) -> str:
    """A revision for what has none: the beginning of its checksum."""
    return f"sha256:{sha256(data).hexdigest()[:12]}"


class File:
    """A document in a file, which is read again when another one stands there, or its time or size has changed."""

    def __init__(self, path: str, layer: str = "file") -> None:
        self.path = path
        self.layer = layer  # a file in a package may be what a service has while no registry can be asked
        self._seen: object = None

    def pull(self) -> Raw | None:
        """As `Source.pull`.

        Raises:
            ConfigError: when the file cannot be read; once, until it can be or another one stands there.
        """
        seen = self._look()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123  # pathlib is not loaded for this
                data = file.read(MOST_BYTES + 1)
        except OSError as wrong:
            raise ConfigError(self.path, wrong.strerror or type(wrong).__name__, "a file that can be read") from None
        if not data.strip():
            raise ConfigError(self.path, "nothing", "a document; one that says nothing has a comment, or {}")
        return Raw(layer=self.layer, place=self.path, data=data, form=form_of(self.path), revision=revision_of(data))

    def _look(self) -> object:
        """What tells one state of the file from another: a volume of Kubernetes changes what its links lead to."""
        real = os.path.realpath(self.path)
        try:
            stat = os.stat(real)  # noqa: PTH116  # likewise
        except OSError as wrong:
            return real, wrong.errno
        return real, stat.st_mtime_ns, stat.st_size, stat.st_ino


class Given:
    """A document that the code hands over, once."""

    layer = "file"

    def __init__(self, document: Mapping[str, Any] | bytes, form: str = "") -> None:
        self._raw: Raw | None = raw_of(document, form)

    def pull(self) -> Raw | None:
        """As `Source.pull`."""
        raw, self._raw = self._raw, None
        return raw


def raw_of(document: Mapping[str, Any] | bytes, form: str = "") -> Raw:
    """A document that the code hands over."""
    if isinstance(document, bytes):
        return Raw(layer="file", place="document", data=document, form=form or "toml", revision=revision_of(document))
    return Raw(layer="file", place="document", data=document, revision=revision_of(repr(document).encode()))


class Environment:
    """What ``SVCGOV_SET`` says: ``policies.payments.retry.attempts=5;policies.search.bulkhead=10``, read once."""

    layer = "environment"

    def __init__(self, text: str) -> None:
        self._text = text

    def pull(self) -> Raw | None:
        """As `Source.pull`.

        Raises:
            ConfigError: for what is no list of settings.
        """
        text, self._text = self._text, ""
        if not text:
            return None
        return Raw(layer=self.layer, place=SET, data=settings_in(text, SET), revision=revision_of(text.encode()))


SET = "SVCGOV_SET"


def settings_in(text: str, place: str) -> dict[str, Any]:
    """The tables that ``path=value;path=value`` means; a value that is none of TOML is a text.

    Raises:
        ConfigError: for what is none.
    """
    tables: dict[str, Any] = {}
    for pair in text.split(";"):
        if not pair.strip():
            continue
        written, sign, value = pair.partition("=")
        keys = split(written.strip())
        if not sign or keys is None:
            raise ConfigError(place, pair.strip(), "path=value, such as policies.payments.retry.attempts=5")
        table = tables
        for key in keys[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise ConfigError(place, pair.strip(), f"one value or several settings for {key}, not both")
        table[keys[-1]] = _value(value.strip())
    return tables


def _value(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
