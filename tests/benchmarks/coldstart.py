"""Section `coldstart`: whole processes, each in turn with a bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from . import frames
from .harness import spread

if TYPE_CHECKING:
    from .table import Figures

FIVE = ["pybreaker", "limits", "opentelemetry", "structlog", "wrapt"]
FORBIDDEN = ["asyncio", "inspect", "dataclasses", "typing_extensions", "importlib.metadata", "logging", *FIVE]
EAGER = "import limits, pybreaker, structlog, wrapt\nfrom opentelemetry import trace\n"
DECORATED = """
import svcgov
@svcgov.handler(service="orders")
@svcgov.retry(on=ConnectionError)
@svcgov.circuit_breaker("payments")
@svcgov.bulkhead(10)
def handler(event, context):
    return {"statusCode": 200}
"""
DOCUMENTS = "import svcgov, svcgov.config.apply, svcgov.config.sources"
EVERYTHING = """
import httpx2, svcgov
payments = svcgov.govern(
    httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200))),
    target="payments",
    policy=[svcgov.timeout(5.0), svcgov.bulkhead(64), svcgov.retry(attempts=3), svcgov.rate_limit("1000/second"),
            svcgov.circuit_breaker("payments"), svcgov.timeout(1.0)],
)
@svcgov.handler(service="orders")
def handler(event, context):
    return {"statusCode": payments.get("http://payments/").status_code}
"""
PROGRAMS = {
    "import": "import svcgov",
    "decorated": DECORATED,
    "documents": DOCUMENTS,
    "five": EAGER,
    "everything": EVERYTHING,
    "httpx2": "import httpx2",
    "eager": EAGER + "import httpx2",
}
# Compiled once, as installed packages are, and not into the tree.
COMPILED = tempfile.TemporaryDirectory(prefix="svcgov-bench-")
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": COMPILED.name}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)


def once(code: str) -> float:
    """Seconds from the start of a process to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def modules(code: str) -> set[str]:
    """Names of the modules that a program has loaded at its end."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, env=ENVIRONMENT, capture_output=True, text=True)
    return set(done.stdout.split())


def coldstart(*, quick: bool) -> Figures:
    """Ratios to the bare process that ran just before, and the modules of each program."""
    for code in PROGRAMS.values():
        once(code)  # compiled by now
    ratios: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    halves: list[float] = []
    beside: list[float] = []
    for _ in range(2 if quick else 20):
        took = {}
        for name, code in PROGRAMS.items():
            bare = once("pass")
            took[name] = once(code)
            ratios[name].append(took[name] / bare)
        halves.append(took["everything"] / took["eager"])
        beside.append(took["documents"] / took["import"])
    figures: dict[str, Any] = {name: spread(values) for name, values in ratios.items()}
    bare_modules = modules("pass")
    loaded = {name: modules(code) - bare_modules for name, code in PROGRAMS.items()}
    for name in ("import", "decorated", "documents", "five", "everything", "eager"):
        figures[f"{name}, modules"] = len(loaded[name])
    return {
        **figures,
        "everything / eager": spread(halves),
        "documents / import": spread(beside),
        "import, forbidden": sum(name in loaded["import"] for name in FORBIDDEN),
        "decorated, redis": sum(name.split(".")[0] == "redis" for name in loaded["decorated"]),
        "decorated, documents": sum(name.startswith("svcgov.config") for name in loaded["decorated"]),
    }


def profile() -> None:
    """The dearest modules of each program of ours."""
    for name in ("import", "decorated", "documents", "everything"):
        frames.show_imports(name, PROGRAMS[name])
