"""What is to be done at the end of a process: whoever asks it to end, and whoever listens to that."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from _worlds import in_child
from svcgov._core import _chores
from svcgov._core._chores import Chores
from svcgov.testing import ManualClock


@pytest.fixture
def chores() -> Chores:
    """Chores without a keeper."""
    made = Chores(ManualClock())
    made.keep("off")
    return made


def test_at_the_end_what_is_to_be_done_then_is_done_once(chores: Chores, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else; before, as often as somebody leaves who has not left yet."""
    done: list[str] = []
    ends: list[object] = []
    monkeypatch.setattr(_chores, "_at_end", lambda *given: ends.append(given))
    chores.add("beat", lambda: done.append("beat"), every=10)
    chores.add("last", lambda: done.append("last"), every=10, at_end=True)
    chores.add("words", lambda: done.append("words"), every=10, at_end=True)
    assert ends == [(chores.end, chores.leave)]
    chores.leave()
    assert done == ["last", "words"]
    for _ in range(2):
        chores.end()
    assert done == ["last", "words", "last", "words"]
    assert chores.due == _chores.NEVER


ENDING = """
import json, os, signal, sys, threading
from svcgov._core._chores import CHORES
CHORES.mode = "off"
CHORES.add("last", lambda: print(json.dumps("last words"), flush=True), every=10, at_end=True)
"""


def test_the_end_of_the_interpreter_is_the_end() -> None:
    """Last words are said."""
    assert in_child(ENDING) == "last words"


def test_a_process_that_is_asked_to_end_says_its_last_words_and_ends() -> None:
    """As it would have, with the status of the signal."""
    asked = ENDING + "os.kill(os.getpid(), signal.SIGTERM)"
    code = f"""
import json, subprocess, sys
child = subprocess.run([sys.executable, "-c", {asked!r}], capture_output=True, text=True)
print(json.dumps([child.stdout.split("\\n")[0], child.returncode]))
"""
    assert in_child(code) == ['"last words"', -signal.SIGTERM]


LISTENING = """
import signal, sys
def listens(number, frame):
    print("the server has heard it", flush=True)
    if %s: sys.exit(0)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
signal.signal(signal.SIGTERM, listens)
"""


@pytest.mark.parametrize("tidy", [True, False], ids=["exits", "dies"])
def test_who_listens_already_hears_it_after_us(tidy: bool) -> None:
    """A server may take its time to end, and then end in a way in which no interpreter does."""
    asked = LISTENING % tidy + ENDING + "os.kill(os.getpid(), signal.SIGTERM)"
    code = f"""
import json, subprocess, sys
child = subprocess.run([sys.executable, "-c", {asked!r}], capture_output=True, text=True)
print(json.dumps([child.stdout.splitlines(), child.returncode]))
"""
    said = ['"last words"', "the server has heard it"]
    assert in_child(code) == ([[*said, said[0]], 0] if tidy else [said, -signal.SIGTERM])


def test_who_does_not_want_to_hear_it_does_not() -> None:
    """What is ignored goes on being ignored."""
    ignoring = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + ENDING
    assert in_child(ignoring + "os.kill(os.getpid(), signal.SIGTERM)") == "last words"


def test_another_thread_than_the_main_one_cannot_listen() -> None:
    """It is not an error to try."""
    code = ENDING.replace("CHORES.add(", "add = lambda: CHORES.add(") + "\nt = threading.Thread(target=add); t.start(); t.join()"
    assert in_child(code) == "last words"


def nothing() -> None:
    """There is nothing to be done."""


def test_who_is_asked_to_end_ends_what_is_to_be_done_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By then nobody listens any more: the process ends as it would have."""
    log: list[object] = []
    listening: dict[int, Any] = {signal.SIGTERM: signal.SIG_DFL}
    monkeypatch.setattr("atexit.register", log.append)
    monkeypatch.setattr("signal.getsignal", listening.__getitem__)
    monkeypatch.setattr("signal.signal", listening.__setitem__)
    monkeypatch.setattr("os.kill", lambda *asked: log.append(asked))

    def end() -> None:
        log.append("last words")

    _chores._at_end(end, nothing)
    listening[signal.SIGTERM](signal.SIGTERM, None)
    assert log == [end, "last words", (os.getpid(), signal.SIGTERM)]
    assert listening == {signal.SIGTERM: signal.SIG_DFL}


def test_who_listens_is_told_what_he_would_have_been_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After what is to be done at the end, which has begun."""
    log: list[object] = []
    listening: dict[int, Any] = {signal.SIGTERM: lambda *told: log.append(told)}
    monkeypatch.setattr("atexit.register", log.append)
    monkeypatch.setattr("signal.getsignal", listening.__getitem__)
    monkeypatch.setattr("signal.signal", listening.__setitem__)
    monkeypatch.setattr("os.kill", lambda *asked: log.append(asked))
    _chores._at_end(nothing, lambda: log.append("last words"))
    listening[signal.SIGTERM](signal.SIGTERM, "a frame")
    assert log == [nothing, "last words", (signal.SIGTERM, "a frame")]


@pytest.mark.parametrize("ignored", [signal.SIG_IGN, None], ids=["ignored", "of another language"])
def test_where_nobody_can_be_told_nobody_listens(ignored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ignored goes on being ignored; what was not set by Python is not touched."""
    listening: dict[int, Any] = {signal.SIGTERM: ignored}
    monkeypatch.setattr("atexit.register", lambda end: None)
    monkeypatch.setattr("signal.getsignal", listening.__getitem__)
    monkeypatch.setattr("signal.signal", listening.__setitem__)
    _chores._at_end(nothing, nothing)
    assert listening == {signal.SIGTERM: ignored}
