"""Governed pool managers of urllib3, and that they stay the managers they are."""

from __future__ import annotations

import io
from typing import Any

import pytest
import urllib3

from svcgov import Pipeline, circuit_breaker, retry, timeout
from svcgov.errors import CallTimeoutError, CircuitOpenError, ConfigError
from svcgov.outbound.govern import govern

from .plain import OfUrllib3, Wire
from .worlds import URL, Clock, again, invoked

CLIENT = OfUrllib3()
RESET = ConnectionResetError("reset")


def test_the_same_manager_comes_back_and_stays_of_its_class() -> None:
    """An equal repeat does nothing, a different one is refused."""
    manager = CLIENT.plain(Wire(200))
    assert govern(manager, target="payments", pipeline=Pipeline(again())) is manager
    assert isinstance(manager, urllib3.PoolManager)
    assert govern(manager, target="payments", pipeline=Pipeline(again())) is manager
    with pytest.raises(ConfigError, match="governed by already"):
        govern(manager, target="payments", pipeline=Pipeline(again(5)))


def test_a_pool_that_is_taken_from_the_manager_is_the_plain_one() -> None:
    """Other libraries set it up by its attributes."""
    wire = Wire(503)
    manager = CLIENT.governed(wire, again())
    pool = manager.connection_from_url(URL)
    assert type(pool) is wire.pool_class
    assert pool.request("GET", "/charge").status == 503
    assert len(wire.seen) == 1


def test_a_pool_that_is_taken_while_a_request_is_under_way_is_that_of_its_manager() -> None:
    """Another manager that is asked inside is governed by its own policies, or by none."""
    inside = Wire(503)
    other = CLIENT.plain(inside)

    def asking(seen: Any) -> int:
        return 200 if other.request("GET", "http://tokens.test/").status == 503 else 500

    assert CLIENT.governed(Wire(asking), again()).request("GET", URL).status == 200
    assert len(inside.seen) == 1


# -- retries of its own ------------------------------------------------------------------------------------------------

RETRIES = [None, 5, False, urllib3.Retry(5), urllib3.Retry(5, status_forcelist=[503]), urllib3.Retry(total=None, connect=5)]


@pytest.mark.parametrize("retries", RETRIES, ids=repr)
@pytest.mark.parametrize("outcome", [RESET, 503], ids=["reset", "503"])
def test_its_own_retries_are_off_while_ours_are_on(retries: Any, outcome: Any) -> None:
    """Three attempts are three, and the answer in the end is an answer."""
    wire = Wire(outcome)
    manager = CLIENT.governed(wire, again(3))
    if outcome == 503:
        assert manager.request("GET", URL, retries=retries).status == 503
    else:
        with pytest.raises(urllib3.exceptions.HTTPError):
            manager.request("GET", URL, retries=retries)
    assert len(wire.seen) == 3


def test_the_error_is_what_it_would_be_without_us() -> None:
    """Code that catches ``MaxRetryError`` goes on to; without retries it is the plain one."""
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        CLIENT.governed(Wire(RESET), again()).request("GET", URL)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        CLIENT.governed(Wire(RESET), again()).request("GET", URL, retries=False)


def test_its_own_retries_are_untouched_without_a_retry_of_ours() -> None:
    """They are inside one attempt, and the breaker sees how it ends."""
    breaker = circuit_breaker(consecutive_failures=5)
    wire = Wire(RESET)
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        CLIENT.governed(wire, breaker).request("GET", URL, retries=urllib3.Retry(2))
    assert len(wire.seen) == 3
    assert breaker.snapshot()["failed"] == 1


@pytest.mark.parametrize("policies", [(), (again(),)], ids=["plain", "retry"])
def test_redirects_are_counted_by_them_anyway(policies: Any) -> None:
    """Two are allowed, the third is too many."""
    wire = Wire((302, {"Location": "/again"}))
    with pytest.raises(urllib3.exceptions.MaxRetryError, match="too many redirects"):
        CLIENT.governed(wire, *policies).request("GET", URL, retries=urllib3.Retry(2))
    assert len(wire.seen) == 3


def test_a_managers_own_number_of_redirects_holds() -> None:
    """The answer hands on the manager's retries, not the ones of an attempt."""
    wire = Wire((302, {"Location": "/again"}), (302, {"Location": "/once-more"}), 200)
    manager = urllib3.PoolManager(retries=urllib3.Retry(total=5, redirect=2))
    manager.pool_classes_by_scheme = {"http": wire.pool_class}
    govern(manager, target="payments", pipeline=Pipeline(again()))
    response = manager.request("GET", URL)
    assert response.status == 200
    assert response.retries is not None
    assert response.retries.redirect == 0


def test_a_redirect_that_is_not_followed_is_an_answer() -> None:
    """As ever."""
    response = CLIENT.governed(Wire((302, {"Location": "/new"})), again()).request("GET", URL, redirect=False)
    assert (response.status, response.get_redirect_location()) == (302, "/new")


# -- what is asked -----------------------------------------------------------------------------------------------------


def test_a_body_may_say_where_it_begins() -> None:
    """``body_pos`` is the caller's word."""
    file = io.BytesIO(b"contents")
    wire = Wire(503, 200)
    CLIENT.governed(wire, again()).request("PUT", URL, body=file, body_pos=4)
    assert [one.body for one in wire.seen] == [b"ents", b"ents"]


def test_a_method_in_lower_case_is_known() -> None:
    """``urlopen`` takes it as it is written."""
    wire = Wire(503, 200)
    assert CLIENT.governed(wire, again()).urlopen("get", URL).status == 200
    assert [one.method for one in wire.seen] == ["get", "get"]


def test_a_free_connection_is_waited_for_no_longer_than_the_deadline() -> None:
    """A pool that blocks would wait for ever."""
    manager = urllib3.PoolManager(maxsize=1, block=True)
    wire = Wire(200)
    manager.pool_classes_by_scheme = {"http": wire.pool_class}
    govern(manager, target="payments", pipeline=Pipeline(timeout(0.05)))
    held = manager.request("GET", URL, preload_content=False)
    with pytest.raises(CallTimeoutError) as caught:
        manager.request("GET", URL)
    assert isinstance(caught.value, urllib3.exceptions.EmptyPoolError)
    with pytest.raises(urllib3.exceptions.EmptyPoolError) as own:
        manager.request("GET", URL, pool_timeout=0.001)
    assert not isinstance(own.value, CallTimeoutError)
    held.close()
    held.release_conn()


def test_an_answer_that_is_discarded_gives_its_place_in_the_pool_back() -> None:
    """Else a pool that blocks would have none left for the next attempt."""
    manager = urllib3.PoolManager(maxsize=1, block=True)
    wire = Wire(503, 503, 200)
    manager.pool_classes_by_scheme = {"http": wire.pool_class}
    govern(manager, target="payments", pipeline=Pipeline(timeout(1.0), again()))
    response = manager.request("GET", URL, preload_content=False)
    assert response.status == 200
    response.release_conn()


def test_its_own_time_out_holds_where_none_is_given() -> None:
    """The manager's."""
    wire = Wire(200)
    manager = urllib3.PoolManager(timeout=0.5)
    manager.pool_classes_by_scheme = {"http": wire.pool_class}
    govern(manager, target="payments", pipeline=Pipeline(timeout(5.0, clock=Clock())))
    manager.request("GET", URL)
    assert wire.seen[0].read == 0.5


def test_a_proxy_is_asked_for_the_whole_address() -> None:
    """Its pool is governed by what is behind it: control traffic passes, the rest has its address in errors."""
    wire = Wire(503)
    manager = urllib3.ProxyManager("http://proxy.test:3128/")
    manager.pool_classes_by_scheme = {"http": wire.pool_class}
    govern(manager, target="payments", pipeline=Pipeline(circuit_breaker(consecutive_failures=1)))
    for _ in range(2):
        assert manager.request("GET", "http://169.254.169.254/latest").status == 503
    assert manager.request("GET", URL).status == 503
    with pytest.raises(CircuitOpenError) as caught:
        manager.request("GET", URL)
    assert caught.value.url == URL  # type: ignore[attr-defined]  # of the client's part
    assert caught.value.pool is None  # type: ignore[attr-defined]  # as above


def test_calls_are_recorded_under_the_name_of_the_target() -> None:
    """Or of the authority, where there is none."""
    for target, name in (("payments", "urllib3.payments"), (None, "urllib3.http://payments.test:80")):
        pipeline = Pipeline()
        manager = govern(CLIENT.plain(Wire(200, 503)), target=target, pipeline=pipeline)
        with invoked():
            manager.request("GET", URL)
            manager.request("GET", URL)
        record = pipeline.snapshot()[name]
        assert (record["succeeded"], record["failed"]) == (1, 1)


def test_each_client_of_a_target_shares_its_retry_budget() -> None:
    """The dependency is one, however many clients call it."""
    first, second = retry(backoff=0), retry(backoff=0)
    CLIENT.governed(Wire(200), first, target="shared-urllib3")
    CLIENT.governed(Wire(200), second, target="shared-urllib3")
    assert first.budget is second.budget
