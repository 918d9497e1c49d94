"""An application under uvicorn, which loads it before or after it begins to listen to signals, and dies of them by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from _worlds import SOURCE
from svcgov.registry import connect

from .conftest import needed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.extras
PATIENCE = 20.0  # seconds
APPLICATION = """
import svcgov

async def orders(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})

app = svcgov.asgi(orders, service="orders")
"""
LATE = "import uvicorn; uvicorn.Server(uvicorn.Config('application:app', port=0, lifespan='off')).run()"


@pytest.mark.parametrize(
    "started",
    [["-m", "uvicorn", "application:app", "--port", "0", "--lifespan", "off"], ["-c", LATE]],
    ids=["before it listens", "after it listens"],
)
def test_who_is_asked_to_end_is_found_no_more(tmp_path: Path, started: list[str]) -> None:
    """At once, not when his lease has run out; and he ends as uvicorn lets him."""
    needed("uvicorn")
    (tmp_path / "application.py").write_text(APPLICATION)
    url = f"sqlite://{tmp_path}/registry.db"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
    serving = subprocess.Popen(  # our own interpreter
        [sys.executable, *started],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": SOURCE, "SVCGOV_REGISTRY": url, "SVCGOV_ADDRESS": "http://127.0.0.1:1"},
        stderr=subprocess.DEVNULL,
    )
    registry = connect(url)
    try:
        until = time.monotonic() + PATIENCE
        while not registry.instances("orders") and time.monotonic() < until:
            time.sleep(0.02)
        assert [one.place for one in registry.instances("orders")] == ["http://127.0.0.1:1"]
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(PATIENCE) == -signal.SIGTERM
        assert len(registry.instances("orders")) == 0
    finally:
        serving.kill()
        serving.wait()
        registry.close()
