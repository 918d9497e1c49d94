"""Certificates of servers and of clients, plain and governed: the same are let in, and the others fail in the same way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import boto3
import httpx
import httpx2
import pytest
import requests
import urllib3
from botocore.config import Config

from outbound.worlds import again
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov.outbound.govern import govern

from .http_service import Answer, Service
from .secure import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[Authority, str, bool, bool, Callable[[Any], Any]], Any]

pytestmark = pytest.mark.extras

# -- the clients: each trusts the authority or not, and shows a certificate or not -------------------------------------


def sync_httpx(package: Any) -> Ask:
    """A client of httpx2 or httpx."""

    def ask(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
        context = authority.client(trusting=trusting, certified=certified)
        with package.Client(verify=context, trust_env=False) as client:
            return dress(client).post(url, content=b"x").status_code

    return ask


def async_httpx(package: Any) -> Ask:
    """An asynchronous one."""

    def ask(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
        async def asked() -> Any:
            context = authority.client(trusting=trusting, certified=certified)
            async with package.AsyncClient(verify=context, trust_env=False) as client:
                return (await dress(client).post(url, content=b"x")).status_code

        return asyncio.run(asked())

    return ask


def of_requests(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
    """A session of requests, with what it is told once."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(authority.file) if trusting else True
        session.cert = str(authority.client_file) if certified else None
        return dress(session).post(url, data=b"x").status_code


def of_requests_by_request(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
    """A session of requests, with what it is told for each request."""
    options: dict[str, Any] = {"verify": str(authority.file)} if trusting else {}
    if certified:
        options["cert"] = (str(authority.client_file), str(authority.client_file))
    with requests.Session() as session:
        session.trust_env = False
        return dress(session).post(url, data=b"x", **options).status_code


def of_urllib3(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
    """A manager of urllib3."""
    options: dict[str, Any] = {"ca_certs": str(authority.file)} if trusting else {}
    if certified:
        options["cert_file"] = str(authority.client_file)
    with urllib3.PoolManager(retries=False, **options) as manager:
        return dress(manager).request("POST", url, body=b"x").status


async def until_closed() -> None:
    """A connection by TLS is closed some turns of its loop after its session."""
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # of the loop, which tells nobody
    while len(selector.get_map()) > 1:  # the loop's own
        await asyncio.sleep(0)


def of_aiohttp(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
    """A session of aiohttp, with what its connector is told."""

    async def asked() -> Any:
        connector = aiohttp.TCPConnector(ssl=authority.client(trusting=trusting, certified=certified))
        try:
            async with aiohttp.ClientSession(connector=connector) as session, dress(session).post(url, data=b"x") as response:
                return response.status
        finally:
            await until_closed()

    return asyncio.run(asked())


def of_aiohttp_by_request(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
    """A session of aiohttp, with what it is told for each request."""

    async def asked() -> Any:
        context = authority.client(trusting=trusting, certified=certified)
        try:
            async with aiohttp.ClientSession() as session, dress(session).post(url, data=b"x", ssl=context) as response:
                return response.status
        finally:
            await until_closed()

    return asyncio.run(asked())


def of_botocore(authority: Authority, url: str, trusting: bool, certified: bool, dress: Callable[[Any], Any]) -> Any:
    """A client of AWS."""
    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s", region_name="eu-west-1")  # noqa: S106  # nobody's
    told: dict[str, Any] = {"client_cert": str(authority.client_file)} if certified else {}
    config = Config(proxies={}, retries={"total_max_attempts": 1}, **told)
    client = session.client("sqs", endpoint_url=url, config=config, verify=str(authority.file) if trusting else True)
    try:
        return dress(client).list_queues()["ResponseMetadata"]["HTTPStatusCode"]
    finally:
        client.close()


CLIENTS: dict[str, Ask] = {
    "httpx2": sync_httpx(httpx2),
    "httpx2, async": async_httpx(httpx2),
    "httpx": sync_httpx(httpx),
    "httpx, async": async_httpx(httpx),
    "requests": of_requests,
    "requests, by request": of_requests_by_request,
    "urllib3": of_urllib3,
    "aiohttp": of_aiohttp,
    "aiohttp, by request": of_aiohttp_by_request,
    "botocore": of_botocore,
}
# -- what is tried: the server's name, whether it wants a certificate, whom the client trusts, whether it shows one ----

CASES: dict[str, tuple[str, bool, bool, bool]] = {
    "known": ("127.0.0.1", False, True, False),
    "unknown": ("127.0.0.1", False, False, False),
    "of another name": ("other.test", False, True, False),
    "both certified": ("127.0.0.1", True, True, True),
    "client not certified": ("127.0.0.1", True, True, False),
    "client certified, server unknown": ("127.0.0.1", True, False, True),
}
LET_IN = {"known", "both certified"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """It signs for all of them."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[dict[tuple[str, bool], Service]]:
    """One for each name and each demand."""
    kinds = {(name, required) for name, required, _, _ in CASES.values()}
    made = {kind: Service(authority.server(kind[0], required=kind[1])) for kind in kinds}
    try:
        yield made
    finally:
        for one in made.values():
            one.close()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("client", CLIENTS)
def test_certificates_are_the_same_plain_and_governed(
    authority: Authority, servers: dict[tuple[str, bool], Service], client: str, case: str
) -> None:
    """Who is let in, with which answer, and by which error the others fail; no permit is left out."""
    name, required, trusting, certified = CASES[case]
    server, gate = servers[name, required], bulkhead(5)
    server.script("/", Answer(body=b"{}"))
    pipeline = Pipeline(timeout(20.0), gate, again(), circuit_breaker(), timeout(10.0))
    results: list[Any] = []
    for dress in (lambda plain: plain, lambda plain: govern(plain, target="payments", pipeline=pipeline)):
        server.seen.clear()
        try:
            answer = CLIENTS[client](authority, f"{server.url}/", trusting, certified, dress)
        except Exception as error:
            answer = type(error)
        results.append((answer, server.asked("/")))
    assert results[0] == results[1]
    assert results[0] == (200, 1) if case in LET_IN else results[0][1] == 0
    assert gate.snapshot()["in_use"] == 0
