"""Which errors a setting means: types, statuses, words, functions."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from _worlds import Answer
from svcgov._core._matching import Matcher, headers_of, leaves, status_of
from svcgov.errors import CallTimeoutError, ConfigError, DeadlineExceededError, RateLimitedError


def means(given: Any, error: BaseException) -> Any:
    """What a setting says of an error."""
    return Matcher(given, "on").matches(error)


class Status(Exception):
    """An error of a client that keeps the status on itself, as some do."""

    def __init__(self, status: Any) -> None:
        self.status = status


def test_types_mean_their_subclasses() -> None:
    """As ``except`` does; several are any of them."""
    assert means(OSError, ConnectionResetError())
    assert not means(OSError, KeyError())
    for several in ((KeyError, OSError), [KeyError, OSError], {KeyError, OSError}, frozenset({KeyError, OSError})):
        assert means(several, KeyError())
        assert means(several, ConnectionResetError())
        assert not means(several, ValueError())


@pytest.mark.parametrize("given", [429, "429", [503, 429], ["429", "503"], ["503", "429"]])
def test_a_status_is_a_number_or_its_digits(given: Any) -> None:
    """In code and in documents."""
    assert means(given, Answer(429))
    assert not means(given, Answer(404))
    assert not means(given, ValueError(429))


def test_a_status_has_three_digits_and_begins_with_1_to_5() -> None:
    """Both ends are statuses, what lies beyond is none."""
    assert all(means(status, Status(status)) for status in (100, 599))
    for wrong in (99, 600):
        with pytest.raises(ConfigError) as refused:
            Matcher(wrong, "on")
        assert (refused.value.path, refused.value.value) == ("on", wrong)


def test_several_words_are_any_of_them() -> None:
    """And what was given can be asked for."""
    matcher = Matcher(("timeout", "connection"), "on")
    assert matcher.matches(TimeoutError())
    assert matcher.matches(ConnectionError())
    assert matcher.given == ("timeout", "connection")


def test_5xx_is_every_status_from_500_on() -> None:
    """501 too: whoever says 5xx means it."""
    assert [status for status in (404, 499, 500, 501, 503, 599) if means("5xx", Answer(status))] == [500, 501, 503, 599]


def test_transient_leaves_out_what_another_try_does_not_mend() -> None:
    """Not 501, and no error of the caller's but the three that ask to try again."""
    invited = [status for status in range(400, 600) if means("transient", Answer(status))]
    assert invited == [408, 425, 429, 500, 502, 503, 504]


@pytest.mark.extras
@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_errors_of_clients_are_known_by_their_names(name: str) -> None:
    """By those of their bases, since none of the clients is imported to find out."""
    library: Any = import_module(name)
    broken = (library.ConnectError, library.ReadError, library.RemoteProtocolError, library.ProxyError)
    late = (library.ConnectTimeout, library.ReadTimeout, library.PoolTimeout)
    for kind in broken:
        assert means("connection", kind("x"))
        assert means("transient", kind("x"))
        assert not means("timeout", kind("x"))
    for kind in late:
        assert means("timeout", kind("x"))
        assert means("transient", kind("x"))
        assert not means("connection", kind("x"))
    assert not means("transient", library.InvalidURL("x"))
    assert not means("transient", library.UnsupportedProtocol("x"))


def test_a_class_that_is_merely_called_so_is_none_of_them() -> None:
    """Another package's TimeoutException is not the client's."""
    impostor = type("TimeoutException", (Exception,), {"__module__": "httpxyz.errors"})
    assert not means(["timeout", "transient", "connection"], impostor())


def test_the_standard_library_s_errors_are_known() -> None:
    """And so is our own time-out, which began and was too slow."""
    assert means("connection", BrokenPipeError())
    assert means("timeout", TimeoutError())
    assert means("timeout", CallTimeoutError("t", "attempt", 1.0))
    assert not means("transient", OSError())
    assert not means("transient", ValueError())


def test_a_refusal_of_ours_is_not_transient() -> None:
    """Neither by its kind nor by its status, which is for the caller."""
    assert not means("transient", DeadlineExceededError("d", "expired"))
    assert not means([429, "5xx", "transient"], RateLimitedError("r", "limited"))


def test_a_function_says_what_it_says() -> None:
    """Its answer is handed on as it is; its own error passes through; types are looked at first."""
    assert means(lambda error: 2.5, ValueError()) == 2.5
    assert means([KeyError, lambda error: error.args], ValueError(1)) == (1,)
    with pytest.raises(ZeroDivisionError):
        means(lambda error: 1 / 0, ValueError())
    assert means([ValueError, lambda error: 1 / 0], ValueError()) is True


@pytest.mark.parametrize(
    "wrong",
    [None, True, 99, 600, 4.29, "42", "4xx9", "connections", "\u0664\u0662\u0669", "", int, [KeyError, "nonsense"], object()],
)
def test_nonsense_is_refused_and_the_words_are_named(wrong: Any) -> None:
    """A ConfigError with the place, the value and what could have stood there."""
    with pytest.raises(ConfigError, match=r"^retry\.on: expected .*transient, connection, timeout, 5xx, got "):
        Matcher(wrong, "retry.on")


def test_two_functions_are_one_too_many() -> None:
    """Which of them would say how long to wait?"""
    with pytest.raises(ConfigError):
        Matcher([len, len], "on")


@pytest.mark.parametrize(
    ("given", "speaks"),
    [(KeyError, False), ("connection", False), ("timeout", False), ("transient", True), ("5xx", True), (429, True), (len, False)],
)
def test_whether_a_status_can_make_it_match(given: Any, speaks: bool) -> None:
    """Then only a repeatable call may be made twice."""
    assert Matcher(given, "on").speaks_http is speaks


def test_the_classes_it_has_seen_take_bounded_memory() -> None:
    """Classes made on the fly, as some clients do, fill nothing."""
    matcher = Matcher("transient", "on")
    for number in range(2500):
        assert not matcher.matches(type(f"Error{number}", (Exception,), {})())
        assert len(matcher._known) <= 1000
    assert matcher.matches(ConnectionError())


def test_a_status_is_found_where_clients_keep_it() -> None:
    """On the response, by either name, or on the error itself; nothing that is no number is one."""
    assert status_of(Answer(503)) == 503
    assert status_of(Status(404)) == 404
    assert status_of(Status("404")) is None
    assert status_of(ValueError()) is None
    error = ValueError()
    error.response = SimpleNamespace(status=502)  # type: ignore[attr-defined]
    assert status_of(error) == 502


def test_a_property_that_raises_is_as_none() -> None:
    """Such as the request of a client's error that has none."""

    class Shy(Exception):
        @property
        def response(self) -> None:
            raise RuntimeError

    assert status_of(Shy()) is None
    assert headers_of(Shy()) == {}


def test_headers_are_found_where_clients_keep_them() -> None:
    """Beside the status; what is no mapping is none."""
    assert headers_of(Answer(503, Retry_After="1")) == {"Retry-After": "1"}
    error = ValueError()
    error.headers = {"a": "b"}  # type: ignore[attr-defined]
    assert headers_of(error) == {"a": "b"}
    error.headers = 5  # type: ignore[attr-defined]
    assert headers_of(error) == {}


@pytest.mark.extras
def test_an_error_that_wraps_another_says_what_that_one_says() -> None:
    """Some clients put what happened into an argument of what they raise."""
    requests: Any = import_module("requests")
    urllib3: Any = import_module("urllib3")
    broken = urllib3.exceptions.ProtocolError("aborted", ConnectionResetError())
    late = urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("h"), "/", "slow")
    for inner, word, other in ((broken, "connection", "timeout"), (late, "timeout", "connection")):
        assert means(word, requests.ConnectionError(inner))
        assert not means(other, requests.ConnectionError(inner))
    assert means("connection", requests.exceptions.ChunkedEncodingError("broke off"))


def told_by(package: str, *args: object) -> Exception:
    """An error of a class in the innermost module of *package*, of which nobody knows what it means."""
    strange: type[Exception] = type("Strange", (Exception,), {"__module__": f"{package}.inner.most"})
    return strange(*args)


def test_what_an_error_tells_of_is_its_reason_or_first_argument() -> None:
    """Of three packages; whatever is told further on, or by anybody else, is not looked at."""
    assert means("connection", told_by("urllib3", ConnectionError()))
    assert not means("connection", told_by("urllib3", "far", ConnectionError()))
    assert not means("connection", told_by("shop", ConnectionError()))
    with_reason = told_by("urllib3")
    with_reason.reason = ConnectionError()  # type: ignore[attr-defined]
    assert means("connection", with_reason)


def test_a_refusal_in_the_clothes_of_a_client_is_no_connection_that_broke() -> None:
    """So that no retry takes it for one."""

    class Dressed(RateLimitedError, ConnectionError):
        pass

    assert not means("connection", Dressed("orders", "limit"))
    assert means("connection", ConnectionError())


# -- groups ------------------------------------------------------------------------------------------------------------


def test_a_group_means_what_each_of_its_errors_means() -> None:
    """By type, status, word and function; a group type means the group."""
    group = ExceptionGroup("several", [Answer(503), ExceptionGroup("more", [Answer(500)])])
    assert means("5xx", group)
    assert means([503, 500], group)
    assert not means(503, group)
    assert not means(OSError, group)
    assert means(ExceptionGroup, group)
    assert means(lambda error: isinstance(error, Answer), group) is True


def test_the_longest_wait_for_a_group_counts() -> None:
    """Zero is a wait; a negative one is a no, whatever the others are."""
    group = ExceptionGroup("several", [ValueError(2.0), ValueError("1s"), ValueError(True)])
    assert means(lambda error: error.args[0], group) == 2.0
    assert means(lambda error: error.args[0], ExceptionGroup("two", [ValueError(2.0), ValueError("3s")])) == 3.0
    assert means(lambda error: 0, group) == 0.0
    assert means(lambda error: 0 if error.args[0] == 2.0 else 0.5, group) == 0.5
    assert means(lambda error: -1 if error.args[0] == "1s" else 3, group) == -1.0
    assert means(lambda error: error.args[0] != "1s", group) is False


def test_the_errors_of_a_group_are_those_of_the_groups_in_it_too() -> None:
    """An error that is no group is its own only one."""
    one, two, three = KeyError(), OSError(), ValueError()
    assert list(leaves(ExceptionGroup("a", [one, ExceptionGroup("b", [two, three])]))) == [one, two, three]
    assert list(leaves(one)) == [one]
