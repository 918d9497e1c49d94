"""The commands of ``svcgov`` that are about documents: ``check``, ``diff``, ``schema``, ``sign``, and their part of ``show``."""

from __future__ import annotations

import json
import sys

from ._core._environment import VERSION, file_of_document, first, text, words
from .config._paths import joined
from .config._signed import DocumentKeys
from .config.document import document_of
from .config.merge import LAYERS, merged
from .config.sources import Environment, File
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from typing import Any

    from .config._parts import Document
    from .config.merge import Effective
    from .config.sources import Source

    Row = dict[str, Any]


def add_to(commands: Any) -> None:
    """Add the commands to those of the parser."""
    check = commands.add_parser("check", help="whether documents can be: all that is wrong in them")
    check.add_argument("files", nargs="+", metavar="FILE", help="TOML, JSON, or YAML where PyYAML is installed")
    check.add_argument("--json", action="store_true", help="as JSON, for programs")
    diff = commands.add_parser("diff", help="what another document would change here")
    diff.add_argument("files", nargs="+", metavar="FILE", help="the other one; or two, the one before it first")
    diff.add_argument("--json", action="store_true", help="as JSON, for programs")

    commands.add_parser("schema", help="the JSON Schema of documents, for editors")
    sign = commands.add_parser("sign", help="put a document into a signed envelope, by the first of SVCGOV_DOCUMENT_KEYS")
    sign.add_argument("file", metavar="FILE")
    sign.add_argument("--service", default="", help="whose it is")
    sign.add_argument("--stage", default="", help="the stage it is for")
    sign.add_argument("--layer", default="file", choices=LAYERS[:4], help="where it is to stand; file, unless it is said")
    sign.add_argument("--revision", type=int, required=True, help="its revision, which has to be above the one before")


def schema(given: Namespace) -> int:
    """Print it."""
    from .config import jsonschema

    print(json.dumps(jsonschema.schema(), indent=1))
    return 0


def sign(given: Namespace) -> int:
    """Print the envelope of a document that is right."""
    try:
        keys = DocumentKeys(words("SVCGOV_DOCUMENT_KEYS"), "SVCGOV_DOCUMENT_KEYS")
        raw: Any = File(given.file).pull()
        said = raw.said()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    wrong = document_of(said)[1]
    for one in wrong:
        print(f"{given.file}: {one}", file=sys.stderr)
    if wrong:
        return 1
    sealed = keys.sealed(json.dumps(said), stage=given.stage, service=given.service, layer=given.layer, revision=given.revision)
    print(sealed.decode())
    return 0


def check(given: Namespace) -> int:
    """Tell what is wrong."""
    found = [{"file": name, "path": one.path, "error": str(one)} for name in given.files for one in _read(File(name))[1]]
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for one in found:
            print(f"{one['file']}: {one['error']}", file=sys.stderr)
        for name in given.files:
            if not any(one["file"] == name for one in found):
                print(f"{name}: nothing is wrong")
    return 1 if found else 0


def diff(given: Namespace) -> int:
    """Tell what changes from one document to another, for an instance as this environment makes it."""
    if len(given.files) > 2:
        print("svcgov diff: one file, or two", file=sys.stderr)
        return 2
    before, wrong = _effective(File(given.files[0])) if len(given.files) == 2 else _here()
    after, more = _effective(File(given.files[-1]))
    for error in (*wrong, *more):
        print(f"error: {error}", file=sys.stderr)
    if wrong or more:
        return 1
    old, new = ({joined(path): value for path, value, _ in one.leaves()} for one in (before, after))
    changed = changes(old, new)
    if given.json:
        print(json.dumps(changed, indent=2))
    else:
        for one in changed:
            for sign, values in (("-", old), ("+", new)):
                if one["setting"] in values:
                    print(f"{sign} {one['setting']} = {json.dumps(values[one['setting']])}")
    return 0


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Row]:
    """What is another setting, or none, in *new*."""
    return [
        {"setting": path, "before": old.get(path), "after": new.get(path)}
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def rows() -> list[Row]:
    """What the documents of this environment say, as `show` shows it."""
    effective, errors = _here()
    places = {"file": file_of_document(), "environment": "SVCGOV_SET"}
    found = [
        {
            "setting": joined(path),
            "value": value if isinstance(value, str) else json.dumps(value),
            "origin": f"{places[origin.layer]}: {origin.written}" if origin.layer == "file" else places[origin.layer],
            "error": None,
        }
        for path, value, origin in effective.leaves()
    ]
    return found + [{"setting": error.path, "value": "", "origin": "document", "error": str(error)} for error in errors]


def _here() -> tuple[Effective, list[ConfigError]]:
    path, said = file_of_document(), text("SVCGOV_SET")
    return _effective(*([File(path)] if path else []), *([Environment(said)] if said else []))


def _effective(*sources: Source) -> tuple[Effective, list[ConfigError]]:
    documents: dict[str, Document] = {}
    errors: list[ConfigError] = []
    for source in sources:
        document, wrong = _read(source)
        if document is not None:
            documents[source.layer] = document
        errors += wrong
    labels = {"stage": text("SVCGOV_STAGE"), "version": first(*VERSION), "colour": text("SVCGOV_COLOUR")}
    return merged(documents, labels), errors


def _read(source: Source) -> tuple[Document | None, list[ConfigError]]:
    try:
        raw: Any = source.pull()
        return document_of(raw.said())
    except ConfigError as error:
        return None, [error]


COMMANDS = {"check": check, "diff": diff, "schema": schema, "sign": sign}
