"""Tables of entities: CSV, TSV and their kin, one entity a row, with a header.

Each column is a field of the entity, told by its header or by a mapping. Cells that hold lists are cut at a separator.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kb.importers.checks import Rejected, encodable
from kb.importers.columns import Column, columns_of
from kb.importers.encodings import refuse_other_encoding
from kb.importers.formats import Reading
from kb.importers.lines import LONGEST_LINE, STDIN, LineReader
from kb.importers.reading import NO_CLASSES, Classes, Line, checked_entity
from kb.importers.report import ImportFailed
from kb.records import EntityRecord

DELIMITERS = ",;\t|"
NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
WHOLE = ("popularity", "aliases.count")


class TableReader:
    """A table of entities.

    Raises:
        ImportFailed: it is not in the encoding that is expected, its header names no id or no label, or a mapping does
            not fit it.
    """

    def __init__(self, path: Path, how: Reading) -> None:
        if how.encoding is None and path != STDIN:
            refuse_other_encoding(path)
        self._lines = LineReader(path, encoding=how.encoding, blank=True)
        self._source = how.source
        self._encoding = how.encoding or "UTF-8"
        self._taken: list[bytes] = []
        self._number = 0
        try:
            self._rows = self._start(how)
        except BaseException:
            self._lines.close()
            raise

    @property
    def damage(self) -> str | None:
        """What is wrong with the file."""
        return self._lines.damage

    @property
    def done_bytes(self) -> int:
        """How much of the file was read."""
        return self._lines.done_bytes

    def __iter__(self) -> Iterator[Line[EntityRecord]]:
        """Yield what each row holds; its number is that of its first line."""
        while True:
            self._taken.clear()
            first = self._number + 1
            try:
                cells = next(self._rows)
                if not any(cells):
                    continue
                record: EntityRecord | Rejected = self._record(cells)
            except StopIteration:
                return
            except csv.Error as error:
                record = self._malformed(first, str(error))
            except Rejected as reason:
                record = reason
            yield Line(first, b"\n".join(self._taken), record, self._unknown)

    def classes(self) -> Classes:
        """Return nothing: a table has entities only."""
        return NO_CLASSES

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _start(self, how: Reading) -> Iterator[list[str]]:
        """Read the header and find out what the columns are."""
        lines = self._text()
        first = next(lines, "")
        while first and not first.strip():
            first = next(lines, "")
        if not first:
            raise ImportFailed(f"{self._lines.name} has no header: the first line should name the columns.")
        delimiter = _delimiter(how.delimiter, first)
        csv.field_size_limit(LONGEST_LINE)

        def all_lines() -> Iterator[str]:
            yield first
            yield from lines

        rows = csv.reader(all_lines(), delimiter=delimiter, strict=True)
        try:
            header = next(rows)
        except (csv.Error, StopIteration) as error:
            raise ImportFailed(f"{self._lines.name} has no header that can be read: {error}.") from None
        self._columns = columns_of(self._lines.name, header, how.mapping)
        self._header = header
        known = {column.position for column in self._columns}
        self._unknown = frozenset(name for place, name in enumerate(header) if place not in known and name)
        return rows

    def _text(self) -> Iterator[str]:
        for number, raw in self._lines:
            self._number = number
            self._taken.append(raw)
            yield raw.decode("utf-8", "surrogateescape") + "\n"

    def _record(self, cells: list[str]) -> EntityRecord:
        if len(cells) != len(self._header):
            error = f"the row has {len(cells)} columns, and the header {len(self._header)}"
            raise Rejected(None, error, "put values that have the delimiter in them in double quotes; see --delimiter")
        data: dict[str, Any] = {}
        for column in self._columns:
            cell = cells[column.position]
            if not encodable(cell):
                error = f"it is not {self._encoding}"
                raise self._at(column, Rejected(None, error, "name the encoding of the file: --encoding"))
            try:
                _put(data, column, cell)
            except Rejected as reason:
                raise self._at(column, reason) from None
        try:
            return checked_entity(_joined(data), self._source)
        except Rejected as reason:
            raise self._located(reason) from None

    def _located(self, reason: Rejected) -> Rejected:
        """Return the reason with the column that its field comes from."""
        field = reason.field or ""
        top = re.split(r"[.\[]", field)[0]
        exact = [column for column in self._columns if column.field == field]
        near = [column for column in self._columns if column.field.partition(".")[0] == top]
        return self._at((exact or near)[0], reason) if exact or near else reason

    def _at(self, column: Column, reason: Rejected) -> Rejected:
        """Return the same reason with the column that it is about."""
        where = f"column {column.position + 1} ({self._header[column.position]})"
        return Rejected(where, reason.error, reason.remedy)

    def _malformed(self, first: int, error: str) -> Rejected:
        if "unexpected end" in error or "field limit" in error:
            return Rejected(
                None, f"a quote that opens in line {first} or later is not closed", 'write " in a cell as ""'
            )
        return Rejected(
            None, f"the row cannot be read: {error}", 'put the cell in double quotes, and write " in it as ""'
        )


def _delimiter(wanted: str | None, header: str) -> str:
    """Return the delimiter that is asked for, or the one that the header has most of."""
    if wanted is None:
        return max(DELIMITERS, key=header.count)
    found = NAMED_DELIMITERS.get(wanted.lower(), wanted)
    if len(found) != 1 or found in '"\r\n':
        raise ImportFailed(f"--delimiter {wanted!r}: give one character, or tab.")
    return found


def _put(data: dict[str, Any], column: Column, cell: str) -> None:
    """Add what a cell says to the fields of an entity."""
    field, _, part = column.field.partition(".")
    cell = cell.strip()
    if not cell:
        return
    if field == "xrefs":
        data.setdefault("xrefs", {})[part] = cell
    elif field == "relations":
        edges = [{"predicate": part, "object": item} for item in column.items(cell)]
        data.setdefault("relations", []).extend(edges)
    elif column.is_list:
        values: list[Any] = (
            [_whole(item) for item in column.items(cell)] if column.field in WHOLE else column.items(cell)
        )
        data.setdefault(column.field, []).extend(values)
    else:
        data[field] = _whole(cell) if column.field in WHOLE else cell


def _joined(data: dict[str, Any]) -> dict[str, Any]:
    """Bring the lists of names, their counts and their languages together."""
    names = data.pop("aliases", [])
    parts: dict[str, list[Any]] = {key: data.pop(f"aliases.{key}", []) for key in ("count", "language")}
    for key, values in parts.items():
        if values and len(values) != len(names):
            error = f"there are {len(names)} aliases, and {len(values)} in aliases.{key}"
            raise Rejected("aliases", error, "give one for each alias, or leave the column out")
    data["aliases"] = [
        {"text": name, "count": parts["count"][place] if parts["count"] else 0}
        | ({"language": parts["language"][place] or None} if parts["language"] else {})
        for place, name in enumerate(names)
    ]
    return data


def _whole(cell: str) -> int:
    try:
        if cell.isascii():
            return int(cell)
    except ValueError:
        pass
    raise Rejected(None, f"it should be a whole number, not {cell!r}", "write digits only")
