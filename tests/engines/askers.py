"""Four clients that are asked in one way: httpx2, plain and for tasks, requests and urllib3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import requests
import urllib3

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


ASKERS: dict[str, type[Any]] = {"httpx2": Httpx2, "httpx2-async": Httpx2OfTasks, "requests": Requests, "urllib3": Urllib3}
