"""URLs of registries."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov.errors import ConfigError
from svcgov.registry import Registry, connect


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("memory://a", "memory://a"),
        ("memory://", "memory://"),
        ("memory://a?env=test", "memory://a?env=test"),
        ("sqlite:///var/run/registry.db", "sqlite:///var/run/registry.db"),
        ("sqlite:///var/run/registry.db?env=test", "sqlite:///var/run/registry.db"),
    ],
)
def test_a_url_says_which_engine_and_where(url: str, known: str) -> None:
    """Nobody is asked."""
    assert connect(url).backend.url == known


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("zookeeper://a", "a URL that begins with one of memory://, sqlite://"),
        ("", "a URL that begins with one of"),
        (7, "a URL that begins with one of"),
        ("http://[", "a URL that begins with one of"),
        ("memory://a?env", "a URL that begins with one of"),
        ("memory://a/b", "memory://name"),
        ("sqlite://a/b.db", "sqlite:///path/to/file, three slashes"),
        ("sqlite:///", "sqlite:///path/to/file"),
        ("memory://a?ttl=3", "no other option than env"),
        ("memory://a#b", "no other option than env"),
    ],
)
def test_a_url_that_cannot_be_is_refused(url: Any, expected: str) -> None:
    """The error says what could have stood there."""
    with pytest.raises(ConfigError) as refused:
        connect(url)
    assert refused.value.path == "connect.url"
    assert refused.value.expected.startswith(expected)


def test_the_environment_says_where_the_registry_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code does not; a wrong one is named as the variable."""
    monkeypatch.setenv("SVCGOV_REGISTRY", "memory://here")
    assert connect().backend.url == "memory://here"
    monkeypatch.setenv("SVCGOV_REGISTRY", "here")
    with pytest.raises(ConfigError, match="SVCGOV_REGISTRY: expected a URL"):
        connect()


@pytest.mark.parametrize("ttl", [0.5, "2h", None])
def test_a_lease_that_cannot_be_is_refused(ttl: Any) -> None:
    """Too short, too long, none."""
    with pytest.raises(ConfigError, match=r"connect\.ttl"):
        connect("memory://a", ttl=ttl)
    assert connect("memory://a", ttl="3s").ttl == 3.0


def test_the_door_has_what_it_says() -> None:
    """And nothing else."""
    assert dir(svcgov.registry) == sorted(svcgov.registry.__all__)
    assert svcgov.registry.Registry is Registry
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        svcgov.registry.nobody
