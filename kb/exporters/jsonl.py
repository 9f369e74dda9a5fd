"""Export as the JSON Lines files that the importer reads."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine

from kb import queries
from kb.database import snapshot_session
from kb.exporters.lines import entity_json, predicate_json, type_json
from kb.exporters.writing import Told, write
from kb.records import EntityRecord

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
        if types is not None:
            write_jsonl(types, (type_json(item) for item in queries.stream_types(session, namespace)))
        if predicates is not None:
            write_jsonl(predicates, (predicate_json(item) for item in queries.stream_predicates(session, namespace)))
        return write_jsonl(entities, (_line(entity) for entity in Told(session, namespace, progress)))


def _line(entity: EntityRecord) -> dict[str, Any]:
    data = entity_json(entity)
    return data | {"redirects": list(entity.redirects)} if entity.redirects else data


def write_jsonl(path: Path, rows: Rows) -> int:
    """Write rows, one a line, and return how many they are.

    Raises:
        OSError: it cannot be written; what stood there before stays.
    """
    count = 0

    def lines() -> Generator[bytes]:
        nonlocal count
        with closing(rows):
            for count, row in enumerate(rows, start=1):  # noqa: B007
                yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

    write(path, lines())
    return count
