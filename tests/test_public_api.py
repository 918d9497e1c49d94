"""What is public: every name with its signature is in ``public_api.txt``, one line each, and changes with a decision only.

After a change that is meant, write the file anew: ``python tests/test_public_api.py --write``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import svcgov
from svcgov._core._frozen import REQUIRED, Frozen

FILE = Path(__file__).with_name("public_api.txt")
MODULES = sorted(one.name for one in pkgutil.walk_packages(svcgov.__path__, "svcgov."))
PUBLIC = (
    "svcgov",
    "svcgov.errors",
    "svcgov.facts",
    "svcgov.logs",
    "svcgov.policies",
    "svcgov.registry",
    "svcgov.testing",
    "svcgov.typing",
)


def lines() -> list[str]:
    """The public interface, as the file has it."""
    found: list[str] = []
    for name in PUBLIC:
        module = importlib.import_module(name)
        for public in sorted(module.__all__):
            found += described(f"{name}.{public}", getattr(module, public))
    return found


def described(path: str, value: Any) -> Iterator[str]:
    """The lines of one name."""
    if isinstance(value, ModuleType):
        yield f"{path}: module"
    elif isinstance(value, type):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {path}{f'({bases})' if bases else ''}: {signature(value)}"
        yield from members(path, value)
    elif callable(value):
        yield f"def {path}{signature(value)}"
    else:
        yield f"{path}: {value!r}"


def members(path: str, cls: type) -> Iterator[str]:
    """What a class has that is public and written here, not what it has from elsewhere."""
    for name in sorted(dir(cls)):
        owner = next((one for one in cls.__mro__ if name in vars(one)), object)
        if name.startswith("_") or owner is Frozen or not owner.__module__.startswith("svcgov"):
            continue
        member = vars(owner)[name]
        if isinstance(member, property):
            kind = "" if member.fget is None else member.fget.__annotations__.get("return", "Any")
            yield f"    {path.rpartition('.')[2]}.{name}: {kind}"
        elif isinstance(member, (classmethod, staticmethod)):
            yield f"    {path.rpartition('.')[2]}.{name}{signature(getattr(cls, name))}"
        elif inspect.isfunction(member):
            word = "async " if inspect.iscoroutinefunction(member) else ""
            yield f"    {word}{path.rpartition('.')[2]}.{name}{signature(member)}"


def signature(value: Any) -> str:
    """Parameters and result, as they are written; the keyword arguments of a policy one by one."""
    if isinstance(value, type):
        if issubclass(value, Frozen):
            return f"({', '.join(fields(value))})"
        made_by = next(one for one in value.__mro__ if "__init__" in vars(one))
        if not made_by.__module__.startswith("svcgov") or getattr(value, "_is_protocol", False):
            return "()"
    given = inspect.signature(value)
    parts: list[str] = []
    kinds = [one.kind for one in given.parameters.values()]
    for number, one in enumerate(given.parameters.values()):
        if one.kind is one.KEYWORD_ONLY and not {one.KEYWORD_ONLY, one.VAR_POSITIONAL} & set(kinds[:number]):
            parts.append("*")
        if one.kind is one.VAR_KEYWORD and one.name == "options":
            parts += ([] if one.VAR_POSITIONAL in kinds else ["*"]) + options_of(value)
        else:
            parts.append(parameter(one))
        if one.kind is one.POSITIONAL_ONLY and one.POSITIONAL_ONLY not in kinds[number + 1 :]:
            parts.append("/")
    returns = "" if isinstance(value, type) or given.return_annotation is given.empty else f" -> {given.return_annotation}"
    return f"({', '.join(parts)}){returns}"


def parameter(one: inspect.Parameter) -> str:
    """One parameter; a default that is no plain value is an ellipsis."""
    stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    annotation = "" if one.annotation is one.empty else f": {one.annotation}"
    if one.default is one.empty:
        return f"{stars}{one.name}{annotation}"
    plain = one.default is None or isinstance(one.default, (bool, int, float, str, tuple))
    return f"{stars}{one.name}{annotation} = {repr(one.default) if plain else '...'}"


def fields(cls: type[Frozen]) -> Iterator[str]:
    """The keyword arguments of a record."""
    yield "*"
    kinds: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        kinds |= vars(one).get("__annotations__", {})
    for name, default in cls._fields.items():
        yield f"{name}: {kinds[name]}{'' if default is REQUIRED else f' = {default!r}'}"


def options_of(function: Any) -> list[str]:
    """The keyword arguments that the class ``Options`` of the function's module lists for type checkers."""
    tree = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    (options,) = (one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == "Options")
    return [f"{one.target.id}: {ast.unparse(one.annotation)} = ..." for one in options.body if _is_field(one)]  # type: ignore[attr-defined]  # as asked


def _is_field(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def test_the_public_interface_is_as_written() -> None:
    """A line that is new, gone or changed is a decision: write the file anew, and say so in the changelog."""
    assert "\n".join(lines()) + "\n" == FILE.read_text()


def test_dir_shows_what_is_public() -> None:
    """The front door lists all it has before anything is imported."""
    assert dir(svcgov) == sorted([*svcgov.__all__, "__version__"])
    assert dir(importlib.import_module("svcgov.policies")) == sorted(importlib.import_module("svcgov.policies").__all__)


@pytest.mark.parametrize("name", ["svcgov", *MODULES])
def test_every_listed_name_is_there(name: str) -> None:
    """Each name of each ``__all__``, once, and made here or handed on from below."""
    module = importlib.import_module(name)
    listed = list(getattr(module, "__all__", ()))
    assert len(set(listed)) == len(listed)
    assert [one for one in listed if not hasattr(module, one)] == []


@pytest.mark.parametrize("name", PUBLIC[1:])
def test_a_public_module_lists_all_that_it_defines(name: str) -> None:
    """What is written there without an underscore is public, and nothing else is."""
    module = importlib.import_module(name)
    defined = {
        one
        for one, value in vars(module).items()
        if getattr(value, "__module__", None) == name and not one.startswith("_") and inspect.isclass(value)
    }
    assert defined <= set(module.__all__) | {"Alarm", "SupportsTotalSeconds"}


@pytest.mark.parametrize("name", ["svcgov", "svcgov.policies"])
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    """That says whose attribute it is not."""
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'bulkhed'"):
        getattr(importlib.import_module(name), "bulkhed")  # noqa: B009  # mypy knows that it is not there


def test_every_public_thing_has_a_docstring() -> None:
    """With the shapes and units of what it takes."""
    for name in PUBLIC:
        module = importlib.import_module(name)
        for public in module.__all__:
            value = getattr(module, public)
            if callable(value):
                assert value.__doc__, f"{name}.{public}"


if __name__ == "__main__":
    text = "\n".join(lines()) + "\n"
    if "--write" in sys.argv:
        FILE.write_text(text)
    sys.stdout.write(text)
