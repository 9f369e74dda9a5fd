"""The only way to write to the knowledge base.

Each edit writes the rows, a revision and a change in the caller's transaction, and notifies the readers, who hear of it
when the caller commits. Nothing here commits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import rows
from kb.exporters.lines import predicate_json, redirect_json, type_json
from kb.queries import AliasOccurrenceRecord, read_entities, read_predicates, read_types
from kb.records import PredicateRecord, TypeRecord
from kb.rows import CHANNEL, Edit, Revised, lock, new_group, prepare_bulk
from kb.staging import PARTS, Staged, stage

__all__ = ["CHANNEL", "Edit", "Outcome", "Staged", "lock", "new_group", "prepare_bulk", "stage"]

NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(slots=True)
class Outcome:
    """What an edit of many did; `types` and `predicates` are ids that were named but not known, and now have a row."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    types: list[str] = field(default_factory=list)
    predicates: list[str] = field(default_factory=list)


class Comparison(NamedTuple):
    """Staged entities by what is known of them: nothing, that they were deleted, other content, the same content."""

    fresh: list[Staged]
    deleted: list[Staged]
    changed: list[Staged]
    unchanged: list[Staged]

    @property
    def written(self) -> list[Staged]:
        """Those that have to be written."""
        return self.fresh + self.deleted + self.changed

    @property
    def outcome(self) -> Outcome:
        """What writing them does."""
        return Outcome(len(self.fresh) + len(self.deleted), len(self.changed), len(self.unchanged))


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


def compare_entities(session: Session, namespace: str, staged: Sequence[Staged]) -> Comparison:
    """Compare staged entities with those that are there."""
    # As JSON: the driver takes twenty times as long to write an array. From a subquery: whatever Postgres thinks of the
    # table, it looks for each id in the index.
    statement = text(
        "SELECT id, content_hash, deleted_at IS NOT NULL FROM entity"
        " WHERE namespace = :namespace AND id = ANY(ARRAY(SELECT json_array_elements_text(CAST(:ids AS json))))"
    )
    parameters = {"namespace": namespace, "ids": orjson.dumps([item.id for item in staged]).decode()}
    known = {key: (digest, deleted) for key, digest, deleted in session.execute(statement, parameters)}
    found = Comparison([], [], [], [])
    for item in staged:
        digest, deleted = known.get(item.id, (None, False))
        if digest is None:
            found.fresh.append(item)
        elif deleted:
            found.deleted.append(item)
        else:
            (found.unchanged if digest == item.digest else found.changed).append(item)
    return found


def put_entities(session: Session, namespace: str, staged: Sequence[Staged], edit: Edit) -> Outcome:
    """Create entities, or replace what is known of them. Ids must be distinct; equal content writes nothing."""
    lock(session, namespace)
    found = compare_entities(session, namespace, staged)
    return write_entities(session, namespace, found, former(session, namespace, found), edit)


def former(session: Session, namespace: str, found: Comparison) -> dict[str, Staged]:
    """Return, by id, what the entities with other content are now."""
    return _as_they_are(session, namespace, [item.id for item in found.changed])


def write_entities(
    session: Session, namespace: str, found: Comparison, before: Mapping[str, Staged], edit: Edit
) -> Outcome:
    """Write entities that were compared under this transaction's `lock`; `before` is what `former` returned."""
    outcome = found.outcome
    written = found.written
    if not written:
        return outcome
    ensure_namespace(session, namespace)
    outcome.types = _create_types(session, namespace, (name for item in written for name in item.types), edit)
    predicates = (name for item in written for name in item.predicates)
    outcome.predicates = _create_predicates(session, namespace, predicates, edit)
    sources = {name: put_source(session, namespace, name) for name in {item.source for item in written} if name}
    rows.insert_entities(session, namespace, found.fresh, sources)
    rows.update_entities(session, namespace, found.deleted + found.changed, sources)
    rows.replace_parts(session, namespace, written, before)
    lines = {key: item.line for key, item in before.items()}
    lines |= _redirect_lines(rows.take_redirects(session, namespace, [item.id for item in found.deleted]))
    revised = [Revised(item.id, lines.get(item.id), item.line) for item in written]
    rows.publish(session, namespace, "entity", revised, edit)
    return outcome


def delete_entities(session: Session, namespace: str, ids: Sequence[str], edit: Edit) -> int:
    """Delete entities and return how many there were; relations that lead to them become pending.

    Those that are deleted already stay as they are.
    """
    lock(session, namespace)
    before = _as_they_are(session, namespace, ids)
    retire_entities(session, namespace, dict.fromkeys(before), edit)
    return len(before)


def retire_entities(session: Session, namespace: str, targets: Mapping[str, str | None], edit: Edit) -> None:
    """Delete entities, and let their ids lead to other ones.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        targets: where each id leads, None for nowhere; of those that are deleted already, only that is changed.
        edit: who does it and why.
    """
    lock(session, namespace)
    before = {key: item.line for key, item in _as_they_are(session, namespace, list(targets)).items()}
    for part in PARTS:
        rows.remove_part(session, namespace, part, list(before))
    before |= _redirect_lines(rows.take_redirects(session, namespace, list(targets)))
    statement = text(
        "UPDATE entity SET deleted_at = coalesce(deleted_at, now()), updated_at = now(), version = version + 1"
        " WHERE namespace = :namespace AND id = ANY(:ids)"
    )
    session.execute(statement, {"namespace": namespace, "ids": list(targets)})
    led = {key: target for key, target in targets.items() if target is not None}
    rows.put_redirects(session, namespace, led)
    after = _redirect_lines(led)
    revised = [Revised(key, before.get(key), after.get(key)) for key in targets]
    rows.publish(session, namespace, "entity_deleted", revised, edit)


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
    revised = [Revised(r.id, before.get(r.id), orjson.dumps(type_json(r))) for r in written]
    rows.publish(session, namespace, "type", revised, edit)
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
    revised = [Revised(r.id, before.get(r.id), orjson.dumps(predicate_json(r))) for r in written]
    rows.publish(session, namespace, "predicate", revised, edit)
    return _compare(records, known)


def delete_class(session: Session, namespace: str, record: TypeRecord | PredicateRecord, edit: Edit) -> None:
    """Delete a type or a predicate that nothing names."""
    lock(session, namespace)
    table = "type" if isinstance(record, TypeRecord) else "predicate"
    before = orjson.dumps(type_json(record) if isinstance(record, TypeRecord) else predicate_json(record))
    statement = text(f"DELETE FROM {table} WHERE namespace = :namespace AND id = :id")  # noqa: S608
    session.execute(statement, {"namespace": namespace, "id": record.id})
    rows.publish(session, namespace, table, [Revised(record.id, before, None)], edit)


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
    session.execute(text("ANALYZE entity (namespace, id)"))


def refresh_statistics(session: Session) -> None:
    """Let Postgres count anew after large edits, so that it plans its searches for what is there now.

    It counts the columns that searches look at; long texts would take most of the time.
    """
    rows.tidy_trigrams(session)
    session.execute(
        text(
            "ANALYZE entity (namespace, id, popularity, source_id, deleted_at),"
            " alias (namespace, entity_id, text, normalised), entity_type, relation, xref, type, predicate,"
            " change (namespace, version), revision (namespace, entity_id, id)"
        )
    )


def _create_types(session: Session, namespace: str, ids: Iterable[str], edit: Edit) -> list[str]:
    created = rows.create_missing(session, namespace, "type", ids)
    revised = [Revised(key, None, orjson.dumps(type_json(TypeRecord(key, key)))) for key in created]
    rows.publish(session, namespace, "type", revised, edit)
    return created


def _create_predicates(session: Session, namespace: str, ids: Iterable[str], edit: Edit) -> list[str]:
    created = rows.create_missing(session, namespace, "predicate", ids)
    revised = [Revised(key, None, orjson.dumps(predicate_json(PredicateRecord(key, key)))) for key in created]
    rows.publish(session, namespace, "predicate", revised, edit)
    return created


def _compare(
    records: Sequence[TypeRecord] | Sequence[PredicateRecord],
    known: Mapping[str, TypeRecord] | Mapping[str, PredicateRecord],
) -> Outcome:
    outcome = Outcome(unchanged=sum(known.get(record.id) == record for record in records))
    outcome.changed = sum(record.id in known for record in records) - outcome.unchanged
    outcome.added = len(records) - outcome.changed - outcome.unchanged
    return outcome


def _redirect_lines(targets: Mapping[str, str]) -> dict[str, bytes]:
    """Return what revisions hold of ids that lead to other entities."""
    return {key: orjson.dumps(redirect_json(key, target)) for key, target in targets.items()}


def _as_they_are(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, Staged]:
    """Return those of the entities that exist and are not deleted, as they are now."""
    return {record.id: stage(record) for record in read_entities(session, namespace, ids)}
