"""Export as the JSON Lines files that the importer reads."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import orjson
from sqlalchemy import Engine

from kb import queries
from kb.database import snapshot_session
from kb.exporters.lines import entity_json, predicate_json, type_json


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

    Returns:
        The number of entities.

    Raises:
        OSError: a file cannot be written; what stood there before stays.
    """
    with snapshot_session(engine) as session:
        total = queries.count_entities(session, namespace)
        if types is not None:
            _write(types, map(type_json, queries.stream_types(session, namespace)))
        if predicates is not None:
            _write(predicates, map(predicate_json, queries.stream_predicates(session, namespace)))

        def told() -> Iterable[dict[str, Any]]:
            for done, entity in enumerate(queries.stream_entities(session, namespace), start=1):
                yield entity_json(entity)
                if done % 1000 == 0 or done == total:
                    progress("entities", done, total)

        return _write(entities, told())


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    partial = path.with_name(f"{path.name}.partial")
    count = 0
    try:
        with _open(partial, compressed=path.suffix == ".gz") as file:
            for row in rows:
                file.write(orjson.dumps(row) + b"\n")
                count += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _open(path: Path, *, compressed: bool) -> IO[bytes]:
    return gzip.GzipFile(path, "wb", mtime=0) if compressed else path.open("wb")  # type: ignore[return-value]
