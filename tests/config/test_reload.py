"""Documents that change while calls are made: no call fails, waits, or sees a half of one."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import Facts, hasty_switches, in_child, in_threads
from svcgov import Governor, Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._core._chores import CHORES
from svcgov.config._signed import DocumentKeys
from svcgov.config.sources import File
from svcgov.errors import ConfigError
from svcgov.facts import DocumentApplied, DocumentRefused

if TYPE_CHECKING:
    from pathlib import Path

KEY = "k1=a-secret-of-16-bytes-or-more"


def written(path: Path, text: str) -> None:
    """Put another document into the place of the one at *path*, as volumes of Kubernetes do: all at once."""
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


def looked() -> None:
    """Whoever has answered a call does what is due."""
    for chore in CHORES._chores:
        chore.due = 0.0
    CHORES.due = 0.0
    CHORES.answered(60.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the document stands."""
    return tmp_path / "svcgov.toml"


def test_a_file_that_changes_is_in_force_after_the_next_answer(path: Path) -> None:
    """No thread is needed for that."""
    path.write_text("[policies.payments]\nbulkhead = 3")
    Governor(document=path)
    gate = bulkhead(1, name="payments")
    assert gate.settings.limit == 3
    written(path, "[policies.payments]\nbulkhead = 12")
    assert gate.settings.limit == 3
    looked()
    assert gate.settings.limit == 12
    assert not [one for one in threading.enumerate() if one.name == "svcgov-keeper"]


@pytest.mark.parametrize(
    "bad",
    [
        "policies = 3",
        "[policies.payments]\nbulkhed = 3",
        "[policies.payments",
        "#" * 10_000_000,
        '[policies.payments]\nbulkhead = "x"',
    ],
    ids=["no table", "unknown", "broken", "10 MB", "wrong"],
)
def test_a_file_that_cannot_be_changes_nothing(path: Path, facts: Facts, bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told once, however often it is looked at; a better one is in force."""
    path.write_text("[policies.payments]\nbulkhead = 3")
    Governor(document=str(path))
    gate = bulkhead(1, name="payments")
    svcgov.listen(facts, DocumentRefused, DocumentApplied)
    written(path, bad)
    for _ in range(3):
        looked()
    assert gate.settings.limit == 3
    assert [type(fact) for fact in facts] == [DocumentRefused]
    assert capsys.readouterr().err.count("was refused") == 1
    written(path, "[policies.payments]\nbulkhead = 4")
    looked()
    assert gate.settings.limit == 4


def test_an_empty_file_is_no_document(path: Path) -> None:
    """It is one that is being written; a comment is a document that says nothing, and the code's word holds."""
    path.write_text("[policies.payments]\nbulkhead = 3")
    Governor(document=path)
    gate = bulkhead(1, name="payments")
    written(path, " \n")
    looked()
    assert gate.settings.limit == 3
    written(path, "# nothing")
    looked()
    assert gate.settings.limit == 1


def sealed(bulkhead: int, revision: int, **place: str) -> str:
    """A signed document of the file's layer."""
    keys = DocumentKeys([KEY], "here")
    payload = json.dumps({"policies": {"payments": {"bulkhead": bulkhead}}})
    where = {"stage": "", "service": "orders", "layer": "file", **place}
    return keys.sealed(payload, revision=revision, **where).decode()


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (sealed(9, 8, service="stock"), "expected a signature for stage '', service 'orders', layer file"),
        (sealed(9, 8).replace('"k1"', '"k2"'), "expected a signature by one of k1"),
        (sealed(9, 6), "expected revision 7, which has been in force, or a later one, got 6"),
        ('{"policies": {}}', "expected a signed document"),
        ("", "expected a document"),
    ],
    ids=["of another place", "by another key", "older", "not signed", "empty"],
)
def test_a_signed_file_is_followed_by_none_that_is_not(
    tmp_path: Path, facts: Facts, bad: str, told: str, *, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor by an older one, or an empty one: each is told once, and the last good one stands until there is a later one."""
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", KEY)
    path = tmp_path / "svcgov.json"
    path.write_text(sealed(3, 7))
    Governor(document=path, service="orders")
    gate = bulkhead(1, name="payments")
    svcgov.listen(facts, DocumentRefused, DocumentApplied)
    written(path, bad)
    for _ in range(3):
        looked()
    assert gate.settings.limit == 3
    (refused,) = facts.of(DocumentRefused)
    assert told in refused.error
    assert capsys.readouterr().err.count("was refused") == 1
    written(path, sealed(4, 8))
    looked()
    assert gate.settings.limit == 4
    assert [type(fact) for fact in facts] == [DocumentRefused, DocumentApplied]


def test_a_file_that_goes_away_leaves_what_it_said(path: Path, facts: Facts) -> None:
    """A source that is away is no empty document."""
    path.write_text("[policies.payments]\nbulkhead = 3")
    Governor(document=path)
    gate = bulkhead(1, name="payments")
    svcgov.listen(facts, DocumentRefused)
    path.unlink()
    for _ in range(2):
        looked()
    assert gate.settings.limit == 3
    (told,) = facts.of(DocumentRefused)
    assert "No such file or directory" in told.error


def test_the_first_document_has_to_be_right(path: Path) -> None:
    """A wrong one, or none, is a mistake in the code."""
    with pytest.raises(ConfigError, match="No such file or directory"):
        Governor(document=path)
    path.write_text("[policies.payments]\nbulkhead = 0")
    with pytest.raises(ConfigError, match=r"policies\.payments\.bulkhead: expected an integer >= 1, got 0"):
        Governor(document=path)
    with pytest.raises(ConfigError, match=r"Governor\.document: expected a mapping, or the path of a file, got 7"):
        Governor(document=7)  # type: ignore[arg-type]  # as said
    assert bulkhead(1, name="payments").settings.limit == 1


def test_a_file_that_could_not_be_is_not_followed(path: Path) -> None:
    """Whoever else has documents in the scope does not come back to it."""
    gate = bulkhead(1, name="payments")
    other = path.with_name("other.toml")
    other.write_text("[policies.payments]\nbulkhead = 2")
    Governor(document=other)
    path.write_text("[policies.payments]\nbulkhead = 0")
    with pytest.raises(ConfigError):
        Governor(document=path)
    written(path, "[policies.payments]\nbulkhead = 3")
    looked()
    assert gate.settings.limit == 2
    written(other, "[policies.payments]\nbulkhead = 4")
    looked()
    assert gate.settings.limit == 4


def test_a_path_can_be_applied(path: Path) -> None:
    """It is read once; one that cannot be read is refused."""
    governor = Governor()
    refused: Any = governor.apply(path)
    assert "No such file or directory" in str(refused.errors[0])
    path.write_text("[policies.payments]\nbulkhead = 3")
    assert governor.apply(path)
    assert governor.apply(b"[policies.payments]\nbulkhead = 5")
    assert bulkhead(1, name="payments").settings.limit == 5


def test_a_source_that_breaks_is_worked_around(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """What it said before stands."""
    path.write_text("[policies.payments]\nbulkhead = 3")
    Governor(document=path)

    def broken(file: File) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(File, "pull", broken)
    looked()
    assert bulkhead(1, name="payments").settings.limit == 3
    assert "a document for file could not be pulled: RuntimeError: no such thing" in capsys.readouterr().err


def test_calls_go_on_while_documents_change(path: Path) -> None:
    """No call fails or is refused, permits come back, and a retry has all of its settings from one document."""
    path.write_text("# nothing")
    governor = Governor(document=path)
    pipeline = Pipeline(
        timeout(9), retry(on=OSError, attempts=2, backoff=0, budget=None), circuit_breaker("payments", failure_rate=1.0),
        bulkhead(99), rate_limit("1000000/second"),
        name="payments",
    )  # fmt: skip
    local = threading.local()

    @pipeline
    def call() -> str:
        local.tries = getattr(local, "tries", 0) + 1
        if local.tries % 2:
            raise OSError
        return "done"

    documents: list[dict[str, Any]] = [
        {"policies": {"payments": one}}
        for one in (
            {"retry": {"attempts": 3}, "bulkhead": 50, "circuit_breaker": {"mode": "observe"}},
            {"retry": {"attempts": 9}, "timeout": 5, "attempt_timeout": 4, "circuit_breaker": {"window": "30s"}},
            {"bulkhead": 0},
            {},
        )
    ]
    going = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            for revision in range(60):
                governor.apply(documents[revision % len(documents)])
            going.set()
        while not going.is_set():
            assert call() == "done"

    with hasty_switches():
        assert in_threads(8, work) == []
    assert call() == "done"
    assert pipeline.policies == pipeline.own
    assert pipeline.policies[3].machine.used == 0


def test_a_retry_never_has_settings_of_two_documents() -> None:
    """Attempts and delays go together, whichever they are."""
    governor = Governor()
    again = retry(on=OSError, attempts=2, backoff=0.5, name="payments")
    going = threading.Event()
    seen: set[tuple[int, str]] = set()

    def work(number: int) -> None:
        if number == 0:
            for count in range(200):
                governor.apply({"policies": {"payments": {"retry": {"attempts": 3 + count % 2, "backoff": 3.0 + count % 2}}}})
            going.set()
        while not going.is_set():
            settings = again.settings
            seen.add((settings.attempts, repr(settings.backoff)))

    with hasty_switches():
        assert in_threads(4, work) == []
    assert seen <= {(2, "[0.5]"), (3, "[3.0]"), (4, "[4.0]")}


def test_one_thread_looks_at_a_time(path: Path) -> None:
    """Another one goes on at once."""
    path.write_text("# nothing")
    governor = Governor(document=path)
    documents: Any = governor._documents
    inside = []

    class Slow:
        """A source that is asked while it is being asked."""

        layer = "service"

        def pull(self) -> None:
            """Let somebody else look."""
            inside.append(in_threads(1, lambda number: documents.look()))

    documents.sources = (Slow(),)
    documents.look()
    assert inside == [[]]


E2E = """
import json, os, svcgov
gate = svcgov.bulkhead(1, name="payments")
first = gate.settings.limit
handled = svcgov.handler(lambda event, context: gate.settings.limit, policy="payments")
from svcgov._core._chores import CHORES
path = {path!r}
with open(path + ".new", "w") as file:
    file.write("[policies.payments]\\nbulkhead = 44")
os.replace(path + ".new", path)
before = handled({{}}, None)
CHORES._chores[-1].due = CHORES.due = 0.0
during, after = handled({{}}, None), handled({{}}, None)
import threading
print(json.dumps([first, before, during, after, threading.active_count(), svcgov.timeout(1, name="payments").settings.seconds]))
"""


def test_a_function_finds_its_document_by_the_environment(path: Path) -> None:
    """From its first line; a change is in force for the call after the one that has found it; no thread is there."""
    path.write_text("[policies.payments]\nbulkhead = 3")
    said = in_child(
        E2E.format(path=os.fspath(path)), SVCGOV_CONFIG=os.fspath(path), SVCGOV_KEEPER="off", SVCGOV_LOG="off",
        SVCGOV_SET="policies.payments.timeout=7",
    )  # fmt: skip
    assert said == [3, 3, 3, 44, 1, 7]
