"""Documents out of files: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.schemas.problem import FieldProblem

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reject:
    """A document that cannot be read.

    Attributes:
        place: where it is in the file.
        errors: what is wrong with it.
    """

    place: str
    errors: list[FieldProblem]


class UnreadableInput(ValueError):  # noqa: N818
    """A file cannot be read at all; the message says why and what to do."""


def read_documents(path: Path, kind: str) -> Iterator[Json | Reject]:
    """Yield what stands in a file, in its order: `id`, `text` and `mentions` of each document, or why it has none."""
    del kind
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                problem = FieldProblem(field="line", detail=f"not JSON: {error}", remedy="send one JSON object a line")
                yield Reject(f"line {number}", [problem])
                continue
            yield found
