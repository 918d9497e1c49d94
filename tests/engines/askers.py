"""Six clients that are asked in one way: httpx2, plain and for tasks, requests, urllib3, aiohttp and boto3."""

from __future__ import annotations

import asyncio
import json
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import aiohttp
import boto3
import httpx2
import requests
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from outbound.worlds import World
from svcgov import Pipeline
from svcgov.outbound.govern import govern

if TYPE_CHECKING:
    from svcgov.pipeline import Policy

OWN = httpx2.Timeout(5.0, read=0.15)  # of the client's own, which a body keeps to that the policies do not see


class Asker:
    """One governed client, whose answers are read to the end."""

    def __init__(self, client: Any, *policies: Policy) -> None:
        self.client = govern(client, target="payments", pipeline=Pipeline(*policies))

    def get(self, url: str) -> tuple[int, bytes]:
        """Status and body."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the client, with all of its connections."""
        self.client.close()


class Httpx2(Asker):
    """Of `World`, which knows how to wait."""

    kind = "sync"

    def __init__(self, *policies: Policy) -> None:
        self._world = World(httpx2, self.kind)
        super().__init__(self._world.client(follow_redirects=True, trust_env=False, timeout=OWN), *policies)

    def get(self, url: str) -> tuple[int, bytes]:
        response = self._world.call(self.client.get, url)
        return response.status_code, response.content

    def close(self) -> None:
        self._world.close()


class Httpx2OfTasks(Httpx2):
    """Its tasks run on a loop that lives as long as the client."""

    kind = "async"


class Requests(Asker):
    """A session, which reads the body by itself."""

    def __init__(self, *policies: Policy) -> None:
        session = requests.Session()
        session.trust_env = False
        super().__init__(session, *policies)

    def get(self, url: str) -> tuple[int, bytes]:
        response = self.client.get(url, timeout=5.0)
        return response.status_code, response.content


class Urllib3(Asker):
    """A pool manager, which reads the body by itself."""

    def __init__(self, *policies: Policy) -> None:
        super().__init__(urllib3.PoolManager(timeout=5.0), *policies)

    def get(self, url: str) -> tuple[int, bytes]:
        response = self.client.request("GET", url)
        return response.status, response.data

    def close(self) -> None:
        self.client.clear()


class Aiohttp(Asker):
    """A session, on a loop that lives as long as it does."""

    def __init__(self, *policies: Policy) -> None:
        self._runner = asyncio.Runner()
        super().__init__(self.run(self._session), *policies)

    async def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(connect=5.0, sock_read=OWN.read))

    def run(self, fn: Any, *args: Any) -> Any:
        """What the coroutine function *fn* returns."""
        return self._runner.run(fn(*args), context=copy_context())

    async def _get(self, url: str) -> tuple[int, bytes]:
        async with self.client.get(url) as response:
            return response.status, await response.read()

    def get(self, url: str) -> tuple[int, bytes]:
        answer: tuple[int, bytes] = self.run(self._get, url)
        return answer

    def close(self) -> None:
        self.run(self.client.close)
        self._runner.close()


class Boto3(Asker):
    """A client of a service that answers in JSON; it knows its host from the start, so it is made when that is known."""

    session = boto3.Session(region_name="eu-west-1")

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies
        self.client: Any = None

    def get(self, url: str) -> tuple[int, bytes]:
        if self.client is None:
            config = Config(signature_version=UNSIGNED, connect_timeout=5.0, read_timeout=5.0, proxies={})
            super().__init__(self.session.client("lambda", endpoint_url=url, config=config), *self._policies)
        try:
            answer = self.client.list_functions()
        except ClientError as error:
            answer = error.response
            del answer["Error"]
        return answer.pop("ResponseMetadata")["HTTPStatusCode"], json.dumps(answer).encode()


ASKERS: dict[str, type[Any]] = {
    "httpx2": Httpx2,
    "httpx2-async": Httpx2OfTasks,
    "requests": Requests,
    "urllib3": Urllib3,
    "aiohttp": Aiohttp,
    "boto3": Boto3,
}
