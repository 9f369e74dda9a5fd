"""Ids that lead to other entities, since theirs was merged into another one or renamed. Nothing here writes or commits.

Redirects are kept as they were made, one after the other: where the last of a chain is undone, those before it still
lead to where it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.conflicts import RedirectCycle
from kb.importers.checks import Rejected
from kb.records import EntityRecord, RelationRecord
from kb.staging import Staged, stage

# UNION leaves out what was found before, so that this ends whatever leads where.
_ENDS = text("""
    WITH RECURSIVE chain(start, id) AS (
        SELECT v COLLATE "C", v COLLATE "C" FROM unnest(CAST(:ids AS text[])) v(v)
        UNION SELECT c.start, r.target_id FROM chain c
        JOIN redirect r ON r.namespace = :namespace AND r.id = c.id)
    SELECT start, id FROM chain c WHERE id <> start
    AND NOT EXISTS (SELECT 1 FROM redirect r WHERE r.namespace = :namespace AND r.id = c.id)
""")


def resolve_redirects(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the entity that each of those ids leads to in the end that lead anywhere."""
    rows = session.execute(_ENDS, {"namespace": namespace, "ids": list(ids)})
    return {row[0]: row[1] for row in rows}


def direct_redirects(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, str]:
    """Return where each of those ids leads next that lead anywhere."""
    statement = text("SELECT id, target_id FROM redirect WHERE namespace = :namespace AND id = ANY(:ids)")
    return {row[0]: row[1] for row in session.execute(statement, {"namespace": namespace, "ids": list(ids)})}


_FORMER = text("""
    WITH RECURSIVE former(id) AS (
        SELECT id FROM redirect WHERE namespace = :namespace AND target_id = :id
        UNION SELECT r.id FROM redirect r JOIN former f ON r.target_id = f.id WHERE r.namespace = :namespace)
    SELECT id FROM former ORDER BY id
""")


def former_ids(session: Session, namespace: str, entity_id: str) -> list[str]:
    """Return all ids that lead to an entity, sorted."""
    return list(session.execute(_FORMER, {"namespace": namespace, "id": entity_id}).scalars())


def former_ids_by_entity(session: Session, namespace: str) -> dict[str, list[str]]:
    """Return, for each entity to which any lead, all ids that do, sorted."""
    statement = text("SELECT id FROM redirect WHERE namespace = :namespace ORDER BY id")
    ids = list(session.execute(statement, {"namespace": namespace}).scalars())
    ends = resolve_redirects(session, namespace, ids)
    found: dict[str, list[str]] = {}
    for key in ids:
        if key in ends:
            found.setdefault(ends[key], []).append(key)
    return found


def refuse_cycles(session: Session, namespace: str, ids: Sequence[str]) -> None:
    """Check that ids whose redirects were just written lead to an entity, which may be a deleted one.

    Raises:
        RedirectCycle: they lead to each other.
    """
    lost = set(direct_redirects(session, namespace, ids)) - resolve_redirects(session, namespace, ids).keys()
    if lost:
        raise RedirectCycle(min(lost))


def with_live_objects(session: Session, namespace: str, staged: Staged, before: EntityRecord | None) -> Staged:
    """Return an entity whose new relations lead to what the ids that they name lead to.

    Raises:
        Rejected: one would lead to the entity itself.
    """
    record = staged.record
    known = set() if before is None else set(before.relations)
    added = [edge for edge in record.relations if edge not in known]
    ends = resolve_redirects(session, namespace, [edge.object for edge in added]) if added else {}
    if not ends:
        return staged
    moved = {edge: RelationRecord(edge.predicate, ends.get(edge.object, edge.object)) for edge in added}
    for edge, end in moved.items():
        if end.object == record.id:
            detail = f"{edge.object} is a former id of the entity itself"
            raise Rejected("relations", detail, "leave this relation out")
    return stage(replace(record, relations=tuple(moved.get(edge, edge) for edge in record.relations)))
