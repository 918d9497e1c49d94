"""What stands in a route where no policy does: it costs two attribute reads, and has the shape of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcgov._shells._route import THROUGH, UNLIMITED

if TYPE_CHECKING:
    from svcgov.typing import Gate


def test_where_no_gate_is_everything_passes() -> None:
    """Its permit is free and calm, so nobody asks it; who does gets that permit."""
    gate: Gate = THROUGH
    assert gate.free is gate.calm is gate.admit(0.0)
    assert gate.free is not None
    gate.settle(gate.free, ValueError(), 0.0)
    assert gate.free is gate.calm


def test_where_no_time_out_is_there_is_no_limit() -> None:
    """Nobody is ever late for it."""
    assert UNLIMITED.seconds is None
    UNLIMITED.late(1.0)
    assert UNLIMITED.seconds is None
