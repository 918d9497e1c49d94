"""Which engine a URL means. A new engine is one file in ``backends``, and one line here."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from .._core._names import check_name
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.parse import SplitResult

    from ..typing import Clock
    from .backends._backend import Backend

ENV = "default"


def _memory(url: SplitResult, env: str, path: str, clock: Clock) -> Backend:
    from .backends.memory import MemoryBackend

    if url.path not in ("", "/"):
        raise ConfigError(path, url.geturl(), "memory://name")
    return MemoryBackend(f"{url.netloc}{'' if env == ENV else f'?env={env}'}", clock)


def _sqlite(url: SplitResult, env: str, path: str, clock: Clock) -> Backend:
    from .backends.sqlite import SqliteBackend

    if url.netloc or url.path in ("", "/"):
        raise ConfigError(path, url.geturl(), "sqlite:///path/to/file, three slashes and an absolute path")
    return SqliteBackend(url.path, env, clock)


SCHEMES: dict[str, Callable[[SplitResult, str, str, Clock], Backend]] = {"memory": _memory, "sqlite": _sqlite}


def opened(url: object, path: str, clock: Clock) -> Backend:
    """The engine at *url*, which nobody has asked anything yet.

    Raises:
        ConfigError: for a scheme that is not known, and for what does not go with it.
    """
    known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    if not isinstance(url, str):
        raise ConfigError(path, url, f"a URL that begins with one of {known}")
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ConfigError(path, url, f"a URL that begins with one of {known}") from None
    make = SCHEMES.get(parts.scheme)
    if make is None:
        raise ConfigError(path, url, f"a URL that begins with one of {known}")
    env = options.pop("env", [ENV])[-1]
    check_name(env, f"{path} (env)")
    if options or parts.fragment:
        raise ConfigError(path, url, "no other option than env")
    return make(parts, env, path, clock)
