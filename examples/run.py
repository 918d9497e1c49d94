"""Each example, with the real part of its platform: ``python examples/run.py``, or the names of some of them.

===================  ======================================================================================
example              the real part
===================  ======================================================================================
api_gateway          awslambdaric, started as ``template.yaml`` says
sqs_batch            the same
fastapi              uvicorn, started as ``service.yaml`` says
flask                gunicorn
functions_framework  functions-framework, in an environment of its own
knative_func         func-python, in an environment of its own: the two want different releases of cloudevents
===================  ======================================================================================

What each is asked, and what it has to answer, stands in the functions below.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "shop"))  # what the shop starts its processes with

from events import api_gateway_v2  # noqa: E402  # found there
from processes import environment, on_lambda, running, tail  # noqa: E402
from runtime_api import RuntimeApi  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 30.0  # seconds until a server has to listen
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CARRIED = {
    "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    "baggage": "tenant=acme",
    "x-svcgov-colour": "blue",
    "x-request-deadline-ms": "2000",
}
_APART: dict[str, Future[str]] = {}  # the interpreters of those that have an environment of their own
_LISTENS = re.compile(r"(?:Listening at:|unning on) http://127\.0\.0\.1:(\d+)")


# -- the examples -----------------------------------------------------------------------------------------------------


def api_gateway(folder: pathlib.Path) -> None:
    """A charge that fails is made again; payments that is down is left alone, and the caller told when to come back."""
    with payments() as till, on_aws("api_gateway", folder, PAYMENTS_URL=till.url) as function:
        event = api_gateway_v2({"id": "order-7"})
        event["headers"] |= CARRIED
        seen = till.seen
        till.statuses.extend([503, 200])
        answer = function.invoke(event).value
        assert answer == {"statusCode": 201, "body": '{"order": "order-7", "receipt": "r-2"}'}, answer
        assert [one["traceparent"].split("-")[1] for one in seen] == [TRACE, TRACE], seen
        assert {one["x-svcgov-colour"] for one in seen} == {"blue"}, seen
        assert all(0 < int(one["x-request-deadline-ms"]) < 2000 for one in seen), seen
        till.statuses.extend([503] * 3)
        assert function.invoke(event).failed
        refused = function.invoke(event).value
        assert (refused["statusCode"], len(seen)) == (503, 5), (refused, len(seen))
        assert int(refused["headers"]["retry-after"]) > 0, refused


def sqs_batch(folder: pathlib.Path) -> None:
    """What was not shipped is reported, and nothing else."""
    with on_aws("sqs_batch", folder) as function:
        orders: list[dict[str, Any]] = [{"id": 1}, {"id": 2, "to": "nowhere"}, {"id": 3}]
        answer = function.invoke({"Records": [_message(order) for order in orders]}).value
        assert answer == {"batchItemFailures": [{"itemIdentifier": "message-2"}]}, answer


def fastapi(folder: pathlib.Path) -> None:
    """What takes too long is not waited for, and a service whose breaker is open is not ready."""
    with serving("fastapi", folder, _of_service("fastapi")) as url:
        assert asked(f"{url}/items/umbrella") == (200, {"item": "umbrella", "stock": 7, "colour": "blue"})
        assert asked(f"{url}/-/ready") == (200, {"status": "ok"})
        lost = [asked(f"{url}/items/lost") for _ in range(3)]
        assert lost == [(200, {"item": "lost", "stock": None})] * 3, lost
        assert asked(f"{url}/items/umbrella")[0] == 503
        assert asked(f"{url}/-/ready")[0] == 503
        assert asked(f"{url}/-/alive")[0] == 200


def flask(folder: pathlib.Path) -> None:
    """The third call within a minute has to wait; whether the service is ready can be asked all the time."""
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--threads", "8", "main:app"]
    with serving("flask", folder, command) as url:
        answers = [asked(f"{url}/items/umbrella") for _ in range(3)]
        assert [status for status, _ in answers] == [200, 200, 429], answers
        assert answers[0][1]["tenant"] == "acme"
        assert 0 < answers[0][1]["left"] <= 2, answers
        assert answers[2][1]["reason"] == "limited", answers
        assert asked(f"{url}/-/ready")[0] == 200


def functions_framework(folder: pathlib.Path) -> None:
    """A function that is asked, and one that is told an event: what fails is done again."""
    start = [
        _APART["functions_framework"].result(),
        "-m",
        "functions_framework",
        "--source",
        "main.py",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--target",
    ]
    with serving("functions_framework", folder, [*start, "orders"]) as url:
        status, said = asked(url)
        assert (status, said["method"], said["colour"]) == (200, "GET", "blue"), said
        assert 0 < said["left"] <= 2, said
        assert asked(url, {"x-request-deadline-ms": "0"})[0] == 504
    event = {"ce-id": "e-1", "ce-source": "/shop", "ce-type": "order.placed", "ce-specversion": "1.0"}
    with serving("functions_framework", folder, [*start, "placed", "--signature-type", "cloudevent"]) as url:
        assert asked(url, event, b"{}")[0] == 200


def knative_func(folder: pathlib.Path) -> None:
    """A function that is not ready while the breaker of its warehouse is open."""
    python = _APART["knative_func"].result()
    main = "from func_python.http import serve; from function import new; serve(new)"  # as ``func`` builds it
    with serving("knative_func", folder, [python, "-c", main], LISTEN_ADDRESS="127.0.0.1:0") as url:
        assert asked(f"{url}/umbrella") == (200, {"reserved": "umbrella", "colour": "blue"})
        assert asked(f"{url}/health/readiness")[0] == 200
        assert asked(f"{url}/nothing")[0] == 500
        assert asked(f"{url}/umbrella")[0] == 503
        assert asked(f"{url}/health/readiness")[0] == 500  # as the runtime says it
        assert asked(f"{url}/health/liveness")[0] == 200


EXAMPLES: dict[str, Callable[[pathlib.Path], None]] = {
    one.__name__: one for one in (api_gateway, sqs_batch, fastapi, flask, functions_framework, knative_func)
}


# -- their platforms --------------------------------------------------------------------------------------------------


class Quiet(RuntimeApi):
    """The other half of a Lambda function, which does not mind that the function is stopped while it waits."""

    def __init__(self, *, name: str, timeout: float) -> None:
        super().__init__(name=name, timeout=timeout)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a connection that breaks off


@contextmanager
def on_aws(example: str, folder: pathlib.Path, **variables: str) -> Iterator[RuntimeApi]:
    """The function in the real runtime interface client; handler and time-out are those of its ``template.yaml``."""
    template = (HERE / example / "template.yaml").read_text(encoding="utf-8")
    handler, timeout = (re.findall(rf"^ +{name}: (\S+)$", template, re.MULTILINE)[0] for name in ("Handler", "Timeout"))
    log = folder / f"{example}.log"
    with Quiet(name=example, timeout=float(timeout)) as api:
        env = environment() | on_lambda(handler, api=api.address, task_root=HERE / example) | {"SVCGOV_COLOURS": "blue,green"}
        command = [sys.executable, "-m", "awslambdaric", handler]
        with running(command, log=log, cwd=HERE / example, env=env | variables) as process, _told(log):
            api.alive = lambda: process.poll() is None
            api.ready()
            yield api


@contextmanager
def serving(example: str, folder: pathlib.Path, command: list[str], **variables: str) -> Iterator[str]:
    """Where the server that *command* starts listens, in the folder of the example."""
    log = folder / f"{example}.{time.monotonic_ns()}.log"
    env = environment() | {"SVCGOV_COLOURS": "blue,green", "GUNICORN_LOG_LEVEL": "info"} | variables
    with running(command, log=log, cwd=HERE / example, env=env) as process, _told(log):
        until = time.monotonic() + PATIENCE
        while (listens := _LISTENS.search(log.read_text(encoding="utf-8"))) is None:
            if process.poll() is not None or time.monotonic() > until:
                raise TimeoutError(f"{example} does not listen")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listens[1]}"


@contextmanager
def _told(log: pathlib.Path) -> Iterator[None]:
    """What the process said, if it went wrong."""
    try:
        yield
    except Exception:
        print(tail(log, lines=30))
        raise


class Payments(NamedTuple):
    """A service that answers as it is told."""

    url: str
    seen: list[dict[str, str]]
    statuses: list[int]


@contextmanager
def payments() -> Iterator[Payments]:
    """Somebody who takes charges: answers the statuses that stand in its list, and writes down what it was sent."""
    seen: list[dict[str, str]] = []
    statuses: list[int] = []

    class Till(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append({name.lower(): value for name, value in self.headers.items()})
            body = json.dumps({"receipt": f"r-{len(seen)}"}).encode()
            self.send_response(statuses.pop(0))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Till) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield Payments(f"http://127.0.0.1:{server.server_address[1]}", seen, statuses)
        server.shutdown()


def asked(url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, Any]:
    """Status and body of the answer to one request, which carries all that there is to carry."""
    request = urllib.request.Request(url, data=body, headers=CARRIED | (headers or {}))  # noqa: S310  # on this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, _read(answer)
    except urllib.error.HTTPError as error:
        return error.code, _read(error)


def _read(answer: Any) -> Any:
    try:
        return json.loads(answer.read())
    except (ValueError, http.client.IncompleteRead):  # text, or an error that the platform breaks off
        return None


def _message(order: dict[str, Any]) -> dict[str, Any]:
    """An order as the queue hands it over."""
    return {
        "messageId": f"message-{order['id']}",
        "body": json.dumps(order),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {"baggage": {"dataType": "String", "stringValue": CARRIED["baggage"]}},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders",
    }


def _of_service(example: str) -> list[str]:
    """The command of a container, as its ``service.yaml`` has it; on a free port of this machine."""
    text = (HERE / example / "service.yaml").read_text(encoding="utf-8")
    words = [word.strip(' "') for word in re.findall(r"command: \[(.*)\]", text)[0].split(",")]
    changed = {"0.0.0.0": "127.0.0.1", "8080": "0"}  # noqa: S104  # not here
    return [sys.executable, "-m", *(changed.get(word, word) for word in words)]


def _interpreter(example: str, folder: pathlib.Path) -> str:
    """The interpreter of a new environment with what the example needs, and this very svcgov."""
    made = folder / example
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    python = str(made / "bin" / "python")
    wanted = ["-r", str(HERE / example / "requirements.txt"), "-e", str(HERE.parent)]
    subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wanted], check=True)
    return python


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor() as pool:
        folder = pathlib.Path(made)
        for name in names:
            if name in ("functions_framework", "knative_func"):  # while the others run
                _APART[name] = pool.submit(_interpreter, name, folder)
        for name in names:
            began = time.monotonic()
            EXAMPLES[name](folder)
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(EXAMPLES))
