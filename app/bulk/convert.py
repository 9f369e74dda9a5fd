"""From answers, a JSON object a line, to tables with a row for each mention."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

COLUMNS = ("document", "start", "end", "text", "entity", "label", "confidence", "mention_score")
ROWS = 10_000  # of a Parquet file, written at a time


def convert(answers: Path, to: Path, kind: str) -> None:
    """Write the mentions of answers as CSV (UTF-8, RFC 4180) or Parquet; NIL has no entity.

    Raises:
        OSError: the disk is full, say.
    """
    if kind == "csv":
        with to.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows(_rows(answers))
        return
    import pyarrow
    import pyarrow.parquet

    numbers: dict[str, Any] = {"start": pyarrow.int64(), "end": pyarrow.int64()}
    numbers |= dict.fromkeys(("confidence", "mention_score"), pyarrow.float32())
    schema = pyarrow.schema([(name, numbers.get(name, pyarrow.string())) for name in COLUMNS])
    with pyarrow.parquet.ParquetWriter(to, schema) as writer:
        block: list[tuple[Any, ...]] = []
        for row in _rows(answers):
            block.append(row)
            if len(block) == ROWS:
                writer.write_table(_table(block, schema))
                block = []
        writer.write_table(_table(block, schema))


def _table(rows: list[tuple[Any, ...]], schema: Any) -> Any:
    import pyarrow

    return pyarrow.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema=schema)


def _rows(answers: Path) -> Iterator[tuple[Any, ...]]:
    with answers.open("rb") as file:
        for line in file:
            document = orjson.loads(line)
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
