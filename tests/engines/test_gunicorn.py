"""Real parts: gunicorn, which loads the application once and forks two workers, each with threads."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from runtimes.environments import Server, serving

from . import _webapps

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE, ROUNDS = 20, 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Flask with `svcgov.wsgi` around it, made before the fork."""
    _webapps.needed("gunicorn", "flask")
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--threads", "4", "--bind", "127.0.0.1:0"]
    command += ["--chdir", str(Path(__file__).parent), "_webapps:flask()"]
    with serving(tmp_path_factory.mktemp("gunicorn"), command) as running:
        yield running


def round_of(client: httpx2.Client, pool: ThreadPoolExecutor) -> list[dict[str, Any]]:
    """What so many requests at once have seen, each its own."""
    anew = {"connection": "close"}  # so that either worker may take each of them

    def ask(number: int) -> httpx2.Response:
        return client.get("/here", headers={**_webapps.headers_of(number), **anew})

    answers = list(pool.map(ask, range(AT_ONCE)))
    for number, answer in enumerate(answers):
        _webapps.check(number, answer.json())
    return [answer.json()["before"] for answer in answers]


def test_each_worker_is_a_process_of_its_own(server: Server) -> None:
    """No request sees what belongs to another, in either worker, and the first call of each is cold."""
    workers: set[int] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool, httpx2.Client(base_url=server.url, timeout=20) as client:
        for _ in range(ROUNDS):
            workers |= {seen["pid"] for seen in round_of(client, pool)}
            if len(workers) == 2:
                break
    assert len(workers) == 2
    assert len(server.lines(2, cold_start=True)) == 2


def test_a_refusal_and_the_health_are_answers(server: Server) -> None:
    """Over the wire."""
    late = server.get("/here", x_request_deadline_ms="0")
    assert (late.status_code, late.json()["reason"]) == (504, "expired")
    assert json.loads(server.get("/-/ready").content) == {"status": "ok"}
