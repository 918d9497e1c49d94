"""What an override cannot say: it is refused when it is made, before any call."""

from __future__ import annotations

from typing import Any

import pytest

from svcgov import bulkhead, override
from svcgov.errors import ConfigError

WRONG = [
    ({}, "override: expected at least one of timeout"),
    ({"timeout": 0}, "override.timeout: expected a duration > 0 s"),
    ({"timeout": None}, "override.timeout: expected a duration"),
    ({"attempt_timeout": {"second": 1}}, "override.attempt_timeout: expected a duration"),
    ({"retries": 1}, "override.retries: expected one of timeout"),
    ({"retry": 3}, "override.retry: expected settings by their names"),
    ({"retry": {"attempts": 0}}, "override.retry.attempts: expected an integer >= 1, got 0"),
    ({"retry": {"budget": None}}, "override.retry.budget: expected one of on"),
    ({"bulkhead": {"limit": 3}}, "override.bulkhead: expected None"),
]


@pytest.mark.parametrize(("slots", "message"), WRONG)
def test_nonsense_is_refused_at_once(slots: dict[str, Any], message: str) -> None:
    """Where it stands, before any call."""
    with pytest.raises(ConfigError) as caught:
        override(**slots)
    assert str(caught.value).startswith(message)


def test_a_target_has_its_name_in_the_error() -> None:
    """As it was written."""
    with pytest.raises(ConfigError, match=r"override\[payments\]\.timeout"):
        override("payments", timeout=-1)


@pytest.mark.parametrize("target", [3, len, "no name", bulkhead(1)])
def test_a_target_is_a_pipeline_a_function_or_a_name(target: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(ConfigError, match=r"override\.target"):
        override(target, timeout=1)
