"""The documents of a registry: the part of its client that reads and publishes them.

Rule 1: a document is a text here: what it says is up to whoever goes by it.
Rule 2: revisions go up, also where an old document is published anew, and where there is to be none any more. A layer that is
        absent after it was there is a registry that has lost it.
"""

from __future__ import annotations

import json

from .._core._model import Config
from .._core._names import check_name
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from .backends._backend import Backend

    T = TypeVar("T")

BASE = "service"  # the layer that is the service's own
LARGEST = 256 * 1024  # characters


class Published:
    """The part of a `Registry` that has to do with documents."""

    backend: Backend
    _documents: dict[tuple[str, str], Config]

    if TYPE_CHECKING:

        def _tried(self, ask: Callable[[], T]) -> T | None:
            """What *ask* gives, or None where the registry does not answer."""
            ...

    def config(self, service: str, layer: str = BASE) -> Config:
        """The newest document of *service* in this *layer*, as it was published; revision 0 where there never was one.

        While the registry does not answer, it is the one that was known before, marked as stale.

        Raises:
            ConfigError: for a name that cannot be.
        """
        check_name(service, "config.service")
        check_name(layer, "config.layer")
        known = self._documents.get((service, layer)) or Config(service=service, layer=layer)
        answer = self._tried(lambda: (self.backend.read(service, layer, known.revision),))
        if answer is None:
            return known.replace(stale=True)
        if answer[0] is not None:
            self._documents[service, layer] = answer[0]
        return answer[0] or known

    def publish(
        self,
        service: str,
        document: Mapping[str, Any] | str | None,
        *,
        layer: str = BASE,
        expected: int | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish *document*, for all who ask for it. Returns its revision.

        Args:
            service: whose it is.
            document: a mapping, which is written as JSON, or a text, which is written as it is; None: there is none any more.
            layer: which one of the service's.
            expected: the revision that is there, 0 for none; None: whatever is there.
            meta: what is said about it, such as who, and why.

        Raises:
            ConfigError: for a name or a document that cannot be.
            ConflictError: where another revision is there.
            RegistryError: where the registry does not answer.
        """
        check_name(service, "publish.service")
        check_name(layer, "publish.layer")
        text = document if isinstance(document, str) or document is None else _json(document, "publish.document")
        if text is not None and len(text) > LARGEST:
            raise ConfigError("publish.document", f"{len(text)} characters", f"at most {LARGEST}")
        return self.backend.write(service, layer, text, json.loads(_json(meta or {}, "publish.meta")), expected)

    def history(self, service: str, layer: str = BASE) -> list[Config]:
        """The documents that were published, the newest first, at most 50.

        Raises:
            RegistryError: where the registry does not answer.
        """
        return self.backend.history(service, layer)

    def rollback(self, service: str, to: int, *, layer: str = BASE, expected: int | None = None) -> int:
        """Publish the document of revision *to* anew, as one of a higher revision, which is returned.

        A signed document has a revision of its own in its envelope, which stays the old one: where later ones have been in force
        it is refused. Sign it anew and `publish` it, as ``svcgov rollback`` does.

        Raises:
            ConfigError: where that one is not kept.
            ConflictError, RegistryError: as in `publish`.
        """
        kept = {one.revision: one for one in self.history(service, layer)}
        if to not in kept:
            raise ConfigError("rollback.to", to, f"one of {', '.join(map(str, kept)) or 'none: nothing was published'}")
        return self.publish(service, kept[to].text, layer=layer, expected=expected, meta={"rollback_of": to})


def _json(value: Any, path: str) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ConfigError(path, value, "what can be written as JSON") from None
