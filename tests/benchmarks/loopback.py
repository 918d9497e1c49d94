"""Section `http`: a GET to a server of its own on loopback, plain and fully governed, in turns."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import subprocess
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import svcgov

from . import frames, governed
from .harness import Spread, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .table import Figures

SERVER = pathlib.Path(__file__).with_name("server.py")
AT_ONCE, PER_TURN = 20, 100


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The address of a server that lives as long as the block."""
    process = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not (port := process.stdout.readline().strip()):
            raise RuntimeError("the server of the benchmark did not start")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(5)
        for pipe in (process.stdout, process.stdin):
            if pipe is not None:
                pipe.close()


def governed_client(client: Any) -> Any:
    """All five policies around every request, and what a governed client does besides."""
    return svcgov.govern(client, target="loopback", policy=governed.five())


def http(*, quick: bool) -> Figures:
    """Rates of the governed client beside those of the plain one."""
    rounds = 3 if quick else 25
    with serving() as url:
        plain, ours = _alternately(_httpx2(), governed_client(_httpx2()), url, rounds)
        shares = asyncio.run(_at_once(_clients_of_httpx2, url, rounds))
        sessions = _alternately(_requests(), governed_client(_requests()), url, rounds)
        managers = _alternately(_urllib3(), governed_client(_urllib3()), url, rounds, ask=_asked)
        shares_of_aiohttp = asyncio.run(_at_once(_sessions_of_aiohttp, url, rounds))
    added = [(b - a) * 1e6 for a, b in zip(plain, ours, strict=True)]
    return {
        "sync": _share(plain, ours),
        "async": _share(*shares),
        "requests": _share(*sessions),
        "urllib3": _share(*managers),
        "aiohttp": _share(*shares_of_aiohttp),
        "plain": spread(time * 1e6 for time in plain),
        "added": spread(added),
    }


def _share(plain: list[float], ours: list[float]) -> Spread:
    return spread(100 * a / b for a, b in zip(plain, ours, strict=True))


def _httpx2() -> Any:
    return import_module("httpx2").Client(trust_env=False)


def _requests() -> Any:
    session = import_module("requests").Session()
    session.trust_env = False
    return session


def _urllib3() -> Any:
    return import_module("urllib3").PoolManager()


def _got(client: Any, url: str) -> Any:
    return client.get(url)


def _asked(client: Any, url: str) -> Any:
    return client.request("GET", url)


def _alternately(
    plain: Any, ours: Any, url: str, rounds: int, ask: Callable[[Any, str], Any] = _got
) -> tuple[list[float], list[float]]:
    """Seconds per request, one figure per round, of both clients."""
    with plain, ours:
        times: dict[Any, list[float]] = {plain: [], ours: []}
        for turn in range(2 * rounds + 2):
            client = (plain, ours, ours, plain)[turn % 4]  # neither is always the first
            start = time.perf_counter()
            for _ in range(PER_TURN):
                ask(client, url)
            times[client].append((time.perf_counter() - start) / PER_TURN)
        return times[plain][1:], times[ours][1:]


def _clients_of_httpx2() -> tuple[Any, Callable[[Any, str], Any]]:
    httpx2 = import_module("httpx2")
    return httpx2.AsyncClient(trust_env=False, limits=httpx2.Limits(max_connections=AT_ONCE)), _got


def _sessions_of_aiohttp() -> tuple[Any, Callable[[Any, str], Any]]:
    aiohttp = import_module("aiohttp")

    async def read(session: Any, url: str) -> bytes:
        async with session.get(url) as response:
            whole: bytes = await response.read()
            return whole

    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)), read


async def _at_once(
    make: Callable[[], tuple[Any, Callable[[Any, str], Any]]], url: str, rounds: int
) -> tuple[list[float], list[float]]:
    """The same with so many tasks at a time."""

    async def work(client: Any) -> None:
        for _ in range(PER_TURN // 10):
            await ask(client, url)

    (plain, ask), (other, _) = make(), make()
    async with plain, governed_client(other) as ours:
        times: dict[Any, list[float]] = {plain: [], ours: []}
        for turn in range(2 * rounds + 2):
            client = (plain, ours, ours, plain)[turn % 4]
            start = time.perf_counter()
            await asyncio.gather(*(work(client) for _ in range(AT_ONCE)))
            times[client].append((time.perf_counter() - start) / AT_ONCE)
        return times[plain][1:], times[ours][1:]


def profile() -> None:
    """The frames of a governed request, and of a plain one."""
    httpx2 = import_module("httpx2")
    with serving() as url, httpx2.Client(trust_env=False) as plain:
        frames.show("plain GET", lambda: plain.get(url), calls=500)
        with governed_client(httpx2.Client(trust_env=False)) as ours:
            frames.show("governed GET", lambda: ours.get(url), calls=500, only="svcgov")
