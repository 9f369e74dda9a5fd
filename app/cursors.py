"""Cursors of lists that are sorted by id: the last id of a page, so that clients take it for no more than it is."""

from __future__ import annotations

import base64
import binascii

from app.edits import refuse_request


def encode_cursor(key: str) -> str:
    """Return a cursor that stands for the place after an id."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str:
    """Return the id that a cursor stands for; the empty one without a cursor.

    Raises:
        ProblemError: it is none of ours.
    """
    if cursor is None:
        return ""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        key = "\0"
    if "\0" in key:
        refuse_request("cursor", "no list returned this cursor", "leave it out to begin with the first page")
    return key
