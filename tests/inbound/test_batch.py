"""Batches: each record in its own colour and trace, what was not done reported, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor
from svcgov.errors import BatchFailedError, ConfigError
from svcgov.testing import ManualClock

from .events import TRACE_ID, Context, golden

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.inbound.batch import Batch

OTHER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Worker:
    """A handler of either kind that goes through a batch, doing the same with every record."""

    def __init__(self, kind: str, does: Callable[[Any], Any] = lambda item: None, **options: Any) -> None:
        self.clock = ManualClock()
        self.governor = Governor(service="orders", colours=["blue", "green"], clock=self.clock)
        self.does = does
        self.bodies: list[Any] = []
        self.here: list[Any] = []
        self.batch: Batch

        def now(event: Any, context: Any) -> Any:
            self.batch = self.governor.batch(event, **options)
            for item in self.batch:
                with item as entered:
                    self._one(entered)
            return self.batch.response()

        async def later(event: Any, context: Any) -> Any:
            self.batch = self.governor.batch(event, **options)
            for item in self.batch:
                async with item as entered:
                    await asyncio.sleep(0)
                    self._one(entered)
            return self.batch.response()

        self.handler: Any = self.governor.handler(now if kind == "sync" else later)

    def _one(self, item: Any) -> None:
        self.bodies.append(item.body)
        self.here.append(svcgov.current())
        self.does(item)


def failing(*numbers: int) -> Callable[[Any], None]:
    """Fail with the orders of these numbers."""

    def does(item: Any) -> None:
        if json.loads(item.body)["order"] in numbers:
            raise LookupError("password=hunter2")

    return does


def identifiers(name: str, *numbers: int) -> dict[str, Any]:
    """The report of these records of a golden event, counted from 0."""
    records = golden(name)["Records"]
    ids = [records[number].get("messageId") or records[number]["kinesis"]["sequenceNumber"] for number in numbers]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in ids]}


# -- each record by itself --------------------------------------------------------------------------------------------


def test_each_record_is_done_in_its_own_colour_and_trace(kind: str) -> None:
    """A batch may be mixed; one that carries nothing has no colour, and a span of the handler's trace."""
    worker = Worker(kind)
    assert worker.handler(golden("sqs"), Context(request_id="id-1")) == {"batchItemFailures": []}
    assert worker.bodies == ['{"order": 1}', '{"order": 2}', '{"order": 3}']
    assert [here.colour for here in worker.here] == ["blue", "green", None]
    assert [here.trace.trace_id for here in worker.here[:2]] == [TRACE_ID, OTHER_TRACE]
    assert [here.baggage for here in worker.here] == [{"tenant": "acme"}, {"tenant": "acme"}, {}]
    assert {(here.platform, here.service, here.request_id, here.trigger) for here in worker.here} == {
        ("lambda", "orders", "id-1", "sqs")
    }
    assert worker.here[0].raw == golden("sqs")["Records"][0]
    tenants = ["tenant=acme,svcgov.colour=blue", "tenant=acme,svcgov.colour=green", None]
    assert [here.headers.get("baggage") for here in worker.here] == tenants


def test_a_record_without_a_trace_belongs_to_the_handler_s(kind: str) -> None:
    """Its lines are found with those of the handler."""
    outer: list[Any] = []
    governor = Governor()

    @governor.handler
    def handler(event: Any, context: Any) -> None:
        outer.append(svcgov.current().trace)
        with governor.message(event["Records"][2]):
            outer.append(svcgov.current().trace)

    handler(golden("sqs"), Context())
    assert outer[0].trace_id == outer[1].trace_id
    assert outer[0].span_id != outer[1].span_id


def test_after_a_record_everything_is_as_before(kind: str) -> None:
    """Also when it fails."""
    after: list[Any] = []
    worker = Worker(kind, failing(1))

    def handler(event: Any, context: Any) -> None:
        before = svcgov.current()
        batch = worker.governor.batch(event)
        for item in batch:
            with item:
                worker.does(item)
            after.append(svcgov.current() is before)

    worker.governor.handler(handler)(golden("sqs"), Context())
    assert after == [True, True, True]


def test_the_deadline_of_the_handler_holds_in_every_record(kind: str) -> None:
    """All of them together have that much time."""
    worker = Worker(kind)
    worker.handler(golden("sqs"), Context(left=3.0))
    assert [here.deadline for here in worker.here] == [3.0] * 3


# -- what failed ------------------------------------------------------------------------------------------------------


def test_what_failed_is_reported_and_the_rest_goes_on(kind: str) -> None:
    """Only that is delivered again."""
    worker = Worker(kind, failing(2))
    assert worker.handler(golden("sqs"), Context()) == identifiers("sqs", 1)
    assert len(worker.bodies) == 3
    (failed,) = worker.batch.failures
    assert isinstance(failed.error, LookupError)
    assert repr(worker.batch) == "Batch(3 records, 1 undone)"
    assert repr(failed) == f"Item(sqs id={failed.id!r})"
    assert len(worker.batch) == 3


def test_what_failed_has_a_line_of_its_own(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error that ends a record is not silent; its message may hold secrets, and is not written."""
    worker = Worker(kind, failing(2))
    worker.handler(golden("sqs"), Context())
    output = capsys.readouterr().out
    line, last = map(json.loads, output.splitlines())
    assert (line["outcome"], line["error"], line["trigger"]) == ("raised", "LookupError", "sqs")
    assert (line["record"], line["colour"], line["trace_id"]) == (worker.batch.failures[0].id, "green", OTHER_TRACE)
    assert (last["outcome"], "record" in last) == ("ok", False)
    assert "hunter2" not in output


@pytest.mark.parametrize("name", ["sqs_fifo", "kinesis"])
def test_where_order_matters_the_first_failure_is_the_last_record(kind: str, name: str) -> None:
    """Those behind it would overtake it."""
    worker = Worker(kind, failing(2))
    assert worker.handler(golden(name), Context()) == identifiers(name, 1, 2)
    assert len(worker.bodies) == 2


def test_a_batch_of_which_nothing_was_done_has_failed(kind: str) -> None:
    """The platform counts it among the errors, and delivers all of it again."""
    worker = Worker(kind, failing(1, 2, 3))
    with pytest.raises(BatchFailedError, match="3 of 3 records were not done") as caught:
        worker.handler(golden("sqs"), Context())
    assert isinstance(caught.value.__cause__, LookupError)
    assert pickle.loads(pickle.dumps(caught.value)).records == 3


@pytest.mark.parametrize("name", ["sns", "eventbridge", "s3"])
def test_where_no_record_can_be_reported_the_batch_has_failed(kind: str, name: str) -> None:
    """A report would be read by nobody, and the event be lost."""

    def broken(item: Any) -> None:
        raise LookupError

    with pytest.raises(BatchFailedError, match="1 of 1"):
        Worker(kind, broken).handler(golden(name), Context())
    assert Worker(kind).handler(golden(name), Context()) == {"batchItemFailures": []}


def test_records_of_a_topic_are_not_reported_one_by_one(kind: str) -> None:
    """Not even when another one was done."""
    event = golden("sns")
    other = golden("sns")["Records"][0]
    other["Sns"]["Message"] = '{"order": 2}'
    event["Records"].append(other)
    with pytest.raises(BatchFailedError, match="1 of 2"):
        Worker(kind, failing(2)).handler(event, Context())


def test_a_record_without_an_identifier_cannot_be_reported(kind: str) -> None:
    """The platform takes a report with an empty one for a failure of all, and says nothing."""
    event = golden("sqs")
    del event["Records"][1]["messageId"]
    with pytest.raises(BatchFailedError, match="1 of 3"):
        Worker(kind, failing(2)).handler(event, Context())


def test_what_is_no_exception_ends_the_batch(kind: str) -> None:
    """An interruption is for everybody."""

    def interrupted(item: Any) -> None:
        raise KeyboardInterrupt

    worker = Worker(kind, interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.handler(golden("sqs"), Context())
    assert len(worker.bodies) == 1
    assert len(worker.batch.undone) == 3


# -- what was not reached ---------------------------------------------------------------------------------------------


def test_what_there_is_no_time_for_is_reported(kind: str) -> None:
    """Begun only while more than the reserve is left, 50 ms unless told otherwise."""
    worker = Worker(kind)
    worker.does = lambda item: worker.clock.advance(0.5)
    assert worker.handler(golden("sqs"), Context(left=1.04)) == identifiers("sqs", 2)
    assert [item.id for item in worker.batch.undone] == [golden("sqs")["Records"][2]["messageId"]]
    assert worker.batch.failures == []


def test_the_reserve_can_be_larger(kind: str) -> None:
    """For records that take long."""
    worker = Worker(kind, reserve="2s")
    worker.does = lambda item: worker.clock.advance(0.5)
    assert worker.handler(golden("sqs"), Context(left=2.5)) == identifiers("sqs", 1, 2)


def test_a_batch_that_there_is_no_time_for_at_all_has_failed(kind: str) -> None:
    """Without an error of a record to blame."""
    with pytest.raises(BatchFailedError) as caught:
        Worker(kind, reserve=5).handler(golden("sqs"), Context(left=1.0))
    assert caught.value.__cause__ is None


def batch_of(name: str) -> Batch:
    """The batch of a golden event, outside of any handler."""
    return Governor().batch(golden(name))


def test_a_record_that_the_loop_passes_over_is_done() -> None:
    """``continue`` before ``with`` says that there is nothing to do."""
    batch = batch_of("sqs")
    for item in batch:
        if item.body == '{"order": 2}':
            continue
        with item:
            pass
    assert batch.response() == {"batchItemFailures": []}


def test_where_the_loop_is_left_the_rest_is_reported() -> None:
    """Also the record at which it was left, unless that was done; a second loop goes on there."""
    batch = batch_of("sqs")
    for item in batch:
        if item.body == '{"order": 2}':
            break
        with item:
            pass
    assert batch.response() == identifiers("sqs", 1, 2)
    for item in batch:
        with item:
            break
    assert batch.response() == identifiers("sqs", 2)


def test_what_has_not_ended_is_reported() -> None:
    """Records begun side by side, one of which hangs."""
    batch = batch_of("sqs")

    async def one(item: Any, over: asyncio.Event) -> None:
        async with item:
            if item.body == '{"order": 2}':
                await over.wait()

    async def main() -> Any:
        over = asyncio.Event()
        tasks = [asyncio.create_task(one(item, over)) for item in batch]
        await asyncio.sleep(0.01)
        response = batch.response()
        over.set()
        await asyncio.gather(*tasks)
        return response

    assert asyncio.run(main()) == identifiers("sqs", 1)
    assert batch.response() == {"batchItemFailures": []}


# -- the door ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [None, [], {}, {"Records": None}, {"records": {"topic-0": []}}])
def test_an_event_without_records_is_an_error(event: Any) -> None:
    """To go through nothing, and report that all is well, would lose it."""
    with pytest.raises(TypeError, match=f"expected an event with records, got {type(event).__name__}"):
        svcgov.batch(event)


def test_no_records_are_no_error() -> None:
    """There is nothing to do."""
    batch = svcgov.batch({"Records": []})
    assert (list(batch), batch.response()) == ([], {"batchItemFailures": []})


@pytest.mark.parametrize("reserve", [-1, "soon", True])
def test_a_reserve_that_cannot_be(reserve: Any) -> None:
    """Said at once."""
    with pytest.raises(ConfigError, match=r"batch\.reserve: expected a duration"):
        svcgov.batch({"Records": []}, reserve=reserve)


def test_one_message_in_its_own_colour() -> None:
    """Its errors are raised: nobody collects them."""
    governor = Governor(service="orders", version="7", colours=["blue"])
    with pytest.raises(LookupError), governor.message(golden("eventbridge")) as message:
        assert (message.source, message.body["order"]) == ("eventbridge", 1)
        here = svcgov.current()
        raise LookupError
    assert (here.colour, here.trigger, here.service, here.version) == ("blue", "eventbridge", "orders", "7")
    assert here.trace is not None
    assert here.trace.trace_id == TRACE_ID
    assert svcgov.current().trace is None


def test_one_message_in_a_coroutine() -> None:
    """By ``async with``, in the same way."""

    async def main() -> None:
        with pytest.raises(LookupError):
            async with svcgov.message(golden("sns")["Records"][0]) as message:
                assert (svcgov.current().trigger, message.body) == ("sns", '{"order": 1}')
                raise LookupError
        assert svcgov.current().trigger == "none"

    asyncio.run(main())


def test_a_message_outside_of_any_trace_begins_one() -> None:
    """As a call does."""
    with svcgov.message({"unknown": "shape"}) as message:
        assert svcgov.current().trace is not None
        assert (message.body, message.id, message.source) == ({"unknown": "shape"}, "", "")


def test_a_carrier_that_cannot_be_read_is_reported_and_the_record_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong on our side."""
    monkeypatch.setattr("svcgov.inbound.batch.incoming", lambda headers, known: 1 / 0)
    batch = batch_of("sqs")
    for item in batch:
        with item:
            assert svcgov.current().platform == "none"
    assert batch.response() == {"batchItemFailures": []}
    assert capsys.readouterr().err.count("could not be read: ZeroDivisionError") == 1
