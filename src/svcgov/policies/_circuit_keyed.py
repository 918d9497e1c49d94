"""A circuit for each key of a circuit breaker: for each host behind one client, each tenant, each shard.

Rule 1: who is told of a circuit hears of its key.
Rule 2: the breaker itself reads as the circuit of the calls without a key. Its hand moves all, those too that come later.
Rule 3: only a circuit that is in the state in which a new one would begin can be spared: freely when nothing is counted in
        it, else at need. Open, half-open and ramping ones stay, and those that a hand holds.
"""

from __future__ import annotations

from ._circuit_hand import ByHand
from ._circuit_states import CLOSED, DISABLED, FORCED_OPEN, HELD
from ._keyed import AT_NEED, FREELY, NEVER, Keyed, MachineOfKey, OfKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from .._core._listeners import Listeners
    from ..errors import CircuitOpenError
    from ..typing import Clock
    from ._circuit import Circuit
    from ._circuit_settings import BreakerSettings
    from ._circuit_window import Counts
    from .circuit_breaker import CircuitBreaker


class Beside:
    """What the circuit of one key knows of its breaker."""

    __slots__ = ("breaker", "key", "refused")

    def __init__(self, breaker: CircuitBreaker, key: Hashable) -> None:
        self.breaker: CircuitBreaker = breaker
        self.key: Hashable = key
        self.refused: int = 0

    @property
    def clock(self) -> Clock:
        """The breaker's own."""
        return self.breaker.clock

    @property
    def ears(self) -> Listeners:
        """The breaker's own."""
        return self.breaker.ears

    @property
    def label(self) -> str:
        """The breaker's own."""
        return self.breaker.label

    def spread(self) -> float:
        """As `CircuitBreaker.spread`."""
        return self.breaker.spread()

    def verdict(self, error: BaseException) -> bool | None:
        """As `CircuitBreaker.verdict`."""
        return self.breaker.verdict(error)

    def asked(self, error: BaseException) -> float | None:
        """As `CircuitBreaker.asked`."""
        return self.breaker.asked(error)

    def refusal(self, reason: str, retry_after: float | None, now: float) -> CircuitOpenError:
        """The refusal, counted here and there, and told."""
        self.refused += 1
        return self.breaker.refusal(reason, retry_after, now, self.key)


class Circuits(Keyed):
    """The machine of a breaker with a key. *by_hand* is the state that a hand has put all keys in, for those to come."""

    __slots__ = ("by_hand",)

    epoch: object

    def __init__(self, owner: CircuitBreaker) -> None:
        self.by_hand: str | None = None
        super().__init__(owner)

    @property
    def begins(self) -> str:
        """The state in which the circuit of a new key begins."""
        return self.by_hand or self.owner.settings.held or CLOSED

    @property
    def state(self) -> str:
        """That of the calls without a key."""
        return self.shared.state  # type: ignore[no-any-return]  # a Circuit

    def would_admit(self, now: float) -> bool:
        """Whether a call without a key would get in now."""
        return self.shared.would_admit(now)  # type: ignore[no-any-return]  # as above

    def reading(self) -> tuple[str, Counts, int]:
        """As `Circuit.reading`, of the calls without a key."""
        return self.shared.reading()  # type: ignore[no-any-return]  # as above

    def counts(self) -> Counts:
        """As `Circuit.counts`, of the calls without a key."""
        return self.shared.counts()  # type: ignore[no-any-return]  # as above

    def move(self, state: str, **how: Any) -> None:
        """As `Circuit.move`, for every key."""
        self.by_hand = state if state in HELD else None
        self.epoch = object()
        for gate in self.gates():
            gate.move(state, **how)

    def tune(self, settings: BreakerSettings) -> None:
        """As `Circuit.tune`, for every key."""
        if settings.held != self.shared.settings.held:
            self.by_hand = None
        for gate in self.gates():
            gate.tune(settings)
        self.fit(self.owner.clock.monotonic())

    def forget_refusals(self) -> None:
        """Count those of every key from 0 again."""
        for gate in self.gates():
            gate.owner.refused = 0

    def forgotten(self, gate: Circuit) -> None:
        """Its term is over: what is under way has no vote, and changes nothing that could be told."""
        gate.term, gate.free = object(), None

    def spared(self, gate: Circuit, now: float) -> int:
        """Whether the circuit of a key can be forgotten."""
        if gate.state != self.begins:
            return NEVER
        return FREELY if gate.state in (FORCED_OPEN, DISABLED) or gate.window.empty(now) else AT_NEED


class CircuitMachineOfKey(MachineOfKey):
    """The machine of one key's breaker. A key that is not known reads as a new one would."""

    __slots__ = ()

    @property
    def gate(self) -> Circuit:
        """Its circuit, or one like that which it would get."""
        gate = self.keyed.by_key.get(self.key)
        return self.keyed.owner.gate_for(self.key) if gate is None else gate  # type: ignore[no-any-return]  # a Circuit

    @property
    def state(self) -> str:
        """As `Circuit.state`."""
        return self.gate.state

    def would_admit(self, now: float) -> bool:
        """As `Circuit.would_admit`."""
        return self.gate.would_admit(now)

    def reading(self) -> tuple[str, Counts, int]:
        """As `Circuit.reading`."""
        return self.gate.reading()

    def move(self, state: str, **how: Any) -> None:
        """As `Circuit.move`.

        Raises:
            RuntimeError: where there is no room for the key.
        """
        gate = None
        while gate is None or self.keyed.by_key.get(self.key) is not gate:  # it may be forgotten in this moment
            gate = self.keyed.of(self.key, self.keyed.owner.clock.monotonic())
            if gate is None:
                raise RuntimeError(f"{self.keyed.owner!r} has no room for {self.key!r}: none of its keys can be forgotten")
            gate.move(state, **how)


class CircuitBreakerOfKey(ByHand, OfKey):
    """The circuit breaker of one key, as a policy of its own: ``breaker.of("acme")``."""

    @property
    def refused(self) -> int:
        """How many calls of this key were refused."""
        return self.machine.gate.owner.refused  # type: ignore[no-any-return]  # a number

    @refused.setter
    def refused(self, number: int) -> None:
        self.machine.gate.owner.refused = number

    @property
    def judges(self) -> bool:
        """As `CircuitBreaker.judges`."""
        return self.whole.judges  # type: ignore[no-any-return]  # a truth

    def judge(self, result: object) -> None:
        """As `CircuitBreaker.judge`."""
        self.whole.judge(result)

    def result_of(self, error: Exception) -> Any:
        """As `CircuitBreaker.result_of`."""
        return self.whole.result_of(error)
