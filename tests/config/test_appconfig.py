"""A document of AWS AppConfig, from a fake of its agent: the real one needs an account."""

from __future__ import annotations

import io
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest

from _forking import forking
from svcgov.config import appconfig
from svcgov.config._formats import MOST_BYTES
from svcgov.config.appconfig import EVERY, AppConfig
from svcgov.errors import ConfigError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fake_agent import FakeAgent

NAMED = "shop/test/limits"
PATH = "/applications/shop/environments/test/configurations/limits"


@pytest.fixture
def source(agent: FakeAgent, clock: ManualClock) -> Iterator[AppConfig]:
    """Who asks it."""
    made = AppConfig(NAMED, clock)
    yield made
    made._keep(None)


def pulled(source: AppConfig, clock: ManualClock) -> Any:
    """What it says when it is asked again."""
    clock.advance(EVERY)
    return source.pull()


# -- the question, and the answer ----------------------------------------------------------------------------------------


def test_the_agent_is_asked_for_a_profile(agent: FakeAgent, source: AppConfig) -> None:
    """Its document is one of the service, and its version the revision, which is no number that only grows."""
    raw: Any = source.pull()
    assert agent.asked == [PATH]
    assert (raw.layer, raw.place, raw.data, raw.form) == ("service", f"AppConfig {NAMED}", agent.body, "json")
    assert (raw.revision, raw.number) == ("1", None)


def test_names_are_written_as_a_path_has_to_be(agent: FakeAgent, clock: ManualClock) -> None:
    """They may have spaces and other signs in them."""
    source = AppConfig("my shop / a&b / 50%", clock)
    assert source.pull() is not None
    source._keep(None)
    assert agent.asked == ["/applications/my%20shop/environments/a%26b/configurations/50%25"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("application/toml", "toml"),
        ("application/x-yaml", "yaml"),
        ("text/YAML; charset=utf-8", "yaml"),
        ("application/json", "json"),
        ("application/octet-stream", "json"),
        ("", "json"),
    ],
)
def test_the_form_is_that_of_the_content_type(agent: FakeAgent, source: AppConfig, kind: str, form: str) -> None:
    """JSON where it says nothing."""
    agent.headers["Content-Type"] = kind
    raw: Any = source.pull()
    assert raw.form == form


@pytest.mark.parametrize(
    ("headers", "revision"),
    [({"ConfigurationVersion": "7"}, "7"), ({"configuration-version": "v7"}, "v7"), ({}, "sha256:44136fa355b3")],
)
def test_the_version_is_said_in_one_way_or_another(
    agent: FakeAgent, source: AppConfig, headers: dict[str, str], revision: str
) -> None:
    """Or not at all: then it is made of what the document says."""
    agent.headers, agent.body = headers, b"{}"
    raw: Any = source.pull()
    assert raw.revision == revision


def test_what_is_known_is_no_news(agent: FakeAgent, source: AppConfig, clock: ManualClock) -> None:
    """Another version is, also a lower one; and so is another document, whatever its version."""
    assert source.pull() is not None
    assert pulled(source, clock) is None
    for version, document in (("2", "{}"), ("1", "{}"), ("1", '{"policies": {}}')):
        agent.serves(version, document)
        raw = pulled(source, clock)
        assert (raw.revision, raw.data.decode()) == (version, document)
        assert pulled(source, clock) is None
    assert len(agent.asked) == 8


def test_the_connection_is_kept(agent: FakeAgent, source: AppConfig, clock: ManualClock) -> None:
    """For documents in one piece and in several."""
    for version, writes in (("1", None), ("2", agent.in_chunks), ("3", None)):
        agent.serves(version, f'{{"service": "{version}"}}')
        agent.writes = writes
        raw = pulled(source, clock)
        assert raw.data == agent.body
    assert len(agent.asked) == 3
    assert len(set(agent.callers)) == 1


@pytest.mark.parametrize("how", ["closing", "resetting"])
def test_a_connection_that_was_closed_is_opened_anew(agent: FakeAgent, source: AppConfig, clock: ManualClock, how: str) -> None:
    """At once: nobody has to wait for the next time."""
    agent.writes = getattr(agent, how)
    assert source.pull() is not None
    agent.writes = None
    assert pulled(source, clock) is not None
    assert len(set(agent.callers)) == 2


def test_a_connection_is_let_go_of_in_a_forked_process(source: AppConfig) -> None:
    """Also where there is none."""
    source.forked()
    source.pull()
    assert source._connection is not None
    source.forked()
    assert source._connection is None


def test_a_forked_process_has_a_connection_of_its_own(agent: FakeAgent) -> None:
    """Its parent goes on with the one that it has."""
    said = forking(f"""
os.environ["AWS_APPCONFIG_EXTENSION_HTTP_PORT"] = "{agent.port}"
from svcgov._core._clock import SYSTEM
from svcgov.config import appconfig
appconfig.PATIENCE, appconfig.EVERY = 10.0, 0.0
source = appconfig.AppConfig({NAMED!r}, SYSTEM)
source.pull()
said = in_fork(lambda: [source._connection is None, source.pull() is None])
print(json.dumps([*said, source.pull() is None]))
""")
    assert said == [True, True, True]
    before, child, after = agent.callers
    assert before == after != child


# -- how often -----------------------------------------------------------------------------------------------------------


def test_it_is_asked_every_few_seconds(agent: FakeAgent, source: AppConfig, clock: ManualClock) -> None:
    """However often somebody looks."""
    for _ in range(11):
        source.pull()
        clock.advance(EVERY / 5)
    assert len(agent.asked) == 3


@pytest.mark.parametrize("monotonic", ["jumps", "stands"])
def test_after_a_freeze_it_is_asked_anew(agent: FakeAgent, source: AppConfig, clock: ManualClock, monotonic: Any) -> None:
    """Whichever clock has seen it."""
    source.pull()
    clock.freeze(600.0, monotonic=monotonic)
    source.pull()
    assert len(agent.asked) == 2


def test_a_wall_clock_that_is_put_back_changes_nothing(agent: FakeAgent, source: AppConfig, clock: ManualClock) -> None:
    """The other one goes on."""
    source.pull()
    clock.step_wall(-1000.0)
    pulled(source, clock)
    assert len(agent.asked) == 2


def test_one_that_is_starting_is_asked_with_every_look(agent: FakeAgent, source: AppConfig, clock: ManualClock) -> None:
    """Until it answers for the first time, also that it has nothing."""
    agent.writes = lambda handler: setattr(handler, "close_connection", True)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            source.pull()
    agent.writes, agent.status = None, 404
    with pytest.raises(OSError, match="404"):
        source.pull()
    agent.status = 200
    assert source.pull() is None
    assert len(agent.asked) == 4
    assert pulled(source, clock) is not None


# -- what goes wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 500, 502, 503, 504])
def test_another_status_is_a_failure(agent: FakeAgent, source: AppConfig, clock: ManualClock, status: int) -> None:
    """It says what the agent says, in a line; the next answer is news."""
    agent.status, agent.body = status, b"Resource\nnot found" + b"!" * 1000
    with pytest.raises(OSError, match=rf"AppConfig shop/test/limits: the agent has answered {status} Resource not found!+$"):
        source.pull()
    agent.status, agent.body = 200, b"{}"
    assert pulled(source, clock) is not None


def test_nobody_there_is_a_failure(agent: FakeAgent, source: AppConfig) -> None:
    """There is no agent, or none yet."""
    agent.end()
    with pytest.raises(ConnectionRefusedError):
        source.pull()


@pytest.mark.parametrize("how", ["silent", "dripping"])
def test_who_does_not_answer_in_time_is_not_waited_for(
    agent: FakeAgent, source: AppConfig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Neither one that says nothing nor one that says a little all the time; over a connection that is kept, too."""
    agent.writes = getattr(agent, how)
    monkeypatch.setattr(appconfig, "PATIENCE", 0.02)
    with pytest.raises(TimeoutError):
        source.pull()
    agent.writes = None
    monkeypatch.setattr(appconfig, "PATIENCE", 10.0)
    assert pulled(source, clock) is not None
    agent.writes = getattr(agent, how)
    monkeypatch.setattr(appconfig, "PATIENCE", 0.02)
    with pytest.raises(TimeoutError):
        pulled(source, clock)


def test_time_that_is_up_before_a_piece_is_read_is_up(
    agent: FakeAgent, source: AppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read then."""
    readings = iter([0.0, 10.0])

    class Clock:
        def monotonic(self) -> float:
            return next(readings)

    monkeypatch.setattr(appconfig, "SYSTEM", Clock())
    with pytest.raises(TimeoutError):
        source.pull()


def test_a_piece_is_waited_for_as_long_as_there_is_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for the whole time again."""
    waited: list[float] = []

    class Socket:
        settimeout = staticmethod(waited.append)

        def makefile(self, *_: Any, **__: Any) -> io.BytesIO:
            return io.BytesIO(b"here")

    monkeypatch.setattr(appconfig, "SYSTEM", ManualClock())
    with appconfig.Within(Socket(), ends=10.0).makefile("rb") as read:
        assert read.read(4) == b"here"
    appconfig.SYSTEM.advance(9.0)  # type: ignore[attr-defined]  # the one by hand
    with appconfig.Within(Socket(), ends=10.0).makefile("rb") as read:
        read.read(4)
    assert waited == [10.0, 1.0]


def test_half_a_document_is_none(agent: FakeAgent, source: AppConfig, clock: ManualClock) -> None:
    """Though it could be read as one."""
    agent.writes = agent.breaking
    with pytest.raises(HTTPException):
        source.pull()
    agent.writes = None
    assert pulled(source, clock) is not None


@pytest.mark.parametrize("pieces", [False, True])
def test_of_a_large_document_only_a_beginning_is_read(
    agent: FakeAgent, source: AppConfig, clock: ManualClock, pieces: bool
) -> None:
    """Enough to see that it is too large; it is refused once, and the connection is not kept."""
    agent.body = b" " * (MOST_BYTES + 2)
    agent.writes = agent.in_chunks if pieces else None
    raw: Any = source.pull()
    with pytest.raises(ConfigError, match=f"at most {MOST_BYTES} bytes"):
        raw.said()
    assert pulled(source, clock) is None
    assert len(set(agent.callers)) == 2
