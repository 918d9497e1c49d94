"""What httpx2, httpx, requests and urllib3 can do, plain and governed: equal answers, and the server was asked the same.

The features of aiohttp are in `test_aiohttp`.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests
import urllib3

from outbound.worlds import again
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov.outbound.govern import govern

from .http_service import Answer, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[Any, str], Any]

pytestmark = pytest.mark.extras

OURS = {"traceparent", "x-request-deadline-ms", "host"}  # and what differs by nature


def form() -> dict[str, Any]:
    """A file to send."""
    return {"f": ("a.txt", io.BytesIO(b"contents"), "text/plain")}


def parts() -> Iterator[bytes]:
    """A body that is sent in parts."""
    yield b"one"
    yield b"two"


def hooked(client: Any, url: str) -> Any:
    """With a hook that changes the answer."""
    seen: list[int] = []

    def hook(response: Any, *args: Any, **options: Any) -> None:
        seen.append(response.status_code)
        response.headers["x-hooked"] = "yes"

    if isinstance(client, requests.Session):
        return client.get(f"{url}/ok", hooks={"response": hook}).headers["x-hooked"], seen
    client.event_hooks = {"response": [hook], "request": []}
    return client.get(f"{url}/ok").headers["x-hooked"], seen


def raised(error: type[BaseException], fn: Callable[[], Any]) -> str:
    """The name of the error that *fn* raises."""
    with pytest.raises(error) as caught:
        fn()
    return type(caught.value).__mro__[0].__name__


def streamed(client: Any, url: str) -> Any:
    """A body part by part."""
    if isinstance(client, requests.Session):
        with client.get(f"{url}/big", stream=True) as response:
            return b"".join(response.iter_content(1000))
    with client.stream("GET", f"{url}/big") as response:
        return b"".join(response.iter_bytes())


def lines(client: Any, url: str) -> Any:
    """A body line by line."""
    if isinstance(client, requests.Session):
        with client.get(f"{url}/lines", stream=True) as response:
            return [line.decode() for line in response.iter_lines()]
    with client.stream("GET", f"{url}/lines") as response:
        return list(response.iter_lines())


def cookies(client: Any, url: str) -> Any:
    """One that is set, and sent from then on."""
    client.get(f"{url}/cookie")
    client.get(f"{url}/ok")
    return dict(client.cookies)


def digest(client: Any, url: str) -> Any:
    """A proof in two steps."""
    if isinstance(client, requests.Session):
        return client.get(f"{url}/digest", auth=requests.auth.HTTPDigestAuth("user", "secret")).status_code
    package = httpx2 if isinstance(client, httpx2.Client) else httpx
    return client.get(f"{url}/digest", auth=package.DigestAuth("user", "secret")).status_code


def moved(client: Any, url: str) -> Any:
    """Redirects that are followed."""
    options: dict[str, Any] = {} if isinstance(client, requests.Session) else {"follow_redirects": True}
    response = client.get(f"{url}/moved", **options)
    return response.status_code, str(response.url)[-3:], [one.status_code for one in response.history]


def not_moved(client: Any, url: str) -> Any:
    """Redirects that are not."""
    options: dict[str, Any] = {"allow_redirects": False} if isinstance(client, requests.Session) else {}
    response = client.get(f"{url}/moved", **options)
    return response.status_code, response.headers["location"], response.history


def prepared(client: Any, url: str) -> Any:
    """A request that is built, and sent later."""
    if isinstance(client, requests.Session):
        return client.send(client.prepare_request(requests.Request("PUT", f"{url}/ok", data="x"))).text
    return client.send(client.build_request("PUT", f"{url}/ok", content="x")).text


def raise_for_status(client: Any, url: str) -> Any:
    """The error of an answer, and which answer it is of."""
    response = client.get(f"{url}/404")
    with pytest.raises(Exception, match="404") as caught:
        response.raise_for_status()
    return type(caught.value).__name__, caught.value.response is response  # type: ignore[attr-defined]  # of the client's own


def upload(client: Any, url: str) -> Any:
    """In parts."""
    body = {"data": parts()} if isinstance(client, requests.Session) else {"content": parts()}
    return client.put(f"{url}/ok", **body).status_code


def no_url(client: Any, url: str) -> Any:
    """What is no address."""
    return raised(Exception, lambda: client.get("no://such thing"))


BOTH: dict[str, Ask] = {
    "params": lambda client, url: client.get(f"{url}/ok", params={"a": "1", "b": ["2", "3"]}).status_code,
    "json, sent": lambda client, url: client.put(f"{url}/ok", json={"a": 1}).status_code,
    "json, answered": lambda client, url: client.get(f"{url}/json").json(),
    "form": lambda client, url: client.put(f"{url}/ok", data={"a": "1"}).status_code,
    "headers of a request": lambda client, url: client.get(f"{url}/ok", headers={"X-Mine": "a"}).text,
    "headers of the client": lambda client, url: (client.headers.update({"X-All": "yes"}), client.get(f"{url}/ok").text)[1],
    "headers of an answer": lambda client, url: client.get(f"{url}/json").headers["content-type"],
    "basic authentication": lambda client, url: client.get(f"{url}/ok", auth=("user", "secret")).status_code,
    "digest authentication": digest,
    "cookies": cookies,
    "redirects": moved,
    "redirects not followed": not_moved,
    "hooks": hooked,
    "streamed answer": streamed,
    "lines of an answer": lines,
    "streamed request": upload,
    "a request that is built first": prepared,
    "gzip": lambda client, url: client.get(f"{url}/gzip").text,
    "encoding of a text": lambda client, url: client.get(f"{url}/latin").text,
    "empty answer": lambda client, url: (client.get(f"{url}/204").status_code, client.get(f"{url}/204").content),
    "files": lambda client, url: client.put(f"{url}/ok", data={"a": "1"}, files=form()).status_code,
    "other methods": lambda client, url: client.request("DELETE", f"{url}/ok").status_code,
    "raise_for_status": raise_for_status,
    "elapsed": lambda client, url: client.get(f"{url}/ok").elapsed.total_seconds() > 0,
    "a time-out as a number": lambda client, url: client.get(f"{url}/ok", timeout=5.0).status_code,
    "what is no address": no_url,
    "the request of an answer": lambda client, url: (
        client.get(f"{url}/ok").request.method,
        str(client.get(f"{url}/ok").url)[-3:],
    ),
    "an answer is a context": lambda client, url: (
        client.get(f"{url}/404").is_success if not isinstance(client, requests.Session) else client.get(f"{url}/404").ok
    ),
}
OF_URLLIB3: dict[str, Ask] = {
    "fields": lambda client, url: client.request("GET", f"{url}/ok", fields={"a": "1"}).status,
    "json, sent": lambda client, url: client.request("PUT", f"{url}/ok", json={"a": 1}).status,
    "json, answered": lambda client, url: client.request("GET", f"{url}/json").json(),
    "a body of bytes": lambda client, url: client.request("PUT", f"{url}/ok", body=b"x").status,
    "a body of text": lambda client, url: client.request("PUT", f"{url}/ok", body="é").status,
    "a file": lambda client, url: client.request("PUT", f"{url}/ok", body=io.BytesIO(b"x")).status,
    "streamed request": lambda client, url: client.request("PUT", f"{url}/ok", body=parts()).status,
    "headers of a request": lambda client, url: client.request("GET", f"{url}/ok", headers={"X-Mine": "a"}).status,
    "headers of the manager": lambda client, url: (
        client.headers.update({"X-All": "a"}),
        client.request("GET", f"{url}/ok").status,
    ),
    "redirects": lambda client, url: client.request("GET", f"{url}/moved").geturl()[-3:],
    "redirects not followed": lambda client, url: client.request("GET", f"{url}/moved", redirect=False).status,
    "streamed answer": lambda client, url: b"".join(client.request("GET", f"{url}/big", preload_content=False).stream(1000)),
    "an answer is a file": lambda client, url: client.request("GET", f"{url}/lines", preload_content=False).readlines(),
    "gzip": lambda client, url: client.request("GET", f"{url}/gzip").data,
    "gzip, as it came": lambda client, url: client.request("GET", f"{url}/gzip", decode_content=False).data,
    "empty answer": lambda client, url: client.request("GET", f"{url}/204").data,
    "a time-out as a number": lambda client, url: client.request("GET", f"{url}/ok", timeout=5.0).status,
    "a time-out as an object": lambda client, url: client.request("GET", f"{url}/ok", timeout=urllib3.Timeout(2, 3)).status,
    "retries as an object": lambda client, url: client.request("GET", f"{url}/moved", retries=urllib3.Retry(redirect=5)).status,
    "too many redirects": lambda client, url: raised(
        urllib3.exceptions.HTTPError, lambda: client.request("GET", f"{url}/circle", retries=urllib3.Retry(redirect=2))
    ),
    "what is no address": lambda client, url: raised(Exception, lambda: client.request("GET", "no://such thing")),
}
CLIENTS: dict[str, tuple[Callable[[], Any], dict[str, Ask]]] = {
    "httpx2": (lambda: httpx2.Client(trust_env=False), BOTH),
    "httpx": (lambda: httpx.Client(trust_env=False), BOTH),
    "requests": (requests.Session, BOTH),
    "urllib3": (urllib3.PoolManager, OF_URLLIB3),
}
CASES = [(client, feature) for client, (_, features) in CLIENTS.items() for feature in features]


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """A server with something for every feature."""
    import gzip

    made = Service()
    made.script("/ok", 200)
    made.script("/ok?a=1", 200)
    made.script("/ok?a=1&b=2&b=3", 200)
    made.script("/404", 404)
    made.script("/204", Answer(204, body=b""))
    made.script("/json", Answer(headers={"Content-Type": "application/json"}, body=json.dumps({"a": [1, "é"]}).encode()))
    made.script("/latin", Answer(headers={"Content-Type": "text/plain; charset=latin-1"}, body="é".encode("latin-1")))
    made.script("/big", Answer(body=b"x" * 100_000))
    made.script("/lines", Answer(body=b"one\ntwo\nthree"))
    made.script("/gzip", Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"packed", mtime=0)))
    made.script("/cookie", Answer(headers={"Set-Cookie": "a=b"}))
    made.script("/moved", Answer(302, {"Location": "/ok"}))
    made.script("/circle", Answer(302, {"Location": "/circle"}))
    try:
        yield made
    finally:
        made.close()


def asked(service: Service) -> list[Any]:
    """What the server was asked, but for what is ours."""
    found = []
    for path, all_of_it in sorted(service.seen.items()):
        for one in all_of_it:
            headers, body = {name: value for name, value in one.headers.items() if name not in OURS}, one.body
            if "boundary" in headers.get("content-type", ""):
                boundary = headers["content-type"].partition("boundary=")[2].strip('"')
                headers["content-type"], body = "multipart", body.replace(boundary.encode(), b"-")
            found.append((path, one.method, headers, body))
    return found


@pytest.mark.parametrize(("name", "feature"), CASES, ids=[f"{client}-{feature}" for client, feature in CASES])
def test_a_feature_of_the_client_is_the_same_plain_and_governed(running: Service, name: str, feature: str) -> None:
    """What comes back, and what the server was asked; no permit is left out."""
    make, features = CLIENTS[name]
    gate = bulkhead(5)
    results = []
    for governed in (False, True):
        running.seen.clear()
        script = [Answer(401, {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}), Answer()]
        running.scripts["/digest"] = script
        with make() as client:
            if governed:
                govern(client, target="payments", pipeline=Pipeline(timeout(5.0), gate, again(), circuit_breaker(), timeout(4.0)))
            answer = features[feature](client, running.url)
        results.append((answer, asked(running) if feature != "digest authentication" else len(asked(running))))
    assert results[0] == results[1]
    assert gate.snapshot()["in_use"] == 0
