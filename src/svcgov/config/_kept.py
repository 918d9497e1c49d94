"""What was in force last, kept on disk: for a cold start that finds nobody who could tell.

Rule 1: it is written aside and put in its place at once, and has a checksum: a half of it is nothing.
Rule 2: it is read as a document from outside is: checked, signed where that is asked for, and too old is too old. A clock that
        has been put back makes it too old.
Rule 3: nothing here raises: it is a convenience.
Rule 4: only our own folder is trusted: everybody may write to the temporary one.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir, mkstemp

from .._core._mishaps import said
from .._core._report import report_once
from .sources import Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

OLDEST = 7 * 86400.0  # seconds
_LONGEST_HEAD = 4096  # bytes


class Kept:
    """The last known good documents of one service, by their layers.

    Args:
        name: whose they are: the service, and its scope.
        wall: tells the time.
        folder: where; a folder of this user's, made if it is not there. By default one in the temporary directory.
        oldest: seconds after which they are too old.
    """

    def __init__(self, name: str, *, wall: Callable[[], float], folder: str | None = None, oldest: float = OLDEST) -> None:
        self._name = name
        self._wall = wall
        self._folder = folder
        self._oldest = oldest

    def keep(self, raw: Raw) -> None:
        """Keep *raw*, which is in force."""
        try:
            self._write(raw)
        except OSError as failure:
            report_once(("kept", raw.layer), f"the last known good document could not be kept: {said(failure)}")

    def recall(self, layer: str) -> Raw | None:
        """What was kept of *layer*, if it is whole, ours, and not too old."""
        try:
            with self._path(layer).open("rb") as file:
                return self._read(layer, file.readline(_LONGEST_HEAD), file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as failure:
            report_once(("recalled", layer), f"the last known good document could not be read: {said(failure)}")
            return None

    def _read(self, layer: str, head: bytes, data: bytes) -> Raw | None:
        known: dict[str, Any] = json.loads(head)
        age = self._wall() - known["at"]
        number = known["number"]
        if (
            known["name"] != self._name
            or sha256(data).hexdigest() != known["sha256"]
            or not isinstance(number, (int, type(None)))
        ):
            raise ValueError("it is not what was written")
        if not 0 <= age <= self._oldest:
            return None
        form, revision = str(known["form"]), str(known["revision"])
        return Raw(layer=layer, place="last known good", data=data, form=form, revision=revision, number=number)

    def _write(self, raw: Raw) -> None:
        assert isinstance(raw.data, bytes)  # noqa: S101  # what the code hands over is there at the next start
        head = {
            "name": self._name, "form": raw.form, "revision": raw.revision, "number": raw.number, "at": self._wall(),
            "sha256": sha256(raw.data).hexdigest(),
        }  # fmt: skip
        path = self._path(raw.layer)
        file, aside = mkstemp(dir=path.parent)
        try:
            with os.fdopen(file, "wb") as written:
                written.write(json.dumps(head).encode() + b"\n" + raw.data)
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink()
            raise

    def _path(self, layer: str) -> Path:
        """Where the document of *layer* is.

        Raises:
            OSError: where the folder is somebody else's, or others may write to it, or nobody can tell.
        """
        if not hasattr(os, "getuid"):
            raise PermissionError("whose a folder is cannot be told here")
        folder = Path(self._folder or gettempdir(), "" if self._folder else f"svcgov-{os.getuid()}")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stat = folder.lstat()
        if stat.st_uid != os.getuid() or stat.st_mode & 0o170022 != 0o040000:
            raise PermissionError(f"{folder} is not a folder of ours alone")
        name = sha256(self._name.encode()).hexdigest()[:16]
        return folder / f"{name}-{layer}"
