"""Request bodies: read within limits of size and time, and checked field by field."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from organza.untrusted import parse_json, printable

FORM_BYTES, IMAGE_BYTES = 2**20, 32 * 2**20
"""Largest bodies: of a form, and of an image."""
PATIENCE = 20.0
"""Seconds between two parts of a body."""


async def body(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: 413 if it is larger than `most` bytes, 408 if it comes too slowly, 400 if it ends early.
    """
    if (length := request.headers.get("content-length", "")).isdigit() and int(length[:20]) > most:
        raise HTTPException(413, f"The body has {int(length[:20]):,} bytes; the limit is {most:,}.")
    parts, size, stream = [], 0, request.stream()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream, None), PATIENCE)
        except TimeoutError:
            raise HTTPException(408, "The body did not come; send it again.") from None
        except ClientDisconnect:
            raise HTTPException(400, "The connection ended before the body did.") from None
        if part is None:
            return b"".join(parts)
        size += len(part)
        if size > most:
            raise HTTPException(413, f"The body is larger than {most:,} bytes.")
        parts.append(part)


async def form(request: Request, /, **fields: type | tuple[type, ...]) -> dict[str, Any]:
    """Return the fields of a JSON body; those that are absent are None.

    Args:
        request: request with a table as its body.
        fields: the type of each field that may be in it.

    Raises:
        HTTPException: 400 if it is no table, has an unknown field, or a value of another type; 415 if it is no JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "The body must be application/json.")
    try:
        found = parse_json(await body(request, FORM_BYTES) or b"{}")
    except ValueError as error:
        raise HTTPException(400, f"The body is no JSON: {printable(str(error))[:120]}.") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "The body must be a table of fields.")
    if unknown := sorted(found.keys() - fields.keys()):
        raise HTTPException(400, f"There is no field {printable(unknown[0])[:60]}; there are {', '.join(fields)}.")
    for name, value in found.items():
        if value is not None and (
            not isinstance(value, fields[name]) or isinstance(value, bool) > _takes_bool(fields[name])
        ):
            raise HTTPException(400, f"{name} has a value of a wrong type.")
    return {name: found.get(name) for name in fields}


def _takes_bool(kind: type | tuple[type, ...]) -> bool:
    return kind is bool or (isinstance(kind, tuple) and bool in kind)


def needed(given: Mapping[str, Any], *names: str) -> list[Any]:
    """Return fields that must be there.

    Raises:
        HTTPException: 400 if one is missing.
    """
    for name in names:
        if given.get(name) is None:
            raise HTTPException(400, f"{name} is missing.")
    return [given[name] for name in names]
