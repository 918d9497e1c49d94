"""The commands of ``svcgov`` that publish documents to a registry: ``push``, ``rollback``, ``history``.

Rule 1: all of it is checked, for every service that it is for, before anything is written.
Rule 2: it is written over what it was made of, or not at all: nobody else's change gets lost.
Rule 3: what is said about it is who, when and why. An older document is written anew, under a higher revision.
Rule 4: where there are keys for documents, what is written is signed, and nothing is built on what is not.
Rule 5: ``--for`` and ``--percent`` make a rollout of what is ``--set``: it ends by itself, and is for some of all (`_cli_sets`).
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from fnmatch import fnmatchcase
from math import inf

from ._cli_documents import changes
from ._cli_registry import table
from ._cli_sets import for_good, tried
from ._core._clock import SYSTEM, utc
from ._core._environment import text, words
from ._core._frozen import Frozen
from ._core._model import Config
from ._core._names import check_name
from ._core._schema import duration
from .config._parts import ROLLOUT
from .config._paths import joined
from .config._signed import DocumentKeys
from .config.document import document_of
from .config.merge import leaves
from .config.sources import File, Raw, settings_in
from .errors import ConfigError, ConflictError, RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .registry import Registry

FLEET, GROUP = "fleet", "group"  # whose documents hold for all, and for many, and their layers
KEYS = "SVCGOV_DOCUMENT_KEYS"
_lasting = duration(low=1.0)


class Step(Frozen):
    """What is to be written for one service.

    Attributes:
        over: what is there.
        document: what is to be there; None: no document any more.
        signed: the revision of the envelope that is there, 0 for none.
        more: what is said about it, besides who, when and why.
    """

    over: Config
    document: Any
    changes: list[dict[str, Any]]
    signed: int
    more: Mapping[str, Any] = {}  # frozen records have no shared mutable state: nobody writes into it


def add_to(commands: Any) -> None:
    """Add the commands to those of `cli`."""
    push = commands.add_parser("push", help="publish a document, or change settings of the one that is there")
    push.add_argument("file", nargs="?", metavar="FILE", help="TOML, JSON, or YAML where PyYAML is installed")
    push.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="in the document that is there; again for more"
    )
    push.add_argument("--for", dest="lasting", metavar="TIME", help="what is --set holds for so long, such as 30m")
    push.add_argument("--percent", type=_percent, metavar="N", help="what is --set holds for N of a hundred processes")
    rollback = commands.add_parser("rollback", help="publish an earlier document anew")
    rollback.add_argument("--to", type=int, metavar="REVISION", help="which one; else the one before")
    history = commands.add_parser("history", help="the documents that were published, by whom, and why")
    for one in (push, rollback, history):
        whose = one.add_mutually_exclusive_group(required=True)
        whose.add_argument("--service", metavar="GLOB", help="whose it is; 'checkout-*' for all of these that are registered")
        whose.add_argument("--group", metavar="NAME", help="that of all services of a group")
        whose.add_argument("--fleet", action="store_true", help="that of all services")
        one.add_argument("--registry", metavar="URL", help="else SVCGOV_REGISTRY")
        one.add_argument("--json", action="store_true", help="as JSON, for programs")
    for one in (push, rollback):
        one.add_argument("--dry-run", action="store_true", help="only tell what would change")
        one.add_argument("--why", default="", help="for those who look at the history")


def push(given: Namespace) -> int:
    """Publish what is said."""
    if bool(given.file) is bool(given.set):
        print("svcgov push: a FILE, or --set PATH=VALUE", file=sys.stderr)
        return 2
    if given.file and (given.lasting is not None or given.percent is not None):
        print("svcgov push: --for and --percent are about what is --set", file=sys.stderr)
        return 2
    return _in_registry(given, _push)


def rollback(given: Namespace) -> int:
    """Publish what was there before."""
    return _in_registry(given, _rollback)


def history(given: Namespace) -> int:
    """Tell what was published."""
    return _in_registry(given, _history)


def _in_registry(given: Namespace, verb: Any) -> int:
    from .registry import connect

    try:
        opened = connect(given.registry)
        try:
            return int(verb(opened, given))
        finally:
            opened.close()
    except (ConfigError, RegistryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _push(opened: Registry, given: Namespace) -> int:
    sets = [settings_in(one, "--set") for one in given.set]
    seconds = None if given.lasting is None else _lasting.read(given.lasting, "--for")
    now = SYSTEM.wall()
    file = _read(given.file) if given.file else None
    keys, steps, wrong = _keys(), [], []
    for service, layer in _whose(opened, given):
        over = next(iter(opened.history(service, layer)), Config(service=service, layer=layer))
        try:
            before, signed = _said(over, keys)
        except ConfigError as error:
            if given.set or error.path == KEYS:
                raise
            before, signed = {}, 0  # it was nothing; what is pushed does not build on it
        if given.file:
            after = file
        elif seconds is None and given.percent is None:
            after = for_good(sets, before, now)
        else:
            after = tried(sets, before, now, seconds=seconds, percent=given.percent)
        wrong += _wrong(after, service, layer)
        steps.append(Step(over=over, document=after, changes=_changes(before, after), signed=signed))
    return _refused(wrong) or _carry_out(opened, given, steps, keys)


def _rollback(opened: Registry, given: Namespace) -> int:
    keys, steps, wrong = _keys(), [], []
    for service, layer in _whose(opened, given):
        kept = opened.history(service, layer)
        found = next((one for one in kept[1:] if given.to in (None, one.revision)), None)
        if found is None:
            known = ", ".join(str(one.revision) for one in kept[1:])
            raise ConfigError(f"--to ({service})", given.to, f"an earlier revision: {known or 'there is none'}")
        (before, signed), (after, _) = _said(kept[0], keys), _said(found, keys)
        wrong += _wrong(after, service, layer)
        document = None if found.text is None else after
        back = {"rollback_of": found.revision}
        steps.append(Step(over=kept[0], document=document, changes=_changes(before, after), signed=signed, more=back))
    return _refused(wrong) or _carry_out(opened, given, steps, keys)


def _history(opened: Registry, given: Namespace) -> int:
    columns = ("service", "revision", "at", "who", "why", "rollback_of")
    rows = [
        [service, one.revision, utc(one.at), *(one.meta.get(name) for name in columns[3:])]
        for service, layer in _whose(opened, given)
        for one in opened.history(service, layer)
    ]
    if given.json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
    else:
        table([columns, *rows])
    return 0


def _whose(opened: Registry, given: Namespace) -> list[tuple[str, str]]:
    """The services that are meant, and the layer."""
    if given.fleet:
        return [(FLEET, FLEET)]
    if given.group is not None:
        check_name(given.group, "--group")
        return [(given.group, GROUP)]
    if not any(sign in given.service for sign in "*?["):
        check_name(given.service, "--service")
        return [(given.service, "service")]
    known = opened.services()
    found = [(one, "service") for one in known if fnmatchcase(one, given.service)]
    if not found:
        raise ConfigError("--service", given.service, f"one of {', '.join(known) or 'those that are registered: there is none'}")
    return found


def _percent(text: str) -> float:
    """Read ``--percent``."""
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise ArgumentTypeError(f"expected a number from 0 to 100, got {text}")
    return percent


def _keys() -> DocumentKeys | None:
    given = words(KEYS)
    return DocumentKeys(given, KEYS) if given else None


def _read(name: str) -> Any:
    raw: Any = File(name).pull()
    return raw.said()


def _said(config: Config, keys: DocumentKeys | None) -> tuple[Any, int]:
    """What a document that was published says, and the revision of its envelope.

    Raises:
        ConfigError: where it cannot be read, or is not signed as it has to be.
    """
    if config.text is None:
        return {}, 0
    place = f"{config.service} {config.revision}"
    raw = Raw(layer=config.layer, place=place, data=config.text.encode(), form="json", revision=str(config.revision))
    if keys is not None:
        raw = keys.opened(raw, stage=text("SVCGOV_STAGE"), service=config.service)
        return raw.said(), raw.number or 0
    said = raw.said()
    if isinstance(said, dict) and {"payload", "sig"} <= said.keys():
        raise ConfigError(KEYS, None, f"the keys: the document of {config.service} is signed")
    return said, 0


def _wrong(said: Any, service: str, layer: str) -> list[str]:
    document, errors = document_of(said)
    if document.service and (layer in (FLEET, GROUP) or document.service != service):
        expected = f"{service}, whose it is to be" if layer == "service" else "nothing: it is for many services"
        errors.append(ConfigError("service", document.service, expected))
    return [f"{service}: {error}" for error in errors]


def _refused(wrong: list[str]) -> int:
    for one in wrong:
        print(f"error: {one}", file=sys.stderr)
    return 1 if wrong else 0


def _changes(before: Any, after: Any) -> list[dict[str, Any]]:
    return changes(dict(_settings(before)), dict(_settings(after)))


def _settings(said: Any) -> Iterator[tuple[str, Any]]:
    """All that a document says, whomever it is for."""
    for part in document_of(said)[0].parts:
        if part.kind == ROLLOUT:
            yield joined((*part.prefix, "until")), utc(part.until) if part.until < inf else None
            yield joined((*part.prefix, "percent")), part.percent
        for path, value in leaves(part.values, part.prefix):
            yield joined(path), value
        if part.unset:
            yield joined((*part.prefix, "unset")), [joined(path) for path in part.unset]


def _carry_out(opened: Registry, given: Namespace, steps: list[Step], keys: DocumentKeys | None) -> int:
    done: list[dict[str, Any]] = []
    problem = ""
    for step in steps:
        over = step.over
        try:
            revision = None if given.dry_run else _write(opened, step, given.why, keys)
        except RegistryError as error:
            whose = "--fleet" if over.layer == FLEET else f"--{over.layer} {over.service}"
            hint = f"; see svcgov history {whose}, and try again" if isinstance(error, ConflictError) else ""
            problem = f"{error}{hint} (not written: {', '.join(one.over.service for one in steps[len(done) :])})"
            break
        done.append({"service": over.service, "revision": revision, "over": over.revision, "changes": step.changes})
    if given.json:
        print(json.dumps(done, indent=2))
    else:
        _show(done)
    return _refused([problem] if problem else [])


def _write(opened: Registry, step: Step, why: str, keys: DocumentKeys | None) -> int:
    now = SYSTEM.wall()
    over, document = step.over, step.document
    if keys is not None and document is not None:
        revision = max(over.revision + 1, step.signed + 1, int(now))
        sealed = keys.sealed(
            json.dumps(document), stage=text("SVCGOV_STAGE"), service=over.service, layer=over.layer, revision=revision
        )
        document = sealed.decode()
    meta = {"who": _who(), "when": utc(now), "why": why, **step.more}
    return opened.publish(over.service, document, layer=over.layer, expected=over.revision, meta=meta)


def _show(done: list[dict[str, Any]]) -> None:
    columns = ("service", "setting", "before", "after")
    rows = [
        [one["service"], change["setting"], *(_cell(change[name]) for name in columns[2:])]
        for one in done
        for change in one["changes"]
    ]
    if rows:
        table([columns, *rows])
    for one in done:
        said = "nothing is written" if one["revision"] is None else f"revision {one['revision']}"
        print(f"{one['service']}: {said}, over {one['over'] or 'none'}")


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _who() -> str:
    from getpass import getuser
    from os import getuid
    from socket import gethostname

    try:
        user = getuser()
    except (KeyError, OSError):  # nobody has a name for it, as in a container
        user = str(getuid())
    return f"{user}@{gethostname()}"


COMMANDS = {"push": push, "rollback": rollback, "history": history}
