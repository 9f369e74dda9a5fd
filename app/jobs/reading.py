"""Documents out of files: JSON lines, CSV, Parquet, and folders or zips of .txt files.

A document that cannot be read is a `Reject`, and the rest goes on. No more of a file is in memory at a time than one
document may be long, however large a line, a cell or a packed file claims to be.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import orjson

from app.schemas.problem import FieldProblem

MAX_DOCUMENT_BYTES = 16 << 20
MAX_UNPACKED_BYTES = 32 << 30  # of all files in a zip: more is not a zip of texts, but one that is made to do harm
ROWS = 200  # of a Parquet file, in memory at a time
UTF8 = "convert it first, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE"

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


@dataclass(frozen=True, slots=True)
class Columns:
    """What a document's fields are called in a file.

    Attributes:
        text: the field or column with its text.
        id: that with its id, where it has one.
    """

    text: str = "text"
    id: str = "id"


def read_documents(path: Path, kind: str, columns: Columns) -> Iterator[Json | Reject]:
    """Yield what stands in a file, in its order: `id`, `text` and `mentions` of each document, or why it has none.

    Raises:
        UnreadableInput: it is not of this kind, or lacks a column.
    """
    if kind == "jsonl":
        yield from _read_lines(path, columns)
    elif kind == "txt":
        with path.open("rb") as file:
            yield _text(file.read(MAX_DOCUMENT_BYTES + 1), path.name)
    elif kind == "csv":
        yield from _read_csv(path, columns)
    elif kind == "parquet":
        yield from read_rows(path, columns)
    elif kind == "zip":
        yield from _read_zip(path)
    else:
        yield from _read_folder(path)


def _read_lines(path: Path, columns: Columns) -> Iterator[Json | Reject]:
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw) as opened:
        try:
            yield from read_lines(cast(IO[bytes], opened), columns)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UnreadableInput(f"the file is not gzip, cut off or damaged: {error}; fetch it again") from None


def read_lines(file: IO[bytes], columns: Columns, first: int = 1) -> Iterator[Json | Reject]:
    """Yield what stands in JSON lines, from where the file is read; empty ones are left out.

    Args:
        file: where the lines are.
        columns: what the fields are called.
        first: the number of the next line.
    """
    for number, line in enumerate(lines_of(file), start=first):
        place = f"line {number}"
        if line is None:
            yield too_long(place)
        elif line.strip():
            yield parse_line(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, place, columns)


def lines_of(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines of a file; None for one that is longer than a document may be."""
    while line := file.readline(MAX_DOCUMENT_BYTES + 1):
        if len(line) <= MAX_DOCUMENT_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_DOCUMENT_BYTES)
        yield None


def parse_line(line: bytes, place: str, columns: Columns) -> Json | Reject:
    """Return `id`, `text` and `mentions` of the document in a line of JSON, or why there is none."""
    try:
        line.decode()
        found = orjson.loads(line)
    except UnicodeDecodeError as error:
        return _reject(place, "line", f"byte {error.start} is 0x{line[error.start]:02x}, which is not UTF-8", UTF8)
    except orjson.JSONDecodeError as error:
        return _reject(place, "line", f"not JSON: {error.msg} (character {error.pos})", "send one JSON object a line")
    if not isinstance(found, dict):
        return _reject(place, "line", "not a JSON object", "send a JSON object: { … }")
    if columns.text not in found:
        return _reject(place, columns.text, "the field is missing", "add it, or name another field with text_field")
    return {"id": _as_id(found.get(columns.id)), "text": found[columns.text], "mentions": found.get("mentions")}


def _read_csv(path: Path, columns: Columns) -> Iterator[Json | Reject]:
    csv.field_size_limit(MAX_DOCUMENT_BYTES)
    # What is not UTF-8 becomes lone surrogates, which are found in the row where they are.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        # In pieces, so that a file without line ends is not in memory as one.
        rows = csv.DictReader(iter(lambda: file.readline(MAX_DOCUMENT_BYTES), ""))
        try:
            names = rows.fieldnames or ()
        except csv.Error as error:
            raise UnreadableInput(f"the file is not CSV: {error}") from None
        _check_column(columns.text, names)
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield _reject(f"line {rows.line_num}", "line", f"not CSV: {error}", "shorten or repair this row")
                continue
            if row is None:
                return
            yield _row(row, f"line {rows.line_num}", columns)


def _row(row: Json, place: str, columns: Columns) -> Json | Reject:
    text, key = row[columns.text], row.get(columns.id)
    if text is None:
        return _reject(place, columns.text, "the row is too short", "give every row as many fields as the first")
    if any("\udc80" <= character <= "\udcff" for character in text):
        return _reject(place, columns.text, "not UTF-8", UTF8)
    return {"id": key or None, "text": text}


def read_rows(path: Path, columns: Columns, first: int = 0) -> Iterator[Json | Reject]:
    """Yield the rows of a Parquet file, from one on; row groups before it are not read.

    Raises:
        UnreadableInput: it is no Parquet file, or lacks a column.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_column(columns.text, names)
            wanted = [name for name in (columns.id, columns.text) if name in names]
            groups = list(range(file.num_row_groups))
            while groups and file.metadata.row_group(groups[0]).num_rows <= first:
                first -= file.metadata.row_group(groups.pop(0)).num_rows
            for batch in file.iter_batches(batch_size=ROWS, columns=wanted, row_groups=groups):
                for row in batch.slice(min(first, batch.num_rows)).to_pylist():
                    yield {"id": _as_id(row.get(columns.id)), "text": row[columns.text]}
                first = max(0, first - batch.num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise UnreadableInput(f"the file is not Parquet, or damaged: {error}") from None


def _read_zip(path: Path) -> Iterator[Json | Reject]:
    unpacked = 0
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableInput(f"the file is not a zip, or damaged: {error}") from None
    with archive:
        for item in archive.infolist():
            if item.is_dir() or not item.filename.lower().endswith(".txt"):
                continue
            try:
                with archive.open(item) as file:
                    raw = file.read(MAX_DOCUMENT_BYTES + 1)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
                yield _reject(item.filename, "file", f"it cannot be unpacked: {error}", "pack it again, not encrypted")
                continue
            unpacked += len(raw)
            if unpacked > MAX_UNPACKED_BYTES:
                raise UnreadableInput(f"the zip unpacks to more than {MAX_UNPACKED_BYTES} bytes: split it")
            yield _text(raw, item.filename)


def _read_folder(folder: Path) -> Iterator[Json | Reject]:
    for path in sorted(item for item in folder.rglob("*.txt") if item.is_file()):  # opening a pipe would never end
        name = path.relative_to(folder).as_posix()
        with path.open("rb") as file:
            yield _text(file.read(MAX_DOCUMENT_BYTES + 1), name)


def _text(raw: bytes, name: str) -> Json | Reject:
    if len(raw) > MAX_DOCUMENT_BYTES:
        return too_long(name)
    try:
        return {"id": name, "text": raw.decode("utf-8-sig")}
    except UnicodeDecodeError as error:
        return _reject(name, "text", f"byte {error.start} is 0x{raw[error.start]:02x}, which is not UTF-8", UTF8)


def _check_column(name: str, names: Any) -> None:
    if name not in names:
        there = ", ".join(map(str, names)) or "none"
        raise UnreadableInput(f"there is no column {name}, only {there}: name the right one with text_field")


def _as_id(value: Any) -> Any:
    # Numbers are common as ids; what else is no string is refused with the document.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def too_long(place: str) -> Reject:
    """Say that a document has more than `MAX_DOCUMENT_BYTES`."""
    return _reject(place, "text", f"it has more than {MAX_DOCUMENT_BYTES} bytes", "split it into several documents")


def _reject(place: str, field: str, detail: str, remedy: str) -> Reject:
    return Reject(place, [FieldProblem(field=field, detail=detail, remedy=remedy)])
