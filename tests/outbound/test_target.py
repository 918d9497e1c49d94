"""The seam at which discovery comes in: whose policies are used, what the other side is told, and who hears how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.outbound._edge import Edge
from svcgov.outbound.target import Place, as_written

from .worlds import URL, invoked

if TYPE_CHECKING:
    from .worlds import World


@pytest.mark.parametrize(
    ("parts", "authority"),
    [
        (("http", "payments.test", None), "http://payments.test:80"),
        (("https", "Payments.TEST", None), "https://payments.test:443"),
        (("https", "payments.test", 8443), "https://payments.test:8443"),
        (("http", "::1", 80), "http://::1:80"),
        (("ftp", "files.test", None), "ftp://files.test:0"),
    ],
)
def test_a_request_goes_where_its_url_says(parts: Any, authority: str) -> None:
    """A port that is not written is that of the scheme."""
    assert as_written(None, *parts) == Place(authority=authority, ours=False)
    assert as_written("payments", *parts) == Place(authority=authority, ours=True)


def test_a_finder_says_which_hosts_are_ours_and_share_policies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And hears how each request went: nothing, or the error that it was."""
    heard: list[Any] = []

    def find(target: str | None, scheme: str, host: str, port: int | None, /) -> Place:
        assert (target, scheme, port) == (None, "http", None)
        return Place(authority="one for all", ours=host.endswith(".test"), told=heard.append)

    monkeypatch.setattr(Edge, "find", staticmethod(find))
    wire = world.wire(200, 503, 200)
    client = world.governed(wire, circuit_breaker(consecutive_failures=1), target=None)
    with invoked():
        for url in (URL, "http://elsewhere/"):
            world.call(client.get, url)
        with pytest.raises(CircuitOpenError):
            world.call(client.get, "http://another.test/")
    assert ["x-svcgov-colour" in request.headers for request in wire.requests] == [True, False]
    assert heard[0] is None
    assert heard[1].response.status_code == 503
    assert isinstance(heard[2], CircuitOpenError)


def test_an_empty_pipeline_is_asked_where_it_goes_too(world: World) -> None:
    """Without a target nobody is told the colour."""
    wire = world.wire(200)
    client = world.governed(wire, target=None)
    with invoked():
        world.call(client.get, URL)
    assert "x-svcgov-colour" not in wire.requests[0].headers
    assert Pipeline().snapshot() == {}
