"""Governed sessions of requests, and that they stay the sessions they are."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from svcgov import Pipeline, bulkhead, circuit_breaker, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import ConfigError
from svcgov.outbound.govern import govern

from .plain import OfRequests, Wire
from .worlds import TRACE, URL, again, invoked

CLIENT = OfRequests()


def policies(attempts: int = 3) -> Pipeline:
    """Made anew at each call, as a module that is run twice does."""
    return Pipeline(timeout(5.0), retry(attempts=attempts, backoff=0), circuit_breaker())


# -- in place ----------------------------------------------------------------------------------------------------------


def test_the_same_session_comes_back_and_stays_of_its_class() -> None:
    """Whoever holds it holds a governed one; what it is called does not change."""
    session = requests.Session()
    before = repr(type(session))
    assert govern(session, target="payments", pipeline=Pipeline()) is session
    assert isinstance(session, requests.Session)
    assert repr(type(session)) == before


def test_an_equal_repeat_does_nothing_and_a_different_one_is_refused() -> None:
    """Policies are not put around each other; nobody could say which of both hold."""
    wire = Wire(503)
    session = CLIENT.plain(wire)
    govern(session, target="payments", pipeline=policies())
    govern(session, target="payments", pipeline=policies())
    with pytest.raises(ConfigError, match="governed by already"):
        govern(session, target="payments", pipeline=policies(attempts=4))
    session.get(URL)
    assert len(wire.seen) == 3


def test_sessions_of_one_class_have_policies_of_their_own() -> None:
    """The class of ours above theirs is shared, the policies are not."""
    here, there = Wire(503, 200), Wire(503, 200)
    assert CLIENT.governed(here, again()).get(URL).status_code == 200
    assert CLIENT.governed(there).get(URL).status_code == 503


class Kit(requests.Session):
    """A session of somebody's own."""

    sent = 0

    def send(self, request: Any, **options: Any) -> Any:
        """Count."""
        self.sent += 1
        return super().send(request, **options)


def test_a_send_of_the_sessions_own_is_inside_an_attempt() -> None:
    """What patches or overrides ``send`` sees each attempt: that is where instrumentation makes its spans."""
    session = Kit()
    session.mount("http://", CLIENT.plain(Wire(503, 200)).get_adapter(URL))
    govern(session, target="payments", pipeline=Pipeline(again()))
    assert session.get(URL).status_code == 200
    assert session.sent == 2


@pytest.mark.parametrize("make", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy], ids=["pickle", "copy"])
@pytest.mark.parametrize("kind", [requests.Session, Kit])
def test_a_copy_is_a_plain_session(kind: type[requests.Session], make: Any) -> None:
    """Policies stay in their process; headers and the like arrive."""
    session = kind()
    session.headers["X-Team"] = "shop"
    govern(session, target="payments", pipeline=policies())
    other = make(session)
    assert type(other) is kind
    assert other.headers["X-Team"] == "shop"
    assert not hasattr(other, "_svcgov")
    govern(other, target="ledger", pipeline=Pipeline())


class Whole(requests.Session):
    """A session that pickles all that it has."""

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)


def test_a_session_that_pickles_all_it_has_still_pickles() -> None:
    """Nothing of ours is in it."""
    session = Whole()
    govern(session, target="payments", pipeline=policies())
    assert type(pickle.loads(pickle.dumps(session))) is Whole


# -- what the caller sees ----------------------------------------------------------------------------------------------


def test_the_answer_knows_the_callers_request() -> None:
    """Good or failing; and what was asked was not changed for it."""
    for status in (200, 503):
        session = CLIENT.governed(Wire(status), timeout(5.0), again(2))
        request = session.prepare_request(requests.Request("GET", URL))
        before = dict(request.headers)
        with invoked():
            response = session.send(request)
        assert response.request is request
        assert dict(request.headers) == before


def test_an_error_knows_the_callers_request() -> None:
    """Not the copy that was sent."""
    session = CLIENT.governed(Wire(ConnectionResetError("reset")), timeout(5.0))
    request = session.prepare_request(requests.Request("GET", URL))
    with pytest.raises(requests.ConnectionError) as caught:
        session.send(request)
    assert caught.value.request is request


def test_a_refusal_has_what_errors_of_requests_have() -> None:
    """Code looks at ``error.response`` before anything else."""
    session = CLIENT.governed(Wire(503), circuit_breaker(consecutive_failures=1))
    session.get(URL)
    with pytest.raises(requests.RequestException) as caught:
        session.get(URL)
    assert caught.value.response is None
    assert caught.value.request is not None
    assert caught.value.request.url == URL


def test_redirects_have_their_history() -> None:
    """As a plain session tells it."""
    answers: list[Any] = [(302, {"Location": "/b"}), (303, {"Location": "/c"}), 200]
    plain = CLIENT.plain(Wire(*answers)).post(URL, data=b"x")
    ours = CLIENT.governed(Wire(*answers), timeout(5.0), again()).post(URL, data=b"x")
    for response in (plain, ours):
        assert [one.status_code for one in response.history] == [302, 303]
        assert [len(one.history) for one in response.history] == [0, 1]
        assert (response.url, response.request.method) == ("http://payments.test/c", "GET")
        assert response.next is None
        assert response.history[0].next is None


def test_a_redirect_that_is_not_followed_says_where_it_leads() -> None:
    """As a plain session does."""
    response = CLIENT.governed(Wire((302, {"Location": "/new"})), again()).get(URL, allow_redirects=False)
    assert response.next is not None
    assert response.next.url == "http://payments.test/new"


def test_hooks_see_a_request_once() -> None:
    """However many attempts it takes; what they return is the answer."""
    seen: list[int] = []
    session = CLIENT.governed(Wire(503, 200), again(), circuit_breaker(consecutive_failures=5))
    session.hooks["response"].append(lambda response, **options: seen.append(response.status_code))
    session.get(URL)
    assert seen == [200]


def test_the_users_error_in_a_hook_is_no_failure_of_the_service() -> None:
    """It is raised as it is."""
    mine = LookupError("mine")

    def raising(response: Any, **options: Any) -> None:
        raise mine

    breaker = circuit_breaker(consecutive_failures=1)
    session = CLIENT.governed(Wire(200), again(), breaker)
    with pytest.raises(LookupError) as caught:
        session.get(URL, hooks={"response": raising})
    assert caught.value is mine
    assert breaker.current_state == "closed"


@pytest.mark.parametrize("stream", [False, True])
def test_an_authentication_in_two_steps_is_governed_in_both(stream: bool) -> None:
    """Digest: the challenge is an answer, and the second request has attempts of its own."""
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'}
    wire = Wire((401, challenge), 503, (200, {}, b"in"))
    session = CLIENT.governed(wire, timeout(5.0), again())
    session.auth = requests.auth.HTTPDigestAuth("user", "secret")
    with invoked():
        response = session.get(URL, stream=stream)
    assert (response.status_code, response.content, len(response.history)) == (200, b"in", 1)
    assert [one.headers.get("authorization", "")[:7] for one in wire.seen] == ["", "Digest ", "Digest "]
    assert all(TRACE.trace_id in one.headers["traceparent"] for one in wire.seen)


def test_a_hook_can_look_at_the_adapter() -> None:
    """What stands in its place shows what it has."""
    adapters: list[Any] = []
    session = CLIENT.governed(Wire(200))
    session.get(URL, hooks={"response": lambda response, **options: adapters.append(response.connection)})
    assert adapters[0].max_retries.total == 0


def test_the_sessions_settings_hold_for_what_is_prepared_by_hand() -> None:
    """Also for redirects of it: ``send`` is given none of them."""
    seen: list[Any] = []

    class Looking(HTTPAdapter):
        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]  # any of them
            seen.append((options["verify"], options["cert"], options["proxies"].get("http"), options["stream"]))
            return super().send(request, stream=options["stream"], verify=False)

    adapter = Looking()
    adapter.poolmanager.pool_classes_by_scheme = {"http": Wire((302, {"Location": "/b"}), 200).pool_class}
    session = requests.Session()
    session.mount("http://", adapter)
    session.verify, session.cert, session.stream, session.proxies = "ca.pem", "me.pem", True, {"http": "http://proxy.test"}
    govern(session, target="payments", pipeline=Pipeline(again()))
    session.send(session.prepare_request(requests.Request("GET", URL)))
    assert seen == [("ca.pem", "me.pem", "http://proxy.test", True)] * 2


@pytest.mark.parametrize("request_", [requests.Request("GET", URL), "http://a/", requests.PreparedRequest()], ids=repr)
def test_what_cannot_be_sent_is_the_error_it_was(request_: Any) -> None:
    """Of the session, with nothing governed."""
    plain, ours = requests.Session(), CLIENT.governed(Wire(200), again())
    with pytest.raises(Exception) as expected:
        plain.send(request_)
    with pytest.raises(type(expected.value)):
        ours.send(request_)


def test_a_port_that_is_none_is_the_error_it_was() -> None:
    """It gets as far as it would without us."""
    session = CLIENT.governed(Wire(200), again())
    request = session.prepare_request(requests.Request("GET", URL))
    request.url = "http://payments.test:port/"
    with pytest.raises(requests.exceptions.InvalidURL):
        session.send(request)


def test_calls_are_recorded_under_the_name_of_the_target() -> None:
    """A failing answer is a failure."""
    pipeline = Pipeline()
    session = govern(CLIENT.plain(Wire(200, 503)), target="payments", pipeline=pipeline)
    session.get(URL)
    session.get(URL)
    record = pipeline.snapshot()["requests.payments"]
    assert (record["succeeded"], record["failed"]) == (1, 1)


def test_a_retry_may_be_told_of_the_clients_status_error() -> None:
    """``on=HTTPError`` means the statuses that are failures."""
    assert CLIENT.governed(Wire(503, 200), again(on=requests.HTTPError)).get(URL).status_code == 200


def test_an_adapter_that_is_no_http_adapter_is_governed_too() -> None:
    """A stand-in in a test, or another protocol."""

    class Fixed(requests.adapters.BaseAdapter):
        answers = [503, 200]  # noqa: RUF012  # of this test

        def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]  # any of them
            response = requests.Response()
            response.status_code = self.answers.pop(0)
            response.raw = None
            response._content = b"fixed"
            return response

        def close(self) -> None:
            """Nothing is open."""

    session = requests.Session()
    session.mount("http://", Fixed())
    govern(session, target="payments", pipeline=Pipeline(timeout(5.0), again()))
    response = session.get(URL, stream=True)
    assert (response.status_code, response.content) == (200, b"fixed")


# -- retries of the adapter's own --------------------------------------------------------------------------------------


def adapted(wire: Wire, retries: Any, *given: Any) -> Any:
    """A session whose adapter makes retries of its own."""
    session = CLIENT.plain(wire)
    adapter = HTTPAdapter(max_retries=retries)
    adapter.poolmanager.pool_classes_by_scheme = {"http": wire.pool_class}
    session.mount("http://", adapter)
    return govern(session, target="payments", pipeline=Pipeline(*given)), adapter


RETRIES = [2, urllib3.Retry(total=2, status_forcelist=[503]), urllib3.Retry(0, status_forcelist=[503])]


@pytest.mark.parametrize("retries", RETRIES, ids=repr)
@pytest.mark.parametrize("outcome", [ConnectionResetError("reset"), 503], ids=["reset", "503"])
def test_an_adapters_own_retries_are_off_while_ours_are_on(retries: Any, outcome: Any) -> None:
    """Three attempts are three, not nine; the adapter, which may serve other sessions, is not changed."""
    wire = Wire(outcome)
    session, adapter = adapted(wire, retries, again(3))
    before = adapter.max_retries
    if outcome == 503:
        assert session.get(URL).status_code == 503
    else:
        with pytest.raises(requests.ConnectionError):
            session.get(URL)
    assert len(wire.seen) == 3
    assert adapter.max_retries is before


def test_an_adapters_own_retries_are_untouched_without_a_retry_of_ours() -> None:
    """They are inside one attempt, and the breaker sees how it ends."""
    breaker = circuit_breaker(consecutive_failures=5)
    wire = Wire(ConnectionResetError("reset"))
    session, _ = adapted(wire, urllib3.Retry(2), breaker)
    with pytest.raises(requests.ConnectionError):
        session.get(URL)
    assert len(wire.seen) == 3
    assert breaker.snapshot()["failed"] == 1


def test_nothing_is_left_behind_in_the_context() -> None:
    """A call leaves no deadline."""
    CLIENT.governed(Wire(503), timeout(5.0), again()).get(URL)
    assert DEADLINE.get() is None


def test_headers_of_somebodys_own_kind_are_copied_by_themselves() -> None:
    """And ours are in the copy."""
    wire = Wire(200)
    session = CLIENT.governed(wire)
    request = session.prepare_request(requests.Request("GET", URL))
    request.headers = type("Headers", (requests.structures.CaseInsensitiveDict,), {})({"X-Mine": "a"})
    with invoked():
        session.send(request)
    assert wire.seen[0].headers["x-mine"] == "a"
    assert "traceparent" in wire.seen[0].headers
    assert "traceparent" not in request.headers


def test_a_hook_may_ask_control_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the adapter that the answer came through, and ungoverned."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "runtime.test:9001")
    wire = Wire(200)
    session = CLIENT.governed(wire, bulkhead(1))
    seen: list[int] = []

    def ask(response: Any, **options: Any) -> None:
        other = requests.Request("GET", "http://runtime.test:9001/next").prepare()
        seen.append(response.connection.send(other, **options).status_code)

    with invoked():
        session.get(URL, hooks={"response": ask})
    assert seen == [200]
    assert ["traceparent" in one.headers for one in wire.seen] == [True, False]
