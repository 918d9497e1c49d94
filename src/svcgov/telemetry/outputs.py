"""Which outputs are on, and what each call is counted by.

========================  ==================================================================================
``SVCGOV_METRICS``
========================  ==================================================================================
nothing                   what the code mounts: ``svcgov.asgi(app, metrics="/-")``
``prometheus``            ``/-/metrics`` and ``/-/governance`` of every application that mounts them nowhere else
``emf``                   lines for CloudWatch on standard output (`emf`)
``otel``                  instruments of the provider of OpenTelemetry's that the process has (`otel`)
``off``                   none, whatever the code mounts
========================  ==================================================================================

Rule 1: an output that raises changes no call: it is reported once, counted, and left alone for a while.
Rule 2: with no output on there is no recorder.
"""

from __future__ import annotations

from .._core._chores import CHORES
from .._core._environment import word
from .recorder import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .._core._context import Identity, Invocation
    from ..typing import Clock
    from .emf import Emf

    Page = tuple[str, Callable[[], str]]

VARIABLE = "SVCGOV_METRICS"
WORDS = ("emf", "otel", "prometheus", "off")


def chosen() -> str:
    """The output that the environment asks for, or the empty string.

    Raises:
        ConfigError: for a word that is none.
    """
    return word(VARIABLE, WORDS, "")


class Outputs:
    """The outputs of one governor.

    Attributes:
        word: what `chosen` has said.
        recorder: what counts for them.
    """

    def __init__(self, identity: Identity, clock: Clock, word: str) -> None:
        self.word = word
        self.recorder: Recorder = Recorder(identity, clock=clock)
        self._identity = identity
        self._emf: Emf | None = None
        if word == "emf":
            from .emf import INTERVAL, Emf

            self._emf = Emf(self.recorder)
            CHORES.add("emf", self._emf.flush, every=INTERVAL, at_end=True)
        if word == "otel":
            from .otel import Otel

            self.recorder.runtime.watch()
            self.recorder.teller = Otel(self.recorder)

    def called(self, invocation: Invocation, **how: Any) -> None:
        """A call has come in, and has ended; *how* is what `Recorder.called` takes."""
        self.recorder.called(invocation, **how)
        if self._emf is not None:
            self._emf.ended(invocation)

    def pages(self, prefix: str) -> Mapping[str, tuple[Page, ...]]:
        """What is shown at which path: the types that it can have, and for each what makes it; the first is the usual."""
        from . import easeagent, governance, openmetrics, prometheus

        recorder = self.recorder
        recorder.shows = True
        recorder.runtime.watch()
        return {
            f"{prefix}/metrics": (
                (prometheus.CONTENT_TYPE, lambda: prometheus.text(recorder)),
                (openmetrics.CONTENT_TYPE, lambda: openmetrics.text(recorder)),
            ),
            f"{prefix}/governance": (("application/json", lambda: governance.text(recorder, self._identity)),),
            f"{prefix}/easeagent": (("application/json", lambda: easeagent.text(recorder)),),
        }
