"""Wrong settings: each is refused when it is given, by its place, its value and what was expected."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from svcgov import Backoff, Pipeline, Rate, budget, bulkhead, circuit_breaker, rate_limit, retry, seconds, timeout
from svcgov.errors import ConfigError

NAN, INF = float("nan"), float("inf")

ATTEMPTS = "an integer from 1 to 100"
LIMIT = "an integer from 1 to 100_000"
RATE = 'calls in a window of 1 ms to 30 days, such as "100/second", "5/2 minutes" or Rate(10, 0.1)'
WEEK = 'a duration > 0 s and <= 604800 s, such as 2.5 or "500ms"'
WEEK_OR_NONE = 'a duration >= 0 s and <= 604800 s, such as 2.5 or "500ms"'
HOUR = 'a duration >= 0.001 s and <= 3600 s, such as 2.5 or "500ms"'
MATCH = "exception types, a function of the error, a status such as 429, or transient, connection, timeout, 5xx"
DELAY = "a Backoff, a duration >= 0 s, a list of them, or a function of attempt and error"
INITIAL = 'a duration >= 0.0001 s and <= 604800 s, such as 2.5 or "500ms"'
SHARE = "a share above 0 to 1"
NAME = "1 to 128 letters, digits or . _ : -"
RETRY = (
    "one of on, ignore, on_result, attempts, backoff, min_attempt_time, budget, retry_after, retry_refused, retry_retried, "
    "idempotent, on_exhausted"
)
BREAKER = (
    "one of failure_rate, slow_call_rate, slow_call_duration, bad_rate, window, min_calls, failures, consecutive_failures, "
    "open_for, open_jitter, open_from_answer, max_open_for, half_open_calls, half_open_max_wait, ramp, ramp_steps, "
    "count_in_flight, on, ignore, on_result, key, max_keys, force, mode, when"
)

BULKHEAD = "one of limit, max_wait, max_waiting, order, cost, key, max_keys, mode, when"
RATE_LIMIT = (
    "one of limit, burst, algorithm, cost, max_wait, max_waiting, warm_up, cold_factor, key, on_missing_key, overrides, "
    "max_keys, mode, when"
)
KEY = 'a function of the call, "header:x-tenant", "claim:sub", "arg:tenant", "path", "ip" or "colour"'
COST = "an integer from 0 to 1_000_000_000, or a function of the call"
WARM = "none, but with one limit by gcra and a max_wait of 0"
ALGORITHMS = "one of gcra, fixed-window, moving-window, sliding-window"


def described(value: Any) -> str:
    """A short name for one of the cases."""
    return getattr(value, "__name__", value if isinstance(value, str) and " " not in value else repr(value)[:40])


# Who, with what (a value that is not a table is given in the first place), where it says that it is, and what it expects.
WRONG: list[tuple[Any, Any, str, str]] = [
    # what is injected
    (bulkhead, {"limit": 1, "clock": 5}, "bulkhead.clock", "a clock, such as svcgov.testing.ManualClock()"),
    (circuit_breaker, {"random": 5}, "circuit_breaker.random", "a function that returns a number from 0 to 1"),
    # retry
    (retry, {"attempts": 0}, "retry.attempts", "an integer >= 1"),
    (retry, {"attempts": 101}, "retry.attempts", ATTEMPTS),
    (retry, {"attempts": "3"}, "retry.attempts", ATTEMPTS),
    (retry, {"attempts": True}, "retry.attempts", ATTEMPTS),
    (retry, {"attempts": 3.0}, "retry.attempts", ATTEMPTS),
    (retry, {"attempts": NAN}, "retry.attempts", ATTEMPTS),
    (retry, {"attempts": None}, "retry.attempts", ATTEMPTS),
    (retry, {"max_attempts": 5}, "retry.max_attempts", f"{RETRY} (did you mean attempts?)"),
    (retry, {"tries": 5}, "retry.tries", f"{RETRY} (did you mean attempts?)"),
    (retry, {"attemps": 5}, "retry.attemps", f"{RETRY} (did you mean attempts?)"),
    (retry, {"exceptions": OSError}, "retry.exceptions", f"{RETRY} (did you mean on?)"),
    (retry, {"delay": 1}, "retry.delay", f"{RETRY} (did you mean backoff?)"),
    (retry, {"qqq": 1}, "retry.qqq", RETRY),
    (retry, {"on": "conection"}, "retry.on", MATCH),
    (retry, {"on": 99}, "retry.on", MATCH),
    (retry, {"on": int}, "retry.on", MATCH),
    (retry, {"ignore": None}, "retry.ignore", MATCH),
    (retry, {"backoff": -1}, "retry.backoff", DELAY),
    (retry, {"backoff": "soon"}, "retry.backoff", DELAY),
    (retry, {"backoff": NAN}, "retry.backoff", DELAY),
    (retry, {"min_attempt_time": -0.1}, "retry.min_attempt_time", WEEK_OR_NONE),
    (retry, {"on_result": 5}, "retry.on_result", "a function of the result: true for another attempt"),
    (retry, {"budget": 0.2}, "retry.budget", "a budget, the name of one, or None for none"),
    (retry, {"retry_after": "yes"}, "retry.retry_after", "true or false"),
    (retry, {"idempotent": 1}, "retry.idempotent", "true, false, or None (by method and Idempotency-Key)"),
    # circuit breaker
    (circuit_breaker, {"failure_rate": 50}, "circuit_breaker.failure_rate", f"{SHARE} (did you mean 0.5?)"),
    (circuit_breaker, {"failure_rate": 0}, "circuit_breaker.failure_rate", SHARE),
    (circuit_breaker, {"failure_rate": "0.5"}, "circuit_breaker.failure_rate", SHARE),
    (circuit_breaker, {"failure_rate": NAN}, "circuit_breaker.failure_rate", SHARE),
    (circuit_breaker, {"failure_rate": -0.1}, "circuit_breaker.failure_rate", SHARE),
    (circuit_breaker, {"failure_rate": True}, "circuit_breaker.failure_rate", SHARE),
    (circuit_breaker, {"window": 0}, "circuit_breaker.window", "an integer >= 1"),
    (circuit_breaker, {"min_calls": -10}, "circuit_breaker.min_calls", "an integer >= 1"),
    (circuit_breaker, {"consecutive_failures": 0}, "circuit_breaker.consecutive_failures", "an integer >= 1"),
    (circuit_breaker, {"open_for": INF}, "circuit_breaker.open_for", HOUR),
    (circuit_breaker, {"open_for": "1d"}, "circuit_breaker.open_for", HOUR),
    (circuit_breaker, {"open_jitter": 10}, "circuit_breaker.open_jitter", "a share from 0 to 1 (did you mean 0.1?)"),
    (circuit_breaker, {"half_open_calls": 1001}, "circuit_breaker.half_open_calls", "an integer from 1 to 1_000"),
    (circuit_breaker, {"half_open_max_wait": 0}, "circuit_breaker.half_open_max_wait", WEEK),
    (circuit_breaker, {"on_result": "bad"}, "circuit_breaker.on_result", "a function of the result that is true for a bad one"),
    (circuit_breaker, {"on": 99}, "circuit_breaker.on", MATCH),
    (circuit_breaker, {"ignore": int}, "circuit_breaker.ignore", MATCH),
    (circuit_breaker, {"key": "nobody"}, "circuit_breaker.key", KEY),
    (circuit_breaker, {"recovery_timeout": 30}, "circuit_breaker.recovery_timeout", f"{BREAKER} (did you mean open_for?)"),
    (circuit_breaker, {"failure_threshold": 5}, "circuit_breaker.failure_threshold", f"{BREAKER} (did you mean failure_rate?)"),
    # bulkhead
    (bulkhead, 0, "bulkhead.limit", "an integer >= 1"),
    (bulkhead, 100_001, "bulkhead.limit", LIMIT),
    (bulkhead, "10", "bulkhead.limit", LIMIT),
    (bulkhead, INF, "bulkhead.limit", LIMIT),
    (bulkhead, False, "bulkhead.limit", LIMIT),
    (bulkhead, {"limit": 1, "max_concurrent": 5}, "bulkhead.max_concurrent", f"{BULKHEAD} (did you mean limit?)"),
    (bulkhead, {"limit": 1, "max_wait": -1}, "bulkhead.max_wait", WEEK_OR_NONE),
    (bulkhead, {"limit": 1, "max_wait": INF}, "bulkhead.max_wait", WEEK_OR_NONE),
    (bulkhead, {"limit": 1, "max_waiting": -1}, "bulkhead.max_waiting", "an integer >= 0"),
    (bulkhead, {"limit": 1, "order": "random"}, "bulkhead.order", "one of fifo, lifo"),
    (bulkhead, {"limit": 1, "cost": 0}, "bulkhead.cost", "an integer from 1 to the limit, or a function of the call"),
    (bulkhead, {"limit": 1, "cost": True}, "bulkhead.cost", "an integer from 1 to the limit, or a function of the call"),
    (bulkhead, {"limit": 3, "cost": 4}, "bulkhead.cost", "an integer from 1 to 3, or a function of the call"),
    (bulkhead, {"limit": 1, "key": "cookie:x"}, "bulkhead.key", KEY),
    (bulkhead, {"limit": 1, "max_keys": 0}, "bulkhead.max_keys", "an integer >= 1"),
    # rate limit
    (rate_limit, 100, "rate_limit.limit", RATE),
    (rate_limit, "100", "rate_limit.limit", RATE),
    (rate_limit, "100/fortnight", "rate_limit.limit", RATE),
    (rate_limit, "-1/second", "rate_limit.limit", RATE),
    (rate_limit, "1/2 months", "rate_limit.limit", RATE),
    (rate_limit, {"limit": "1/s", "burst": 0}, "rate_limit.burst", "an integer >= 1"),
    (rate_limit, {"limit": "1/s", "burst": 1001}, "rate_limit.burst", "an integer from 1 to 1000"),
    (rate_limit, {"limit": "1/s", "burst": 10**9 + 1}, "rate_limit.burst", "an integer from 1 to 1_000_000_000"),
    (rate_limit, {"limit": "1/s", "bursts": 2}, "rate_limit.bursts", f"{RATE_LIMIT} (did you mean burst?)"),
    (rate_limit, {"limit": "1/s", "key": "cookie:x"}, "rate_limit.key", KEY),
    (rate_limit, {"limit": "1/s", "key": "header:"}, "rate_limit.key", KEY),
    (rate_limit, {"limit": "1/s", "key": 5}, "rate_limit.key", KEY),
    (rate_limit, {"limit": "1/s", "on_missing_key": "allow"}, "rate_limit.on_missing_key", "one of shared, bypass, deny"),
    (rate_limit, {"limit": "1/s", "overrides": ["vip"]}, "rate_limit.overrides", "limits by keys, or by patterns of keys"),
    (rate_limit, {"limit": "1/s", "max_keys": 0}, "rate_limit.max_keys", "an integer >= 1"),
    (rate_limit, {"limit": []}, "rate_limit.limit", "1 to 10 limits"),
    (rate_limit, {"limit": ["1/s"] * 11}, "rate_limit.limit", "1 to 10 limits"),
    (rate_limit, {"limit": "1/s", "algorithm": "leaky"}, "rate_limit.algorithm", ALGORITHMS),
    (rate_limit, {"limit": "1/s", "cost": -1}, "rate_limit.cost", COST),
    (rate_limit, {"limit": "1/s", "cost": 1.5}, "rate_limit.cost", COST),
    (rate_limit, {"limit": "1/s", "cost": True}, "rate_limit.cost", COST),
    (rate_limit, {"limit": "1/s", "max_wait": -1}, "rate_limit.max_wait", WEEK_OR_NONE),
    (rate_limit, {"limit": "1/s", "max_wait": INF}, "rate_limit.max_wait", WEEK_OR_NONE),
    (
        rate_limit,
        {"limit": "1/s", "max_wait": 1.0, "algorithm": "fixed-window"},
        "rate_limit.max_wait",
        "0, but with gcra, which knows who may come when",
    ),
    (rate_limit, {"limit": "1/s", "max_waiting": -1}, "rate_limit.max_waiting", "an integer >= 0"),
    (rate_limit, {"limit": "1/s", "warm_up": 0}, "rate_limit.warm_up", WEEK),
    (rate_limit, {"limit": ["1/s", "9/m"], "warm_up": 5.0}, "rate_limit.warm_up", WARM),
    (rate_limit, {"limit": "1/s", "warm_up": 5.0, "max_wait": 1}, "rate_limit.warm_up", WARM),
    (rate_limit, {"limit": "1/s", "warm_up": 5.0, "overrides": {"a": ["1/s", "9/m"]}}, "rate_limit.warm_up", WARM),
    (rate_limit, {"limit": "1/s", "cold_factor": 1}, "rate_limit.cold_factor", "a number above 1, up to 1000"),
    (rate_limit, {"limit": "1/s", "cold_factor": 1000.5}, "rate_limit.cold_factor", "a number above 1, up to 1000"),
    (rate_limit, {"limit": "1/s", "cold_factor": NAN}, "rate_limit.cold_factor", "a number above 1, up to 1000"),
    (
        rate_limit,
        {"limit": "1/s", "burst": 2, "algorithm": "fixed-window"},
        "rate_limit.burst",
        "none, but with one limit by gcra",
    ),
    (rate_limit, {"limit": ["1/s", "9/m"], "burst": 2}, "rate_limit.burst", "none, but with one limit by gcra"),
    # timeout
    (timeout, 0, "timeout.seconds", WEEK),
    (timeout, -1, "timeout.seconds", WEEK),
    (timeout, NAN, "timeout.seconds", WEEK),
    (timeout, -INF, "timeout.seconds", WEEK),
    (timeout, True, "timeout.seconds", WEEK),
    (timeout, "2", "timeout.seconds", WEEK),
    (timeout, "soon", "timeout.seconds", WEEK),
    (timeout, 10**400, "timeout.seconds", WEEK),
    (timeout, 8 * 86400, "timeout.seconds", WEEK),
    (timeout, {"seconds": 1, "enforce": "process"}, "timeout.enforce", "one of deadline, thread"),
    (timeout, {"seconds": 1, "timeout": 2}, "timeout.timeout", "one of seconds, enforce (did you mean seconds?)"),
    # budget
    (budget, {"ratio": -1}, "budget.ratio", "a number from 0 to 10"),
    (budget, {"ratio": "20%"}, "budget.ratio", "a number from 0 to 10"),
    (budget, {"min_retries": -1}, "budget.min_retries", "an integer >= 0"),
    (budget, {"kind": "tokens", "ratio": 0.2}, "budget.ratio", "no such setting in a budget of kind tokens"),
    (budget, {"min_per_second": 1000.1}, "budget.min_per_second", "a number from 0 to 1000, in place of min_retries"),
    (budget, {"kind": "tokens", "tokens": 0}, "budget.tokens", "a number from 0.001 to 1000"),
    (budget, {"kind": "tokens", "token_ratio": 1000.1}, "budget.token_ratio", "a number from 0.001 to 1000"),
    (budget, {"ttl": 0.5}, "budget.ttl", 'a duration >= 1 s and <= 60 s, such as 2.5 or "500ms"'),
    (
        budget,
        {"tll": 5},
        "budget.tll",
        "one of kind, ratio, min_retries, ttl, min_concurrency, tokens, token_ratio (did you mean ttl?)",
    ),
    # what settings are made of
    (Backoff, {"initial": 0}, "Backoff.initial", INITIAL),
    (Backoff, {"factor": 0.5}, "Backoff.factor", "a number from 1 to 10"),
    (Backoff, {"max": "1 year"}, "Backoff.max", INITIAL),
    (Backoff, {"initial": 10, "max": 5.0}, "Backoff.max", "at least initial, which is 10 s"),
    (Backoff, {"jitter": True}, "Backoff.jitter", "one of full, equal, decorrelated, none"),
    (Rate, {"n": -1, "seconds": 1}, "Rate.n", "an integer from 0 to 1_000_000_000"),
    (Rate, {"n": 1, "seconds": 0}, "Rate.seconds", 'a window from 1 ms to 30 days, such as 0.1 or "1m"'),
    (seconds, "30", "seconds", 'a duration, such as 2.5, "500ms" or a timedelta'),
    (Pipeline, 5, "Pipeline[0]", "a policy or a pipeline"),
    (Pipeline, "retry", "Pipeline[0]", "a policy or a pipeline"),
    (Pipeline, ConnectionError, "Pipeline[0]", "a policy or a pipeline (did you mean retry(on=...)?)"),
    # names
    (bulkhead, {"limit": 1, "name": "a b"}, "bulkhead.name", NAME),
    (bulkhead, {"limit": 1, "name": ""}, "bulkhead.name", NAME),
    (circuit_breaker, {"name": 5}, "circuit_breaker.name", NAME),
    (circuit_breaker, "a/b", "circuit_breaker.name", NAME),
    (budget, "x" * 129, "budget.name", NAME),
    (Pipeline, {"name": "pay ments"}, "Pipeline.name", NAME),
    (retry, {"on": OSError, "budget": "my budget"}, "retry.budget", NAME),
]


@pytest.mark.parametrize(("maker", "given", "path", "expected"), WRONG, ids=described)
def test_a_wrong_setting_is_refused_when_it_is_given(maker: Any, given: Any, path: str, expected: str) -> None:
    """The message names the place as the author wrote it, what stood there, and what could have."""
    with pytest.raises(ConfigError) as wrong:
        maker(**given) if isinstance(given, dict) else maker(given)
    error = wrong.value
    assert error.path == path
    assert error.value is (given[path.rpartition(".")[2]] if isinstance(given, dict) else given)
    assert error.expected == expected
    assert str(error).startswith(f"{path}: expected {expected}, got ")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_place_has_the_name_of_its_policy() -> None:
    """Where it has one."""
    with pytest.raises(ConfigError, match=r"^retry\[payments\]\.attempts: expected an integer >= 1, got 0$"):
        retry(on=OSError, attempts=0, name="payments")


def test_a_table_of_a_backoff_is_checked_like_one() -> None:
    """And its place is that of the table."""
    with pytest.raises(ConfigError) as wrong:
        retry(on=OSError, backoff={"initial": 1, "jiter": "full"})  # type: ignore[arg-type]  # as a document says it
    assert (wrong.value.path, wrong.value.value) == ("retry.backoff.jiter", "full")
    assert wrong.value.expected == "one of initial, factor, max, jitter (did you mean jitter?)"


def test_a_list_of_delays_is_checked_one_by_one() -> None:
    """The place says which one; none at all is no list."""
    with pytest.raises(ConfigError, match=r"^retry\.backoff\[1\]: expected .*, got -5$"):
        retry(on=OSError, backoff=[1, -5])
    with pytest.raises(ConfigError, match=r"^retry\.backoff: expected at least one delay, got \[\]$"):
        retry(on=OSError, backoff=[])


def test_a_retry_must_say_on_what() -> None:
    """No default would be safe; it is missed when it is put around a function."""
    with pytest.raises(ConfigError) as wrong:
        retry(attempts=2)(print)
    assert (wrong.value.path, wrong.value.value) == ("retry.on", None)
    assert wrong.value.expected == "what to retry on: exception types, a function, or words such as transient"


def test_a_breaker_must_have_something_that_opens_it() -> None:
    """A rate, or failures in a row."""
    with pytest.raises(ConfigError) as wrong:
        circuit_breaker(failure_rate=None)
    assert (wrong.value.path, wrong.value.value) == ("circuit_breaker.failure_rate", None)


def test_a_breaker_does_not_put_an_error_in_place_of_the_calls_own() -> None:
    """What pybreaker can do, and ours refuses to."""
    with pytest.raises(ConfigError) as wrong:
        circuit_breaker(throw_new_error_on_trip=True)  # type: ignore[call-overload]  # as said
    assert (wrong.value.path, wrong.value.value) == ("circuit_breaker.throw_new_error_on_trip", True)
    assert wrong.value.expected == "false: the call that opens the circuit raises its own error"


@pytest.mark.parametrize(
    ("given", "hint"),
    [((ConnectionError,), "on=ConnectionError"), ((3,), "on=3"), ((OSError, 3), "on=OSError"), ((print,), "on=print")],
)
def test_a_retry_takes_keyword_arguments_only(given: tuple[Any, ...], hint: str) -> None:
    """A TypeError, as for any function, with what was probably meant."""
    with pytest.raises(TypeError, match=rf"^retry takes keyword arguments only: did you mean {hint}\?$"):
        retry(*given)


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
    [
        ({"retries": {"attempts": 2}}, "shop.retries", "one of retry, bulkhead"),
        ({"retry": {"attempts": 0}}, "shop.retry.attempts", "an integer >= 1"),
        ({"bulkhead": {"limit": 2, "size": 3}}, "shop.bulkhead.size", BULKHEAD),
        ({"bulkhead": {5: 3}}, "shop.bulkhead.5", BULKHEAD),
        ({"bulkhead": 10}, "shop.bulkhead", "settings by their names"),
        (5, "shop", "settings by their names"),
    ],
    ids=repr,
)
def test_a_wrong_reconfiguration_changes_nothing(changes: Any, path: str, expected: str) -> None:
    """Of none of the policies, and its place is the pipeline's."""
    again, gate = retry(on=OSError, attempts=7), bulkhead(1)
    with pytest.raises(ConfigError) as wrong:
        Pipeline(again, gate, name="shop").reconfigure(changes)
    assert (wrong.value.path, wrong.value.expected) == (path, expected)
    assert (again.settings.attempts, gate.settings.limit) == (7, 1)


@pytest.mark.parametrize("value", ["yes", "retries", "retry circuit_breaker", "2"])
def test_a_wrong_switch_in_the_environment_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a function is decorated, rather than taken for no."""
    monkeypatch.setenv("SVCGOV_DISABLED", value)
    with pytest.raises(ConfigError) as wrong:
        bulkhead(1)(print)
    assert (wrong.value.path, wrong.value.value) == ("SVCGOV_DISABLED", value)
    assert wrong.value.expected == "1, 0, or a list of retry, circuit_breaker, bulkhead, rate_limit, timeout"
