"""``sqlite:///path``: a registry in one file, for the processes of one machine.

Rule 1: the file is opened at the first call, and again where it is another one by now, or has failed: whoever deletes it gets an
        empty registry, which fills by itself.
Rule 2: who finds it locked waits for at most `PATIENCE`, and has failed then.
Rule 3: leases end by the wall clock, which all share. Whatever it does, no lease lasts longer than its own length from now.
Rule 4: a file that is damaged, no database at all, or somebody else's database is left as it is.
"""

from __future__ import annotations

import json
import os
from _thread import allocate_lock
from contextlib import contextmanager

from ..._core._mishaps import said
from ..._core._model import Config
from ...errors import ConflictError, RegistryError
from ._backend import KEPT, PATIENCE, REMEMBERED, Listing, next_document, next_revision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from sqlite3 import Connection
    from typing import Any

    from ...typing import Clock

FORMAT = 1
_SERVICE = "WHERE env=:env AND service=:service"
_THIS = f"{_SERVICE} AND id=:id"
_LAYER = f"{_SERVICE} AND layer=:layer"
_NEWEST = f"{_LAYER} ORDER BY rev DESC LIMIT :most"
_OLD = f"{_LAYER} AND rev NOT IN (SELECT rev FROM document {_NEWEST})"  # noqa: S608  # made of constants
_WRONG = f"{_SERVICE} AND (expires<=:now OR expires>:now+ttl)"  # those whose lease has run out, or lasts too long
_LEFT = "INSERT OR REPLACE INTO departure VALUES(:env, :service, :id, :now)"
_LEASE = "INSERT OR REPLACE INTO instance VALUES(:env, :service, :id, :ends, :ttl, :record)"
_WAIT = PATIENCE / 2  # seconds for the lock of the file; as much is left for that of the connection
_BUSY = frozenset({5, 6})  # locked by another connection: the own one is as good as before
_TABLES = f"""
CREATE TABLE IF NOT EXISTS meta(env, service, rev INTEGER, PRIMARY KEY(env, service)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instance(env, service, id, expires REAL, ttl REAL, record,
 PRIMARY KEY(env, service, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_expiry ON instance(env, service, expires);
CREATE TABLE IF NOT EXISTS departure(env, service, id, at REAL, PRIMARY KEY(env, service, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoint(env, service, id, rev INTEGER, record, PRIMARY KEY(env, service, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document(env, service, layer, rev INTEGER, doc, meta, at REAL,
 PRIMARY KEY(env, service, layer, rev)) WITHOUT ROWID;
PRAGMA user_version = {FORMAT}
"""


class SqliteBackend:
    """A connection to the file, shared by the threads of the process."""

    blocks = True

    def __init__(self, path: str, env: str, clock: Clock) -> None:
        self.url: str = f"sqlite://{path}"
        self._path = path
        self._env = env
        self._clock = clock
        self._lock = allocate_lock()
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None  # which one is open
        self._parents: list[object] = []  # held, never closed: a close would be one of the parent's, too

    def register(self, service: str, key: str, record: str, ttl: float, over: str | None = None) -> str | None:
        """As `Backend.register`."""
        with self._writing(service=service, id=key) as ask:
            now = self._reaped(ask)
            row = ask("SELECT record FROM instance", _THIS).fetchone()
            before = str(row[0]) if row else ""  # anybody may have written what is no text
            if over not in (None, before):
                return before
            ask(_LEASE, record=record, ttl=ttl, ends=now + ttl)
            ask("DELETE FROM departure", _THIS)
            if before != record:
                self._moved(ask)
            return None

    def renew(self, service: str, key: str, ttl: float) -> bool:
        """As `Backend.renew`."""
        with self._writing(service=service, id=key) as ask:
            now = self._reaped(ask)
            there = ask("UPDATE instance SET expires=:ends, ttl=:ttl", _THIS, ttl=ttl, ends=now + ttl).rowcount
            return bool(there == 1)

    def deregister(self, service: str, key: str) -> None:
        """As `Backend.deregister`."""
        with self._writing(service=service, id=key) as ask:
            now = self._reaped(ask)
            if ask("DELETE FROM instance", _THIS).rowcount == 1:
                ask("DELETE FROM departure WHERE env=:env AND at<=:long_ago", long_ago=now - REMEMBERED)
                ask(_LEFT, now=now)
                self._moved(ask)

    def put(self, service: str, key: str, record: str | None, expected: int | None) -> int:
        """As `Backend.put`."""
        with self._writing(service=service, id=key) as ask:
            row = ask("SELECT rev FROM endpoint", _THIS).fetchone()
            current = row[0] if row else 0
            if expected is not None and expected != current:
                raise ConflictError(self.url, f"endpoint {service}/{key} has another revision", current)
            revision = self._moved(ask)
            ask("DELETE FROM endpoint", _THIS)
            ask("DELETE FROM departure", _THIS)
            if record is None:
                ask(_LEFT, now=self._clock.wall())
            else:
                ask("INSERT INTO endpoint VALUES(:env, :service, :id, :rev, :record)", rev=revision, record=record)
            return revision

    def listed(self, service: str, known: int | None) -> Listing | None:
        """As `Backend.listed`."""
        with self._trip(service=service) as ask:
            ask("BEGIN")  # all that is read is of one moment
            if ask("SELECT 1 FROM instance", _WRONG + " LIMIT 1", now=self._clock.wall()).fetchone() is None:
                return self._read_all(ask, known)
        with self._writing(service=service) as ask:
            self._reaped(ask)
            return self._read_all(ask, known)

    def services(self) -> list[str]:
        """As `Backend.services`."""
        with self._trip() as ask:
            return [name for (name,) in ask("SELECT service FROM meta WHERE env=:env ORDER BY service").fetchall()]

    def read(self, service: str, layer: str, known: int | None) -> Config | None:
        """As `Backend.read`."""
        newest = next(iter(self._documents(service, layer, 1)), Config(service=service, layer=layer))
        return None if newest.revision == known else newest

    def write(self, service: str, layer: str, text: str | None, meta: Mapping[str, Any], expected: int | None) -> int:
        """As `Backend.write`."""
        with self._writing(service=service, layer=layer) as ask:
            current = ask("SELECT max(rev) FROM document", _LAYER).fetchone()[0] or 0
            if expected is not None and expected != current:
                raise ConflictError(self.url, f"document {service}/{layer} has another revision", current)
            at = self._clock.wall()
            revision = next_document(current, at)
            note = json.dumps(dict(meta))
            ask(
                "INSERT INTO document VALUES(:env, :service, :layer, :rev, :doc, :meta, :at)",
                rev=revision,
                doc=text,
                meta=note,
                at=at,
            )
            ask("DELETE FROM document", _OLD, most=KEPT)
            return revision

    def history(self, service: str, layer: str) -> list[Config]:
        """As `Backend.history`."""
        return self._documents(service, layer, KEPT)

    def forked(self) -> None:
        """As `Backend.forked`."""
        self._lock = allocate_lock()
        self._parents.append(self._connection)
        self._connection = None

    def close(self) -> None:
        """As `Backend.close`."""
        if not self._lock.acquire(timeout=PATIENCE):  # perhaps a signal has come in the middle of a trip of this very thread
            raise RegistryError(self.url, "busy with another thread")
        try:
            self._shut()
        finally:
            self._lock.release()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self._shut()  # nobody holds this any more, so nobody asks

    # -- what the verbs are made of ------------------------------------------------------------------------------------

    def _documents(self, service: str, layer: str, most: int) -> list[Config]:
        with self._trip(service=service, layer=layer) as ask:
            rows = ask("SELECT rev, doc, meta, at FROM document", _NEWEST, most=most).fetchall()
            return [
                Config(service=service, layer=layer, revision=rev, text=doc, meta=json.loads(str(meta)), at=at)
                for rev, doc, meta, at in rows
            ]

    def _read_all(self, ask: Any, known: int | None) -> Listing | None:
        row = ask("SELECT rev FROM meta", _SERVICE).fetchone()
        revision = row[0] if row else 0
        if revision == known:
            return None
        endpoints = ask("SELECT id, rev, record FROM endpoint", _SERVICE).fetchall()
        left = ask(
            "SELECT id FROM departure", _SERVICE + " AND at>:long_ago", long_ago=self._clock.wall() - REMEMBERED
        ).fetchall()
        return Listing(
            revision=revision,
            instances={key: str(record) for key, record in ask("SELECT id, record FROM instance", _SERVICE).fetchall()},
            endpoints={key: str(record) for key, _, record in endpoints},  # anybody may have written what is no text
            revisions={key: rev for key, rev, _ in endpoints},
            left=frozenset(key for (key,) in left),
        )

    def _reaped(self, ask: Any) -> float:
        """The moment, at which nobody is there any more whose lease has run out."""
        now = self._clock.wall()
        if ask("SELECT 1 FROM instance", _WRONG + " LIMIT 1", now=now).fetchone() is not None:
            if ask("DELETE FROM instance", _SERVICE + " AND expires<=:now", now=now).rowcount > 0:
                self._moved(ask)
            ask("UPDATE instance SET expires=:now+ttl", _WRONG, now=now)
        return now

    def _moved(self, ask: Any) -> int:
        row = ask("SELECT rev FROM meta", _SERVICE).fetchone()
        revision = next_revision(row[0] if row else 0, self._clock.wall())
        ask("INSERT OR REPLACE INTO meta VALUES(:env, :service, :rev)", rev=revision)
        return revision

    @contextmanager
    def _writing(self, **about: str) -> Iterator[Any]:
        """A trip that writes, all of it or nothing."""
        with self._trip(**about) as ask:
            ask("BEGIN IMMEDIATE")
            yield ask

    @contextmanager
    def _trip(self, **about: str) -> Iterator[Any]:
        """One trip to the file, *about* a service: what asks it."""
        import sqlite3

        if not self._lock.acquire(timeout=PATIENCE - _WAIT):
            raise RegistryError(self.url, "busy with another thread")
        try:
            connection = self._opened(sqlite3)

            def ask(question: str, where: str = "", **more: Any) -> Any:
                return connection.execute(f"{question} {where}", {"env": self._env, **about, **more})

            try:
                yield ask
                if connection.in_transaction:
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, ValueError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
                self._shut()
            raise RegistryError(self.url, said(error)) from error
        finally:
            self._lock.release()

    def _opened(self, sqlite3: Any) -> Connection:
        """The connection to the file that is there now."""
        connection = self._connection
        if connection is not None:
            if self._file is not None and _which(self._path) == self._file:
                return connection
            self._shut()
        made: Connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            made.execute("PRAGMA synchronous = normal")
            found = _version(made)
            if found > FORMAT:
                raise ValueError(f"a format of a later version of svcgov ({found})")
            if found < FORMAT:
                if made.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() and _version(made) < FORMAT:
                    raise ValueError("a database of somebody else's")
                made.execute("PRAGMA journal_mode = wal")
                made.execute("BEGIN IMMEDIATE")
                for statement in _TABLES.split(";"):
                    made.execute(statement)
                made.execute("COMMIT")
        except BaseException:
            made.close()
            raise
        self._file = _which(self._path)
        self._connection = made
        return made

    def _shut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _which(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # not worth an import of pathlib
    except OSError:
        return None
    return found.st_dev, found.st_ino
