"""From answers, a JSON object a line, to the file that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from app.bulk.output import Output
from app.bulk.writers.formats import OutputFormat, write


def converted(output: Output, wanted: OutputFormat, *, has_text: bool) -> Path:
    """Return a file that holds the whole result as it is wanted, beside the one that it is to become.

    Args:
        output: all answers are in its partial result.
        wanted: the format.
        has_text: the answers there hold texts, too.

    Raises:
        OSError: the disk is full, say.
    """
    if wanted == "jsonl" and not has_text:
        return output.partial
    made = output.out.with_name(output.out.name + ".converted")
    convert(output.partial, made, wanted)
    return made


def convert(answers: Path, to: Path, kind: OutputFormat) -> None:
    """Write answers in a format, a document at a time.

    Args:
        answers: the answers, with texts where the format needs them.
        to: the file to write.
        kind: the format.

    Raises:
        OSError: the disk is full, say.
    """
    write(kind, read_answers(answers), to)


def read_answers(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the answers of a file."""
    with path.open("rb") as file:
        yield from map(orjson.loads, file)
