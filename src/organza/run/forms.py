"""Forms of JSON: the names that a table must hold, and the kinds of their values.

A form is a table of names with forms, an annotation as `kinds.fits` knows it, or a function that returns True for a value that is right. A
name with a question mark behind it may be missing. Names that a form does not know are left alone: a later version may have written them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from organza.config.kinds import fits

LARGEST = 1 << 53
"""Whole numbers up to it are the same in every program that reads JSON."""


def natural(value: Any) -> bool:
    """Return True if it is a whole number, 0 or more."""
    return type(value) is int and 0 <= value < LARGEST


def positive(value: Any) -> bool:
    """Return True if it is a whole number of 1 or more."""
    return natural(value) and value > 0


def duration(value: Any) -> bool:
    """Return True if it is a number of 0 or more; None stands for no duration."""
    return value is None or (fits(value, float) and 0 <= value < LARGEST)


def number(value: Any) -> bool:
    """Return True if it is a number, which need not be finite."""
    return type(value) in (int, float)


def sides(value: Any) -> bool:
    """Return True if it is the shape of an image or volume, channels first."""
    return isinstance(value, tuple) and 2 <= len(value) <= 4 and all(positive(side) and side <= 4096 for side in value)


def named(record: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Return a record by the names of its fields. Earlier versions wrote records as rows; names that are not known are left out.

    >>> named([1, 2], ("a", "b", "c")), named({"b": 2, "later": 3}, ("a", "b", "c"))
    ({'a': 1, 'b': 2}, {'b': 2})

    Raises:
        ValueError: it is neither, or a row of more values than there are fields.
    """
    if isinstance(record, Mapping):
        return {name: record[name] for name in fields if name in record}
    if not isinstance(record, list | tuple) or len(record) > len(fields):
        raise ValueError(f"{json.dumps(record)[:40]} is no record of {', '.join(fields)}")
    return dict(zip(fields, record, strict=False))


def require_form(content: Any, form: Any, where: str = "") -> None:
    """Check that JSON has a form.

    >>> require_form({"a": [1, 2], "more": 3}, {"a": tuple[int, ...], "b?": str})
    >>> require_form({"a": {"b": "x"}}, {"a": {"b": natural}})
    Traceback (most recent call last):
    ...
    ValueError: a.b is "x"

    Raises:
        ValueError: it has not, with the place where.
    """
    if isinstance(form, dict):
        if not isinstance(content, Mapping):
            raise ValueError(f"{where or 'it'} is no table")
        for name, inner in form.items():
            key = name.removesuffix("?")
            place = f"{where and where + '.'}{key}"
            if key in content:
                require_form(content[key], inner, place)
            elif key == name:
                raise ValueError(f"it holds no {place}")
        return
    value = _tupled(content)
    if not (form(value) if isinstance(form, FunctionType) else fits(value, form)):
        raise ValueError(f"{where} is {json.dumps(content)[:40]}")


def _tupled(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_tupled, value))
    return {name: _tupled(item) for name, item in value.items()} if isinstance(value, dict) else value
