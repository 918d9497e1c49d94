"""The classes of the policies, for annotations and isinstance."""

from __future__ import annotations

import pytest

from svcgov import policies


def test_every_class_is_found_by_its_name() -> None:
    """Loaded when it is asked for; what else there may be inside is not shown."""
    assert dir(policies) == sorted(policies.__all__)
    for name in policies.__all__:
        assert getattr(policies, name).__name__ == name


@pytest.mark.parametrize("name", policies.__all__)
def test_a_class_is_loaded_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is asked for the first time; from then on it is there."""
    known = getattr(policies, name)
    monkeypatch.delattr(policies, name)
    assert getattr(policies, name) is vars(policies)[name] is known


def test_another_name_is_an_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match=r"module 'svcgov\.policies' has no attribute 'Nonsense'"):
        policies.Nonsense
