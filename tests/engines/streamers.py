"""The clients of `askers`, asked for answers that are streamed: opened, read, read in part and closed in one way."""

from __future__ import annotations

from typing import Any

import boto3
import httpx2
from botocore import UNSIGNED
from botocore.config import Config

from svcgov import Pipeline
from svcgov.outbound.govern import govern

from .askers import Aiohttp, Httpx2, Httpx2OfTasks, Requests, Urllib3


class OfHttpx2(Httpx2):
    """A plain client."""

    def open(self, url: str) -> Any:
        """An answer whose body is to come."""
        return self._world.call(self.client.send, self.client.build_request("GET", url), stream=True)

    def read(self, answer: Any) -> Any:
        """Its body."""
        return answer.read()

    def part(self, answer: Any) -> Any:
        """A part of its body."""
        return next(answer.iter_raw())

    def end(self, answer: Any) -> None:
        """Close it."""
        answer.close()


class OfHttpx2OfTasks(OfHttpx2, Httpx2OfTasks):
    """The same of tasks."""

    def read(self, answer: Any) -> Any:
        return self._world.call(answer.aread)

    def part(self, answer: Any) -> Any:
        async def first() -> bytes:
            parts = answer.aiter_raw()
            part: bytes = await anext(parts)
            await parts.aclose()
            return part

        return self._world.call(first)

    def end(self, answer: Any) -> None:
        self._world.call(answer.aclose)


class OfRequests(Requests):
    """A session."""

    def open(self, url: str) -> Any:
        """As `OfHttpx2.open`."""
        return self.client.get(url, stream=True, timeout=httpx2.Timeout(5.0, read=0.15).read)

    def read(self, answer: Any) -> Any:
        """As `OfHttpx2.read`."""
        return answer.content

    def part(self, answer: Any) -> Any:
        """As `OfHttpx2.part`."""
        return next(answer.iter_content(4))

    def end(self, answer: Any) -> None:
        """As `OfHttpx2.end`."""
        answer.close()


class OfUrllib3(Urllib3):
    """A pool manager."""

    def open(self, url: str) -> Any:
        """As `OfHttpx2.open`."""
        return self.client.request("GET", url, preload_content=False, timeout=0.15)

    def read(self, answer: Any) -> Any:
        """As `OfHttpx2.read`."""
        return answer.read()

    def part(self, answer: Any) -> Any:
        """As `OfHttpx2.part`."""
        return answer.read(4)

    def end(self, answer: Any) -> None:
        """As `OfHttpx2.end`."""
        answer.close()


class OfAiohttp(Aiohttp):
    """A session of tasks."""

    def open(self, url: str) -> Any:
        """As `OfHttpx2.open`."""
        return self.run(self.client.get, url)

    def read(self, answer: Any) -> Any:
        """As `OfHttpx2.read`."""
        return self.run(answer.read)

    def part(self, answer: Any) -> Any:
        """As `OfHttpx2.part`."""
        return self.run(answer.content.read, 4)

    def end(self, answer: Any) -> None:
        """As `OfHttpx2.end`."""

        async def close() -> None:
            answer.close()

        self.run(close)


class OfBoto3:
    """A client of a service whose answers are streams; it knows its host from the start, so it is made when that is known."""

    session = boto3.Session(region_name="eu-west-1")

    def __init__(self, *policies: Any) -> None:
        self._policies = policies
        self.client: Any = None

    def _made(self, url: str) -> Any:
        if self.client is None:
            config = Config(
                signature_version=UNSIGNED,
                connect_timeout=5.0,
                read_timeout=0.15,
                proxies={},
                s3={"addressing_style": "path"},
            )
            made = self.session.client("s3", endpoint_url=url, config=config)
            self.client = govern(made, target="payments", pipeline=Pipeline(*self._policies))
        return self.client

    def open(self, url: str) -> Any:
        """As `OfHttpx2.open`."""
        return self._made(url).get_object(Bucket="b", Key="k")["Body"]

    def get(self, url: str) -> Any:
        """An answer that is none of streams."""
        return self._made(url).head_object(Bucket="b", Key="k")

    def read(self, answer: Any) -> Any:
        """As `OfHttpx2.read`."""
        return answer.read()

    def part(self, answer: Any) -> Any:
        """As `OfHttpx2.part`."""
        return answer.read(4)

    def end(self, answer: Any) -> None:
        """As `OfHttpx2.end`."""
        answer.close()

    def close(self) -> None:
        """Close the client."""
        self.client.close()


STREAMERS: dict[str, Any] = {
    "httpx2": OfHttpx2,
    "httpx2-async": OfHttpx2OfTasks,
    "requests": OfRequests,
    "urllib3": OfUrllib3,
    "aiohttp": OfAiohttp,
    "boto3": OfBoto3,
}
