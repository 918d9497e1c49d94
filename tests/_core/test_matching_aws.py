"""Errors of AWS, as botocore raises them: the answer is a mapping, with a code besides the status."""

from __future__ import annotations

from typing import Any

import pytest

from svcgov._core._matching import Matcher, headers_of, status_of


class Client(Exception):
    """An error with an answer as botocore gives it."""

    def __init__(self, *, code: object = None, status: object = None, headers: object = None, own: object = None) -> None:
        self.response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
        self.status = own


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Client(status=503), 503),
        (Client(code="AccessDenied", status=403), 403),
        (Client(code="Throttling", status=400), 429),
        (Client(code="RequestTimeout", status=400), 408),
        (Client(code=["Throttling"], status=400), 400),
        (Client(own=418, status=400), 418),
        (Client(code="SlowDown", own=418), 429),
        (Client(status="503"), None),
        (Client(), None),
    ],
)
def test_its_status_is_what_its_code_means_or_else_the_answer_s(error: Client, status: int | None) -> None:
    """What says "slow down" is 429, what invites another try is 408, whatever status came with it."""
    assert status_of(error) == status


def test_headers_are_those_of_the_answer() -> None:
    """None where they are no mapping."""
    assert headers_of(Client(headers={"retry-after": "3"})) == {"retry-after": "3"}
    assert headers_of(Client(headers="retry-after: 3")) == {}


@pytest.mark.parametrize("response", [{}, {"Error": None, "ResponseMetadata": None}, {"Error": "x", "ResponseMetadata": ["x"]}])
def test_an_answer_that_lacks_a_part_has_neither(response: Any) -> None:
    """No error of ours comes out of that."""
    error = Client()
    error.response = response
    assert status_of(error) is None
    assert headers_of(error) == {}


def test_words_mean_them_by_their_status() -> None:
    """So ``transient`` means whatever AWS asks to try again."""
    transient = Matcher("transient", "on")
    assert transient.matches(Client(code="ProvisionedThroughputExceededException", status=400))
    assert not transient.matches(Client(code="ValidationException", status=400))
