"""The command ``svcgov``.

=====================  =======================================================================================
``svcgov show``        the settings that a function would find in this environment, and where each comes from
``svcgov check``       whether documents can be: all that is wrong in them
``svcgov diff``        what another document would change
``svcgov schema``      the JSON Schema of documents, for editors
``svcgov sign``        put a document into a signed envelope
``svcgov push``        publish a document to a registry, or change settings of the one that is there
``svcgov rollback``    publish an earlier document anew
``svcgov history``     the documents that were published, by whom, and why
``svcgov registry``    which services there are, and where they are called
``svcgov completion``  the script by which a shell completes what you type
``--version``          the version
=====================  =======================================================================================

Exit status: 0 when all is well, 1 when a setting cannot be, 2 when the command is not understood.
"""

from __future__ import annotations

import argparse
import json
import sys
from warnings import catch_warnings, simplefilter

from . import __version__, _cli_completion, _cli_documents, _cli_push, _cli_registry
from ._core._chores import MODES
from ._core._clock import SYSTEM
from ._core._context import well_coloured
from ._core._environment import SERVICE, VERSION, disabled, file_of_document, first, share, text, word, words
from ._core._names import check_name
from ._core._spans import WORDS as TRACES
from ._under_documents import least_revision
from .config._signed import DocumentKeys
from .config.appconfig import port, profile
from .errors import ConfigError
from .governor import colours_of
from .propagation import colour
from .propagation.forwarded import Forward
from .propagation.signed import Keys
from .registry._schemes import opened
from .telemetry.access_log import RANKS, WORDS
from .telemetry.outputs import chosen
from .telemetry.redaction import extra, redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Setting:
    """One setting of the environment: how it is read, and where it may come from, first come, first served.

    A *secret* is not shown, only that it is set.
    """

    def __init__(self, name: str, read: Callable[[], str], *variables: str, secret: bool = False) -> None:
        self.name = name
        self.read = read
        self.variables = variables
        self.secret = secret

    def shown(self) -> dict[str, str | None]:
        """``setting``, ``value``, ``origin`` and, if it cannot be, ``error``."""
        origin = next((name for name in self.variables if text(name)), "default")
        try:
            value, error = self.read(), None
        except ConfigError as wrong:
            value, error = redact.text(text(origin)), redact.text(str(wrong))
        if value and self.secret:
            value = "set"
        return {"setting": self.name, "value": value, "origin": origin, "error": error}


def _colour_headers() -> str:
    colour.also_named(words("SVCGOV_COLOUR_HEADERS"), "SVCGOV_COLOUR_HEADERS")
    return ",".join(colour.names[1:])


def _colour_key() -> str:
    return repr(Keys(words("SVCGOV_COLOUR_KEY"), "SVCGOV_COLOUR_KEY", SYSTEM.wall)) if text("SVCGOV_COLOUR_KEY") else ""


def _document_keys() -> str:
    keys = words("SVCGOV_DOCUMENT_KEYS")
    return repr(DocumentKeys(keys, "SVCGOV_DOCUMENT_KEYS")) if keys else ""


def _appconfig() -> str:
    given = text("SVCGOV_APPCONFIG")
    return f"{'/'.join(profile(given))}, port {port()}" if given else ""


def _colour() -> str:
    given = text("SVCGOV_COLOUR")
    if given and not well_coloured(given):
        raise ConfigError("SVCGOV_COLOUR", given, "1 to 64 letters, digits or . _ -")
    return given


def _group() -> str:
    given = text("SVCGOV_GROUP")
    if given:
        check_name(given, "SVCGOV_GROUP")
    return given


def _registry() -> str:
    given = text("SVCGOV_REGISTRY")
    if given:
        opened(given, "SVCGOV_REGISTRY", SYSTEM)
    return redact.text(given)


SETTINGS = (
    Setting("service", lambda: first(*SERVICE), *SERVICE),
    Setting("version", lambda: first(*VERSION), *VERSION),
    Setting("colours", lambda: ",".join(sorted(colours_of(words("SVCGOV_COLOURS"), "SVCGOV_COLOURS"))), "SVCGOV_COLOURS"),
    Setting("colour_headers", _colour_headers, "SVCGOV_COLOUR_HEADERS"),
    Setting("colour_key", _colour_key, "SVCGOV_COLOUR_KEY", secret=True),
    Setting("forward", lambda: ",".join(Forward(words("SVCGOV_FORWARD"), "SVCGOV_FORWARD").given), "SVCGOV_FORWARD"),
    Setting("log", lambda: word("SVCGOV_LOG", WORDS, "structlog if it is loaded, else json"), "SVCGOV_LOG"),
    Setting("log_level", lambda: word("SVCGOV_LOG_LEVEL", tuple(RANKS), "info"), "SVCGOV_LOG_LEVEL"),
    Setting("log_sample", lambda: f"{share('SVCGOV_LOG_SAMPLE'):g}", "SVCGOV_LOG_SAMPLE"),
    Setting("redact", lambda: ",".join(extra()), "SVCGOV_REDACT"),
    Setting("metrics", lambda: chosen() or "what the code mounts", "SVCGOV_METRICS"),
    Setting("traces", lambda: word("SVCGOV_TRACES", TRACES, "where a provider is set"), "SVCGOV_TRACES"),
    Setting("config", file_of_document, "SVCGOV_CONFIG"),
    Setting("appconfig", _appconfig, "SVCGOV_APPCONFIG"),
    Setting("document_keys", _document_keys, "SVCGOV_DOCUMENT_KEYS", secret=True),
    Setting("min_revision", lambda: str(least_revision()), "SVCGOV_MIN_REVISION"),
    Setting("group", _group, "SVCGOV_GROUP"),
    Setting("stage", lambda: text("SVCGOV_STAGE"), "SVCGOV_STAGE"),
    Setting("colour", _colour, "SVCGOV_COLOUR"),
    Setting("registry", _registry, "SVCGOV_REGISTRY"),
    Setting("address", lambda: redact.text(text("SVCGOV_ADDRESS")), "SVCGOV_ADDRESS"),
    Setting("disabled", lambda: ",".join(sorted(disabled())), "SVCGOV_DISABLED"),
    Setting("keeper", lambda: word("SVCGOV_KEEPER", MODES, "auto"), "SVCGOV_KEEPER"),
)

_COMMANDS = _cli_documents.COMMANDS | _cli_push.COMMANDS | _cli_registry.COMMANDS | _cli_completion.COMMANDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = _parser().parse_args(arguments)
    if given.command != "show":
        return int(_COMMANDS[given.command](given))
    with catch_warnings():
        simplefilter("ignore")  # that policies are off is what this shows, not what it warns of
        rows = [setting.shown() for setting in SETTINGS] + _cli_documents.rows()
    if given.json:
        print(json.dumps(rows, indent=2))
    else:
        _print(rows)
    return 1 if any(row["error"] for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="svcgov", description="Governance for Python functions, in their own process.")
    parser.add_argument("--version", action="version", version=f"svcgov {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    show = commands.add_parser("show", help="the settings that a function would find in this environment")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    _cli_documents.add_to(commands)
    _cli_push.add_to(commands)
    _cli_registry.add_to(commands)
    _cli_completion.add_to(commands, parser)
    return parser


def _print(rows: list[dict[str, str | None]]) -> None:
    columns = ("setting", "value", "origin")
    table = [columns, *(tuple(row[column] or "-" for column in columns) for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    for row in rows:
        if row["error"]:
            print(f"error: {row['error']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
