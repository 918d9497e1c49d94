"""What is known of a service: what an answer changes, and what it does not."""

from __future__ import annotations

from typing import Any

from svcgov.registry import Endpoint
from svcgov.registry._view import View
from svcgov.registry.backends._backend import Listing

from .offices import TTL, ids, instance

NOBODY = frozenset[str]()


def listing(revision: int, *keys: str, left: frozenset[str] = NOBODY, **texts: str) -> Listing:
    """An answer: instances with these ids, and others with these very texts."""
    there = {key: instance(key).wire() for key in keys}
    return Listing(revision=revision, instances={**there, **texts}, endpoints={}, revisions={}, left=left)


class Watching:
    """A view, and what was skipped."""

    def __init__(self, *keys: str) -> None:
        self.view = View("orders", TTL)
        self.skipped: list[tuple[str, str, int]] = []
        self.now = 100.0
        if keys:
            self.answer(listing(1, *keys))

    def answer(self, given: Listing | None, after: float = 0.0) -> None:
        """The registry answers so many seconds later."""
        self.now += after
        self.view.answered(given, self.now, lambda *what: self.skipped.append(what))

    @property
    def suspects(self) -> set[str]:
        """Who is not sure to be there."""
        return set(self.view.found.suspects)

    @property
    def sure(self) -> list[str]:
        """Who is."""
        return ids(self.view.found)


def test_nothing_is_known_at_first() -> None:
    """Which is stale, and has no revision to ask with."""
    view = View("orders", TTL)
    assert (view.found.stale, view.found.checked, view.known) == (True, None, None)
    view.failed()
    assert view.found.stale


def test_what_was_known_stays_while_nobody_answers() -> None:
    """However long; it says that it is stale, until there is an answer."""
    watching = Watching("a", "b")
    watching.view.failed()
    assert (watching.sure, watching.view.found.stale, watching.view.known) == (["a", "b"], True, 1)
    watching.answer(None, after=1000.0)
    assert (watching.sure, watching.view.found.stale, watching.view.found.checked) == (["a", "b"], False, 1100.0)


def test_the_first_list_of_an_engine_that_has_begun_anew_is_not_believed_at_once() -> None:
    """It fills, and some are back earlier than others."""
    watching = Watching("a", "b", "c")
    watching.answer(listing(2_000_000, "a", "b"))
    assert (watching.sure, watching.suspects) == (["a", "b"], {"c"})


def test_the_first_list_after_a_silence_is_not_believed_at_once() -> None:
    """Others may not have been able to renew their leases either."""
    watching = Watching("a", "b", "c")
    watching.answer(listing(2, "a", "b"), after=2 * TTL / 3)
    assert (watching.sure, watching.suspects) == (["a", "b"], {"c"})
    watching.answer(listing(3, "a", "b", "c"), after=1.0)
    watching.answer(listing(4, "a", "b"), after=2 * TTL / 3 - 1)
    assert (watching.sure, watching.suspects) == (["a", "b"], set())


def test_half_may_go_at_once() -> None:
    """That happens."""
    watching = Watching("a", "b", "c", "d")
    watching.answer(listing(2, "a", "b"))
    assert (watching.sure, watching.suspects) == (["a", "b"], set())


def test_more_than_half_are_not_believed_to_be_gone_at_once() -> None:
    """They come last, until another answer says the same, two thirds of a lease later."""
    watching = Watching("a", "b", "c")
    watching.answer(listing(2, "a"))
    assert (watching.sure, watching.suspects) == (["a"], {"b", "c"})
    watching.answer(None, after=2 * TTL / 3 - 1)
    assert watching.suspects == {"b", "c"}
    watching.answer(None, after=1)
    assert (watching.sure, watching.suspects) == (["a"], set())
    assert len(watching.view.found) == 1


def test_an_empty_answer_is_not_believed_at_once() -> None:
    """An engine that has hung for longer than a lease gives it."""
    watching = Watching("a")
    watching.answer(listing(2))
    assert watching.suspects == {"a"}
    watching.answer(listing(3, "a"), after=1.0)
    assert (watching.sure, watching.suspects) == (["a"], set())


def test_those_who_come_back_do_not_make_the_others_go() -> None:
    """While an engine that came back empty fills, nobody is lost who has not been missing for long enough."""
    watching = Watching("a", "b", "c", "d")
    watching.answer(listing(2))
    watching.answer(listing(3, "a", "b", "c"), after=1.0)
    assert (watching.sure, watching.suspects) == (["a", "b", "c"], {"d"})
    watching.answer(listing(4, "a", "b"), after=1.0)
    assert (watching.sure, watching.suspects) == (["a", "b"], {"d"})
    watching.answer(listing(5, "a", "b", "e"), after=2 * TTL / 3)
    assert (watching.sure, watching.suspects) == (["a", "b", "e"], set())


def test_who_has_been_missing_for_long_is_not_missed_once_more() -> None:
    """The second answer may be another one."""
    watching = Watching("a", "b", "c")
    watching.answer(listing(2))
    watching.answer(listing(3, "d"), after=2 * TTL / 3)
    assert (watching.sure, watching.suspects) == (["d"], set())


def test_nobody_is_missing_while_nobody_answers() -> None:
    """Time alone is no answer."""
    watching = Watching("a", "b")
    watching.answer(listing(2))
    watching.view.failed()
    watching.now += TTL
    assert watching.suspects == {"a", "b"}


def test_who_has_left_by_himself_is_gone_at_once() -> None:
    """Though all have."""
    watching = Watching("a", "b")
    watching.answer(listing(2, left=frozenset({"a", "b"})))
    assert len(watching.view.found) == 0


def test_a_record_that_cannot_be_read_is_skipped_and_told_once() -> None:
    """Once for each content, with its place; it counts as there."""
    watching = Watching("a", "b")
    watching.answer(listing(2, "a", b='{"service":"orders","id":"b"}'))
    watching.answer(listing(3, "a", b='{"service":"orders","id":"b"}'))
    watching.answer(listing(4, "a", b="[]"))
    assert watching.sure == ["a"]
    assert watching.skipped == [("b", "address", 2), ("b", "record", 4)]
    watching.answer(listing(5, b="[]"))
    assert (watching.sure, watching.suspects) == ([], set())


def test_a_record_of_somebody_else_is_none() -> None:
    """Another id, or another service."""
    watching = Watching()
    watching.answer(listing(1, b=instance("c").wire(), d=instance("d", service="payments").wire()))
    assert watching.skipped == [("b", "id", 1), ("d", "id", 1)]


def test_what_is_unchanged_is_not_read_again() -> None:
    """It is the same record."""
    watching = Watching("a", "b")
    before = watching.view.found[0]
    watching.answer(listing(2, "a", "c"))
    assert watching.view.found[0] is before


def test_an_answer_that_nothing_has_changed_is_not_another_list() -> None:
    """But for when it was checked."""
    watching = Watching("a", "b")
    watching.answer(None, after=1.0)
    found = watching.view.found
    assert (found.revision, found.checked, watching.sure) == (1, 101.0, ["a", "b"])


def test_endpoints_have_revisions() -> None:
    """For who wants to write over them."""
    record = Endpoint(service="orders", id="live", url="https://live.test")
    watching = Watching()
    given: dict[str, Any] = {"instances": {}, "endpoints": {"live": record.wire()}, "revisions": {"live": 7}}
    watching.answer(Listing(revision=8, left=NOBODY, **given))
    assert list(watching.view.found) == [record]
    assert watching.view.found.revisions == {"live": 7}
