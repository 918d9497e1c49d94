"""Everything that one front needs: its payments, its orders, its Runtime API, and the function in the runtime interface client.

===============  =========================================================================================
the front        has behind it
===============  =========================================================================================
``front``        two instances of `orders`, which it finds in a registry: v1, and v2 for traffic in blue
``front_plain``  one instance of `orders_plain`, whose address it is told
===============  =========================================================================================

The plain shop is the same two programs as the governed one, as far from payments, with no svcgov in them: what differs is
governance, and nothing else. Without a registry there is nobody who could tell it of a second version.

What the processes say goes to files in the folder given; what orders did is read from its tapes.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import sys
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from instance import Instance
from processes import environment, first_line, on_lambda, running, tail
from runtime_api import FunctionFailed, Outcome, RuntimeApi
from story import BLUE, CAPACITY, ORDERS, PLAIN_ORDERS, WORK

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = pathlib.Path(__file__).parent
_REGISTRY = "registry.db"


class Stage:
    """One front and what is around it. Use it in a ``with``.

    Args:
        module: the front: ``front`` or ``front_plain``.
        folder: where the files go.
    """

    def __init__(self, *, module: str, folder: pathlib.Path) -> None:
        self.module = module
        self.folder = folder
        self.log = folder / f"{module}.log"
        self.payments_log = folder / f"{module}.payments.log"
        self.registry = f"sqlite://{folder / _REGISTRY}"
        self.orders: list[Instance] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.log.unlink(missing_ok=True)  # of another run, as those below
        self.payments_log.unlink(missing_ok=True)
        with ExitStack() as opening:
            payments = [sys.executable, str(HERE / "payments.py"), f"--work={WORK}", f"--capacity={CAPACITY}"]
            selling = opening.enter_context(running(payments, log=self.payments_log, cwd=HERE, env=environment()))
            said = json.loads(first_line(selling, self.payments_log))
            self._control = said["control"]
            env = environment() | {"PAYMENTS_URL": f"http://127.0.0.1:{said['port']}"}
            module, instances = "orders_plain", PLAIN_ORDERS
            if self.module != "front_plain":
                module, instances = "orders", ORDERS
                for file in self.folder.glob(f"{_REGISTRY}*"):
                    file.unlink()
                own = opening.enter_context(TemporaryDirectory(prefix="shop-"))  # what svcgov keeps ends with the story
                env |= {"SVCGOV_REGISTRY": self.registry, "SVCGOV_COLOURS": BLUE, "TMPDIR": own}
            self.orders = [
                opening.enter_context(Instance(who=who, module=module, folder=self.folder, env=env | said_of_it))
                for who, said_of_it in instances.items()
            ]
            self._api = opening.enter_context(RuntimeApi(name=self.module))
            handler = f"{self.module}.handler"
            env |= on_lambda(handler, api=self._api.address, task_root=HERE) | {"ORDERS_URL": self.orders[0].address}
            function = [sys.executable, "-m", "awslambdaric", handler]
            self._function = opening.enter_context(running(function, log=self.log, cwd=HERE, env=env))
            self._api.alive = lambda: self._function.poll() is None
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def close(self) -> None:
        """Let go of whoever waits for the function: no answer will come."""
        self._api.closed.set()

    def ready(self) -> None:
        """Wait until orders serves, and the function has initialised."""
        for instance in self.orders:
            instance.ready()
        try:
            self._api.ready()
        except FunctionFailed as error:
            raise FunctionFailed(f"{self.module}: {error}\n{tail(self.log)}") from None

    def invoke(self, event: object) -> tuple[Outcome, list[dict[str, Any]]]:
        """One event: what became of it, and what the tapes of orders have seen meanwhile."""
        try:
            outcome = self._api.invoke(event)
        except FunctionFailed as error:
            status = self._function.poll()
            raise FunctionFailed(f"{self.module} (exit status {status}): {error}\n{tail(self.log)}") from None
        return outcome, [line for instance in self.orders for line in instance.seen()]

    def fault(self, fault: dict[str, Any], *, part: str) -> None:
        """Let payments behave like that from now on."""
        self._ask("POST", "/fault", {**fault, "part": part})

    def counts(self) -> dict[str, dict[str, int]]:
        """What payments has counted, by part."""
        return self._ask("GET", "/counts")  # type: ignore[no-any-return]  # it says what it counts

    def charges(self) -> Iterator[dict[str, Any]]:
        """The lines that payments has written about its charges."""
        return objects_in(self.payments_log, having="charge")

    def logs(self) -> dict[str, pathlib.Path]:
        """The logs of the function and of orders, by who writes them."""
        return {"front": self.log} | {instance.who: instance.log for instance in self.orders}

    def _ask(self, method: str, path: str, value: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control, timeout=20)
        try:
            connection.request(method, path, body=json.dumps(value))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def objects_in(log: pathlib.Path, *, having: str) -> Iterator[dict[str, Any]]:
    """The lines of a log that are JSON objects and have this key; others have other lines in it, too."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            value = json.loads(line)
            if having in value:
                yield value
