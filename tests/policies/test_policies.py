"""The classes of the policies, for annotations and isinstance."""

from __future__ import annotations

import pytest

from svcgov import policies


def test_every_class_is_found_by_its_name() -> None:
    """Loaded when it is asked for; what else there may be inside is not shown."""
    assert dir(policies) == sorted(policies.__all__)
    for name in policies.__all__:
        assert getattr(policies, name).__name__ == name


def test_another_name_is_an_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match=r"module 'svcgov\.policies' has no attribute 'Nonsense'"):
        policies.Nonsense
