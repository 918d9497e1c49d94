"""``python examples/shop``: a function, two services, one of which gets into trouble, and what svcgov makes of it.

Exit status: 0 when everything was seen as told, 1 when something was not, 130 after a Ctrl-C.
"""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec

from processes import ProcessEndedError

_NEEDED = ("awslambdaric", "fastapi", "httpx2", "svcgov", "uvicorn")


def main() -> int:
    """Tell the story."""
    parser = argparse.ArgumentParser(prog="python examples/shop", description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=pathlib.Path, help="keep the logs of all processes there")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON; the story goes to standard error")
    given = parser.parse_args()
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(f"missing: {', '.join(missing)}. `nox -s demo` runs this with everything it needs.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends it in another way finds it as tidy
    with ExitStack() as open_:
        if given.folder is None:
            folder = pathlib.Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="shop-")))
        else:
            folder = given.folder.resolve()
            folder.mkdir(parents=True, exist_ok=True)
        try:
            return tell(folder, as_json=given.json)
        except ProcessEndedError as error:
            print(f"the story did not begin: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130


def tell(folder: pathlib.Path, *, as_json: bool) -> int:
    """The whole story, its files in *folder*; returns the exit status."""
    import summary
    from desk import Desk
    from drawing import drawing
    from play import FRONTS, GOVERNED, PLAIN, Play
    from stage import Stage
    from story import differences
    from traces import Traces

    began = time.monotonic()
    out = sys.stderr if as_json else sys.stdout
    with drawing(out) as picture, ExitStack() as open_:
        stages = {front: open_.enter_context(Stage(module=module, folder=folder)) for front, module in FRONTS.items()}
        desk = Desk(stages[GOVERNED].registry)
        play = Play(stages, desk)
        play.start()
        try:
            while not play.over(0.1):
                picture.update(play)
        finally:
            play.stop()
            play.over(5.0)
        picture.update(play)
    took = time.monotonic() - began
    if play.failure is not None:
        print(f"the story came to no end: {play.failure}", file=sys.stderr)
        return 1
    governed, plain = play.tallies[GOVERNED], play.tallies[PLAIN]
    traces = Traces(stages[GOVERNED])
    wrong = [*differences(governed, plain, play.push), *traces.wrong()]
    print(summary.beside(governed, plain), file=out)
    print(f"\nIn the middle of it somebody has typed:\n{desk.said}\n{summary.changed(governed, play.push)}", file=out)
    print(f"\nOne order in three logs; the browser's trace_id leads from one to the next:\n{traces.one()}", file=out)
    ending = "\n".join([*wrong, "(with --folder the logs are kept)"]) if wrong else f"Everything went as told, in {took:.0f} s."
    print(f"\n{ending}", file=out)
    if as_json:
        print(summary.as_json(play.tallies, wrong, took))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
