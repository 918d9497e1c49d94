"""What holds for the whole process: the worker threads of time-outs, and the keeper of what can wait."""

from __future__ import annotations

from ._core._schema import Settings, choice, duration, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypedDict, Unpack

    from .typing import Duration

    class Options(TypedDict, total=False):
        """The keyword arguments of `configure`."""

        max_workers: int
        idle: Duration
        keeper: Literal["auto", "on", "off"]


class ProcessSettings(Settings):
    """The settings, checked."""

    max_workers: int = integer(default=64, low=1, high=1000)
    idle: float = duration(default=30.0)
    keeper: str = choice("auto", "on", "off", default="auto")


def configure(**settings: Unpack[Options]) -> None:
    """Set what holds for the whole process; what is not named stays as it is.

    Args:
        max_workers: how many worker threads there may be for ``timeout(enforce="thread")``, 1 to 1000; 64 at first.
        idle: after how long without a call a worker ends; 30 s at first.
        keeper: whether a thread does what can wait until an answer has gone out (writing figures): ``auto`` has one, where there
            is something to do, but where the process is frozen between its calls, as on AWS Lambda. Else each call does what is
            due when its own answer is ready.

    Raises:
        ConfigError: for a setting that cannot be; then nothing has changed.
    """
    checked = ProcessSettings.of(settings, "configure")
    from ._shells._workers import POOL

    if "max_workers" in settings:
        POOL.most = checked.max_workers
    if "idle" in settings:
        POOL.idle = checked.idle
    if "keeper" in settings:
        from ._core._chores import CHORES

        CHORES.keep(checked.keeper)


def standing() -> dict[str, Any]:
    """What holds now."""
    from ._core._chores import CHORES
    from ._shells._workers import POOL

    return {"max_workers": POOL.most, "idle": POOL.idle, "keeper": CHORES.mode}
