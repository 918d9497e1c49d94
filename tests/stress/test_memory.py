"""Two hundred thousand calls to every end that a call can have: nothing piles up. `soak` makes as many as one likes."""

from __future__ import annotations

import json

from _worlds import TESTS, in_child


def test_nothing_grows_with_the_number_of_calls() -> None:
    """No objects, no blocks of memory, no threads, and nobody is still inside."""
    code = f"""
import json, sys
sys.path.insert(0, {json.dumps(str(TESTS / "stress"))})
from soak import soak
print(json.dumps(soak(200_000)))
"""
    said = in_child(code, timeout=60)
    assert said["calls"] == 200_000
    assert set(said["ends"]) == {
        "int", "str", "float", "NoneType", "OSError", "ValueError", "KeyError", "CallTimeoutError", "BulkheadFullError",
        "CancelledError", "RateLimitedError", "CircuitOpenError",
    }  # fmt: skip
    assert said["retries"] > 1000
    assert (said["threads"], said["in use"]) == (0, 0)
    assert said["objects"] < 500  # of 180 000 calls: what there is at a time differs a little
    assert said["blocks"] < 2000
