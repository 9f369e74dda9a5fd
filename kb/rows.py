"""The rows behind `kb.curation`: how edits reach the tables, the revisions and the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import orjson
import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.normalise import normalise
from kb.queries import kb_version
from kb.records import EntityRecord, PredicateRecord, TypeRecord

CHANNEL = "namesake_change"
_LOCK_SEED = 0x6B62  # any number; keeps this lock apart from others that hash the same name

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a revision says about itself: the kind of edit, who made it and why."""

    kind: str
    actor: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Revised:
    """One revision: `change` is the kind of thing, `before` and `after` are its JSON (None: not there)."""

    change: str
    id: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Part:
    """A table of what hangs on entities: its columns, the one with the entity's id, the record's field and its rows."""

    table: LiteralString
    columns: LiteralString
    owner: str
    field: str
    rows: Callable[[EntityRecord], Iterable[Row]]


PARTS = (
    Part(
        "alias",
        "entity_id, text, normalised, count, language",
        "entity_id",
        "aliases",
        lambda entity: ((entity.id, a.text, normalise(a.text), a.count, a.language) for a in entity.aliases),
    ),
    Part(
        "entity_type",
        "entity_id, type_id",
        "entity_id",
        "types",
        lambda entity: ((entity.id, name) for name in entity.types),
    ),
    Part(
        "relation",
        "subject_id, predicate_id, object_id",
        "subject_id",
        "relations",
        lambda entity: ((entity.id, edge.predicate, edge.object) for edge in entity.relations),
    ),
    Part(
        "xref",
        "entity_id, scheme, value",
        "entity_id",
        "xrefs",
        lambda entity: ((entity.id, scheme, value) for scheme, value in entity.xrefs.items()),
    ),
)


def lock(session: Session, namespace: str) -> None:
    """Wait until no other transaction edits the namespace, and keep others out until this one ends.

    With it, changes are committed in the order of their versions: who has seen version n has seen all before. It also
    lets an edit look first and write then.
    """
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:namespace, :seed))")
    session.execute(statement, {"namespace": namespace, "seed": _LOCK_SEED})


_BULK = text("""
    SELECT set_config('synchronous_commit', 'off', true),
        CASE current_setting('is_superuser') WHEN 'on' THEN set_config('session_replication_role', 'replica', true) END
""")


def prepare_bulk(session: Session) -> None:
    """Make this transaction cheaper: its commit does not wait for the disk, and references are not checked.

    A crash may take the last transactions with it, each as a whole; a commit that waits for the disk makes those before
    it safe. The check of each row's reference to its entity is a fifth of the work of a large import, and cannot fail
    where one transaction, which keeps other editors out, writes both. Only a superuser, such as ours in the embedded
    Postgres, may leave it out.
    """
    session.execute(_BULK)


def copy_rows(
    session: Session, namespace: str, table: LiteralString, columns: LiteralString, rows: Iterable[Row]
) -> int:
    """Write rows of a namespace and return how many they are.

    The lock keeps other editors out, so that plain COPY cannot meet rows of theirs; it takes half the time of a detour
    over a staging table and INSERT … ON CONFLICT.
    """
    iterator: Iterator[Row] = iter(rows)
    first = next(iterator, None)
    if first is None:
        return 0
    count = 1
    driver = cast("psycopg.Connection[Row]", session.connection().connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} (namespace, {columns}) FROM STDIN") as copy:
        copy.write_row((namespace, *first))
        for count, row in enumerate(iterator, 2):  # noqa: B007
            copy.write_row((namespace, *row))
    return count


def insert_entities(
    session: Session, namespace: str, entities: Iterable[tuple[EntityRecord, bytes]], sources: Mapping[str, int]
) -> None:
    """Write the rows of new entities, each with the hash of its content."""
    columns = "id, label, description, text, popularity, source_id, content_hash"
    rows = (
        (r.id, r.label, r.description, r.text, r.popularity, sources.get(r.source or ""), digest)
        for r, digest in entities
    )
    copy_rows(session, namespace, "entity", columns, rows)


def update_entities(
    session: Session, namespace: str, entities: Sequence[tuple[EntityRecord, bytes]], sources: Mapping[str, int]
) -> None:
    """Write the rows of entities that exist, deleted ones too, each with the hash of its content."""
    if not entities:
        return
    statement = text(
        "UPDATE entity e SET label = v.label, description = v.description, text = v.body, popularity = v.popularity,"
        " source_id = v.source_id, content_hash = v.content_hash, version = e.version + 1, updated_at = now(),"
        " deleted_at = NULL FROM unnest(CAST(:ids AS text[]), CAST(:labels AS text[]), CAST(:descriptions AS text[]),"
        " CAST(:texts AS text[]), CAST(:popularities AS int[]), CAST(:sources AS bigint[]), CAST(:digests AS bytea[]))"
        " AS v(id, label, description, body, popularity, source_id, content_hash)"
        " WHERE e.namespace = :namespace AND e.id = v.id"
    )
    parameters = {
        "namespace": namespace,
        "ids": [record.id for record, _ in entities],
        "labels": [record.label for record, _ in entities],
        "descriptions": [record.description for record, _ in entities],
        "texts": [record.text for record, _ in entities],
        "popularities": [record.popularity for record, _ in entities],
        "sources": [sources.get(record.source or "") for record, _ in entities],
        "digests": [digest for _, digest in entities],
    }
    session.execute(statement, parameters)


def replace_parts(
    session: Session, namespace: str, entities: Sequence[EntityRecord], before: Mapping[str, EntityRecord]
) -> None:
    """Write what hangs on entities; of those that were there before, only the parts that differ."""
    for part in PARTS:
        differing = [
            entity
            for entity in entities
            if entity.id not in before or getattr(entity, part.field) != getattr(before[entity.id], part.field)
        ]
        remove_part(session, namespace, part, [entity.id for entity in differing if entity.id in before])
        rows = (row for entity in differing for row in part.rows(entity))
        copy_rows(session, namespace, part.table, part.columns, rows)


def remove_part(session: Session, namespace: str, part: Part, ids: Sequence[str]) -> None:
    """Take one kind of what hangs on entities away."""
    if ids:
        statement = f"DELETE FROM {part.table} WHERE namespace = :namespace AND {part.owner} = ANY(:ids)"  # noqa: S608
        session.execute(text(statement), {"namespace": namespace, "ids": list(ids)})


def create_missing(session: Session, namespace: str, table: str, ids: Iterable[str]) -> list[str]:
    """Create the types or predicates (`table`) that do not exist, with the id as label, and return their ids."""
    wanted = sorted(set(ids))
    if not wanted:
        return []
    statement = text(
        f"INSERT INTO {table} (namespace, id, label) SELECT :namespace, id, id"  # noqa: S608
        " FROM unnest(CAST(:ids AS text[])) AS v(id) ON CONFLICT DO NOTHING RETURNING id"
    )
    return sorted(session.execute(statement, {"namespace": namespace, "ids": wanted}).scalars())


def put_types(session: Session, namespace: str, records: Sequence[TypeRecord]) -> None:
    """Write types, new or known; their parents must be among them or exist."""
    statement = text(
        "INSERT INTO type (namespace, id, label, parent_id) SELECT :namespace, id, label, parent_id"
        " FROM unnest(CAST(:ids AS text[]), CAST(:labels AS text[]), CAST(:parents AS text[]))"
        " AS v(id, label, parent_id)"
        " ON CONFLICT (namespace, id) DO UPDATE SET label = excluded.label, parent_id = excluded.parent_id"
    )
    parameters = {
        "namespace": namespace,
        "ids": [record.id for record in records],
        "labels": [record.label for record in records],
        "parents": [record.parent for record in records],
    }
    session.execute(statement, parameters)


def put_predicates(session: Session, namespace: str, records: Sequence[PredicateRecord]) -> None:
    """Write predicates, new or known."""
    statement = text(
        "INSERT INTO predicate (namespace, id, label) SELECT :namespace, id, label"
        " FROM unnest(CAST(:ids AS text[]), CAST(:labels AS text[])) AS v(id, label)"
        " ON CONFLICT (namespace, id) DO UPDATE SET label = excluded.label"
    )
    ids, labels = [record.id for record in records], [record.label for record in records]
    session.execute(statement, {"namespace": namespace, "ids": ids, "labels": labels})


def publish(session: Session, namespace: str, revised: Sequence[Revised], edit: Edit) -> None:
    """Write a revision and a change for each edited thing, and notify the readers."""
    if not revised:
        return
    origin = (edit.actor, edit.comment)
    revisions = (
        (item.id if item.change in ENTITY_CHANGES else None, edit.kind, _json(item.before), _json(item.after), *origin)
        for item in revised
    )
    copy_rows(session, namespace, "revision", "entity_id, kind, before, after, actor, comment", revisions)
    changes = (
        (item.change, item.id, None) if item.change in ENTITY_CHANGES else (item.change, None, item.id)
        for item in revised
    )
    copy_rows(session, namespace, "change", "kind, entity_id, item_id", changes)
    notify(session, namespace)


def notify(session: Session, namespace: str) -> None:
    """Tell the readers, at commit, how far the namespace's changes go now."""
    payload = orjson.dumps({"namespace": namespace, "version": kb_version(session, namespace)}).decode()
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})


ENTITY_CHANGES = frozenset({"entity", "entity_deleted"})


def _json(line: bytes | None) -> str | None:
    return None if line is None else line.decode()
