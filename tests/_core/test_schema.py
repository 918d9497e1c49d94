"""Settings: what is read, what is refused, and how a refusal reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov._core._schema import Settings, choice, custom, duration, flag, integer, number, ratio, real, within
from svcgov.errors import ConfigError


def example() -> type[Settings]:
    """Settings with one of each."""

    class Example(Settings):
        count: int = integer(low=1, high=5000)
        few: int | None = integer(default=None, low=0, high=9, optional=True)
        factor: float = real(default=2.0, low=1, high=10)
        share: float | None = ratio(default=0.5, optional=True)
        jitter: float = ratio(default=0.0, zero=True)
        wait: float = duration(default=1.0, low=0.001, high=60)
        pause: float = duration(default=0.0, zero=True)
        most: float | None = duration(default=None, optional=True)
        loud: bool = flag(default=False)
        order: str = choice("fifo", "lifo", default="fifo")
        colour: str = custom(lambda value, path: str(value).lower(), default="blue")

        def check(self, path: str) -> None:
            if self.few is not None and self.few > self.count:
                raise ConfigError(f"{path}.few", self.few, "no more than count")

    return Example


def read(**given: Any) -> Any:
    """The settings, with the one that has no default."""
    return example().of({"count": 1, **given}, "place")


def refused(**given: Any) -> tuple[str, Any, str]:
    """Path, value and expectation of the refusal."""
    with pytest.raises(ConfigError) as wrong:
        read(**given)
    return wrong.value.path, wrong.value.value, wrong.value.expected


def test_what_is_not_given_is_at_its_default() -> None:
    """And what is given is read."""
    assert read().as_dict() == {
        "count": 1,
        "few": None,
        "factor": 2.0,
        "share": 0.5,
        "jitter": 0.0,
        "wait": 1.0,
        "pause": 0.0,
        "most": None,
        "loud": False,
        "order": "fifo",
        "colour": "blue",
    }


def test_each_setting_has_a_form_for_editors_of_documents() -> None:
    """A word and what belongs to it; one with a reader of its own has none."""
    assert {name: field.form for name, field in example()._fields.items()} == {
        "count": ("integer", 1, 5000),
        "few": ("integer", 0, 9),
        "factor": ("number", 1, 10),
        "share": ("ratio", False),
        "jitter": ("ratio", True),
        "wait": ("duration",),
        "pause": ("duration",),
        "most": ("duration",),
        "loud": ("boolean",),
        "order": ("choice", "fifo", "lifo"),
        "colour": None,
    }


@pytest.mark.parametrize(
    ("name", "said", "meant"),
    [
        ("count", 5000, 5000),
        ("few", 1, 1),
        ("few", None, None),
        ("factor", 1, 1.0),
        ("factor", 3, 3.0),
        ("factor", 10, 10.0),
        ("share", 1, 1.0),
        ("share", None, None),
        ("jitter", 0, 0.0),
        ("wait", "500ms", 0.5),
        ("wait", timedelta(seconds=2), 2.0),
        ("pause", 0, 0.0),
        ("most", None, None),
        ("most", "7d", 604800.0),
        ("loud", True, True),
        ("order", "lifo", "lifo"),
        ("colour", "GREEN", "green"),
    ],
)
def test_a_right_value_is_read(name: str, said: Any, meant: Any) -> None:
    """Into the one form that the policies use."""
    found = getattr(read(**{name: said}), name)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("count", 0, "an integer >= 1"),
        ("count", 5001, "an integer from 1 to 5_000"),
        ("count", "3", "an integer from 1 to 5_000"),
        ("count", 1.0, "an integer from 1 to 5_000"),
        ("count", 3.0, "an integer from 1 to 5_000"),
        ("count", True, "an integer from 1 to 5_000"),
        ("count", None, "an integer from 1 to 5_000"),
        ("count", 10**400, "an integer from 1 to 5_000"),
        ("few", -1, "an integer >= 0"),
        ("factor", 0.5, "a number from 1 to 10"),
        ("factor", "2", "a number from 1 to 10"),
        ("factor", False, "a number from 1 to 10"),
        ("factor", float("inf"), "a number from 1 to 10"),
        ("share", 0, "a share above 0 to 1"),
        ("share", -0.5, "a share above 0 to 1"),
        ("share", 50, "a share above 0 to 1 (did you mean 0.5?)"),
        ("share", 1.5, "a share above 0 to 1 (did you mean 0.015?)"),
        ("share", 100, "a share above 0 to 1 (did you mean 1?)"),
        ("share", 101, "a share above 0 to 1"),
        ("share", True, "a share above 0 to 1"),
        ("jitter", 10, "a share from 0 to 1 (did you mean 0.1?)"),
        ("jitter", None, "a share from 0 to 1"),
        ("wait", 0, 'a duration >= 0.001 s and <= 60 s, such as 2.5 or "500ms"'),
        ("wait", 61, 'a duration >= 0.001 s and <= 60 s, such as 2.5 or "500ms"'),
        ("wait", None, 'a duration >= 0.001 s and <= 60 s, such as 2.5 or "500ms"'),
        ("pause", -1, 'a duration >= 0 s and <= 604800 s, such as 2.5 or "500ms"'),
        ("most", 0, 'a duration > 0 s and <= 604800 s, such as 2.5 or "500ms"'),
        ("loud", 1, "true or false"),
        ("loud", "yes", "true or false"),
        ("order", "random", "one of fifo, lifo"),
        ("order", ["fifo"], "one of fifo, lifo"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_wrong_value_is_refused(name: str, said: Any, expected: str) -> None:
    """Named by its path, shown as it is, with what was expected."""
    assert refused(**{name: said}) == (f"place.{name}", said, expected)


@given(name=st.sampled_from(["count", "few", "factor", "share", "jitter", "wait", "pause", "most"]))
def test_what_is_not_a_number_is_no_number(name: str) -> None:
    """NaN is refused everywhere: no comparison with it is ever true."""
    path, value, _ = refused(**{name: float("nan")})
    assert path == f"place.{name}"
    assert value != value  # noqa: PLR0124  # that is what NaN is


def test_a_missing_value_is_asked_for() -> None:
    """Where no default would be safe."""
    with pytest.raises(ConfigError, match=r"^place\.count: expected a value \(it has no default that would be safe\), got None$"):
        example().of({}, "place")


@pytest.mark.parametrize(
    ("name", "near"),
    [("cuont", "count"), ("color", "colour"), ("delay", None), ("max_attempts", None), ("zzz", None), (5, None), (None, None)],
)
def test_an_unknown_name_is_an_error_with_a_hint(name: Any, near: str | None) -> None:
    """By what others call it, or by its letters; no hint where nothing is near."""
    path, value, expected = refused_by_name(name)
    assert (path, value) == (f"place.{name}", "x")
    known = "count, few, factor, share, jitter, wait, pause, most, loud, order, colour"
    assert expected == f"one of {known}{f' (did you mean {near}?)' if near else ''}"


@pytest.mark.parametrize(
    ("name", "path"), [("attemps", "retry.attemps"), ("", 'retry.""'), ("a.b", 'retry."a.b"'), ('a"b\\', 'retry."a\\"b\\\\"')]
)
def test_a_name_that_would_be_read_as_another_stands_in_quotes(name: str, path: str) -> None:
    """So that its place can be found again."""
    assert within("retry", name) == path
    assert within("", name) == path.removeprefix("retry.")


def test_what_others_call_it_is_known_although_its_letters_are_others() -> None:
    """Where there is such a setting."""

    class Trying(Settings):
        attempts: int = integer(default=3, low=1, high=9)

    with pytest.raises(ConfigError, match=r"did you mean attempts\?"):
        Trying.of({"max_retries": 2}, "trying")


def refused_by_name(name: Any) -> tuple[str, Any, str]:
    with pytest.raises(ConfigError) as wrong:
        example().of({"count": 1, name: "x"}, "place")
    return wrong.value.path, wrong.value.value, wrong.value.expected


def test_values_that_do_not_go_together_are_refused() -> None:
    """After each of them was found right by itself."""
    assert refused(few=2) == ("place.few", 2, "no more than count")
    assert read(few=1).few == 1


def test_settings_are_not_checked_again_when_they_are_replaced() -> None:
    """The door is `of`; most settings go together whatever they are."""
    assert read().replace(count=7).count == 7

    class Plain(Settings):
        n: int = integer(default=1, low=0, high=3)

    assert Plain.of({}, "plain").n == 1


@pytest.mark.parametrize(
    ("value", "whether"), [(1, True), (0.5, True), (True, False), ("1", False), (float("nan"), False), (float("inf"), False)]
)
def test_what_is_a_number(value: object, whether: bool) -> None:
    """Finite, and no bool."""
    assert number(value) is whether
