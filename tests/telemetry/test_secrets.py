"""What must not be told is told by no output."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from svcgov import Governor, bulkhead, circuit_breaker, rate_limit, retry
from svcgov.errors import RateLimitedError
from svcgov.logs import correlate, redact
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .spanning import Told

SECRET = "hunter2"
SIGNED = f"X-Amz-Signature={SECRET}&token={SECRET}&api_key={SECRET}"
HEADERS = {
    "authorization": f"Bearer {SECRET}",
    "cookie": f"session={SECRET}",
    "x-api-key": SECRET,
    "x-amz-security-token": SECRET,
    "user-agent": SECRET,
}
AUTHORS = {"headers": {name: value for name, value in HEADERS.items() if name != "user-agent"}, "token": SECRET}
FACTS = "call_refused", "retry_scheduled", "retry_ended", "circuit_changed"
POLICIES = "orders", "again", "payments", "pool", "tenants"


class Leaky:
    """A service through which secrets go, on every way that they can take."""

    def __init__(self) -> None:
        self.clock = ManualClock(auto=True)
        self.lines = logging.StreamHandler(io.StringIO())
        self.lines.setFormatter(logging.Formatter("%(message)s %(headers)s %(token)s %(trace_id)s"))
        self.logger = logging.getLogger("shop")
        self.logger.addHandler(self.lines)
        self.lines.addFilter(correlate)
        self.lines.addFilter(redact)
        self.governor = Governor(service="shop", clock=self.clock)
        policies = [
            retry(attempts=2, backoff=0, budget=None, clock=self.clock, name="again"),
            bulkhead(1, name="pool", key=lambda call: SECRET, clock=self.clock),
            circuit_breaker("payments", consecutive_failures=4, clock=self.clock, key=lambda call: SECRET),
        ]
        client = httpx2.Client(transport=httpx2.MockTransport(self.serve))
        self.client = self.governor.govern(client, policy=policies)
        limit = rate_limit("3/minute", key="header:authorization", name="tenants", clock=self.clock)
        self.app = self.governor.wsgi(self.shop, policy=limit, metrics="/-")

    def serve(self, request: httpx2.Request) -> httpx2.Response:
        """Fail, and say why."""
        if request.method == "POST":
            raise httpx2.ConnectError(f"cannot connect with {SECRET}", request=request)
        return httpx2.Response(503, text=SECRET, headers={"set-cookie": SECRET})

    def shop(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        """Ask, and raise what comes of it."""
        for method in ("GET", "POST"):
            url = f"http://user:{SECRET}@payments.test/{SECRET}?{SIGNED}"
            self.logger.warning("%s with Bearer %s", f"http://user:{SECRET}@payments.test/?{SIGNED}", SECRET, extra=AUTHORS)
            response = self.client.request(method, url, headers=HEADERS, content=SECRET)
            assert response.status_code == 503
        return iter(())

    def ask(self) -> None:
        """One request, whose error says too much."""
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
        environ |= {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders", "QUERY_STRING": SIGNED, "HTTP_X_REQUEST_ID": "r1"}
        with pytest.raises((httpx2.HTTPError, LookupError)):
            list(self.app(environ, lambda status, headers: None))

    def page(self, name: str, accept: str = "*/*") -> str:
        """What is shown there."""
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/-/{name}", "HTTP_ACCEPT": accept}
        return b"".join(self.app(environ, lambda status, headers: None)).decode()


def test_no_output_tells_a_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], told: Told) -> None:
    """Headers, cookies, tokens, signed queries, keys of policies, messages of errors, bodies: none of it is in any of them."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    monkeypatch.setenv("SVCGOV_LOG_LEVEL", "debug")
    monkeypatch.setenv("SVCGOV_METRICS", "emf")
    monkeypatch.setattr(logging.getLogger("shop"), "handlers", [])
    leaky = Leaky()

    @leaky.governor.handler
    def orders(event: Any, context: Any) -> None:
        raise LookupError(SECRET)

    for _ in range(3):
        leaky.ask()
    list(leaky.app({"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": HEADERS["authorization"]}, lambda status, headers: None))
    leaky.clock.advance(60)
    about = {"http": {"method": "POST", "path": "/orders"}, "requestId": "r2"}
    event = {"version": "2.0", "requestContext": about, "headers": HEADERS, "rawQueryString": SIGNED, "body": SECRET}
    with pytest.raises(LookupError):
        orders(event, None)
    out, err = capsys.readouterr()
    outputs = {
        "log and emf": out,
        "errors": err,
        "the author's lines": leaky.lines.stream.getvalue(),
        "spans": "".join(span.to_json() for span in told.spans),
        "openmetrics": leaky.page("metrics", accept="application/openmetrics-text"),
        **{name: leaky.page(name) for name in ("metrics", "governance", "easeagent")},
    }
    assert [name for name, output in outputs.items() if SECRET in output] == []
    assert {name: [policy for policy in POLICIES if policy in outputs[name]] for name in ("metrics", "governance")} == {
        name: list(POLICIES) for name in ("metrics", "governance")
    }
    assert out.count('"CloudWatchMetrics"') == 2
    assert out.count('"svcgov.call"') == 5
    assert RateLimitedError.__name__ in out
    assert [kind for kind in FACTS if f'"svcgov.{kind}"' in out] == list(FACTS)
    assert outputs["the author's lines"].startswith(
        "http://[redacted]@payments.test/?X-Amz-Signature=[redacted]&token=[redacted]"
    )
    assert {"SERVER", "INTERNAL", "CLIENT"} <= set(told.kinds)
    assert "# EOF" in outputs["openmetrics"]
