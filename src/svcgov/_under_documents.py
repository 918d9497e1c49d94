"""The part of a governor that documents reach: where its documents come from, and how one is put in force.

Rule: the code of documents is loaded where there is one.
"""

from __future__ import annotations

import os

from ._core._chores import CHORES
from ._core._environment import SERVICE, VERSION, file_of_document, first, text, words
from ._core._names import NAMES
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .config._kept import Kept
    from .config.apply import Applied, Documents, Refused
    from .config.sources import Source
    from .typing import Clock

EVERY = 1.0  # seconds after which a file is looked at again
_EXPECTED = "a mapping, or the path of a file"


class UnderDocuments:
    """What documents say is in force for all that is made in the scope of this governor."""

    scope: str
    clock: Clock
    _service: str | None
    _version: str | None
    _documents: Documents | None

    if TYPE_CHECKING:

        def _keeping(self) -> Kept | None:
            """Where documents of a registry are kept."""
            ...

    def apply(self, document: Mapping[str, Any] | str | os.PathLike[str] | bytes) -> Applied | Refused:
        """Put *document* in force, in the place of the one that this governor was given, or found: all of it, or nothing.

        Args:
            document: a mapping, the path of a file, which is read once, or TOML in bytes.
        """
        from .config.sources import File, raw_of

        if isinstance(document, (str, os.PathLike)):
            try:
                raw = File(os.fspath(document)).pull()
                assert raw is not None  # noqa: S101  # the first look at a file is news
            except ConfigError as error:
                return self._under().refuse("file", "none", error)
        else:
            raw = raw_of(document)
        return self._under().apply(raw)

    def _under(self) -> Documents:
        """The documents: those of its scope, made when there is one for the first time."""
        if self._documents is None:
            from .config.apply import Documents

            known = NAMES.binders.get(self.scope)
            if isinstance(known, Documents):
                self._documents = known
                return known
            keys = None
            if given := words("SVCGOV_DOCUMENT_KEYS"):
                from .config._signed import DocumentKeys

                keys = DocumentKeys(given, "SVCGOV_DOCUMENT_KEYS")
            self._documents = Documents(
                scope=self.scope,
                clock=self.clock,
                labels=lambda: {
                    "stage": text("SVCGOV_STAGE"),
                    "version": self._version or first(*VERSION),
                    "colour": text("SVCGOV_COLOUR"),
                    "group": text("SVCGOV_GROUP"),
                },
                service=lambda: self._service or first(*SERVICE),
                keys=keys,
                least=least_revision(),
                kept=self._keeping(),
            )
            NAMES.binders[self.scope] = self._documents  # another governor of this scope has the same, also before there is one
        return self._documents

    def _begin(self, *sources: Source) -> None:
        """Follow *sources* from now on.

        Raises:
            ConfigError: where one of them has a document that cannot be.
        """
        documents = self._under()
        alone = not documents.revisions
        documents.follow(*sources)
        for refused in [documents.refused[one.layer] for one in sources if one.layer in documents.refused]:
            self._documents = None
            documents.leave(*sources, close=alone)
            raise refused.errors[0]
        self._watch()

    def _watch(self) -> None:
        """Look at what is followed every now and then."""
        documents = self._under()
        if not documents.watched:
            documents.watched = True
            CHORES.add("document", documents.look, every=EVERY)

    def _begin_with(self, document: Any) -> None:
        """Follow what the code hands over."""
        from .config.sources import File, Given

        if isinstance(document, (str, os.PathLike)):
            self._begin(File(os.fspath(document)))
        elif hasattr(document, "items"):
            self._begin(Given(document))
        else:
            raise ConfigError("Governor.document", document, _EXPECTED)

    def _found(self) -> None:
        """Follow what the environment says, if there is anything: a file by ``SVCGOV_CONFIG`` or its usual name, ``SVCGOV_SET``.

        ``SVCGOV_APPCONFIG`` names a document from elsewhere: a wrong one there stops nobody from starting.

        Raises:
            ConfigError: where a document cannot be.
        """
        if self._documents is not None:
            return
        path, said, agent = file_of_document(), text("SVCGOV_SET"), None
        if named := text("SVCGOV_APPCONFIG"):
            from .config.appconfig import AppConfig

            agent = AppConfig(named, self.clock)
        if path or said:
            from .config.sources import Environment, File

            self._begin(*([File(path)] if path else []), *([Environment(said)] if said else []))
        if agent is not None:
            self._under().follow(agent)
            self._watch()


def least_revision() -> int:
    """What ``SVCGOV_MIN_REVISION`` says: no older document is taken."""
    given = text("SVCGOV_MIN_REVISION")
    if not given.isdecimal() and given:
        raise ConfigError("SVCGOV_MIN_REVISION", given, "an integer >= 0")
    return int(given or 0)
