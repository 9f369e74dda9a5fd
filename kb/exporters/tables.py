"""Export of entities as a table, which the importer reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from sqlalchemy import Engine

from kb import queries
from kb.database import snapshot_session
from kb.exporters.writing import Told, write
from kb.importers.columns import joined
from kb.records import EntityRecord

FIXED = ("id", "label", "description", "text", "aliases", "aliases.count", "aliases.language", "types")
LAST = ("popularity", "source", "redirects")


def export_csv(engine: Engine, namespace: str, path: Path, *, progress: Callable[[str, int, int], None]) -> int:
    """Write the entities as they are at one moment, one a row; schemes and predicates have a column each.

    Returns:
        The number of entities.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    with snapshot_session(engine) as session:
        predicates = queries.used_predicates(session, namespace)
        schemes = queries.xref_schemes(session, namespace)
        told = Told(session, namespace, progress)
        write(path, _rows(told, predicates, schemes))
        return told.total


def _rows(entities: Iterable[EntityRecord], predicates: list[str], schemes: list[str]) -> Generator[bytes]:
    cells = io.StringIO()
    writer = csv.writer(cells, lineterminator="\n")
    relations = [f"relations.{item}" for item in predicates]
    writer.writerow([*FIXED, *relations, *(f"xrefs.{item}" for item in schemes), *LAST])
    for entity in entities:
        yield _taken(cells)
        objects: dict[str, list[str]] = {item: [] for item in predicates}
        for edge in entity.relations:
            objects[edge.predicate].append(edge.object)
        writer.writerow(
            [
                *(entity.id, entity.label, entity.description, entity.text),
                joined(alias.text for alias in entity.aliases),
                joined(str(alias.count) for alias in entity.aliases),
                joined(alias.language or "" for alias in entity.aliases),
                joined(entity.types),
                *(joined(values) for values in objects.values()),
                *(entity.xrefs.get(scheme) for scheme in schemes),
                *(entity.popularity, entity.source, joined(entity.redirects)),
            ]
        )
    yield _taken(cells)


def _taken(cells: io.StringIO) -> bytes:
    """Return what was written, and begin anew."""
    data = cells.getvalue().encode()
    cells.seek(0)
    cells.truncate()
    return data
