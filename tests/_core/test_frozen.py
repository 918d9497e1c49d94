"""Frozen records made from annotations."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import pytest

from svcgov._core._frozen import REQUIRED, Frozen


class Point(Frozen):
    """Two numbers, one of which can be left out."""

    kinds: ClassVar[int] = 7
    x: int
    y: int = 2


class Named(Point):
    """A further name, and another default."""

    name: str = "origin"
    y: int = 3


def test_values_are_given_by_name() -> None:
    """What is left out is at its default."""
    assert (Point(x=1).x, Point(x=1).y, Point(x=1, y=5).y) == (1, 2, 5)


def test_a_class_variable_is_no_value() -> None:
    """It stays one."""
    assert Point.kinds == 7
    assert Point(x=1).as_dict() == {"x": 1, "y": 2}


def test_a_record_of_a_record_has_all_the_values() -> None:
    """In order, with its own defaults."""
    assert Named(x=1).as_dict() == {"x": 1, "y": 3, "name": "origin"}


def test_what_has_no_default_must_be_given() -> None:
    """A TypeError, as a function of keyword arguments would raise."""
    with pytest.raises(TypeError, match=r"^Point needs x$"):
        Point()  # type: ignore[call-arg]  # as said


def test_what_is_not_known_cannot_be_given() -> None:
    """All of it is named."""
    with pytest.raises(TypeError, match=r"^Point has no z, w$"):
        Point(x=1, z=1, w=2)  # type: ignore[call-arg]  # as said


def test_it_never_changes() -> None:
    """Neither by setting nor by deleting, and there is no room for more."""
    point = Point(x=1)
    with pytest.raises(AttributeError, match=r"^Point is frozen: x cannot be set$"):
        point.x = 2  # type: ignore[misc]  # as said
    with pytest.raises(AttributeError, match=r"^Point is frozen: x cannot be deleted$"):
        del point.x
    with pytest.raises(AttributeError):
        point.more = 1
    assert not hasattr(point, "__dict__")
    assert point == Point(x=1)


def test_another_one_can_be_made_of_it() -> None:
    """Equal but for what is said."""
    assert Point(x=1).replace(y=9) == Point(x=1, y=9)
    with pytest.raises(TypeError, match="has no z"):
        Point(x=1).replace(z=9)


def test_equal_values_of_one_class_are_equal() -> None:
    """Of another class they are not, though it has the same values."""
    assert Point(x=1) == Point(x=1)
    assert Point(x=1) != Point(x=2)
    assert Point(x=1) != Named(x=1, y=2)
    assert Point(x=1) != {"x": 1, "y": 2}
    assert len({Point(x=1), Point(x=1), Point(x=2), Named(x=1)}) == 3


def test_others_have_another_hash() -> None:
    """In another class, or of other values: many of them as keys are found at once."""

    class Place(Point):
        pass

    assert len({hash(one) for one in (Point(x=1), Point(x=1), Point(x=2), Place(x=1))}) == 3


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_equal(again: Any) -> None:
    """By hand or by pickle."""
    assert again(Named(x=1)) == Named(x=1)


def test_it_shows_what_is_in_it() -> None:
    """As it would be written."""
    assert repr(Named(x=1)) == "Named(x=1, y=3, name='origin')"
    assert repr(REQUIRED) == "required"
