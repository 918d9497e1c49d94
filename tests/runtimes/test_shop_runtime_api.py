"""The example's Runtime API speaks as the platform's does: next, response, error, init error, and nothing for wrong ids."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from runtime_api import FunctionFailed, Outcome, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "/2018-06-01/runtime"


class Answer(NamedTuple):
    """What the API said."""

    status: int
    headers: dict[str, str]
    value: Any


class Client:
    """A function, by hand: what it asks, and an event that is under way beside it."""

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        self.outcomes: list[Outcome] = []
        self._invoking: threading.Thread | None = None

    def invoked(self, event: object) -> None:
        """Somebody calls the function."""
        self._invoking = threading.Thread(target=lambda: self.outcomes.append(self.api.invoke(event)))
        self._invoking.start()

    def next(self) -> Answer:
        """Ask for an event."""
        return self.ask("GET", "/invocation/next")

    def post(self, path: str, value: object) -> Answer:
        """Say something."""
        return self.ask("POST", path, json.dumps(value).encode())

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """One request."""
        connection = http.client.HTTPConnection(self.api.address, timeout=5)
        try:
            connection.request(method, ROOT + path, body=body)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), json.loads(response.read()))
        finally:
            connection.close()

    def outcome(self) -> Outcome:
        """What the caller got."""
        assert self._invoking is not None
        self._invoking.join(5)
        (outcome,) = self.outcomes
        return outcome


@pytest.fixture
def client() -> Iterator[Client]:
    """A function that speaks to an API of its own."""
    with RuntimeApi(name="shop", timeout=2.0) as api:
        yield Client(api)


def test_an_event_comes_with_its_id_its_deadline_and_its_trace(client: Client) -> None:
    """The body is the event; the headers are those that the platform documents."""
    client.invoked({"order": 7})
    before = time.time()
    status, headers, event = client.next()
    assert (status, event) == (200, {"order": 7})
    assert headers["Lambda-Runtime-Aws-Request-Id"] == client.api.awaited
    assert headers["Lambda-Runtime-Invoked-Function-Arn"].endswith(":function:shop")
    assert headers["Lambda-Runtime-Trace-Id"].startswith("Root=1-")
    assert abs(int(headers["Lambda-Runtime-Deadline-Ms"]) - (before + 2.0) * 1000) < 1000
    client.post(f"/invocation/{client.api.awaited}/response", None)
    assert client.outcome().value is None


def test_a_response_is_what_the_caller_gets(client: Client) -> None:
    """It is accepted with 202, and decoded."""
    client.invoked({})
    request_id = client.next().headers["Lambda-Runtime-Aws-Request-Id"]
    assert client.post(f"/invocation/{request_id}/response", {"statusCode": 200}).status == 202
    outcome = client.outcome()
    assert (outcome.request_id, outcome.failed, outcome.value) == (request_id, False, {"statusCode": 200})
    assert outcome.seconds > 0


def test_an_error_is_a_failed_outcome(client: Client) -> None:
    """What the handler raised, in the words of the runtime."""
    client.invoked({})
    request_id = client.next().headers["Lambda-Runtime-Aws-Request-Id"]
    error = {"errorType": "KeyError", "errorMessage": "'sku'", "stackTrace": []}
    assert client.post(f"/invocation/{request_id}/error", error).status == 202
    outcome = client.outcome()
    assert (outcome.failed, outcome.value) == (True, error)


def test_an_answer_to_another_call_is_refused(client: Client) -> None:
    """A wrong id, and a right one for the second time: 400, and the caller waits for its own answer."""
    client.invoked({})
    request_id = client.next().headers["Lambda-Runtime-Aws-Request-Id"]
    wrong = client.post("/invocation/another/response", "not for you")
    assert (wrong.status, wrong.value["errorType"]) == (400, "InvalidRequestID")
    assert client.post(f"/invocation/{request_id}/response", "for you").status == 202
    assert client.post(f"/invocation/{request_id}/response", "again").status == 400
    assert client.outcome().value == "for you"


def test_an_answer_is_six_megabytes_at_most(client: Client) -> None:
    """More is refused with 413, and the function may still say something shorter."""
    client.invoked({})
    request_id = client.next().headers["Lambda-Runtime-Aws-Request-Id"]
    path = f"/invocation/{request_id}/response"
    assert client.post(path, "x" * (6 * 1024 * 1024)).status == 413
    assert client.post(path, "short").status == 202
    assert client.outcome().value == "short"


@pytest.mark.parametrize(("method", "path"), [("GET", "/invocation/previous"), ("POST", "/invocation/response")])
def test_what_the_api_does_not_have_is_not_found(client: Client, method: str, path: str) -> None:
    """404, as on the platform."""
    assert client.ask(method, path, b"{}").status == 404


def test_a_function_that_asks_for_an_event_is_ready(client: Client) -> None:
    """Nothing is raised, and nothing is waited for any longer."""
    client.api.waiting.set()
    client.api.ready(seconds=0.0)
    assert client.api.answers.empty()


def test_a_function_that_cannot_start_says_why(client: Client) -> None:
    """The init error is what whoever waits for the function is told."""
    assert client.post("/init/error", {"errorType": "ImportModuleError", "errorMessage": "no shop"}).status == 202
    with pytest.raises(FunctionFailed, match="init error: ImportModuleError: no shop"):
        client.api.ready()


def test_a_function_that_ended_is_not_waited_for(client: Client) -> None:
    """Neither for its first word nor for its answer."""
    client.api.alive = lambda: False
    with pytest.raises(FunctionFailed, match="ended before it asked"):
        client.api.ready()
    with pytest.raises(FunctionFailed, match="ended instead of answering"):
        client.api.invoke({})


def test_a_closed_api_lets_go_of_its_caller(client: Client) -> None:
    """No answer will come any more."""
    client.api.closed.set()
    with pytest.raises(FunctionFailed, match="no answer"):
        client.api.invoke({})
