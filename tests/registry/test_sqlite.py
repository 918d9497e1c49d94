"""A registry in a file: deleted, locked, damaged, full, forked, and a wall clock that steps."""

from __future__ import annotations

import gc
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from svcgov.errors import RegistryError
from svcgov.registry import connect
from svcgov.registry.backends import sqlite

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .offices import Client, Office


def _connection(client: Client) -> Any:
    backend: Any = client.plain.backend
    return backend._connection


@contextmanager
def locked(office: Office, how: str = "EXCLUSIVE") -> Iterator[None]:
    """Somebody else holds the file."""
    with closing(sqlite3.connect(office.file, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


def deleted(office: Office) -> None:
    """And what belongs to it."""
    for file in office.file.parent.glob("registry.db*"):
        file.unlink()


def test_a_file_that_is_deleted_is_noticed_and_fills_again(files: Office) -> None:
    """By whoever comes next; those who are not back yet are not lost meanwhile."""
    clients = [files.client() for _ in range(3)]
    for key, client in zip("abc", clients, strict=True):
        client.register(instance(key))
    for client in clients:
        client.instances("orders")
    deleted(files)
    assert clients[0].renew()
    found = clients[0].instances("orders")
    assert (ids(found), found.suspects) == (["a"], {"b", "c"})
    for client in clients:
        assert client.renew()
    for client in clients:
        assert ids(client.instances("orders")) == ["a", "b", "c"]


def test_the_revisions_of_a_new_file_are_above_those_of_the_old_one(files: Office) -> None:
    """So nobody takes what is new for what he knows."""
    client = files.client()
    client.register(instance())
    before = client.instances("orders").revision
    deleted(files)
    files.clock.advance(1.0)
    client.register(instance())
    assert client.instances("orders").revision > before


def test_a_file_that_is_locked_changes_nothing(files: Office) -> None:
    """Who reads goes on reading; who would write has not, and does so later."""
    client, reader = files.client(), files.client()
    client.register(instance())
    with locked(files):
        assert ids(reader.instances("orders")) == ["a"]
        assert not client.renew()
        with pytest.raises(RegistryError, match="database is locked"):
            client.publish("orders", {})
        found = reader.instances("orders")
        assert (ids(found), found.stale) == (["a"], False)
    assert client.renew()


def test_a_file_that_is_locked_when_a_lease_has_run_out_leaves_the_list_as_it_was(files: Office) -> None:
    """Nobody could have renewed his."""
    client, reader = files.client(), files.client()
    client.register(instance())
    reader.instances("orders")
    files.clock.advance(TTL)
    with locked(files):
        found = reader.instances("orders")
    assert (ids(found), found.stale) == (["a"], True)


def test_a_new_file_that_is_locked_is_opened_later(files: Office) -> None:
    """Whoever comes first makes its tables."""
    files.file.touch()
    client = files.client()
    with locked(files):
        client.register(instance())
        assert client.instances("orders").stale
    assert client.renew()
    assert ids(client.instances("orders")) == ["a"]


@pytest.mark.parametrize("contents", [b"no database at all, but long enough to be read as one" * 100, b"SQLite format 3\0" * 300])
def test_a_damaged_file_is_left_as_it_is(files: Office, contents: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """What was known stands; once it is away, all is well."""
    client = files.client()
    client.register(instance())
    client.instances("orders")
    deleted(files)
    files.file.write_bytes(contents)
    for _ in range(3):
        assert not client.renew()
    found = client.instances("orders")
    assert (ids(found), found.stale) == (["a"], True)
    assert files.file.read_bytes() == contents
    assert capsys.readouterr().err.count("the registry does not answer") == 1
    deleted(files)
    assert client.renew()
    assert not client.instances("orders").stale


def test_somebody_elses_database_is_left_as_it_is(files: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """No table is added, and its journal stays as it was."""
    with closing(sqlite3.connect(files.file)) as theirs:
        theirs.execute("CREATE TABLE customer(name)")
    contents = files.file.read_bytes()
    client = files.client()
    client.register(instance())
    assert files.file.read_bytes() == contents
    assert "a database of somebody else's" in capsys.readouterr().err


def test_a_file_that_is_damaged_while_it_is_open_is_opened_anew(files: Office) -> None:
    """The connection is not used again."""
    client = files.client()
    client.register(instance())
    with closing(sqlite3.connect(files.file)) as other:
        other.execute("DROP TABLE instance")
    assert not client.renew()
    assert _connection(client) is None
    deleted(files)
    assert client.renew()


@pytest.mark.parametrize("wrong", [None, 7, b"\xff"])
def test_what_is_no_text_is_a_record_that_is_skipped(files: Office, wrong: Any) -> None:
    """Whoever has written it: no call fails by it."""
    client, reader = files.client(), files.client()
    client.register(instance())
    client.register(instance(id="b"))
    with closing(sqlite3.connect(files.file, isolation_level=None)) as other:
        other.execute("UPDATE instance SET record = ? WHERE id = 'b'", (wrong,))
    assert ids(reader.plain.looked_up("orders")) == ["a"]


@pytest.mark.parametrize("wrong", [None, "{", b"\xff"])
def test_what_is_no_note_beside_a_document_is_a_registry_that_does_not_answer(files: Office, wrong: Any) -> None:
    """So what was known stands."""
    client = files.client()
    client.publish("orders", {"a": 1})
    before = client.config("orders")
    with closing(sqlite3.connect(files.file, isolation_level=None)) as other:
        other.execute("UPDATE document SET meta = ?, rev = rev + 1", (wrong,))
    assert client.config("orders") == before.replace(stale=True)


def test_a_process_that_is_asked_to_end_in_the_middle_of_a_trip_ends(files: Office) -> None:
    """The signal comes on the thread that holds the lock of the connection: nothing waits for itself."""
    client = files.client()
    client.register(instance())
    backend: Any = client.plain.backend
    with backend._lock:
        client.plain.close()
    assert client.plain.mine == {}


def test_a_file_of_a_later_version_is_not_touched(files: Office) -> None:
    """The error says what it is."""
    with closing(sqlite3.connect(files.file)) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(RegistryError, match=r"a format of a later version of svcgov \(2\)"):
        files.client().publish("orders", {})


def test_a_folder_that_is_not_there_is_a_registry_that_does_not_answer(files: Office) -> None:
    """Until it is."""
    files.url = f"sqlite://{files.file.parent}/later/registry.db"
    client = files.client()
    client.register(instance())
    assert not client.renew()
    (files.file.parent / "later").mkdir()
    assert client.renew()


def test_a_disk_that_is_full_keeps_the_list(files: Office) -> None:
    """Nobody can renew, so nobody is taken for dead."""
    client = files.client()
    client.register(instance())
    client.instances("orders")
    _connection(client).execute("PRAGMA max_page_count = 1")
    with pytest.raises(RegistryError, match="full"):
        client.publish("orders", "x" * 200_000)
    assert ids(client.instances("orders")) == ["a"]


def test_a_wall_clock_that_steps_back_keeps_nobody_longer_than_a_lease(files: Office) -> None:
    """From then on."""
    client, reader = files.client(), files.client()
    for key in "abc":
        client.register(instance(key))
    files.clock.step_wall(-1000.0)
    assert ids(reader.instances("orders")) == ["a", "b", "c"]
    client.plain.mine.pop(("orders", "a"))
    files.clock.advance(TTL / 2)
    assert client.renew()
    files.clock.advance(TTL / 2)
    assert ids(reader.instances("orders")) == ["b", "c"]


def test_a_wall_clock_that_steps_on_loses_nobody_who_is_there(files: Office) -> None:
    """All leases have run out at once: that is not believed before they can have been renewed."""
    client, reader = files.client(), files.client()
    for key in "abc":
        client.register(instance(key))
    reader.instances("orders")
    files.clock.step_wall(1000.0)
    assert reader.instances("orders").suspects == {"a", "b", "c"}
    assert client.renew()
    assert ids(reader.instances("orders")) == ["a", "b", "c"]


def test_who_has_left_is_remembered_for_a_while(files: Office) -> None:
    """Not for ever."""
    client = files.client()
    for key in "ab":
        client.register(instance(key))
        client.deregister()
        files.clock.advance(601.0)
    with closing(sqlite3.connect(files.file)) as other:
        assert other.execute("SELECT id FROM departure").fetchall() == [("b",)]


def test_a_forked_process_opens_a_connection_of_its_own(files: Office) -> None:
    """That of its parent is neither used nor closed."""
    client = files.client()
    client.register(instance())
    backend: Any = client.plain.backend
    before = backend._connection
    backend._lock.acquire()
    client.plain.forked()
    assert ids(client.instances("orders")) == ["a"]
    assert backend._connection is not before
    assert before.execute("SELECT count(*) FROM instance").fetchone() == (1,)
    before.close()


def test_a_connection_that_another_thread_has_is_waited_for_a_while(files: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no longer."""
    monkeypatch.setattr("svcgov.registry.backends.sqlite.PATIENCE", sqlite._WAIT + 0.001)
    client = files.client()
    backend: Any = client.plain.backend
    with backend._lock, pytest.raises(RegistryError, match="busy with another thread"):
        client.publish("orders", {})


def test_an_error_in_a_trip_undoes_it(files: Office) -> None:
    """All of it, or nothing."""
    client = files.client()
    client.register(instance())
    backend: Any = client.plain.backend
    with pytest.raises(ZeroDivisionError), backend._writing(service="orders") as ask:
        ask("DELETE FROM instance")
        1 / 0  # raises
    assert ids(client.instances("orders")) == ["a"]


@pytest.mark.filterwarnings("error")
def test_what_nobody_holds_any_more_is_closed(tmp_path: Path) -> None:
    """Without a word: a registry has a `close`, and need not be closed."""
    registry = connect(f"sqlite://{tmp_path}/registry.db")
    registry.publish("orders", {})
    connection: Any = registry.backend._connection  # type: ignore[attr-defined]  # of this engine
    del registry
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_list_is_that_of_one_moment(files: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while it is being read is in the next one."""
    client, other = files.client(), files.client()
    client.register(instance("a"))
    known, moments = client.instances("orders"), iter(range(100))
    backend: Any = client.plain.backend
    real = backend._clock

    class Meanwhile:
        """The second time that the list asks what time it is, it is half read."""

        def wall(self) -> float:
            if next(moments) == 1:
                other.register(instance("b"))
            return float(real.wall())

    with monkeypatch.context() as patch:
        patch.setattr(backend, "_clock", Meanwhile())
        listing = backend.listed("orders", None)
    assert (listing.revision, set(listing.instances)) == (known.revision, {"a"})
    assert ids(client.instances("orders")) == ["a", "b"]
