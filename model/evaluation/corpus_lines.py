"""One line of a corpus file, checked field by field. Every message says where, which field, and what to do."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson


class CorpusError(ValueError):
    """A corpus file is not as it should be; `detail` says where and what, `remedy` what to do."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}; {remedy}")
        self.detail = detail
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class MentionRow:
    """A mention as the file has it, checked."""

    start: int
    end: int
    entity: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as the file has it, checked."""

    id: str
    source: str | None
    page: str | None
    text: str
    evaluation_span: tuple[int, int] | None
    mentions: tuple[MentionRow, ...]


def open_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the non-blank lines with their numbers (from 1), unpacking `.gz`.

    Raises:
        CorpusError: the file cannot be read or unpacked, or has another ending.
    """
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise CorpusError(f"{path.name}: not a corpus file", "give one that ends in .jsonl or .jsonl.gz")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path.name}: cannot be read ({error})", "check that it is complete and readable") from error


def decode_line(line: bytes, where: str) -> dict[str, Any]:
    """Return a line's JSON object.

    Raises:
        CorpusError: it is none; `where` is part of the message.
    """
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise CorpusError(f"{where}: not JSON ({error})", "write one document a line, in UTF-8") from error
    if not isinstance(row, dict):
        raise CorpusError(f"{where}: not a JSON object", "write an object with id, text and mentions")
    return row


def check_row(row: dict[str, Any], where: str, kinds: frozenset[str]) -> DocumentRow:
    """Check the fields of one line.

    Raises:
        CorpusError: something is missing or wrong; `where` is part of the message.
    """
    identifier, text = _string(row, "id", where), _string(row, "text", where, empty=True)
    source, page = (_string(row, name, where) if row.get(name) is not None else None for name in ("source", "page"))
    mentions = row.get("mentions")
    if not isinstance(mentions, list):
        raise CorpusError(f"{where}: field mentions: not a list", "write [] where the document has none")
    rows = tuple(_mention(value, text, f"{where}: field mentions[{n}]", kinds) for n, value in enumerate(mentions))
    return DocumentRow(identifier, source, page, text, _area(row.get("evaluation_span"), text, where), rows)


def _mention(value: object, text: str, where: str, kinds: frozenset[str]) -> MentionRow:
    if not isinstance(value, dict):
        raise CorpusError(f"{where}: not a JSON object", "write an object with start, end and entity")
    start, end = _offsets(value.get("start"), value.get("end"), text, where)
    if "entity" not in value:
        raise CorpusError(f"{where}.entity: is missing", "write null where the entity is not in the KB")
    entity = value["entity"]
    if entity is not None and (not isinstance(entity, str) or not entity):
        raise CorpusError(
            f"{where}.entity: {entity!r} is no entity", "write an entity id, or null where it is not in the KB"
        )
    kind = value.get("kind", "gold")
    if not isinstance(kind, str) or kind not in kinds:
        raise CorpusError(f"{where}.kind: {kind!r} is unknown", f"use one of {', '.join(sorted(kinds))}")
    return MentionRow(start, end, entity, kind)


def _area(value: object, text: str, where: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise CorpusError(
            f"{where}: field evaluation_span: not a span", "write [start, end], or null for the whole text"
        )
    return _offsets(value[0], value[1], text, f"{where}: field evaluation_span")


def _offsets(start: object, end: object, text: str, where: str) -> tuple[int, int]:
    # bool is an int to Python, but true is not an offset.
    if type(start) is not int or type(end) is not int:
        raise CorpusError(f"{where}: start {start!r} and end {end!r} are no offsets", "write whole numbers")
    if not 0 <= start < end <= len(text):
        detail = f"{where}: offsets [{start}, {end}) do not fit a text of {len(text)} characters"
        raise CorpusError(detail, "count Unicode code points, end exclusive, start before end")
    return start, end


def _string(row: dict[str, Any], field: str, where: str, *, empty: bool = False) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not (value or empty):
        found = "is missing" if value is None else f"{repr(value)[:40]} cannot be used"
        raise CorpusError(f"{where}: field {field}: {found}", f"write a {'' if empty else 'non-empty '}string")
    return value
