"""pybreaker's names for the settings of a circuit breaker, to read and to set."""

from __future__ import annotations

from ..pipeline import Gated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..typing import Duration
    from ._circuit_settings import BreakerSettings


class TheirNames(Gated):
    """The part of a circuit breaker that has them. To set one is to say that setting anew."""

    settings: BreakerSettings

    @property
    def fail_max(self) -> int:
        """Consecutive failures that open it; 0 when that is off."""
        return self.settings.consecutive_failures or 0

    @fail_max.setter
    def fail_max(self, number: int) -> None:
        self.redefine({**self.declared, "consecutive_failures": number})

    @property
    def reset_timeout(self) -> float:
        """Seconds to stay open, the first time."""
        return self.settings.shortest_open

    @reset_timeout.setter
    def reset_timeout(self, timeout: Duration) -> None:
        self.redefine({**self.declared, "open_for": timeout})

    @property
    def success_threshold(self) -> int:
        """Probes of the half-open state."""
        return self.settings.half_open_calls

    @success_threshold.setter
    def success_threshold(self, threshold: int) -> None:
        self.redefine({**self.declared, "half_open_calls": threshold})
