"""Where a governor finds its documents: the environment, and what stands beside the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov._core._budget import shared_budget
from svcgov._core._chores import CHORES
from svcgov._default import DEFAULT
from svcgov.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the process runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def document(path: Path, limit: int) -> Path:
    """A document about one bulkhead."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[policies.payments]\nbulkhead = {limit}")
    return path


def limit_found() -> int:
    """What the front door finds, for somebody who comes for the first time."""
    svcgov.__getattr__("bulkhead")
    return svcgov.bulkhead(1, name="payments").settings.limit


def test_without_a_document_nothing_is_looked_for() -> None:
    """No chore, no code of documents."""
    assert limit_found() == 1
    DEFAULT._found()
    assert DEFAULT._documents is None
    assert CHORES._chores == []


def test_a_document_beside_the_code(folder: Path) -> None:
    """By its usual name."""
    document(folder / "svcgov.toml", 7)
    assert limit_found() == 7
    assert len(CHORES._chores) == 1


def test_a_document_in_the_folder_of_a_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the one of the folder that the process happens to be in."""
    document(folder / "svcgov.toml", 7)
    document(folder / "task" / "svcgov.toml", 8)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(folder / "task"))
    assert limit_found() == 8


def test_a_document_that_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before all others; what the environment itself says is above it."""
    document(folder / "svcgov.toml", 7)
    monkeypatch.setenv("SVCGOV_CONFIG", str(document(folder / "orders.toml", 9)))
    assert limit_found() == 9
    monkeypatch.setenv("SVCGOV_SET", "policies.payments.bulkhead=11")
    assert limit_found() == 9  # it was found already
    DEFAULT.__init__()  # type: ignore[misc]  # as in a process of its own
    assert limit_found() == 11


def test_the_documents_of_a_scope_are_looked_at_once() -> None:
    """However many governors there are."""
    for _ in range(2):
        svcgov.Governor(document={})
    assert len(CHORES._chores) == 1


def test_settings_without_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is enough."""
    monkeypatch.setenv("SVCGOV_SET", "policies.payments.bulkhead=12")
    assert limit_found() == 12


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SVCGOV_CONFIG", "nowhere.toml", "nowhere.toml: expected a file that can be read"),
        ("SVCGOV_SET", "policies.payments.bulkhead=0", "policies.payments.bulkhead: expected an integer >= 1, got 0"),
        ("SVCGOV_SET", "bulkhead", "SVCGOV_SET: expected path=value"),
    ],
)
def test_what_cannot_be_is_an_error_each_time(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    """Never a silent default; and nothing of it is in force."""
    monkeypatch.setenv(variable, value)
    for _ in range(2):
        with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
            limit_found()
    monkeypatch.delenv(variable)
    assert limit_found() == 1


def test_of_what_is_wrong_nothing_is_in_force(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even what the environment says, which is right."""
    gate = svcgov.bulkhead(1, name="payments")
    document(folder / "svcgov.toml", 0)
    monkeypatch.setenv("SVCGOV_SET", "policies.payments.bulkhead=12")
    with pytest.raises(ConfigError, match="an integer >= 1, got 0"):
        limit_found()
    assert gate.settings.limit == 1
    document(folder / "svcgov.toml", 3)
    assert limit_found() == 12
    assert len(CHORES._chores) == 1


@pytest.mark.extras
def test_the_target_of_a_client_is_a_name(folder: Path) -> None:
    """What a document says of it is around each of its requests, beside what the code has put there."""
    import httpx2 as httpx

    sent: list[Any] = []

    def answer(request: Any) -> Any:
        sent.append(request)
        return httpx.Response(503 if len(sent) < 3 else 200)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    DEFAULT.apply({"policies": {"payments": {"retry": {"on": ["5xx"], "backoff": 0}, "circuit_breaker": {"failures": 3}}}})
    svcgov.govern(client, target="payments", policy=svcgov.timeout(9))
    assert client.get("http://payments/").status_code == 200
    assert svcgov.circuit_breaker("payments").snapshot()["failed"] == 2
    DEFAULT.apply({"policies": {"payments": {"rate_limit": "1/hour"}}})
    client.get("http://payments/")
    with pytest.raises(svcgov.errors.RateLimitedError):
        client.get("http://payments/")
    with pytest.raises(ConfigError, match=r"govern\.target"):
        svcgov.govern(httpx.Client(), target="a b")


@pytest.mark.extras
def test_a_retry_that_a_document_puts_around_a_client_spends_from_the_budget_of_its_target() -> None:
    """As one of the code's does, also where the client was there first."""
    import httpx2 as httpx

    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    svcgov.govern(httpx.Client(transport=transport), target="payments", policy=svcgov.timeout(9))
    DEFAULT.apply({"policies": {"payments": {"retry": {"on": ["5xx"]}}}})
    again: Any = svcgov.policy("payments").policies[1]
    assert (again.kind, again.budget) == ("retry", shared_budget("payments"))


@pytest.mark.extras
def test_a_retry_of_a_client_is_transient_again() -> None:
    """When a document no longer says what it retries on; the code had left that to where it stands."""
    import httpx2 as httpx

    again = svcgov.retry(backoff=0)
    svcgov.govern(
        httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))), target="payments", policy=again
    )
    assert again.on.words == {"transient"}
    DEFAULT.apply({"policies": {"payments": {"retry": {"on": ["timeout"]}}}})
    assert again.on.words == {"timeout"}
    DEFAULT.apply({})
    assert again.on.words == {"transient"}
