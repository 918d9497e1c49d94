"""Frozen records made from annotations.

Rule 1: annotated names become slots and keyword arguments; nothing is generated and nothing is compiled,
        since dataclasses would cost a cold start more than all of svcgov's own imports.
Rule 2: a record never changes; ``replace`` makes another one.
Rule 3: files that define records keep the ``__future__`` import of annotations: it is what puts them into the class body.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda cls: cls


REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "required", "__slots__": ()})()


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Made(type):
    """Turns the annotations of a class body into slots, and what they are set to into defaults."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Made:
        fields: dict[str, Any] = {}
        for base in bases:
            fields.update(getattr(base, "_fields", {}))
        annotated = [n for n, kind in space.get("__annotations__", {}).items() if not str(kind).startswith("ClassVar")]
        own = {n: space.pop(n, REQUIRED) for n in annotated}
        space["_fields"] = fields | own
        space.setdefault("__slots__", tuple(n for n in own if n not in fields))
        return type.__new__(cls, name, bases, space)


class Frozen(metaclass=Made):
    """A record of named values that never changes."""

    if TYPE_CHECKING:
        _fields: ClassVar[dict[str, Any]]
    else:

        def __init__(self, **given):
            put = object.__setattr__
            for name, default in self._fields.items():
                value = given.pop(name, default)
                if value is REQUIRED:
                    raise TypeError(f"{type(self).__name__} needs {name}")
                put(self, name, value)
            if given:
                raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")

    def replace(self, **changes: Any) -> Self:
        """Another record, equal but for *changes*."""
        return type(self)(**{name: getattr(self, name) for name in self._fields} | changes)

    def as_dict(self) -> dict[str, Any]:
        """Names and values, in the order of the class body."""
        return {name: getattr(self, name) for name in self._fields}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self._fields)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._fields)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.as_dict())


def _rebuild(cls: type[Frozen], values: dict[str, Any]) -> Frozen:
    return cls(**values)
