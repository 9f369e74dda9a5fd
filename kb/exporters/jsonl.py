"""Export as the JSON Lines files that the importer reads."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import orjson
from sqlalchemy import Engine

from kb import queries
from kb.database import snapshot_session
from kb.exporters.lines import entity_json, predicate_json, type_json

STDOUT = Path("-")

Rows = Generator[dict[str, Any]]


def export_jsonl(
    engine: Engine,
    namespace: str,
    entities: Path,
    *,
    types: Path | None = None,
    predicates: Path | None = None,
    progress: Callable[[str, int, int], None],
) -> int:
    """Write a knowledge base as it is at one moment, entities sorted by id; a name that ends in .gz is compressed.

    The path `-` is standard output.

    Returns:
        The number of entities.

    Raises:
        OSError: a file cannot be written; what stood there before stays.
    """
    with snapshot_session(engine) as session:
        total = queries.count_entities(session, namespace)
        if types is not None:
            write_jsonl(types, (type_json(item) for item in queries.stream_types(session, namespace)))
        if predicates is not None:
            write_jsonl(predicates, (predicate_json(item) for item in queries.stream_predicates(session, namespace)))

        def told() -> Rows:
            for done, entity in enumerate(queries.stream_entities(session, namespace), start=1):
                yield entity_json(entity)
                if done % 1000 == 0 or done == total:
                    progress("entities", done, total)

        return write_jsonl(entities, told())


def write_jsonl(path: Path, rows: Rows) -> int:
    """Write rows, one a line, and return how many they are. A file gets its name when it is whole."""
    # Closed, also after a failure: they read from a cursor of the server.
    with closing(rows):
        if path == STDOUT:
            return _dump(sys.stdout.buffer, rows)
        return _replace(path, rows)


def _replace(path: Path, rows: Rows) -> int:
    partial = path.with_name(f"{path.name}.partial")
    try:
        with _open(partial, compressed=path.suffix == ".gz") as file:
            count = _dump(file, rows)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _dump(file: IO[bytes], rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007
        file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return count


def _open(path: Path, *, compressed: bool) -> IO[bytes]:
    return gzip.GzipFile(path, "wb", mtime=0) if compressed else path.open("wb")  # type: ignore[return-value]
