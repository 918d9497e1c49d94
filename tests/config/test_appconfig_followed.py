"""Documents of AWS AppConfig that a process goes by, from a fake of its agent; beside a registry, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor
from svcgov._core._chores import CHORES
from svcgov._core._names import NAMES
from svcgov._default import DEFAULT
from svcgov.config import appconfig
from svcgov.config._signed import DocumentKeys
from svcgov.config.appconfig import AppConfig
from svcgov.config.apply import Refused
from svcgov.errors import ConfigError
from svcgov.registry import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .fake_agent import FakeAgent

NAMED = "shop/test/limits"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is kept for the next start is not found by other tests, nor is a file beside the code."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def followed(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment says that the document is there; somebody has come through the front door."""
    monkeypatch.setenv("SVCGOV_APPCONFIG", NAMED)
    yield
    for one in DEFAULT._documents.sources if DEFAULT._documents is not None else ():
        if isinstance(one, AppConfig):
            one._keep(None)


def limit_found() -> int:
    """What the front door finds, for somebody who comes for the first time."""
    svcgov.__getattr__("bulkhead")
    return svcgov.bulkhead(1, name="stock").settings.limit


@pytest.mark.parametrize("given", ["shop", "shop/test", "shop/test/limits/more", "shop//limits", "/ / "])
def test_what_names_no_profile_is_an_error(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """At the door, by the name of the variable, and nothing is asked for."""
    monkeypatch.setenv("SVCGOV_APPCONFIG", given)
    for _ in range(2):
        with pytest.raises(ConfigError, match="SVCGOV_APPCONFIG: expected application/environment/profile"):
            limit_found()
    assert agent.asked == []


@pytest.mark.parametrize("given", ["http", "0", "65536", "-1"])
def test_what_is_no_port_is_an_error(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """By the name of the agent's own variable."""
    monkeypatch.setenv("SVCGOV_APPCONFIG", NAMED)
    monkeypatch.setenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT", given)
    with pytest.raises(ConfigError, match="AWS_APPCONFIG_EXTENSION_HTTP_PORT: expected a port"):
        limit_found()


def test_the_port_is_the_agents_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says another one."""
    monkeypatch.delenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT", raising=False)
    assert appconfig.port() == 2772


def test_its_document_is_in_force(agent: FakeAgent, followed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a file beside the code and what the environment says; another one after a while, with the chores."""
    assert limit_found() == 6
    assert [chore.name for chore in CHORES._chores] == ["document"]
    documents: Any = DEFAULT._documents
    (source,) = documents.sources
    agent.serves("2", '{"policies": {"stock": {"bulkhead": 7}}}')
    source._asked = None  # as after a while
    CHORES._chores[0].do()
    assert svcgov.bulkhead(1, name="stock").settings.limit == 7
    assert documents.revisions == {"service": "2"}
    agent.serves("1", '{"policies": {"stock": {"bulkhead": 6}}}')  # AppConfig has taken it back
    source._asked = None
    CHORES._chores[0].do()
    assert svcgov.bulkhead(1, name="stock").settings.limit == 6
    source._keep(None)
    DEFAULT.__init__()  # type: ignore[misc]  # as in a process of its own
    NAMES.forget()
    monkeypatch.setenv("SVCGOV_SET", "policies.stock.bulkhead=12")
    assert limit_found() == 12
    assert DEFAULT._documents is not None
    assert DEFAULT._documents.revisions["service"] == "1"


def test_a_document_that_cannot_be_stops_nobody_from_starting(
    agent: FakeAgent, followed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused, told once, and what the code says is in force."""
    agent.serves("1", '{"policies": {"stock": {"bulkhead": 0}}}')
    assert limit_found() == 1
    assert DEFAULT._documents is not None
    assert isinstance(DEFAULT._documents.refused["service"], Refused)
    assert "the document of service, 1, was refused: policies.stock.bulkhead" in capsys.readouterr().err


def test_an_agent_that_does_not_answer_stops_nobody_from_starting(
    agent: FakeAgent, followed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was in force last is; it is told once."""
    assert limit_found() == 6
    agent.status, agent.body = 500, b"no"
    for _ in range(2):
        DEFAULT._documents.sources[0]._keep(None)  # type: ignore[union-attr]  # it has one
        DEFAULT.__init__()  # type: ignore[misc]  # as in a process of its own
        NAMES.forget()
        assert limit_found() == 6
    said = capsys.readouterr().err
    assert said.count("a document for service could not be pulled: OSError: AppConfig shop/test/limits") == 1


def test_its_document_has_to_be_signed_where_there_are_keys(
    agent: FakeAgent, followed: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As any from outside; what was kept is asked for its signature, too."""
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", "k=a secret of this house")
    monkeypatch.setenv("SVCGOV_SERVICE", "orders")
    keys = DocumentKeys(["k=a secret of this house"], "keys")
    assert limit_found() == 1
    assert "AppConfig shop/test/limits: expected a signed document" in capsys.readouterr().err
    documents: Any = DEFAULT._documents
    sealed = keys.sealed(agent.body.decode(), stage="", service="orders", layer="service", revision=7)
    agent.serves("2", sealed.decode())
    documents.sources[0]._asked = None
    documents.look()
    assert svcgov.bulkhead(1, name="stock").settings.limit == 6
    assert documents.revisions == {"service": "7"}


# -- beside a registry ---------------------------------------------------------------------------------------------------


def test_beside_a_registry_it_has_the_service_and_the_registry_has_the_others(
    agent: FakeAgent, followed: None, request: pytest.FixtureRequest
) -> None:
    """What others see of the process is the version of AppConfig; the registry's document of the service is nobody's."""
    registry = connect(f"memory://{request.node.name}")
    registry.publish("orders", {"policies": {"stock": {"bulkhead": 8}}})
    fleet = registry.publish("fleet", {"policies": {"stock": {"bulkhead": 9}, "bank": {"bulkhead": 9}}}, layer="fleet")
    assert limit_found() == 6
    governor = Governor(service="orders", registry=registry, address="http://10.0.0.7:8080")
    governor.handler(lambda event, context: None)
    assert svcgov.bulkhead(1, name="stock").settings.limit == 6
    assert svcgov.bulkhead(1, name="bank").settings.limit == 9
    found: Any = registry.instances("orders")[0]
    assert found.applied == f"1, fleet {fleet}"
    other = Governor(service="orders", registry=registry, scope="another")
    other.handler(lambda event, context: None)
    assert other.bulkhead(1, name="stock").settings.limit == 8  # a scope of its own goes by the registry alone
    registry.close()


def test_others_see_its_version_where_the_registry_has_no_document(
    agent: FakeAgent, followed: None, request: pytest.FixtureRequest
) -> None:
    """For anybody."""
    assert limit_found() == 6
    registry = connect(f"memory://{request.node.name}")
    Governor(service="orders", registry=registry, address="http://10.0.0.7:8080").handler(lambda event, context: None)
    found: Any = registry.instances("orders")[0]
    assert found.applied == "1"
    registry.close()


def test_what_is_kept_of_it_is_not_taken_for_a_document_of_the_registry(
    agent: FakeAgent, followed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the other way round: whose it is, is part of its name."""
    monkeypatch.setenv("SVCGOV_REGISTRY", f"sqlite://{tmp_path}/registry.db")
    monkeypatch.setenv("SVCGOV_SERVICE", "orders")
    assert limit_found() == 6
    with_agent: Any = DEFAULT._keeping()
    assert with_agent.recall("service").revision == "1"
    monkeypatch.delenv("SVCGOV_APPCONFIG")
    without: Any = DEFAULT._keeping()
    assert without.recall("service") is None
