"""Answers as `POST /v1/annotate` gives them, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson


def json_lines(documents: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the lines; texts, which another output may need beside this one, are left out."""
    for document in documents:
        document.pop("text", None)
        yield orjson.dumps(document) + b"\n"
