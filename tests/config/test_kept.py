"""What was in force last, for a cold start that finds nobody who could tell."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import bulkhead
from svcgov._core._clock import SYSTEM
from svcgov._core._names import NAMES
from svcgov.config._kept import Kept
from svcgov.config.apply import Documents
from svcgov.config.sources import File, Raw
from svcgov.facts import DocumentApplied

if TYPE_CHECKING:
    from pathlib import Path


def raw(limit: int, revision: int = 1, layer: str = "service") -> Raw:
    """A document from a registry."""
    data = b'{"policies": {"payments": {"bulkhead": %d}}}' % limit
    return Raw(layer=layer, place="registry", data=data, form="json", revision=str(revision), number=revision)


class Registry:
    """A source that has what it is given, or is away."""

    layer = "service"

    def __init__(self, *has: Raw | None) -> None:
        self.has = list(has)

    def pull(self) -> Raw | None:
        """The next one."""
        if not self.has:
            raise ConnectionError("nobody is there")
        return self.has.pop(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where it is kept."""
    return tmp_path / "kept"


def kept(folder: Path, *, at: float = 1000.0, name: str = "orders") -> Kept:
    """What an instance keeps."""
    return Kept(name, wall=lambda: at, folder=str(folder))


def started(keeps: Kept | None, *sources: Any) -> Documents:
    """A process that has just begun."""
    NAMES.forget()
    documents = Documents(scope="", clock=SYSTEM, labels=dict, service=lambda: "orders", kept=keeps)
    documents.follow(*sources)
    return documents


def limit() -> int:
    """What is in force."""
    return bulkhead(1, name="payments").settings.limit


def test_what_was_in_force_is_in_force_again(folder: Path) -> None:
    """Where the registry cannot be asked; what it says is above that, when it can."""
    started(kept(folder), Registry(raw(7)))
    started(kept(folder), Registry())
    assert limit() == 7
    started(kept(folder), Registry(raw(8)))
    assert limit() == 8
    started(None, Registry())
    assert limit() == 1


def test_what_was_kept_and_is_still_there_is_told_once(folder: Path) -> None:
    """It is in force once; a later one is another."""
    started(kept(folder), Registry(raw(7, 3)))
    applied: list[Any] = []
    stop = svcgov.listen(applied.append, DocumentApplied)
    documents = started(kept(folder), Registry(raw(7, 3), raw(7, 4)))
    documents.look()
    stop()
    assert [one.revision for one in applied] == ["3", "4"]


def test_what_is_kept_is_the_floor_s_ceiling(folder: Path, tmp_path: Path) -> None:
    """A file in the package is what a service has that has never found its registry."""
    (tmp_path / "floor.toml").write_text("[policies.payments]\nbulkhead = 5")
    floor = File(str(tmp_path / "floor.toml"), layer="service")
    started(kept(folder), floor, Registry())
    assert limit() == 5


def test_a_document_that_is_refused_is_not_kept(folder: Path) -> None:
    """Nor one of the code's, or of a file beside it, which are there at the next start."""
    documents = started(kept(folder), Registry(raw(7)))
    documents.apply(raw(0, 2))
    documents.apply(Raw(layer="service", place="code", data={}, revision="3"))
    documents.apply(raw(9, 4, layer="file"))
    assert len(list(folder.iterdir())) == 1
    started(kept(folder), Registry())
    assert limit() == 7


def test_an_older_revision_is_refused_after_a_start_too(folder: Path) -> None:
    """What is kept says what has been in force."""
    started(kept(folder), Registry(raw(7, 5)))
    documents = started(kept(folder), Registry(raw(8, 4)))
    assert limit() == 7
    assert documents.refused["service"].errors[0].path == "registry"


@pytest.mark.parametrize("at", [999.0, 1000.0 + 7 * 86400 + 1])
def test_what_is_too_old_is_not_recalled(folder: Path, at: float) -> None:
    """Or from the future: a clock that was put back."""
    kept(folder).keep(raw(7))
    assert kept(folder, at=1000.0 + 7 * 86400).recall("service") is not None
    assert kept(folder, at=at).recall("service") is None


def test_what_is_recalled_is_what_was_kept(folder: Path) -> None:
    """By layer, and by whose it is."""
    keeps = kept(folder)
    keeps.keep(raw(7))
    assert keeps.recall("service") == raw(7).replace(place="last known good")
    assert keeps.recall("fleet") is None
    assert kept(folder, name="search").recall("service") is None
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data.replace(b'"bulkhead": 7', b'"bulkhead": 8'),
        lambda data: b"",
        lambda data: b"[]\n" + data,
        lambda data: b'{"at": "x"}\n' + data,
        lambda data: b"[" * 4000 + b"\n" + data,
        lambda data: data.replace(b'"number": 1', b'"number": "1"'),
        lambda data: b"\xff" * 9000,
        lambda data: data.replace(b'"orders"', b'"search"'),
    ],
)
def test_what_is_spoilt_is_nothing(folder: Path, spoil: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, and the process begins without it."""
    kept(folder).keep(raw(7))
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    for _ in range(2):
        assert kept(folder).recall("service") is None
    assert capsys.readouterr().err.count("the last known good document could not be read") == 1


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_not_ours(folder: Path, mode: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Anybody could have put it there: nothing is read from it, and nothing written to it."""
    kept(folder).keep(raw(7))
    folder.chmod(mode)
    assert kept(folder).recall("service") is None
    kept(folder).keep(raw(8))
    assert capsys.readouterr().err.count("is not a folder of ours alone") == 2
    folder.chmod(0o700)
    assert kept(folder).recall("service") is not None


def test_a_folder_of_somebody_else_is_not_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever may write to it."""
    kept(folder).keep(raw(7))
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert kept(folder).recall("service") is None
    assert "is not a folder of ours alone" in capsys.readouterr().err


def test_a_folder_is_made_for_us_alone(folder: Path) -> None:
    """With those that it is in."""
    kept(folder / "in" / "another").keep(raw(7))
    assert (folder / "in" / "another").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_a_link_is_not_ours(folder: Path, tmp_path: Path) -> None:
    """It may lead anywhere."""
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    kept(folder).keep(raw(7))
    assert list(folder.iterdir()) == []


def test_what_cannot_be_written_leaves_what_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no half of it beside that; it is said."""
    kept(folder).keep(raw(7))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "replace", full)
        kept(folder).keep(raw(8))
    assert "could not be kept: OSError: [Errno 28]" in capsys.readouterr().err
    assert len(list(folder.iterdir())) == 1
    recalled = kept(folder).recall("service")
    assert recalled is not None
    assert recalled.data == raw(7).data


def test_it_is_kept_in_the_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of this user, unless another one is said."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Kept("orders", wall=lambda: 1000.0).keep(raw(7))
    assert [path.name for path in tmp_path.iterdir()] == [f"svcgov-{os.getuid()}"]
    assert Kept("orders", wall=lambda: 1000.0).recall("service") is not None


def test_where_nobody_can_tell_whose_a_folder_is_nothing_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on Windows; a document is in force all the same."""
    monkeypatch.delattr(os, "getuid")
    started(kept(folder), Registry(raw(7)))
    assert limit() == 7
    assert not folder.exists()
    assert capsys.readouterr().err.count("whose a folder is cannot be told here") == 2
