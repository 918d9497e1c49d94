"""How a client becomes a governed one, in place: no reference to it is needed for that."""

from __future__ import annotations

from weakref import WeakValueDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_classes: WeakValueDictionary[tuple[type, type], type] = WeakValueDictionary()  # botocore makes a class for each client


def become(client: Any, governed: type) -> None:
    """Make *client* one of its own class and of *governed*."""
    object.__setattr__(client, "__class__", joint(governed, type(client)))  # some clients watch what is set on them


def joint(governed: type, own: type) -> type:
    """The class of both; one, as long as it is needed."""
    both = _classes.get((governed, own))
    if both is None:
        space = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
        both = _classes.setdefault((governed, own), type(own.__name__, (governed, own), space))
    return both
