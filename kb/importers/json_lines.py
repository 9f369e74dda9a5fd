"""JSON Lines files of entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kb.importers.checks import FILE_FIELDS, entity_record
from kb.importers.formats import Reading
from kb.importers.lines import LineReader
from kb.importers.reading import NO_CLASSES, Classes, Line, decoded_lines
from kb.records import EntityRecord


class JsonLinesReader:
    """A JSON Lines file of entities."""

    def __init__(self, path: Path, how: Reading) -> None:
        self._lines = LineReader(path)
        self._source = how.source

    @property
    def damage(self) -> str | None:
        """What is wrong with the file."""
        return self._lines.damage

    @property
    def done_bytes(self) -> int:
        """How much of the file was read."""
        return self._lines.done_bytes

    def __iter__(self) -> Iterator[Line[EntityRecord]]:
        """Yield what each line holds."""
        return decoded_lines(self._lines, FILE_FIELDS, lambda data: entity_record(data, self._source))

    def classes(self) -> Classes:
        """Return nothing: types and predicates are in files of their own."""
        return NO_CLASSES

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
