"""Everything that reads the knowledge base from Postgres. Nothing here writes or commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Result, TextClause, text
from sqlalchemy.orm import Session

from kb.records import AliasRecord, EntityRecord, PredicateRecord, RelationRecord, TypeRecord

Rows = Sequence[tuple[Any, ...]]
Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntityDetail:
    """One entity with what only its row and its neighbours know.

    Attributes:
        record: the entity as a file would hold it.
        version: counts its edits, from 1; an edit must name the version that it starts from.
        incoming_relations: how many relations have it as object.
        created_at: when it first came into the knowledge base.
        updated_at: when it was last edited.
    """

    record: EntityRecord
    version: int
    incoming_relations: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """An entry of the outbox; `entity_id` for an entity, `item_id` for a type or predicate, else neither."""

    version: int
    kind: str
    entity_id: str | None
    item_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AliasOccurrenceRecord:
    """How often a normalised form occurs in a corpus and as a link, with (upper) and without an upper-case letter."""

    normalised: str
    upper_occurrences: int
    upper_links: int
    lower_occurrences: int
    lower_links: int


# The rows of one page of entities. Aliases and the like are read for a whole page at once, by the range of its ids:
# that is one pass over neighbouring index entries, where a query for each entity would be hundreds of thousands.
ENTITIES = """
    SELECT e.id, e.label, e.description, e.text, e.popularity, s.name AS source
    FROM entity e LEFT JOIN source s ON s.id = e.source_id
    WHERE e.namespace = :namespace AND e.deleted_at IS NULL
"""
STREAM = text(f"{ENTITIES} ORDER BY e.id")
SOME = text(f"{ENTITIES} AND e.id = ANY(:ids) ORDER BY e.id")


def stream_entities(session: Session, namespace: str, batch: int = 2000) -> Iterator[EntityRecord]:
    """Yield the entities that are not deleted, sorted by id (code points), reading `batch` of them at a time.

    For one consistent picture use a session of `kb.database.snapshot_session`.
    """
    with _streamed(session, STREAM, namespace, batch) as result:
        for rows in result.partitions(batch):
            span = {"namespace": namespace, "first": rows[0][0], "last": rows[-1][0]}
            yield from _assemble(session, rows, "BETWEEN :first AND :last", span)


def read_entities(session: Session, namespace: str, ids: Sequence[str]) -> list[EntityRecord]:
    """Return those of the entities that exist and are not deleted, sorted by id."""
    parameters = {"namespace": namespace, "ids": list(ids)}
    rows = session.execute(SOME, parameters).all()
    return list(_assemble(session, rows, "= ANY(:ids)", parameters))


def existing_ids(session: Session, namespace: str, ids: Sequence[str]) -> set[str]:
    """Return those of the ids that belong to entities that are not deleted."""
    statement = text("SELECT id FROM entity WHERE namespace = :namespace AND id = ANY(:ids) AND deleted_at IS NULL")
    return set(session.execute(statement, {"namespace": namespace, "ids": list(ids)}).scalars())


def pending_relations(session: Session, namespace: str, examples: int = 0) -> tuple[int, list[tuple[str, str, str]]]:
    """Return how many relations have an object that is not there, and some of them as subject, predicate, object."""
    pending = (
        " FROM relation r WHERE r.namespace = :namespace AND NOT EXISTS (SELECT 1 FROM entity e"
        " WHERE e.namespace = r.namespace AND e.id = r.object_id AND e.deleted_at IS NULL)"
    )
    count = session.execute(text(f"SELECT count(*){pending}"), {"namespace": namespace}).scalar_one()
    some = text(f"SELECT subject_id, predicate_id, object_id{pending} ORDER BY 1, 2, 3 LIMIT :limit")
    rows = session.execute(some, {"namespace": namespace, "limit": examples}) if count and examples else ()
    return int(count), [(subject, predicate, target) for subject, predicate, target in rows]


def kb_version(session: Session, namespace: str) -> int:
    """Return the sequence number of the last change, 0 for a namespace without any."""
    statement = text("SELECT max(version) FROM change WHERE namespace = :namespace")
    return session.execute(statement, {"namespace": namespace}).scalar() or 0


def has_change(session: Session, namespace: str, version: int) -> bool:
    """Say whether the namespace has a change of this version. No two changes of a database have the same."""
    statement = text("SELECT EXISTS (SELECT FROM change WHERE namespace = :namespace AND version = :version)")
    return bool(session.execute(statement, {"namespace": namespace, "version": version}).scalar_one())


def changes_since(session: Session, namespace: str, version: int, limit: int = 10_000) -> list[ChangeRecord]:
    """Return the changes after `version`, oldest first, at most `limit`."""
    statement = text(
        "SELECT version, kind, entity_id, item_id, created_at FROM change"
        " WHERE namespace = :namespace AND version > :version ORDER BY version LIMIT :limit"
    )
    rows = session.execute(statement, {"namespace": namespace, "version": version, "limit": limit})
    return [ChangeRecord(*row) for row in rows]


def stream_types(session: Session, namespace: str) -> Iterator[TypeRecord]:
    """Yield the types, sorted by id."""
    statement = text("SELECT id, label, parent_id FROM type WHERE namespace = :namespace ORDER BY id")
    with _streamed(session, statement, namespace) as rows:
        yield from (TypeRecord(*row) for row in rows)


def stream_predicates(session: Session, namespace: str) -> Iterator[PredicateRecord]:
    """Yield the predicates, sorted by id."""
    statement = text("SELECT id, label FROM predicate WHERE namespace = :namespace ORDER BY id")
    with _streamed(session, statement, namespace) as rows:
        yield from (PredicateRecord(*row) for row in rows)


def read_types(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, TypeRecord]:
    """Return those of the types that exist, by id."""
    statement = text("SELECT id, label, parent_id FROM type WHERE namespace = :namespace AND id = ANY(:ids)")
    rows = session.execute(statement, {"namespace": namespace, "ids": list(ids)})
    return {row[0]: TypeRecord(*row) for row in rows}


def read_predicates(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, PredicateRecord]:
    """Return those of the predicates that exist, by id."""
    statement = text("SELECT id, label FROM predicate WHERE namespace = :namespace AND id = ANY(:ids)")
    rows = session.execute(statement, {"namespace": namespace, "ids": list(ids)})
    return {row[0]: PredicateRecord(*row) for row in rows}


def xref_schemes(session: Session, namespace: str) -> list[str]:
    """Return the schemes of the cross-references, sorted."""
    statement = text("SELECT DISTINCT scheme FROM xref WHERE namespace = :namespace ORDER BY scheme")
    return list(session.execute(statement, {"namespace": namespace}).scalars())


def used_predicates(session: Session, namespace: str) -> list[str]:
    """Return the predicates that relations have, sorted."""
    statement = text("SELECT DISTINCT predicate_id FROM relation WHERE namespace = :namespace ORDER BY predicate_id")
    return list(session.execute(statement, {"namespace": namespace}).scalars())


def stream_alias_occurrences(session: Session, namespace: str) -> Iterator[AliasOccurrenceRecord]:
    """Yield the corpus counts of normalised forms, sorted by form."""
    statement = text(
        "SELECT normalised, upper_occurrences, upper_links, lower_occurrences, lower_links FROM alias_occurrence"
        " WHERE namespace = :namespace ORDER BY normalised"
    )
    with _streamed(session, statement, namespace) as rows:
        yield from (AliasOccurrenceRecord(*row) for row in rows)


def alias_occurrences(session: Session, namespace: str, names: Sequence[str]) -> Iterator[AliasOccurrenceRecord]:
    """Yield the corpus counts of those of the normalised forms that have any."""
    if names:
        statement = text(
            "SELECT normalised, upper_occurrences, upper_links, lower_occurrences, lower_links FROM alias_occurrence"
            " WHERE namespace = :namespace AND normalised = ANY(:names)"
        )
        rows = session.execute(statement, {"namespace": namespace, "names": list(names)})
        yield from (AliasOccurrenceRecord(*row) for row in rows)


def _streamed(session: Session, statement: TextClause, namespace: str, batch: int = 5000) -> Result[*tuple[Any, ...]]:
    """Return rows of a namespace that come from the server `batch` at a time; they must be closed."""
    return session.execute(statement, {"namespace": namespace}, execution_options={"yield_per": batch})


def _assemble(session: Session, rows: Rows, which: str, parameters: Parameters) -> Iterator[EntityRecord]:
    """Yield entities from their rows and from the aliases, types, relations and cross-references of `which` ids."""

    def read(table: str, key: str, columns: str) -> Rows:
        statement = (
            f"SELECT {key}, {columns} FROM {table} WHERE namespace = :namespace AND {key} {which}"  # noqa: S608
            f" ORDER BY {key}, {columns}"
        )
        return session.execute(text(statement), parameters).all()

    aliases: defaultdict[str, list[AliasRecord]] = defaultdict(list)
    for key, *values in read("alias", "entity_id", "text, count, language"):
        aliases[key].append(AliasRecord(*values))
    types: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in read("entity_type", "entity_id", "type_id"):
        types[key].append(value)
    relations: defaultdict[str, list[RelationRecord]] = defaultdict(list)
    for key, predicate, target in read("relation", "subject_id", "predicate_id, object_id"):
        relations[key].append(RelationRecord(predicate, target))
    xrefs: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for key, scheme, value in read("xref", "entity_id", "scheme, value"):
        xrefs[key][scheme] = value
    for key, label, description, body, popularity, source in rows:
        yield EntityRecord(
            key,
            label,
            description,
            body,
            tuple(aliases.get(key, ())),
            tuple(types.get(key, ())),
            tuple(relations.get(key, ())),
            xrefs.get(key, {}),
            popularity,
            source,
        )


def count_entities(session: Session, namespace: str) -> int:
    """Return the number of entities that are not deleted."""
    statement = text("SELECT count(*) FROM entity WHERE namespace = :namespace AND deleted_at IS NULL")
    return int(session.execute(statement, {"namespace": namespace}).scalar_one())


@dataclass(frozen=True, slots=True)
class KbStats:
    """What a knowledge base holds; `ambiguous_aliases` are normalised names of two entities or more."""

    kb_version: int
    entities: int
    with_description: int
    with_types: int
    with_relations: int
    aliases: int
    distinct_aliases: int
    ambiguous_aliases: int
    types: int
    predicates: int
    relations: int
    pending_relations: int


STATS = text("""
    WITH e AS (SELECT id, description FROM entity WHERE namespace = :namespace AND deleted_at IS NULL),
    names AS (SELECT normalised, count(DISTINCT entity_id) AS bearers, count(*) AS forms
              FROM alias WHERE namespace = :namespace GROUP BY normalised)
    SELECT
        (SELECT coalesce(max(version), 0) FROM change WHERE namespace = :namespace) AS kb_version,
        (SELECT count(*) FROM e) AS entities,
        (SELECT count(description) FROM e) AS with_description,
        (SELECT count(DISTINCT entity_id) FROM entity_type WHERE namespace = :namespace) AS with_types,
        (SELECT count(DISTINCT subject_id) FROM relation WHERE namespace = :namespace) AS with_relations,
        (SELECT coalesce(sum(forms), 0)::bigint FROM names) AS aliases,
        (SELECT count(*) FROM names) AS distinct_aliases,
        (SELECT count(*) FROM names WHERE bearers > 1) AS ambiguous_aliases,
        (SELECT count(*) FROM type WHERE namespace = :namespace) AS types,
        (SELECT count(*) FROM predicate WHERE namespace = :namespace) AS predicates,
        (SELECT count(*) FROM relation WHERE namespace = :namespace) AS relations,
        (SELECT count(*) FROM relation r WHERE r.namespace = :namespace
            AND NOT EXISTS (SELECT 1 FROM e WHERE e.id = r.object_id)) AS pending_relations
""")


def stats(session: Session, namespace: str) -> KbStats:
    """Count what a knowledge base holds."""
    return KbStats(**session.execute(STATS, {"namespace": namespace}).mappings().one())


def get_entity(session: Session, namespace: str, entity_id: str) -> EntityDetail | None:
    """Return one entity with its version and neighbours' relations, or None where there is none."""
    records = read_entities(session, namespace, [entity_id])
    if not records:
        return None
    statement = text(
        "SELECT version, created_at, updated_at,"
        " (SELECT count(*) FROM relation r WHERE r.namespace = e.namespace AND r.object_id = e.id) AS incoming"
        " FROM entity e WHERE namespace = :namespace AND id = :id"
    )
    row = session.execute(statement, {"namespace": namespace, "id": entity_id}).one()
    return EntityDetail(records[0], row.version, row.incoming, row.created_at, row.updated_at)
