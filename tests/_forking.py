"""What tests of forks need: code in an interpreter of its own, which forks there."""

from __future__ import annotations

from typing import Any

from _worlds import in_child

PRELUDE = """
import json, os, threading, time, warnings
import svcgov
from svcgov.errors import BulkheadFullError, RateLimitedError
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork in a process with threads: that is what is tested

def in_fork(see):
    "What *see* returns in a forked child."
    come, go = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = json.dumps(see())
        except BaseException as error:
            said = json.dumps(repr(error))
        os.write(go, said.encode())
        os._exit(0)
    os.close(go)
    with os.fdopen(come) as text:
        said = json.loads(text.read())
    os.waitpid(child, 0)
    return said

def in_thread(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread

def until(true):
    while not true():
        time.sleep(0.001)

def held_by_another(lock):
    "Let a thread take *lock*, and keep it."
    taken = threading.Event()
    def keep():
        with lock:
            taken.set()
            threading.Event().wait()
    in_thread(keep)
    taken.wait()

def refused(call, *args):
    "The reason, or None where it passes."
    try:
        call(*args)
    except (BulkheadFullError, RateLimitedError) as error:
        return error.reason
"""


def forking(code: str) -> Any:
    """What *code* prints at its end, as JSON."""
    return in_child(PRELUDE + code)
