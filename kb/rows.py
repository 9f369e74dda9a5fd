"""The rows behind `kb.curation`: how edits reach the tables, the revisions and the outbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple, cast

import orjson
import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.queries import kb_version
from kb.records import PredicateRecord, TypeRecord
from kb.staging import ENTITY_COLUMNS, PARTS, Part, Staged, optional, quoted

CHANNEL = "namesake_change"
_LOCK_SEED = 0x6B62  # any number; keeps this lock apart from others that hash the same name

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a revision says about itself: the kind of edit, who made it and why, and the group that it belongs to."""

    kind: str
    actor: str | None = None
    comment: str | None = None
    group: int | None = None


class Revised(NamedTuple):
    """One edited thing: its id, and its JSON before and after (None: not there)."""

    id: str
    before: bytes | None
    after: bytes | None


def lock(session: Session, namespace: str) -> None:
    """Wait until no other transaction edits the namespace, and keep others out until this one ends.

    With it, changes are committed in the order of their versions: who has seen version n has seen all before. It also
    lets an edit look first and write then.
    """
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:namespace, :seed))")
    session.execute(statement, {"namespace": namespace, "seed": _LOCK_SEED})


_BULK = text("""
    SELECT set_config('synchronous_commit', 'off', true),
        set_config('gin_pending_list_limit', '32768', true), set_config('work_mem', '64MB', true),
        CASE current_setting('is_superuser') WHEN 'on' THEN set_config('session_replication_role', 'replica', true) END
""")


def prepare_bulk(session: Session) -> None:
    """Make this transaction cheaper.

    Its commit does not wait for the disk, trigrams of names are indexed in larger heaps (32 MB; `tidy_trigrams` indexes
    the last one), and references are not checked.

    A crash may take the last transactions with it, each as a whole; a commit that waits for the disk makes those before
    it safe. The check of each row's reference to its entity is a fifth of the work of a large import, and cannot fail
    where one transaction, which keeps other editors out, writes both. Only a superuser, such as ours in the embedded
    Postgres, may leave it out.
    """
    session.execute(_BULK)


def tidy_trigrams(session: Session) -> None:
    """Index the trigrams that wait for it, which every search has to look through; only the index's owner may."""
    statement = text(
        "SELECT gin_clean_pending_list(oid) FROM pg_class"
        " WHERE oid = CAST('ix_alias_normalised_trigrams' AS regclass) AND pg_has_role(relowner, 'USAGE')"
    )
    session.execute(statement)


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


def copy_text(
    session: Session,
    table: LiteralString,
    columns: LiteralString,
    rows: Iterable[bytes],
    end: Sequence[str | int | None],
) -> None:
    """Write rows in the text format of COPY, without their last columns; `end` has those, the same for each row."""
    data = b"".join(rows)
    if not data:
        return
    last = "".join(f"\t{optional(value if value is None else str(value))}" for value in end) + "\n"
    driver = cast("psycopg.Connection[Row]", session.connection().connection.driver_connection)
    statement = f"COPY {table} ({columns}) FROM STDIN (ENCODING 'UTF8')"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(data.replace(b"\n", last.encode()))


def insert_entities(session: Session, namespace: str, entities: Iterable[Staged], sources: Mapping[str, int]) -> None:
    """Write the rows of new entities."""
    by_source: defaultdict[int | None, list[bytes]] = defaultdict(list)
    for item in entities:
        by_source[sources.get(item.source or "")].append(item.row)
    for source, rows in by_source.items():
        copy_text(session, "entity", f"{ENTITY_COLUMNS}, source_id, namespace", rows, (source, namespace))


def update_entities(session: Session, namespace: str, entities: Sequence[Staged], sources: Mapping[str, int]) -> None:
    """Write the rows of entities that exist, deleted ones too."""
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
    records = [item.record for item in entities]
    parameters = {
        "namespace": namespace,
        "ids": [record.id for record in records],
        "labels": [record.label for record in records],
        "descriptions": [record.description for record in records],
        "texts": [record.text for record in records],
        "popularities": [record.popularity for record in records],
        "sources": [sources.get(record.source or "") for record in records],
        "digests": [item.digest for item in entities],
    }
    session.execute(statement, parameters)


def replace_parts(session: Session, namespace: str, entities: Sequence[Staged], before: Mapping[str, Staged]) -> None:
    """Write what hangs on entities; of those that were there before, only the parts that differ."""
    for number, part in enumerate(PARTS):
        differing = [
            item for item in entities if item.id not in before or item.parts[number] != before[item.id].parts[number]
        ]
        remove_part(session, namespace, part, [item.id for item in differing if item.id in before])
        rows = [item.parts[number] for item in differing]
        copy_text(session, part.table, f"{part.columns}, namespace", rows, (namespace,))


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


def take_redirects(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, str]:
    """Remove the redirects of these ids and return where they led."""
    statement = text("DELETE FROM redirect WHERE namespace = :namespace AND id = ANY(:ids) RETURNING id, target_id")
    return {row[0]: row[1] for row in session.execute(statement, {"namespace": namespace, "ids": list(ids)})}


def put_redirects(session: Session, namespace: str, targets: Mapping[str, str]) -> None:
    """Let ids that have no redirect lead to other entities."""
    copy_rows(session, namespace, "redirect", "id, target_id", targets.items())


def new_group(session: Session) -> int:
    """Return a number for revisions that belong together."""
    return int(session.execute(text("SELECT nextval(pg_get_serial_sequence('revision', 'id'))")).scalar_one())


def publish(session: Session, namespace: str, change: str, revised: Sequence[Revised], edit: Edit) -> None:
    """Write a revision and a change for each edited thing, and notify the readers; `change` is the kind of thing."""
    if not revised:
        return
    keys = [quoted(item.id).encode() for item in revised]
    revisions = [
        b"%b\t%b\t%b\n" % (key, _json(item.before), _json(item.after)) for key, item in zip(keys, revised, strict=True)
    ]
    columns = f"{_REVISED[change]}, before, after, namespace, kind, actor, comment, group_id"
    copy_text(session, "revision", columns, revisions, (namespace, edit.kind, edit.actor, edit.comment, edit.group))
    columns = f"{'entity_id' if change in ENTITY_CHANGES else 'item_id'}, namespace, kind"
    copy_text(session, "change", columns, [key + b"\n" for key in keys], (namespace, change))
    notify(session, namespace)


def notify(session: Session, namespace: str) -> None:
    """Tell the readers, at commit, how far the namespace's changes go now."""
    payload = orjson.dumps({"namespace": namespace, "version": kb_version(session, namespace)}).decode()
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})


ENTITY_CHANGES = frozenset({"entity", "entity_deleted"})
_REVISED: dict[str, LiteralString] = {
    "entity": "entity_id",
    "entity_deleted": "entity_id",
    "type": "type_id",
    "predicate": "predicate_id",
}


def _json(line: bytes | None) -> bytes:
    return b"\\N" if line is None else line.replace(b"\\", b"\\\\")
