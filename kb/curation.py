"""The only way to write to the knowledge base.

Each edit writes the rows, a revision and a change in the caller's transaction, and notifies the readers, who hear of it
when the caller commits. Nothing here commits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import rows
from kb.exporters.lines import entity_json, predicate_json, type_json
from kb.queries import AliasOccurrenceRecord, read_entities, read_predicates, read_types
from kb.records import AliasRecord, EntityRecord, PredicateRecord, RelationRecord, TypeRecord
from kb.rows import CHANNEL, Edit, Revised, lock, prepare_bulk

__all__ = ["CHANNEL", "Edit", "Outcome", "Staged", "lock", "prepare_bulk"]

NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Staged:
    """An entity in the one form in which it is stored and compared; `line` is its JSON, `digest` the hash of that."""

    record: EntityRecord
    line: bytes
    digest: bytes


@dataclass(slots=True)
class Outcome:
    """What an edit of many did; `types` and `predicates` are ids that were named but not known, and now have a row."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    types: list[str] = field(default_factory=list)
    predicates: list[str] = field(default_factory=list)


def stage(entity: EntityRecord) -> Staged:
    """Bring an entity into stored form: its label is one of its aliases, everything is sorted, nothing is there twice.

    Of two aliases with the same text the one with the larger count stays.
    """
    aliases = {entity.label: AliasRecord(entity.label)}
    for alias in entity.aliases:
        known = aliases.get(alias.text)
        if known is None or (alias.count, alias.language or "") >= (known.count, known.language or ""):
            aliases[alias.text] = alias
    record = EntityRecord(
        entity.id,
        entity.label,
        entity.description,
        entity.text,
        tuple([aliases[name] for name in sorted(aliases)]),
        tuple(sorted(set(entity.types))),
        tuple(sorted(set(entity.relations), key=_edge)) if entity.relations else (),
        dict(sorted(entity.xrefs.items())),
        entity.popularity,
        entity.source,
    )
    line = orjson.dumps(entity_json(record))
    return Staged(record, line, hashlib.blake2b(line, digest_size=16).digest())


def ensure_namespace(session: Session, namespace: str) -> None:
    """Create the namespace if there is none of that name.

    Raises:
        ValueError: the name cannot be used.
    """
    if not NAMESPACE.fullmatch(namespace):
        raise ValueError(f"namespace {namespace!r}: use 1 to 63 letters, digits, _ and -, with a letter or digit first")
    statement = text("INSERT INTO namespace (name) VALUES (:name) ON CONFLICT DO NOTHING")
    session.execute(statement, {"name": namespace})


def put_source(
    session: Session,
    namespace: str,
    name: str,
    *,
    licence: str | None = None,
    url: str | None = None,
    note: str | None = None,
) -> int:
    """Create or complete a source and return its number; what is not given stays as it is."""
    ensure_namespace(session, namespace)
    statement = text(
        "INSERT INTO source (namespace, name, licence, url, note) VALUES (:namespace, :name, :licence, :url, :note)"
        " ON CONFLICT (namespace, name) DO UPDATE SET licence = coalesce(excluded.licence, source.licence),"
        " url = coalesce(excluded.url, source.url), note = coalesce(excluded.note, source.note) RETURNING id"
    )
    values = {"namespace": namespace, "name": name, "licence": licence, "url": url, "note": note}
    return int(session.execute(statement, values).scalar_one())


def compare_entities(session: Session, namespace: str, staged: Sequence[Staged]) -> tuple[list[Staged], list[Staged]]:
    """Return those that are new, and those that exist with other content. Deleted entities count as new."""
    statement = text(
        "SELECT id, content_hash FROM entity WHERE namespace = :namespace AND deleted_at IS NULL AND id = ANY(:ids)"
    )
    parameters = {"namespace": namespace, "ids": [item.record.id for item in staged]}
    known = {key: bytes(digest) for key, digest in session.execute(statement, parameters)}
    new = [item for item in staged if item.record.id not in known]
    changed = [item for item in staged if known.get(item.record.id, item.digest) != item.digest]
    return new, changed


def put_entities(session: Session, namespace: str, staged: Sequence[Staged], edit: Edit) -> Outcome:
    """Create entities, or replace what is known of them. Ids must be distinct; equal content writes nothing."""
    lock(session, namespace)
    new, changed = compare_entities(session, namespace, staged)
    outcome = Outcome(len(new), len(changed), len(staged) - len(new) - len(changed))
    written = new + changed
    if not written:
        return outcome
    ensure_namespace(session, namespace)
    entities = [item.record for item in written]
    outcome.types = _create_types(session, namespace, (name for item in entities for name in item.types), edit)
    predicates = (edge.predicate for item in entities for edge in item.relations)
    outcome.predicates = _create_predicates(session, namespace, predicates, edit)
    sources = {name: put_source(session, namespace, name) for name in {item.source for item in entities} if name}
    before = {record.id: record for record in read_entities(session, namespace, [item.record.id for item in changed])}
    deleted = _deleted(session, namespace, [item.record.id for item in new])
    fresh = ((item.record, item.digest) for item in new if item.record.id not in deleted)
    rows.insert_entities(session, namespace, fresh, sources)
    known = [(item.record, item.digest) for item in written if item.record.id in before or item.record.id in deleted]
    rows.update_entities(session, namespace, known, sources)
    rows.replace_parts(session, namespace, entities, before)
    revised = [Revised("entity", item.record.id, _former(before, item.record.id), item.line) for item in written]
    rows.publish(session, namespace, revised, edit)
    return outcome


def delete_entities(session: Session, namespace: str, ids: Sequence[str], edit: Edit) -> int:
    """Delete entities and return how many there were; relations that lead to them become pending."""
    lock(session, namespace)
    before = {record.id: record for record in read_entities(session, namespace, ids)}
    for part in rows.PARTS:
        rows.remove_part(session, namespace, part, list(before))
    statement = text(
        "UPDATE entity SET deleted_at = now(), updated_at = now(), version = version + 1"
        " WHERE namespace = :namespace AND id = ANY(:ids)"
    )
    session.execute(statement, {"namespace": namespace, "ids": list(before)})
    revised = [Revised("entity_deleted", key, _former(before, key), None) for key in before]
    rows.publish(session, namespace, revised, edit)
    return len(before)


def compare_types(session: Session, namespace: str, records: Sequence[TypeRecord]) -> Outcome:
    """Tell what `put_types` would do."""
    return _compare(records, read_types(session, namespace, [record.id for record in records]))


def put_types(session: Session, namespace: str, records: Sequence[TypeRecord], edit: Edit) -> Outcome:
    """Create or replace types; ids must be distinct. Parents that do not exist get a row with their id as label."""
    lock(session, namespace)
    ensure_namespace(session, namespace)
    known = read_types(session, namespace, [record.id for record in records])
    parents = {record.parent for record in records if record.parent} - {record.id for record in records}
    outcome = _compare(records, known)
    outcome.types = _create_types(session, namespace, parents, edit)
    written = [record for record in records if known.get(record.id) != record]
    rows.put_types(session, namespace, written)
    before = {key: orjson.dumps(type_json(record)) for key, record in known.items()}
    revised = [Revised("type", r.id, before.get(r.id), orjson.dumps(type_json(r))) for r in written]
    rows.publish(session, namespace, revised, edit)
    return outcome


def compare_predicates(session: Session, namespace: str, records: Sequence[PredicateRecord]) -> Outcome:
    """Tell what `put_predicates` would do."""
    return _compare(records, read_predicates(session, namespace, [record.id for record in records]))


def put_predicates(session: Session, namespace: str, records: Sequence[PredicateRecord], edit: Edit) -> Outcome:
    """Create or replace predicates; ids must be distinct."""
    lock(session, namespace)
    ensure_namespace(session, namespace)
    known = read_predicates(session, namespace, [record.id for record in records])
    written = [record for record in records if known.get(record.id) != record]
    rows.put_predicates(session, namespace, written)
    before = {key: orjson.dumps(predicate_json(record)) for key, record in known.items()}
    revised = [Revised("predicate", r.id, before.get(r.id), orjson.dumps(predicate_json(r))) for r in written]
    rows.publish(session, namespace, revised, edit)
    return _compare(records, known)


def replace_alias_occurrences(session: Session, namespace: str, records: Iterable[AliasOccurrenceRecord]) -> int:
    """Put these corpus counts in place of the namespace's former ones and return how many they are."""
    lock(session, namespace)
    ensure_namespace(session, namespace)
    session.execute(text("DELETE FROM alias_occurrence WHERE namespace = :namespace"), {"namespace": namespace})
    columns = "normalised, upper_occurrences, upper_links, lower_occurrences, lower_links"
    values = ((r.normalised, r.upper_occurrences, r.upper_links, r.lower_occurrences, r.lower_links) for r in records)
    written = rows.copy_rows(session, namespace, "alias_occurrence", columns, values)
    rows.copy_rows(session, namespace, "change", "kind", [("alias_occurrence",)])
    rows.notify(session, namespace)
    return written


def refresh_entity_statistics(session: Session) -> None:
    """Let Postgres count entities anew while many are written, so that it goes on looking for ids in the index."""
    session.execute(text("ANALYZE entity"))


def refresh_statistics(session: Session) -> None:
    """Let Postgres count anew after large edits, so that it plans its searches for what is there now."""
    session.execute(text("ANALYZE entity, alias, entity_type, relation, xref, type, predicate, change, revision"))


def _create_types(session: Session, namespace: str, ids: Iterable[str], edit: Edit) -> list[str]:
    created = rows.create_missing(session, namespace, "type", ids)
    lines = [(key, orjson.dumps(type_json(TypeRecord(key, key)))) for key in created]
    rows.publish(session, namespace, [Revised("type", key, None, line) for key, line in lines], edit)
    return created


def _create_predicates(session: Session, namespace: str, ids: Iterable[str], edit: Edit) -> list[str]:
    created = rows.create_missing(session, namespace, "predicate", ids)
    lines = [(key, orjson.dumps(predicate_json(PredicateRecord(key, key)))) for key in created]
    rows.publish(session, namespace, [Revised("predicate", key, None, line) for key, line in lines], edit)
    return created


def _compare(
    records: Sequence[TypeRecord] | Sequence[PredicateRecord],
    known: Mapping[str, TypeRecord] | Mapping[str, PredicateRecord],
) -> Outcome:
    outcome = Outcome(unchanged=sum(known.get(record.id) == record for record in records))
    outcome.changed = sum(record.id in known for record in records) - outcome.unchanged
    outcome.added = len(records) - outcome.changed - outcome.unchanged
    return outcome


def _deleted(session: Session, namespace: str, ids: Sequence[str]) -> set[str]:
    """Return which of the ids belong to deleted entities."""
    statement = text("SELECT id FROM entity WHERE namespace = :namespace AND id = ANY(:ids)")
    return set(session.execute(statement, {"namespace": namespace, "ids": list(ids)}).scalars())


def _edge(relation: RelationRecord) -> tuple[str, str]:
    return relation.predicate, relation.object


def _former(before: Mapping[str, EntityRecord], key: str) -> bytes | None:
    return orjson.dumps(entity_json(before[key])) if key in before else None
