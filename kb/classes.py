"""Edits of types and predicates: created, replaced, deleted. Nothing here commits.

They have no number of a version: an edit names the hash of the content that it starts from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import curation, queries
from kb.conflicts import ClassExists, ClassInUse, ClassMissing, NothingToUndo, StaleClass
from kb.curation import Edit
from kb.editing import take_turn
from kb.exporters.lines import predicate_json, type_json
from kb.history import RevisionBrief, RevisionDetail
from kb.importers.checks import Rejected, predicate_record, refuse_unstorable, type_record
from kb.records import PredicateRecord, TypeRecord
from kb.undoing import content_before

Kind = Literal["type", "predicate"]
Record = TypeRecord | PredicateRecord
CHECKS: dict[Kind, Callable[[dict[str, Any]], Record]] = {"type": type_record, "predicate": predicate_record}


def list_types(
    session: Session, namespace: str, parent: str | None, after: str, limit: int
) -> list[tuple[TypeRecord, int]]:
    """Return types with how many entities have each, sorted by id.

    Args:
        session: reads the namespace.
        namespace: the knowledge base.
        parent: only types right below this one; None for all.
        after: only those after this id.
        limit: at most so many.
    """
    statement = text(
        "SELECT t.id, t.label, t.parent_id, (SELECT count(*) FROM entity_type e WHERE e.namespace = t.namespace"
        " AND e.type_id = t.id) FROM type t WHERE t.namespace = :namespace AND t.id > :after"
        " AND (CAST(:parent AS text) IS NULL OR t.parent_id = :parent) ORDER BY t.id LIMIT :limit"
    )
    values = {"namespace": namespace, "parent": parent, "after": after, "limit": limit}
    return [(TypeRecord(*row[:3]), row[3]) for row in session.execute(statement, values)]


def list_predicates(session: Session, namespace: str, after: str, limit: int) -> list[tuple[PredicateRecord, int]]:
    """Return predicates with how many relations have each, sorted by id: those after `after`, at most `limit`."""
    statement = text(
        "SELECT p.id, p.label, (SELECT count(*) FROM relation r WHERE r.namespace = p.namespace"
        " AND r.predicate_id = p.id) FROM predicate p WHERE p.namespace = :namespace AND p.id > :after"
        " ORDER BY p.id LIMIT :limit"
    )
    rows = session.execute(statement, {"namespace": namespace, "after": after, "limit": limit})
    return [(PredicateRecord(*row[:2]), row[2]) for row in rows]


def get_class(session: Session, namespace: str, kind: Kind, key: str) -> Record:
    """Return a type or a predicate.

    Raises:
        ClassMissing: there is none.
    """
    found = _find(session, namespace, kind, key)
    if found is None:
        raise ClassMissing(kind, key)
    return found


def uses_of(session: Session, namespace: str, kind: Kind, key: str) -> dict[str, int]:
    """Return how many entities and types, or how many relations, name a type or a predicate."""
    counts = {
        "type": {"entities": "entity_type WHERE type_id = :id", "types": "type WHERE parent_id = :id"},
        "predicate": {"relations": "relation WHERE predicate_id = :id"},
    }
    values = {"namespace": namespace, "id": key}
    return {
        name: session.execute(text(f"SELECT count(*) FROM {rows} AND namespace = :namespace"), values).scalar_one()  # noqa: S608
        for name, rows in counts[kind].items()
    }


def create_class(session: Session, namespace: str, kind: Kind, data: Mapping[str, Any], edit: Edit) -> Record:
    """Create a type or a predicate, and return it.

    Raises:
        Rejected: a field cannot be used.
        ClassExists: there is one with this id.
        Busy: other edits took too long.
    """
    record = _checked(kind, data)
    take_turn(session, namespace)
    if _find(session, namespace, kind, record.id) is not None:
        raise ClassExists(kind, record.id)
    put_class(session, namespace, record, edit)
    return record


def replace_class(
    session: Session, namespace: str, kind: Kind, key: str, data: Mapping[str, Any], base: str | None, edit: Edit
) -> Record:
    """Put another label, and of a type another parent, in the place of what is there, and return it.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        kind: which of the two.
        key: its id.
        data: all that it should be, as files hold it; the id may be left out.
        base: the tag (`tag_of`) of what the edit starts from; None for whatever is there.
        edit: who does it and why.

    Raises:
        Rejected: a field cannot be used, or the type would be above itself.
        ClassMissing, StaleClass, Busy: as the names say.
    """
    take_turn(session, namespace)
    _current(session, namespace, kind, key, base)
    if data.get("id", key) != key:
        raise Rejected("id", f"a {kind} keeps its id", "leave the id out")
    record = _checked(kind, {**data, "id": key})
    put_class(session, namespace, record, edit)
    return record


def delete_class(session: Session, namespace: str, kind: Kind, key: str, base: str | None, edit: Edit) -> None:
    """Delete a type or a predicate that nothing names.

    Raises:
        ClassInUse: something does.
        ClassMissing, StaleClass, Busy: as the names say.
    """
    take_turn(session, namespace)
    _current(session, namespace, kind, key, base)
    drop_class(session, namespace, kind, key, edit)


def undo_class(
    session: Session, namespace: str, revision: RevisionDetail, base: str | None, edit: Edit, *, force: bool = False
) -> Record | None:
    """Undo a revision of a type or predicate, and return what that is now; None where it is deleted.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        revision: the revision.
        base: the tag of what the edit starts from; None for whatever is there.
        edit: who does it and why.
        force: undo it even where later edits changed the same.

    Raises:
        NothingToUndo: what it did is undone already.
        UndoClash: later edits changed the same.
        ClassInUse, StaleClass, Rejected, Busy: as the names say.
    """
    take_turn(session, namespace)
    kind, key = class_of(revision.brief)
    found = _find(session, namespace, kind, key)
    if base is not None and (found is None or base != tag_of(found)):
        raise StaleClass(kind, key, None if found is None else tag_of(found))
    current = None if found is None else content_of(found)
    goal = content_before(current, revision, force=force)
    if goal == current:
        raise NothingToUndo(f"what revision {revision.brief.id} changed is as it was before already")
    said = replace(edit, comment=edit.comment or f"undo of revision {revision.brief.id}")
    if goal is None:
        drop_class(session, namespace, kind, key, said)
    else:
        put_class(session, namespace, _checked(kind, goal), said)
    return _find(session, namespace, kind, key)


def class_of(brief: RevisionBrief) -> tuple[Kind, str]:
    """Return what a revision that is of no entity is of."""
    return ("type", brief.type_id) if brief.type_id is not None else ("predicate", brief.predicate_id or "")


def put_class(session: Session, namespace: str, record: Record, edit: Edit) -> None:
    """Write a type or a predicate.

    Raises:
        Rejected: the type would be above itself.
    """
    if isinstance(record, PredicateRecord):
        curation.put_predicates(session, namespace, [record], edit)
        return
    circle = _circle(session, namespace, record)
    if circle:
        shown = " below ".join(circle if len(circle) <= 12 else (*circle[:10], "…", circle[-1]))
        raise Rejected("parent", f"the type would be below itself: {shown}", "name a broader type, or no parent")
    curation.put_types(session, namespace, [record], edit)


def drop_class(session: Session, namespace: str, kind: Kind, key: str, edit: Edit) -> None:
    """Delete a type or a predicate that is there.

    Raises:
        ClassInUse: something names it.
    """
    uses = uses_of(session, namespace, kind, key)
    if any(uses.values()):
        raise ClassInUse(kind, key, uses)
    curation.delete_class(session, namespace, get_class(session, namespace, kind, key), edit)


def tag_of(record: Record) -> str:
    """Return what names the content of a type or a predicate: 16 hexadecimal digits."""
    return hashlib.blake2b(orjson.dumps(content_of(record)), digest_size=8).hexdigest()


def content_of(record: Record) -> dict[str, Any]:
    """Return a type or predicate as files hold it."""
    return type_json(record) if isinstance(record, TypeRecord) else predicate_json(record)


def _current(session: Session, namespace: str, kind: Kind, key: str, base: str | None) -> Record:
    found = get_class(session, namespace, kind, key)
    if base is not None and base != tag_of(found):
        raise StaleClass(kind, key, tag_of(found))
    return found


def _find(session: Session, namespace: str, kind: Kind, key: str) -> Record | None:
    if kind == "type":
        return queries.read_types(session, namespace, [key]).get(key)
    return queries.read_predicates(session, namespace, [key]).get(key)


def _checked(kind: Kind, data: Mapping[str, Any]) -> Record:
    refuse_unstorable("", dict(data))
    return CHECKS[kind](dict(data))


# From the new parent upwards, as far as no hierarchy reaches.
_ABOVE = text("""
    WITH RECURSIVE above(id, parent_id, depth) AS (
        SELECT id, parent_id, 1 FROM type WHERE namespace = :namespace AND id = :parent
        UNION ALL SELECT t.id, t.parent_id, a.depth + 1 FROM above a
        JOIN type t ON t.namespace = :namespace AND t.id = a.parent_id WHERE a.id <> :id AND a.depth < 100000)
    SELECT id FROM above ORDER BY depth
""")


def _circle(session: Session, namespace: str, record: TypeRecord) -> Sequence[str]:
    """Return the types from one up to itself, as its new parent would make them; nothing where there is no circle."""
    if record.parent is None:
        return ()
    values = {"namespace": namespace, "parent": record.parent, "id": record.id}
    above = list(session.execute(_ABOVE, values).scalars())
    return [record.id, *above] if above and above[-1] == record.id else ()
