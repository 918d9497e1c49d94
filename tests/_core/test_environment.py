"""The environment variables, checked like any other setting."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from svcgov._core._environment import KINDS, disabled, documented, file_of_document, first, share, text, word, words
from svcgov.errors import ConfigError, ConfigWarning

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("value", ["", " ", "0", "false", "FALSE", None])
def test_nothing_is_switched_off(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By nothing, or by a word for no; and no warning is given, which would be an error here."""
    if value is not None:
        monkeypatch.setenv("SVCGOV_DISABLED", value)
    assert disabled() == frozenset()


@pytest.mark.parametrize("value", ["1", "true", " True "])
def test_all_is_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of policy lets calls pass."""
    monkeypatch.setenv("SVCGOV_DISABLED", value)
    with pytest.warns(ConfigWarning, match="bulkhead, circuit_breaker, rate_limit, retry, timeout pass every call through"):
        assert disabled() == frozenset(KINDS)


def test_some_are_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are listed."""
    monkeypatch.setenv("SVCGOV_DISABLED", "Retry, circuit_breaker")
    with pytest.warns(ConfigWarning, match="circuit_breaker, retry pass every call through"):
        assert disabled() == {"retry", "circuit_breaker"}


def test_it_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And once more when it says something else."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for value in ("retry", "retry", "timeout", "retry"):
            monkeypatch.setenv("SVCGOV_DISABLED", value)
            disabled()
    assert [str(one.message).split(":")[0] for one in caught] == ["SVCGOV_DISABLED=retry", "SVCGOV_DISABLED=timeout"]


@pytest.mark.parametrize("value", ["2", "yes", "Retries", "retry,", "retry;timeout", "none"])
def test_a_wrong_word_is_an_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown as it was written: a policy that was meant to be off and is not would be a surprise."""
    monkeypatch.setenv("SVCGOV_DISABLED", value)
    with pytest.raises(ConfigError) as wrong:
        disabled()
    assert (wrong.value.path, wrong.value.value) == ("SVCGOV_DISABLED", value)
    assert wrong.value.expected == "1, 0, or a list of retry, circuit_breaker, bulkhead, rate_limit, timeout"


def test_text_is_without_the_blanks_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And empty where nothing is set."""
    monkeypatch.setenv("SVCGOV_SERVICE", " Shop ")
    assert text("SVCGOV_SERVICE") == "Shop"
    assert text("SVCGOV_VERSION") == ""


def test_the_first_variable_that_has_a_value_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks are none; where none has one it is empty."""
    monkeypatch.delenv("SVCGOV_ONE", raising=False)
    monkeypatch.setenv("SVCGOV_TWO", "  ")
    assert first("SVCGOV_ONE", "SVCGOV_TWO") == ""
    monkeypatch.setenv("SVCGOV_THREE", " three ")
    assert first("SVCGOV_ONE", "SVCGOV_TWO", "SVCGOV_THREE") == "three"


def test_words_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty ones are none."""
    monkeypatch.setenv("SVCGOV_WORDS", " blue,, green ,")
    assert words("SVCGOV_WORDS") == ["blue", "green"]
    assert words("SVCGOV_NOTHING") == []


def test_a_word_is_one_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """In small letters or large ones; where nothing is set it is the default."""
    assert word("SVCGOV_LOG", ("json", "off"), "json") == "json"
    monkeypatch.setenv("SVCGOV_LOG", " OFF ")
    assert word("SVCGOV_LOG", ("json", "off"), "json") == "off"
    monkeypatch.setenv("SVCGOV_LOG", "Loud")
    with pytest.raises(ConfigError) as wrong:
        word("SVCGOV_LOG", ("json", "off"), "json")
    assert (wrong.value.path, wrong.value.value, wrong.value.expected) == ("SVCGOV_LOG", "Loud", "one of json, off")


def test_a_share_is_a_number_from_0_to_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is set it is all."""
    assert share("SVCGOV_SHARE") == 1.0
    for given in ("0", "0.25", " 1 "):
        monkeypatch.setenv("SVCGOV_SHARE", given)
        assert share("SVCGOV_SHARE") == float(given)
    for given in ("half", "-0.1", "1.1", "nan", "inf"):
        monkeypatch.setenv("SVCGOV_SHARE", given)
        with pytest.raises(ConfigError, match="SVCGOV_SHARE: expected a number from 0 to 1") as wrong:
            share("SVCGOV_SHARE")
        assert wrong.value.value == given


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the program runs; the environment means no document."""
    for name in ("SVCGOV_CONFIG", "SVCGOV_SET", "SVCGOV_APPCONFIG", "LAMBDA_TASK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["SVCGOV_CONFIG", "SVCGOV_SET", "SVCGOV_APPCONFIG"])
def test_a_variable_means_a_document(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any of those that say where it is, or settings themselves."""
    assert documented() is False
    monkeypatch.setenv(name, "said")
    assert documented() is True


def test_a_file_in_its_usual_place_is_the_document(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code is comes before here, and both after what is said; a folder of that name is none."""
    (here / "svcgov.toml").mkdir()
    assert (file_of_document(), documented()) == ("", False)
    (here / "svcgov.toml").rmdir()
    (here / "svcgov.toml").touch()
    assert (file_of_document(), documented()) == ("./svcgov.toml", True)
    code = here / "code"
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(code))
    assert file_of_document() == "./svcgov.toml"
    code.mkdir()
    (code / "svcgov.toml").touch()
    assert file_of_document() == f"{code}/svcgov.toml"
    monkeypatch.setenv("SVCGOV_CONFIG", "other.toml")
    assert file_of_document() == "other.toml"
