"""What a document makes of pipelines: other settings, and policies that the code has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, bulkhead, circuit_breaker, retry, timeout
from svcgov.errors import BulkheadFullError, ConfigError, ConfigWarning
from svcgov.pipeline import Governed
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import World

pytestmark = pytest.mark.usefixtures("clock")


def of_payments(**slots: Any) -> dict[str, Any]:
    """A document about one name."""
    return {"policies": {"payments": slots}}


def kinds(pipeline: Pipeline) -> list[str]:
    """Its policies, outermost first."""
    return [policy.kind for policy in pipeline.policies]


def settings_of(pipeline: Pipeline) -> list[Any]:
    """Those of its policies."""
    return [policy.settings for policy in pipeline.policies]


def test_a_document_has_settings_for_the_policies_of_a_pipeline() -> None:
    """Whatever their own names are, which have the last word."""
    pipeline = Pipeline(timeout(1), retry(on=OSError), circuit_breaker("ledger"), timeout(0.5), name="payments")
    governor = Governor()
    governor.apply(
        {
            "policies": {
                "payments": {
                    "timeout": 3,
                    "attempt_timeout": 2,
                    "retry": {"attempts": 9},
                    "circuit_breaker": {"failures": 3, "min_calls": 2},
                },
                "ledger": {"circuit_breaker": {"failures": 7}},
            }
        }
    )
    total, again, breaker, each = settings_of(pipeline)
    assert (total.seconds, again.attempts, breaker.failures, breaker.min_calls, each.seconds) == (3, 9, 7, 2, 2)
    governor.apply({})
    total, again, breaker, each = settings_of(pipeline)
    assert (total.seconds, again.attempts, breaker.failures, breaker.min_calls, each.seconds) == (1, 3, None, 10, 0.5)


def test_what_only_a_document_has_goes_to_its_place(world: World) -> None:
    """Among the code's own, whose order stays, from the next call on; and leaves again."""
    governor = Governor(clock=world.clock)
    pipeline = Pipeline(circuit_breaker("payments", clock=world.clock), name="payments")
    call = world.governed(pipeline, OSError, OSError, "done")
    again = {"on": ["connection"], "attempts": 3, "backoff": 0}
    applied: Any = governor.apply(of_payments(retry=again, timeout=5, attempt_timeout=1))
    assert applied.changed == 1
    assert kinds(pipeline) == ["timeout", "retry", "circuit_breaker", "timeout"]
    call.fails(OSError)
    assert (call.count, call.seen[0].deadline) == (1, world.clock.monotonic() + 1)
    governor.apply({})
    assert kinds(pipeline) == ["circuit_breaker"]
    call.fails(OSError)
    assert call.seen[1].deadline is None
    assert call() == "done"


def test_a_retry_that_only_a_document_has_retries(world: World) -> None:
    """In both worlds, also around what was decorated long ago."""
    governor = Governor(clock=world.clock)
    call = world.governed(svcgov.Pipeline(bulkhead(1, clock=world.clock), name="payments"), ConnectionError, "done")
    governor.apply(of_payments(retry={"on": ["connection"], "backoff": 0}))
    assert call() == "done"
    assert call.count == 2


def test_the_order_of_what_only_a_document_has_can_be_said() -> None:
    """For one pipeline."""
    governor = Governor(document=of_payments(order=["circuit_breaker", "timeout"], circuit_breaker={}, timeout=1, bulkhead=3))
    assert kinds(Pipeline(name="payments")) == ["circuit_breaker", "timeout", "bulkhead"]
    governor.apply(of_payments(circuit_breaker={}, timeout=1, bulkhead=3))
    assert kinds(svcgov.policy("payments")) == ["timeout", "bulkhead", "circuit_breaker"]


def test_a_gate_that_only_a_document_has_is_one_by_its_name() -> None:
    """In all pipelines of the name, and for code that names it later, whose settings are its own from then on."""
    governor = Governor(document=of_payments(bulkhead=1, circuit_breaker={"failures": 3}))
    one, other = Pipeline(name="payments"), Pipeline(name="payments")
    assert one.policies == other.policies
    with one, pytest.raises(BulkheadFullError), other:
        pass
    breaker = circuit_breaker("payments", open_for=7)
    assert breaker in one.policies
    assert (breaker.settings.failures, breaker.settings.open_for) == (3, 7)
    governor.apply({})
    assert (breaker.settings.failures, breaker.settings.open_for, one.policies) == (None, 7, ())
    governor.apply(of_payments(bulkhead=2, circuit_breaker={}))
    assert one.policies[1] is breaker
    with one, other:
        pass


def test_what_only_a_document_has_can_be_made_otherwise() -> None:
    """No code knows it: what cannot change while it is in use is another one, for all pipelines of the name."""
    governor = Governor(document=of_payments(rate_limit="1/hour", timeout=1))
    one, other = Pipeline(name="payments"), Pipeline(name="payments")
    assert governor.apply(
        of_payments(rate_limit={"limit": "1/hour", "key": "colour"}, timeout={"seconds": 1, "enforce": "thread"})
    )
    assert one.policies == other.policies
    limit, rate = settings_of(one)
    assert (limit.enforce, rate.key) == ("thread", svcgov.rate_limit("1/hour", key="colour").settings.key)
    assert svcgov.rate_limit("2/hour", name="payments") is one.policies[1]
    assert not governor.apply(of_payments(rate_limit="1/hour"))  # the code knows it now
    refused: Any = governor.apply(of_payments(rate_limit={"limit": "1/hour", "key": 7}))
    assert refused.errors[0].path == "policies.payments.rate_limit.key"


def test_a_permit_comes_back_to_a_gate_that_has_left(world: World) -> None:
    """A call ends on the frames that it began with."""
    governor = Governor(document=of_payments(bulkhead=1), clock=world.clock)
    pipeline = Pipeline(name="payments")
    gate: Any = pipeline.policies[0]
    left = []

    def leave() -> None:
        governor.apply({})
        left.append(gate.snapshot()["in_use"])

    world.governed(pipeline, leave)()
    assert left == [1]
    assert gate.snapshot()["in_use"] == 0
    assert pipeline.policies == ()


def test_decorators_that_were_fused_stay_so(world: World) -> None:
    """What a document adds to one of them goes among its own."""
    governor = Governor(clock=world.clock)
    inner = Pipeline(timeout(1, clock=world.clock), name="inner")
    outer = Pipeline(bulkhead(1, clock=world.clock), name="outer")
    fused: Any = outer(inner(world.scripted(None)[1]))
    governor.apply({"policies": {"inner": {"circuit_breaker": {}}, "outer": {"timeout": 9}}})
    assert [one.kind for one in fused.__svcgov__.policies] == ["timeout", "bulkhead", "timeout", "circuit_breaker"]


def test_several_policies_of_a_kind_are_no_place() -> None:
    """Each of them has a name of its own, or none."""
    pipeline = Pipeline(bulkhead(2, name="a"), bulkhead(3), name="payments")
    governor = Governor()
    refused: Any = governor.apply(of_payments(bulkhead=5))
    assert str(refused.errors[0]).startswith("policies.payments.bulkhead: expected one bulkhead in the pipeline payments")
    assert governor.apply({"policies": {"a": {"bulkhead": 5}}})
    assert [policy.settings.limit for policy in pipeline.policies] == [5, 3]  # type: ignore[attr-defined]  # as bulkheads have


def test_a_mistake_is_one_of_the_name_that_it_stands_under() -> None:
    """Not of the policy's own, of which nothing is said."""
    pipeline = Pipeline(bulkhead(5, name="ledger", cost=4), name="payments")
    refused: Any = Governor().apply(of_payments(bulkhead=3))
    assert settings_of(pipeline)[0].limit == 5
    assert [error.path for error in refused.errors] == ["policies.payments.bulkhead"]


def test_what_is_said_of_one_pipeline_stands_when_another_one_is_made() -> None:
    """Which has the same policy: among its own, or by its name."""
    total, breaker = timeout(1), circuit_breaker("orders")
    pipelines = [Pipeline(total, breaker, name="payments")]
    payments = {"timeout": 3, "circuit_breaker": {"failures": 3}}
    Governor(document={"policies": {"payments": payments, "orders": {"circuit_breaker": {"open_for": 7}}}})
    for made in ([total], []):
        pipelines.append(Pipeline(*made, name="orders"))
        assert breaker in pipelines[-1].policies
        assert (total.settings.seconds, breaker.settings.failures, breaker.settings.open_for) == (3, 3, 7)


def test_a_gate_of_the_code_is_the_one_of_its_name() -> None:
    """In a pipeline of that name, too, which the code has made without it."""
    gate, pipeline = bulkhead(2, name="payments"), Pipeline(name="payments")
    Governor(document=of_payments(bulkhead=1))
    assert pipeline.policies == (gate,)


def test_what_only_a_document_has_goes_by_the_clock_of_its_pipeline(clock: ManualClock) -> None:
    """Also where two of one name go by different ones."""
    one, other = Pipeline(timeout(1, clock=clock), name="payments"), Pipeline(timeout(1, clock=ManualClock()), name="payments")
    assert Governor().apply(of_payments(bulkhead=1, retry={"on": ["timeout"]}))
    for pipeline in (one, other):
        assert len({id(policy.clock) for policy in pipeline.policies}) == 1
        assert kinds(pipeline) == ["timeout", "bulkhead", "retry"]


def test_a_name_of_another_scope_is_another_name() -> None:
    """Also where what has it stands in a pipeline of this scope, whatever is there first."""
    shop = Governor(scope="shop", document=of_payments(bulkhead=7))
    gate = bulkhead(2, name="payments")
    shop.Pipeline(gate, name="first")
    assert gate.settings.limit == 2
    assert shop.bulkhead(1, name="payments").settings.limit == 7
    held = shop.Pipeline(gate, name="second")
    assert shop.apply(of_payments(bulkhead=8))
    assert held.policies == (gate,)
    assert gate.settings.limit == 2


@pytest.mark.parametrize(
    ("slots", "path"),
    [
        ({"bulkhead": {"max_wait": 1}}, "policies.payments.bulkhead"),
        ({"retry": {"attempts": 3}}, "policies.payments.retry"),
        ({"circuit_breaker": {"count_in_flight": True}}, "policies.payments.circuit_breaker.count_in_flight"),
    ],
)
def test_what_only_a_document_has_needs_all_that_its_policy_needs(slots: dict[str, Any], path: str) -> None:
    """Nobody else says it."""
    pipeline = Pipeline(name="payments")
    refused: Any = Governor().apply(of_payments(**slots))
    assert [error.path for error in refused.errors] == [path]
    assert pipeline.policies == ()


def test_what_cannot_stand_there_is_refused() -> None:
    """A retry around a generator, or around a way in: the function would be begun twice."""
    pipeline = Pipeline(name="payments")

    @pipeline
    def numbers() -> Any:
        yield 1

    governor = Governor()
    again = {"retry": {"on": ["connection"]}}
    refused: Any = governor.apply(of_payments(**again))
    assert refused.errors[0].path == "policies.payments"
    assert "numbers is a generator function" in str(refused.errors[0])
    assert list(numbers()) == [1]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Answer nothing."""

    front = Pipeline(bulkhead(1), name="front")
    governor.asgi(app, policy=front)
    refused = governor.apply({"policies": {"front": again}})
    assert refused.errors[0].path == "policies.front.retry"
    assert front.policies == front.own
    assert governor.apply({"policies": {"front": {"timeout": 3}}})
    assert kinds(front) == ["timeout", "bulkhead"]


def test_a_policy_that_is_asked_for_by_its_name(world: World) -> None:
    """What a document says of the name, whenever that is."""
    governor = Governor(document=of_payments(timeout=3), clock=world.clock)
    call = world.governed(svcgov.policy("payments"), None)
    call()
    governor.apply(of_payments(timeout=4))
    call()
    assert [seen.deadline for seen in call.seen] == [3, 4]


def test_a_policy_of_the_code_that_is_asked_for_by_its_name(world: World) -> None:
    """The pipeline itself, if it is there; else what is made of that name later."""
    pipeline = Pipeline(timeout(3, clock=world.clock), name="payments")
    assert svcgov.policy("payments") is pipeline
    with pytest.warns(ConfigWarning, match="nothing is known of a policy called later"):
        late = world.governed(svcgov.policy("later"), None)
    other = Pipeline(timeout(4, clock=world.clock), name="sooner")
    late()
    assert kinds(other) == ["timeout"]
    made = Pipeline(timeout(5, clock=world.clock), name="later")
    late()
    assert [seen.deadline for seen in late.seen] == [None, 5]
    Governor().apply({"policies": {"later": {"timeout": 7}}})
    late()
    assert late.seen[2].deadline == 7
    assert made.policies[0].settings.seconds == 7  # type: ignore[attr-defined]  # as time-outs have


def test_what_cannot_be_a_name_cannot_be_asked_for() -> None:
    """It is no typing error of later."""
    with pytest.raises(ConfigError, match=r"^policy: expected 1 to 128 letters"):
        svcgov.policy("a b")


def test_it_is_warned_of_once() -> None:
    """However often it is used."""
    nobody = svcgov.policy("nobody")
    with pytest.warns(ConfigWarning) as warned:
        for _ in range(2):
            nobody(lambda: None)
    assert len(warned) == 1


def test_policies_are_asked_for_by_a_governor_in_its_scope() -> None:
    """And by their names where a policy is given."""
    shop = Governor(scope="shop", document=of_payments(bulkhead=1))
    assert kinds(shop.policy("payments")) == ["bulkhead"]
    assert kinds(svcgov.policy("payments")) == []
    handled = shop.handler(lambda event, context: None, policy="payments")
    assert handled(None, None) is None


def test_a_function_that_is_decorated_while_a_document_is_applied_goes_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By another thread: no function is left with what held before."""
    governor = Governor(document={})
    pipeline = Pipeline(retry(on=OSError), name="payments")
    nested = Governed.nested

    def meanwhile(governed: Any) -> Any:
        monkeypatch.undo()
        route = nested(governed)
        governor.apply({"policies": {"payments": {"bulkhead": 1}}})
        return route

    monkeypatch.setattr(Governed, "nested", meanwhile)

    @pipeline
    def do() -> None:
        """Nothing."""

    call: Any = do
    assert [policy.kind for policy in call.__svcgov__.policies] == ["bulkhead", "retry"]
    with call.__svcgov__.policies[0], pytest.raises(BulkheadFullError):
        call()
