"""The settings of a rate limit: what the bounds are, and which limit is that of a key. Wrong ones: ``test_wrong_settings``."""

from __future__ import annotations

from typing import Any

import pytest

from svcgov import Rate, rate_limit
from svcgov.errors import ConfigError
from svcgov.policies._rate_settings import RateLimitSettings


def settings(**given: Any) -> RateLimitSettings:
    """Five a second, and what else is said."""
    return RateLimitSettings.of({"limit": "5/second", **given}, "rate_limit")


def test_a_bound_is_within_what_is_allowed() -> None:
    """As the messages say it."""
    assert settings(warm_up=1, cold_factor=1000).cold_factor == 1000
    assert settings(cost=10**9).cost == 10**9
    assert settings(burst=5000).burst == 5000
    assert len(settings(limit=[f"1/{seconds} seconds" for seconds in range(1, 11)]).limits) == 10


def test_a_list_of_one_limit_is_that_limit() -> None:
    """So what only one can be, it can be."""
    assert settings(limit=["5/second"], burst=2) == settings(burst=2)


def test_a_wrong_one_of_several_is_named_by_its_place() -> None:
    """In a list, and by its key among those of some keys."""
    with pytest.raises(ConfigError, match=r"^rate_limit\.overrides\.vip-\*: expected calls in a window .*, got 'many'"):
        rate_limit("5/second", key="arg:who", overrides={"vip-*": "many"})
    with pytest.raises(ConfigError, match=r"^rate_limit\.limit\[1\]: expected calls in a window"):
        rate_limit(["5/second", "many"])
    with pytest.raises(ConfigError, match=r"^rate_limit\.overrides\.vip\[1\]: expected calls in a window"):
        rate_limit("5/second", key="arg:who", overrides={"vip": ["1/second", "many"]})


def test_other_settings_are_named_by_their_place() -> None:
    """As those that it was made with are."""
    with pytest.raises(ConfigError, match=r"^rate_limit\.burst: expected an integer >= 1, got 0$"):
        rate_limit("5/second").reconfigure({"burst": 0})


@pytest.mark.parametrize(("key", "other", "expected"), [(None, "ip", "none"), ("ip", None, "a key")])
def test_with_keys_or_without_is_said_when_it_is_made(key: Any, other: Any, expected: str) -> None:
    """A limit of all calls cannot come to be one of each key, nor the other way round."""
    with pytest.raises(ConfigError) as wrong:
        rate_limit("5/second", key=key).reconfigure({"key": other})
    error = wrong.value
    assert (error.path, error.value, error.expected) == ("rate_limit.key", other, f"{expected}, as it was made with")


def test_a_key_itself_comes_before_any_pattern() -> None:
    """Whichever was said first; of patterns it is the first that fits, and case matters."""
    given = settings(overrides={"vip-*": "7/second", "vip-1": "9/second", "*-1": "8/second"})
    limits = {key: given.for_key(key).limit for key in ("vip-1", "vip-2", "a-1", "VIP-2")}
    assert limits == {"vip-1": Rate(9, 1), "vip-2": Rate(7, 1), "a-1": Rate(8, 1), "VIP-2": Rate(5, 1)}


def test_a_key_that_looks_like_a_pattern_is_a_key() -> None:
    """It is found as it is written."""
    assert settings(overrides={"a[1]": "9/second"}).for_key("a[1]").limit == Rate(9, 1)


def test_a_burst_is_that_of_the_limit_that_it_was_said_with() -> None:
    """Another limit has a window's worth."""
    given = settings(burst=2, overrides={"vip": "9/second"})
    assert (given.for_key("ann").burst, given.for_key("vip").burst) == (2, None)
