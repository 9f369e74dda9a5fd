"""One knowledge base of a test, and the files that go into it and come out."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from kb import curation, queries
from kb.curation import Edit, Outcome
from kb.importers.context import ImportOptions
from kb.importers.formats import Reading
from kb.importers.jsonl import import_jsonl
from kb.importers.report import ImportReport
from kb.records import EntityRecord

PROJECT = Path(__file__).parents[2]
NAMESAKE = Path(sys.executable).with_name("namesake")
PATIENCE = 60.0
TABLES = ("entity", "alias", "entity_type", "relation", "xref", "type", "predicate", "source", "revision", "change")


def entity(key: str, label: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return the JSON object of an entity."""
    return {"id": key, "label": key if label is None else label} | fields


def write_lines(path: Path, items: Iterable[dict[str, Any] | bytes]) -> Path:
    """Write a JSON Lines file, of objects and of lines that are given as they are; .gz is compressed."""
    data = b"".join((item if isinstance(item, bytes) else orjson.dumps(item)) + b"\n" for item in items)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file; .gz is unpacked."""
    data = path.read_bytes()
    return [orjson.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


def people(count: int) -> list[dict[str, Any]]:
    """Return entities with all that hangs on them; some of their relations wait for entities that never come."""
    return [
        entity(
            f"e{number:06}",
            f"Person {number}",
            aliases=[{"text": f"P{number}", "count": number}],
            types=["human"],
            relations=[{"predicate": "knows", "object": f"e{number + 1:06}"}],
            xrefs={"wikidata": f"Q{number}"},
        )
        for number in range(count)
    ]


def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


@dataclass(frozen=True)
class Kb:
    """A namespace of a migrated database, and a folder for files."""

    engine: Engine
    namespace: str
    folder: Path
    url: URL = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.engine.url)

    def write(self, items: Iterable[dict[str, Any] | bytes], name: str = "entities.jsonl") -> Path:
        """Write a file; see `write_lines`."""
        return write_lines(self.folder / name, items)

    def load(self, file: Path | Sequence[dict[str, Any] | bytes] | None = None, **how: Any) -> ImportReport:
        """Import a file, or the lines of one; `how` are other files, `progress`, import options and ways of reading."""
        path = file if file is None or isinstance(file, Path) else self.write(file)
        given = [name for name in ("types", "predicates", "progress") if not isinstance(how.get(name, ()), tuple)]
        files = {name: how.pop(name) for name in given}
        ways = {item.name: how.pop(item.name) for item in fields(Reading) if item.name in how and item.name != "source"}
        options = ImportOptions(self.namespace, reading=Reading(**ways), **how)
        return import_jsonl(self.engine, path, options=options, **files)

    def put(self, *records: EntityRecord, actor: str | None = None, comment: str | None = None) -> Outcome:
        """Write entities."""
        with Session(self.engine) as session, session.begin():
            staged = [curation.stage(record) for record in records]
            return curation.put_entities(session, self.namespace, staged, Edit("edit", actor, comment))

    def delete(self, *ids: str) -> int:
        """Delete entities."""
        with Session(self.engine) as session, session.begin():
            return curation.delete_entities(session, self.namespace, ids, Edit("delete"))

    def records(self) -> dict[str, EntityRecord]:
        """Return all entities by id, in the order in which they come."""
        with Session(self.engine) as session:
            return {record.id: record for record in queries.stream_entities(session, self.namespace)}

    def version(self) -> int:
        """Return the kb_version."""
        with Session(self.engine) as session:
            return queries.kb_version(session, self.namespace)

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement, in which :namespace is the namespace, and return its rows."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), {"namespace": self.namespace} | values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def sizes(self) -> dict[str, int]:
        """Return how many rows each table has of this namespace."""
        count = "SELECT count(*) FROM {} WHERE namespace = :namespace"
        return {table: self.sql(count.format(table))[0][0] for table in TABLES}

    def environment(self) -> dict[str, str]:
        """Return the environment in which commands work on this knowledge base."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
        return kept | {
            "NAMESAKE_DATABASE_URL": self.url.set(drivername="postgresql").render_as_string(hide_password=False),
            "NAMESAKE_NAMESPACE": self.namespace,
            "NAMESAKE_HOME": str(self.folder / "home"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
        }

    def command(self, *arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
        """Run `namesake …` to its end."""
        command = [str(NAMESAKE), *map(str, arguments)]
        where = {"cwd": self.folder, "env": self.environment(), "timeout": 120}
        return subprocess.run(command, capture_output=True, check=False, **(where | how))


def contents(kb: Kb) -> dict[str, Any]:
    """Return all that an import leaves behind, without numbers that depend on when it ran."""
    revisions = kb.sql("SELECT entity_id, kind, before, after FROM revision WHERE namespace = :namespace ORDER BY id")
    changes = kb.sql("SELECT kind, entity_id, item_id FROM change WHERE namespace = :namespace ORDER BY version")
    versions = kb.sql("SELECT id, version FROM entity WHERE namespace = :namespace ORDER BY id")
    return {
        "records": kb.records(),
        "sizes": kb.sizes(),
        "revisions": sorted(map(str, revisions)),
        "changes": sorted(map(str, changes)),
        "versions": versions,
    }


def written_lines(kb: Kb) -> int:
    """Return how many lines the newest import of this knowledge base has committed."""
    rows = kb.sql(
        "SELECT (progress->>'line')::int FROM job WHERE namespace = :namespace AND progress ? 'line' ORDER BY id DESC"
    )
    return int(rows[0][0]) if rows else 0
