"""A durable function of the real SDK, in the context that the real runtime interface client gives it."""

from __future__ import annotations

import json
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import svcgov
from svcgov import Governor, rate_limit
from svcgov.testing import ManualClock

from .conftest import needed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop:1"


class Service:
    """A double of the service that keeps the checkpoints: what was started is done when it is asked for again."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def checkpoint_durable_execution(self, **said: Any) -> dict[str, Any]:
        """Keep them."""
        for update in said["Updates"]:
            fixed = {name: update[name] for name in ("Id", "Type", "SubType", "Name") if name in update}
            one = self.kept.setdefault(update["Id"], fixed)
            one["Status"] = {"START": "STARTED", "SUCCEED": "SUCCEEDED"}[update["Action"]]
            if "Payload" in update:
                one["StepDetails"] = {"Result": update["Payload"], "Attempt": 1}
        return {"CheckpointToken": "next", "NewExecutionState": {"Operations": [dict(one) for one in self.kept.values()]}}

    def passes(self) -> None:
        """Time passes: all that waited is done."""
        for one in self.kept.values():
            one["Status"] = "SUCCEEDED"

    def event(self, payload: Any) -> dict[str, Any]:
        """What the platform hands to the function."""
        begun = {
            "Id": "b",
            "Type": "EXECUTION",
            "Status": "STARTED",
            "ExecutionDetails": {"InputPayload": json.dumps(payload)},
        }
        return {
            "DurableExecutionArn": f"{ARN}/durable-execution/a/b",
            "CheckpointToken": "first",
            "InitialExecutionState": {"Operations": [begun, *map(dict, self.kept.values())], "NextMarker": ""},
        }


def test_a_function_of_the_real_sdk_is_one_call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It does a step, waits, is called again, goes over the step, and is done: one line, one token of the limit."""
    needed("aws_durable_execution_sdk_python", "awslambdaric")
    monkeypatch.setenv("SVCGOV_LOG", "json")
    from aws_durable_execution_sdk_python import durable_execution
    from aws_durable_execution_sdk_python.config import Duration

    charged: list[str] = []
    seen: list[Any] = []
    limit = rate_limit("1/hour", clock=ManualClock())
    service = Service()

    def charge(order: str) -> str:
        charged.append(order)
        return "receipt"

    def governed(event: Any, context: Any) -> str:
        seen.append((context.is_replaying(), svcgov.current().request_id, svcgov.remaining()))
        receipt: str = context.step(lambda _: charge(event["order"]), name="charge")
        context.wait(Duration.from_seconds(60))
        return receipt

    handler: Callable[..., Any] = durable_execution(Governor().handler(policy=limit)(governed), boto3_client=service)
    first = handler(service.event({"order": "7"}), _real("id-1"))
    assert first == {"Status": "PENDING"}
    assert capsys.readouterr().out == ""
    service.passes()
    assert handler(service.event({"order": "7"}), _real("id-2")) == {"Status": "SUCCEEDED", "Result": '"receipt"'}
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["outcome"], line["request_id"]) == ("ok", "id-2")
    assert charged == ["7"]
    assert [one[:2] for one in seen] == [(False, "id-1"), (True, "id-2")]
    assert all(0 < left <= 3 for _, _, left in seen)
    assert limit.snapshot()["refused"] == 0


def _real(request_id: str) -> Any:
    """The platform's own context."""
    context = import_module("awslambdaric.lambda_context")
    return context.LambdaContext(request_id, None, None, int((time.time() + 3) * 1000), ARN)
