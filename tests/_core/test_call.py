"""What functions given as settings are shown of a call."""

from __future__ import annotations

from svcgov._core._call import Call
from svcgov._core._context import INVOCATION, Invocation


class Lamp:
    """Something that is called, and has no name."""

    def __call__(self) -> None:
        pass

    def __repr__(self) -> str:
        return "lamp"


def test_it_is_the_function_and_what_it_is_called_with() -> None:
    """As they were given."""
    call = Call(pow, (2, 3), {"mod": 5})
    assert (call.fn, call.args, call.kwargs) == (pow, (2, 3), {"mod": 5})


def test_called_through_a_pipeline_the_function_comes_first() -> None:
    """It is none of its own arguments."""
    call = Call(None, (pow, 2, 3), {"mod": 5})
    assert (call.fn, call.args, call.kwargs) == (pow, (2, 3), {"mod": 5})


def test_it_knows_what_is_under_way() -> None:
    """The event that the call is a part of."""
    call = Call(pow, (), {})
    token = INVOCATION.set(Invocation(platform="lambda"))
    assert call.invocation.platform == "lambda"
    INVOCATION.reset(token)
    assert call.invocation.platform == "none"


def test_it_does_not_show_its_arguments() -> None:
    """They may hold secrets. A callable without a name shows itself."""
    assert repr(Call(pow, ("secret",), {"more": "secret"})) == "Call(pow)"
    assert repr(Call(Lamp(), ("secret",), {})) == "Call(lamp)"
