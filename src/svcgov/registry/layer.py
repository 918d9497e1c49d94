"""A layer of a service's documents, as a registry has it: one of the sources that documents are followed by.

Rule 1: the registry is asked with the beat, and not oftener, however often somebody looks.
Rule 2: a registry that does not answer says nothing, so what it said before stands; so does one that has lost what it had.
Rule 3: nothing of the code of documents is loaded here before there is one.
"""

from __future__ import annotations

from .._core._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._model import Config
    from ..config.sources import Raw
    from .client import Registry


class Layer:
    """Documents of *service* in this *layer*; satisfies `config.sources.Source`."""

    def __init__(self, registry: Registry, service: str, layer: str) -> None:
        self.layer: str = layer
        self._registry = registry
        self._service = service
        self._asked = float("-inf")
        self._news: Config | None = None
        self._told = 0  # the revision that was handed over

    def ask(self) -> bool | None:
        """Whether there is a document that has not been handed over; None where the registry does not answer."""
        now = self._registry.moment()
        if now - self._asked >= self._registry.ttl / 6:  # half of what is between two beats
            self._asked = now
            found = self._registry.config(self._service, self.layer)
            if found.stale:
                return None
            if found.revision < self._told:
                said = (
                    f"{self._registry.backend.url} has lost the document of {self._service} ({self.layer}); the last one stands"
                )
                report_once(("registry", self._service, self.layer, self._told), said)
            elif found.revision > self._told:
                self._news = found
        return self._news is not None

    def pull(self) -> Raw | None:
        """As `config.sources.Source.pull`."""
        self.ask()
        news, self._news = self._news, None
        if news is None:
            return None
        from ..config.sources import Raw

        self._told = news.revision
        return Raw(
            layer=self.layer,
            place=f"{self._registry.backend.url} ({self._service}, {self.layer})",
            data=(news.text or "{}").encode(),
            form="json",
            revision=str(news.revision),
            number=news.revision,
        )
