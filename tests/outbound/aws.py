"""Clients of AWS, as boto3 makes them, and a server of our own that answers in the place of AWS.

No made-up wire: what stands below our edge is all of botocore.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from engines.http_service import Answer
from svcgov import Pipeline
from svcgov.outbound.govern import govern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.http_service import Service
    from svcgov.pipeline import Policy

SESSION = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s", region_name="eu-west-1")  # noqa: S106  # nobody's


def good(**body: Any) -> Answer:
    """An answer of a service that speaks JSON."""
    return Answer(body=json.dumps(body).encode())


def bad(code: str, status: int = 400, **headers: str) -> Answer:
    """An error of such a service."""
    return Answer(status, dict(headers), json.dumps({"__type": f"com.amazonaws#{code}", "message": "no"}).encode())


class Clients:
    """Makes them, and closes them when the test ends."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._opened: list[Any] = []

    def plain(self, name: str = "sqs", url: str = "", **config: Any) -> Any:
        """A client, not governed."""
        options = Config(**{"connect_timeout": 5.0, "read_timeout": 5.0, "proxies": {}, **config})
        client = SESSION.client(name, endpoint_url=url or self.service.url, config=options)
        self._opened.append(client)
        return client

    def governed(self, *policies: Policy, target: str | None = "orders", **options: Any) -> Any:
        """A governed client."""
        return govern(self.plain(**options), target=target, pipeline=Pipeline(*policies))

    def close(self) -> None:
        """Close what the test has opened."""
        for client in self._opened:
            client.close()


def opened(service: Service) -> Iterator[Clients]:
    """For fixtures: clients that are closed afterwards."""
    clients = Clients(service)
    try:
        yield clients
    finally:
        clients.close()
