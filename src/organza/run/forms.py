"""Forms of JSON: the names that a table must hold, and the types of their values.

A form is a table of names with forms, an annotation as in `kinds.fits`, or a function that returns
True for a valid value. A name that ends in a question mark is optional. Names outside the form are
ignored: a later version may have written them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from organza.config.kinds import fits

LARGEST = 1 << 53
"""Upper limit of whole numbers that every program reads from JSON exactly."""


def natural(value: Any) -> bool:
    """Return True if it is a whole number, 0 or more."""
    return type(value) is int and 0 <= value < LARGEST


def positive(value: Any) -> bool:
    """Return True if it is a whole number of 1 or more."""
    return natural(value) and value > 0


def duration(value: Any) -> bool:
    """Return True if it is a number of 0 or more; None stands for no duration."""
    return value is None or (fits(value, float) and 0 <= value < LARGEST)


def ratio(value: Any) -> bool:
    """Return True if it is a positive, finite number."""
    return number(value) and 0 < value < math.inf


def number(value: Any) -> bool:
    """Return True if it is a number, which need not be finite."""
    return type(value) in (int, float)


def sides(value: Any) -> bool:
    """Return True if it is the shape of a vector, an image or a volume, channels first."""
    return isinstance(value, tuple) and 1 <= len(value) <= 4 and all(positive(side) and side <= 4096 for side in value)


def named(record: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Return a record by the names of its fields. Earlier versions wrote records as rows; unknown
    names are left out.

    >>> named([1, 2], ("a", "b", "c")), named({"b": 2, "later": 3}, ("a", "b", "c"))
    ({'a': 1, 'b': 2}, {'b': 2})

    Raises:
        ValueError: if it is neither a table nor a row, or a row with more values than fields.
    """
    if isinstance(record, Mapping):
        return {name: record[name] for name in fields if name in record}
    if not isinstance(record, list | tuple) or len(record) > len(fields):
        raise ValueError(f"{json.dumps(record)[:40]} is not a record of {', '.join(fields)}")
    return dict(zip(fields, record, strict=False))


def require_form(content: Any, form: Any, where: str = "") -> None:
    """Check that a JSON value has a form.

    >>> require_form({"a": [1, 2], "more": 3}, {"a": tuple[int, ...], "b?": str})
    >>> require_form({"a": {"b": "x"}}, {"a": {"b": natural}})
    Traceback (most recent call last):
    ...
    ValueError: a.b is "x"

    Raises:
        ValueError: if it does not; the message gives the place.
    """
    if isinstance(form, dict):
        if not isinstance(content, Mapping):
            raise ValueError(f"{where or 'it'} is not a table")
        for name, inner in form.items():
            key = name.removesuffix("?")
            place = f"{where and where + '.'}{key}"
            if key in content:
                require_form(content[key], inner, place)
            elif key == name:
                raise ValueError(f"it has no {place}")
        return
    value = _tupled(content)
    if not (form(value) if isinstance(form, FunctionType) else fits(value, form)):
        raise ValueError(f"{where} is {json.dumps(content)[:40]}")


def _tupled(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_tupled, value))
    return {name: _tupled(item) for name, item in value.items()} if isinstance(value, dict) else value
