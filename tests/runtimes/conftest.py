"""What the runtimes need to be there, and small functions that run in them."""

from __future__ import annotations

import importlib.util
import os

import pytest


def needed(*packages: str) -> None:
    """Fail, where everything should be installed, or skip, when one of *packages* is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"missing: {', '.join(missing)} (pip install --group tests)")


@pytest.fixture(scope="session")
def awslambdaric() -> None:
    """The real runtime interface client."""
    needed("awslambdaric")


@pytest.fixture(scope="session")
def shop(awslambdaric: None) -> None:
    """What the shop needs besides."""
    needed("fastapi", "httpx2", "uvicorn")
