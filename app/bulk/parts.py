"""A large input is cut into parts, always in the same way: some documents of one file, and where in it they begin.

A part can be read without what stands before it, by any process on any machine that sees the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.jobs.cutting import Item
from app.jobs.reading import Columns, UnreadableInput, lines_of, read_lines, read_rows

PART_DOCUMENTS = 2_000  # a minute or two of one core: what is lost with a process that is killed
PART_BYTES = 16 << 20  # long documents make parts of fewer
LINES = frozenset({".jsonl", ".ndjson"})
ROWS = ".parquet"


@dataclass(frozen=True, slots=True)
class Part:
    """Some documents of one file.

    Attributes:
        number: of the part among all, from 0.
        path: the file.
        first: the position of its first document in the whole input, from 0.
        items: documents and rejects in it.
        start: what stands before it in the file: bytes of JSON lines, rows of Parquet.
        line: the number of its first line in the file, from 1.
    """

    number: int
    path: str
    first: int
    items: int
    start: int
    line: int


def input_files(source: Path) -> list[Path]:
    """Return the file, or the files of the folder and of folders in it, by their names; hidden ones are left out.

    Raises:
        UnreadableInput: one of them is neither JSON lines nor Parquet, or there is none.
    """
    files = [source]
    if source.is_dir():
        found = (path for path in source.rglob("*") if path.is_file())
        files = sorted(path for path in found if not _hidden(path.relative_to(source)))
    for path in files:
        if path.suffix.lower() not in LINES | {ROWS}:
            raise UnreadableInput(
                f"{path.name} is neither .jsonl nor .parquet: unpack or convert it, or move it to another folder"
            )
    if not files:
        raise UnreadableInput("there are no .jsonl or .parquet files in this folder: name another one")
    return files


def _hidden(path: Path) -> bool:
    # Whatever writes folders of files leaves notes of its own beside them, such as _SUCCESS and .part-0.crc.
    return any(name.startswith(("_", ".")) for name in path.parts)


def cut_into_parts(files: list[Path], columns: Columns) -> Iterator[Part]:
    """Yield the parts of all files, in their order.

    Raises:
        UnreadableInput: a file is not what its name says, or lacks a column.
    """
    first = 0
    numbers = itertools.count()
    for path in files:
        pieces = _row_pieces(path, columns) if path.suffix.lower() == ROWS else _line_pieces(path)
        for items, start, line in pieces:
            yield Part(next(numbers), str(path.absolute()), first, items, start, line)
            first += items


def read_part(part: Part, columns: Columns) -> Iterator[Item]:
    """Yield the documents and rejects of a part, in their order.

    Raises:
        UnreadableInput: the file is damaged.
    """
    path = Path(part.path)
    if path.suffix.lower() == ROWS:
        yield from itertools.islice(read_rows(path, columns, part.start), part.items)
        return
    with path.open("rb") as file:
        file.seek(part.start)
        yield from itertools.islice(read_lines(file, columns, part.line), part.items)


def _line_pieces(path: Path) -> Iterator[tuple[int, int, int]]:
    """Yield how many documents each piece of JSON lines has, its first byte and its first line."""
    items, start, begun = 0, 0, 1
    with path.open("rb") as file:
        for number, line in enumerate(lines_of(file), start=1):
            items += line is None or bool(line.strip())
            if items and (items == PART_DOCUMENTS or file.tell() - start >= PART_BYTES):
                yield items, start, begun
                items, start, begun = 0, file.tell(), number + 1
    if items:
        yield items, start, begun


def _row_pieces(path: Path, columns: Columns) -> Iterator[tuple[int, int, int]]:
    """Yield how many documents each piece of a Parquet file has, its first row and the number of that."""
    import pyarrow.parquet

    next(read_rows(path, columns), None)  # says what is wrong with the file before any work begins
    rows = pyarrow.parquet.read_metadata(path)
    size = sum(rows.row_group(group).total_byte_size for group in range(rows.num_row_groups))
    piece = min(PART_DOCUMENTS, max(1, PART_BYTES * rows.num_rows // max(1, size)))
    for start in range(0, rows.num_rows, piece):
        yield min(piece, rows.num_rows - start), start, start + 1
