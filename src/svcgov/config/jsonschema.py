"""The JSON Schema of documents, for editors: made of the very settings that read them.

Rule 1: it knows the shapes of values. What goes together is known by the settings alone: `svcgov check` asks them.
Rule 2: whatever a document may say, the schema allows; it may allow more.
"""

from __future__ import annotations

from .._core._backoff import BackoffSettings
from .._core._matching import WORDS
from .._process import ProcessSettings
from ._callers import STRICTER
from ._parts import OVERLAYS
from ._slots import SLOTS, settings_of, shorthand_of
from .document import API_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._core._schema import Field

    Shape = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9._:-]{1,128}$"}
_FUNCTION = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$", "description": "the name of a registered function"}
_DURATION = {
    "description": "seconds, or text such as 500ms, 2s, 1m, 1h, PT2S",
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*([0-9.]+\s*(ms|s|m|h|d)\s*|PT[0-9.HMS]+)$"}],
}
_RATE = {"type": "string", "pattern": "^[ 0-9]+(/|[pP][eE][rR])", "description": "calls in a window, such as 100/second"}
_MATCH = {
    "description": f"{', '.join(WORDS)}, a status, or the name of a registered function",
    "anyOf": [{"type": "string"}, {"type": "integer", "minimum": 100, "maximum": 599}],
}
_OWN: Shape = {  # by the names of settings that have a reader of their own
    "on": {"anyOf": [{"$ref": "#/$defs/match"}, {"type": "array", "items": {"$ref": "#/$defs/match"}}]},
    "ignore": {"$ref": "#/$defs/settings.retry/properties/on"},
    "on_result": {"$ref": "#/$defs/function"},
    "key": {"type": "string", "description": "path, ip, colour, header:NAME, claim:NAME, arg:NAME, or a registered function"},
    "when": {"anyOf": [{"$ref": "#/$defs/function"}, {"type": "object"}]},
    "backoff": {
        "anyOf": [
            {"$ref": "#/$defs/duration"},
            {"type": "array", "items": {"$ref": "#/$defs/duration"}},
            {"$ref": "#/$defs/backoff"},
        ]
    },
    "budget": {"anyOf": [_NAME, {"const": False}]},
    "idempotent": {"type": "boolean"},
    "seconds": {"$ref": "#/$defs/duration"},
    "window": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/duration"}]},
    "open_for": {"anyOf": [{"$ref": "#/$defs/duration"}, {"$ref": "#/$defs/backoff"}]},
    "ramp_steps": {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "minItems": 1},
    "force": {"const": "open"},
    "limit": {
        "anyOf": [{"$ref": "#/$defs/rate"}, {"type": "array", "items": {"$ref": "#/$defs/rate"}, "minItems": 1, "maxItems": 10}]
    },
    "cost": {"type": "integer", "minimum": 0, "description": "a function in code only"},
    "cold_factor": {"type": "number", "exclusiveMinimum": 1, "maximum": 1000},
    "overrides": {"type": "object", "additionalProperties": {"$ref": "#/$defs/settings.rate_limit/properties/limit"}},
}


def schema() -> Shape:
    """The schema of a whole document."""
    body = {
        "policies": {"type": "object", "propertyNames": _NAME, "additionalProperties": _or_null({"$ref": "#/$defs/policies"})},
        "inbound": _or_null({"$ref": "#/$defs/policies"}),
        "process": _table(ProcessSettings._fields),
        "unset": {"type": "array", "items": {"type": "string"}},
    }
    callers = {"callers": _or_null({"$ref": "#/$defs/callers"})}
    moments = {
        "until": {"type": "string", "format": "date-time", "description": "when it ends"},
        "percent": {"type": "number", "minimum": 0, "maximum": 100, "description": "of all processes"},
    }
    rollout = _closed(moments | body)
    overlays = {
        kind: {"type": "object", "additionalProperties": _closed(body | (callers if kind == "stage" else {}))}
        for kind in OVERLAYS
    }
    return {
        "$schema": DRAFT,
        "title": "A governance document of svcgov",
        "type": "object",
        "properties": {
            "api_version": {"const": API_VERSION},
            "service": _NAME,
            **body,
            **callers,
            "overlay": _closed(overlays),
            "rollouts": {"type": "object", "propertyNames": _NAME, "additionalProperties": rollout},
        },
        "additionalProperties": False,
        "$defs": {
            "policies": {
                "type": "object",
                "properties": {
                    **{slot: _or_null(_slot(slot)) for slot in SLOTS},
                    "order": _or_null({"type": "array", "items": {"enum": list(SLOTS)}, "uniqueItems": True}),
                },
                "additionalProperties": False,
            },
            "callers": _closed({slot: _asked(slot) for slot in SLOTS}),
            **{f"settings.{slot}": _table(settings_of(slot)._fields) for slot in SLOTS if not slot.startswith("attempt_")},
            "backoff": _table(BackoffSettings._fields),
            "duration": _DURATION,
            "rate": _RATE,
            "match": _MATCH,
            "function": _FUNCTION,
        },
    }


def _asked(slot: str) -> Shape:
    """What a service may ask of its callers."""
    fields = {name: field for name, field in settings_of(slot)._fields.items() if name in STRICTER[slot]}
    short = shorthand_of(slot)
    table = _table(fields)
    return table if short is None else {"anyOf": [_shape(short, fields[short]), table]}


def _slot(slot: str) -> Shape:
    table = {"$ref": f"#/$defs/settings.{slot.removeprefix('attempt_')}"}
    short = shorthand_of(slot)
    return table if short is None else {"anyOf": [_shape(short, settings_of(slot)._fields[short]), table]}


def _table(fields: Mapping[str, Field]) -> Shape:
    return _closed({name: _or_null(_shape(name, field)) for name, field in fields.items()})


def _closed(properties: Shape) -> Shape:
    """A table of these, and of nothing else."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _or_null(shape: Shape) -> Shape:
    """The *shape*, or null, which takes back what the layers below say."""
    return {"anyOf": [*shape["anyOf"], {"type": "null"}]} if set(shape) == {"anyOf"} else {"anyOf": [shape, {"type": "null"}]}


def _shape(name: str, field: Field) -> Shape:
    shape = dict(_of_form(field.form) if field.form is not None else _OWN[name])
    if isinstance(field.default, (bool, int, float, str)):
        shape["default"] = field.default
    return shape


def _of_form(form: tuple[Any, ...]) -> Shape:
    kind, *more = form
    if kind == "choice":
        return {"enum": more}
    if kind == "duration":
        return {"$ref": "#/$defs/duration"}
    if kind == "boolean":
        return {"type": "boolean"}
    low, high = (0, 1) if kind == "ratio" else more
    return {"type": "integer" if kind == "integer" else "number", "minimum": low, "maximum": high}
