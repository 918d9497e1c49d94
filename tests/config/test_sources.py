"""Where documents come from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from svcgov.config.sources import Environment, File, Given, raw_of, settings_in
from svcgov.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_news_once(tmp_path: Path) -> None:
    """Its bytes, its form and a revision by what it says."""
    path = tmp_path / "svcgov.json"
    path.write_text("{}")
    file = File(str(path))
    raw: Any = file.pull()
    assert (raw.layer, raw.place, raw.data, raw.form, raw.number) == ("file", str(path), b"{}", "json", None)
    assert raw.revision == "sha256:44136fa355b3"
    assert file.pull() is None


def test_a_file_that_is_changed_is_news(tmp_path: Path) -> None:
    """By its time, which is enough, or by its size."""
    path = tmp_path / "svcgov.toml"
    path.write_text("a = 1")
    file = File(str(path))
    assert file.pull() is not None
    os.utime(path, ns=(1, 1))
    assert file.pull() is not None
    path.write_text("a = 100")
    os.utime(path, ns=(1, 1))
    raw: Any = file.pull()
    assert raw.data == b"a = 100"


def test_a_volume_of_kubernetes_swaps_its_links(tmp_path: Path) -> None:
    """The file is a link to a file in a folder that is a link: only that one is changed."""
    for number in (1, 2):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        (folder / "svcgov.toml").write_text(f"a = {number}")
        os.utime(folder / "svcgov.toml", ns=(7, 7))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "svcgov.toml").symlink_to("..data/svcgov.toml")
    file = File(str(tmp_path / "svcgov.toml"))
    raw: Any = file.pull()
    assert raw.data == b"a = 1"
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    raw = file.pull()
    assert raw.data == b"a = 2"
    assert file.pull() is None


def test_a_file_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    """And again when it has come and gone, or something else is in its place."""
    path = tmp_path / "svcgov.toml"
    file = File(str(path))
    with pytest.raises(ConfigError, match="expected a file that can be read, got 'No such file or directory'"):
        file.pull()
    assert file.pull() is None
    path.write_text("")
    with pytest.raises(ConfigError, match="got 'nothing'"):
        file.pull()
    path.write_text("# nothing")
    assert file.pull() is not None
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        file.pull()


def test_of_a_large_file_only_a_beginning_is_read(tmp_path: Path) -> None:
    """Enough to see that it is too large."""
    path = tmp_path / "svcgov.toml"
    with path.open("wb") as large:
        large.truncate(10_000_000)
    raw: Any = File(str(path)).pull()
    assert len(raw.data) == 262_145


@pytest.mark.parametrize("document", [{"policies": {}}, b"[policies]"])
def test_what_the_code_hands_over_is_news_once(document: Any) -> None:
    """As a mapping, or in bytes; equal ones have one revision."""
    given = Given(document)
    raw: Any = given.pull()
    assert (raw.data, raw.form) == (document, "toml" if isinstance(document, bytes) else "")
    assert raw.revision == raw_of(document).revision
    assert given.pull() is None


def test_the_environment_is_news_once() -> None:
    """It does not change while the process runs."""
    environment = Environment("process.max_workers=3")
    raw: Any = environment.pull()
    assert (raw.layer, raw.place, raw.data) == ("environment", "SVCGOV_SET", {"process": {"max_workers": 3}})
    assert environment.pull() is None


def test_settings_in_one_line() -> None:
    """Values are those of TOML, or else texts."""
    text = 'policies.payments.retry.attempts=5; policies.payments.timeout = 2s;;x.y=1.5;z=true;q="a=b"'
    text += ';policies."a.b".retry={on=["timeout"]}'
    assert settings_in(text, "here") == {
        "policies": {"payments": {"retry": {"attempts": 5}, "timeout": "2s"}, "a.b": {"retry": {"on": ["timeout"]}}},
        "x": {"y": 1.5},
        "z": True,
        "q": "a=b",
    }


@pytest.mark.parametrize("text", ["attempts", "a..b=1", "=1", "a=1;a.b=2"])
def test_what_is_no_list_of_settings(text: str) -> None:
    """It is told what one looks like, or what stands in the way."""
    with pytest.raises(ConfigError, match=r"^here: expected [a-z]"):
        settings_in(text, "here")


def test_a_value_that_is_nested_too_deeply_is_a_text() -> None:
    """As whatever else is none of TOML; the setting that it is for refuses it."""
    deep = "[" * 20_000
    assert settings_in(f"policies.payments.retry={deep}", "here") == {"policies": {"payments": {"retry": deep}}}
