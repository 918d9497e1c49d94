"""The page of settings: what it says of documents is so. That its tables are as they are made is tested with all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _settings import DEFAULTS, OWN, said_by, span
from _tables import DOCS
from svcgov import Governor, Pipeline
from svcgov.config._slots import SLOTS, policy_of, settings_of

if TYPE_CHECKING:
    from svcgov._policy import Policy

PAGE = (DOCS / "settings.md").read_text()
LATER = [(slot, name) for slot in SLOTS for name in settings_of(slot)._fields if said_by(slot, name) != "yes"]
SAID: dict[str, Any] = {"enforce": "thread", "on_result": "is_bad"}
BESIDE: dict[str, dict[str, Any]] = {"timeout": {"seconds": 5}, "attempt_timeout": {"seconds": 5}, "retry": {"on": ["timeout"]}}


def section(slot: str) -> str:
    """What the page says of a slot."""
    (found,) = [part for part in PAGE.split("\n## ") if slot in part.splitlines()[0].split(", ")]
    return found


@pytest.mark.parametrize("slot", SLOTS)
def test_every_setting_has_its_row(slot: str) -> None:
    """And no other one is there."""
    rows = [line.split("`")[1] for line in section(slot).splitlines() if line.startswith("| `")]
    assert rows == list(settings_of(slot)._fields)


def test_words_of_its_own_are_for_settings() -> None:
    """With a reader of their own; a default in words is one of them, too."""
    own = {name for slot in SLOTS for name, field in settings_of(slot)._fields.items() if field.form is None}
    assert set(OWN) <= own
    assert {place.partition(".")[0] for place in DEFAULTS} <= set(SLOTS)
    assert all(name in settings_of(slot)._fields for slot, _, name in (place.partition(".") for place in DEFAULTS))


@pytest.mark.parametrize(("slot", "name"), LATER)
def test_what_the_code_has_cannot_change_in_use(slot: str, name: str) -> None:
    """Where the page says so: refused of a policy of the code, taken of one that only the document has."""
    svcgov.predicate("is_bad", lambda result: False)
    said = {"policies": {"payments": {slot: {**BESIDE.get(slot, {}), name: SAID[name]}}}}
    governor, kind = Governor(), slot.removeprefix("attempt_")
    code: type[Policy] = policy_of(slot)
    made = Pipeline(*([svcgov.retry(on=OSError)] if slot != kind else []), code(BESIDE.get(slot, {})), name="payments")
    refused: Any = governor.apply(said)
    assert [error.path for error in refused.errors] == [f"policies.payments.{slot}.{name}"]
    del made
    assert governor.apply(said)
    assert Pipeline(name="payments").policies[0].kind == kind


@pytest.mark.parametrize(
    ("seconds", "text"), [(604800, "7 days"), (3600, "1 h"), (90, "90 s"), (0.1, "100 ms"), (0.0001, "0.1 ms"), (1.5, "1500 ms")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    """In the largest unit that goes into them."""
    assert span(seconds) == text
