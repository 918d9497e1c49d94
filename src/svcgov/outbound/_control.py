"""Traffic that is never governed: what the platform and its extensions are asked on this very machine.

=======================================  ===================================================
the authority in AWS_LAMBDA_RUNTIME_API  the platform's runtime API
``169.254.0.0/16``                       metadata and credentials of instances and containers
``localhost:2772``                       the extension that serves configuration
=======================================  ===================================================

A breaker that opened there, or a bulkhead that was full, would take the function down with it.
"""

from __future__ import annotations

from .._core._environment import text


def control_authorities() -> frozenset[tuple[str, int]]:
    """Host and port of the control traffic that has a name; read when a client is governed."""
    known = {("localhost", 2772), ("127.0.0.1", 2772)}
    host, _, port = text("AWS_LAMBDA_RUNTIME_API").partition(":")
    if host:
        known.add((host.lower(), int(port) if port.isdecimal() else 80))
    return frozenset(known)


LINK_LOCAL = "169.254."  # how their addresses begin


def link_local(host: str) -> bool:
    """Whether *host* is an address in ``169.254.0.0/16``."""
    return host.startswith(LINK_LOCAL) and host.replace(".", "").isdecimal()
