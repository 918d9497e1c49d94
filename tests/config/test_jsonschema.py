"""The JSON Schema of documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from svcgov._core._names import NAMES
from svcgov.cli import main
from svcgov.config._slots import SLOTS, settings_of
from svcgov.config.document import document_of
from svcgov.config.jsonschema import schema

from .test_document import FULL
from .test_properties import DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = Path(__file__).parents[2] / "docs" / "svcgov.schema.json"


@pytest.fixture(scope="module")
def valid() -> Callable[[Any], bool]:
    """Whether the schema allows a document."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped, unused-ignore]  # it has no types of its own

    made: Any = Draft202012Validator(schema())
    made.check_schema(schema())
    return lambda document: bool(made.is_valid(document))


def test_the_shipped_schema_is_that_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """``svcgov schema > docs/svcgov.schema.json`` makes it so."""
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == SHIPPED.read_text()


@pytest.mark.parametrize("slot", SLOTS)
def test_every_setting_has_a_shape(slot: str) -> None:
    """And no other one has."""
    known = schema()["$defs"][f"settings.{slot.removeprefix('attempt_')}"]["properties"]
    assert set(known) == set(settings_of(slot)._fields)


@pytest.mark.extras
def test_what_may_be_is_allowed(valid: Callable[[Any], bool]) -> None:
    """A document with all there is in it."""
    assert document_of(FULL)[1] == []
    assert valid(json.loads(json.dumps(FULL)))


@pytest.mark.extras
@settings(max_examples=300)
@given(DOCUMENTS)
def test_whatever_may_be_is_allowed(valid: Callable[[Any], bool], document: Any) -> None:
    """The schema may allow more than the settings; never less."""
    NAMES.forget()
    if not document_of(document)[1]:
        assert valid(document)


@pytest.mark.extras
@pytest.mark.parametrize(
    "slots",
    [
        {"retry": {"attemps": 3}},
        {"retry": {"attempts": 0}},
        {"retry": {"attempts": "3"}},
        {"bulkhead": 0},
        {"bulkhead": {"order": "random"}},
        {"timeout": "2 parsecs"},
        {"rate_limit": "fast"},
        {"circuit_breaker": {"failure_rate": 30}},
        {"circuit_breaker": {"open_from_answer": "yes"}},
        {"order": ["timeout", "timeout"]},
    ],
)
def test_a_slip_is_seen_in_an_editor(valid: Callable[[Any], bool], slots: dict[str, Any]) -> None:
    """Before anybody asks ``svcgov check``."""
    assert not valid({"policies": {"payments": slots}})
