"""Tables with a row for each mention: CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
COLUMNS = ("document", "start", "end", "text", "entity", "label", "confidence", "mention_score")
ROWS = 10_000  # of a Parquet file, written at a time


class _Line:
    """A file that only gives back what is written to it."""

    def write(self, line: str) -> str:
        return line


def csv_rows(documents: Iterator[Json]) -> Iterator[bytes]:
    """Yield the mentions as CSV (UTF-8, RFC 4180); NIL has no entity."""
    table = csv.writer(_Line())
    line: str = table.writerow(COLUMNS)
    yield line.encode()
    for row in _rows(documents):
        line = table.writerow(row)
        yield line.encode()


def write_parquet(documents: Iterator[Json], to: Path) -> None:
    """Write the mentions as Parquet; NIL has no entity.

    Raises:
        OSError: the disk is full, say.
    """
    import pyarrow
    import pyarrow.parquet

    numbers: dict[str, Any] = {"start": pyarrow.int64(), "end": pyarrow.int64()}
    numbers |= dict.fromkeys(("confidence", "mention_score"), pyarrow.float32())
    schema = pyarrow.schema([(name, numbers.get(name, pyarrow.string())) for name in COLUMNS])
    with pyarrow.parquet.ParquetWriter(to, schema) as writer:
        block: list[tuple[Any, ...]] = []
        for row in _rows(documents):
            block.append(row)
            if len(block) == ROWS:
                writer.write_table(_table(block, schema))
                block = []
        writer.write_table(_table(block, schema))


def _table(rows: list[tuple[Any, ...]], schema: Any) -> Any:
    import pyarrow

    return pyarrow.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema=schema)


def _rows(documents: Iterator[Json]) -> Iterator[tuple[Any, ...]]:
    for document in documents:
        for mention in document["mentions"]:
            entity = mention["entity"] or {}
            yield (
                document["id"],
                mention["start"],
                mention["end"],
                mention["text"],
                entity.get("id"),
                entity.get("label"),
                mention["confidence"],
                mention["mention_score"],
            )
