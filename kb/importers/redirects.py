"""Former ids that a file of entities tells of. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import rows
from kb.curation import Edit, retire_entities
from kb.records import EntityRecord
from kb.redirects import resolve_redirects
from kb.staging import stage

_KNOWN = text("SELECT id, deleted_at IS NOT NULL FROM entity WHERE namespace = :namespace AND id = ANY(:ids)")
_NEVER_THERE = text("UPDATE entity SET deleted_at = now(), version = 0 WHERE namespace = :namespace AND id = ANY(:ids)")


def restore_redirects(session: Session, namespace: str, targets: Mapping[str, str], edit: Edit) -> None:
    """Let former ids lead to entities, under the lock of the namespace.

    What leads there already stays as it is, and so does the id of an entity that is there.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        targets: the entity of each former id.
        edit: who does it.
    """
    if not targets:
        return
    ids = list(targets)
    deleted: dict[str, bool] = {row[0]: row[1] for row in session.execute(_KNOWN, {"namespace": namespace, "ids": ids})}
    ends = resolve_redirects(session, namespace, ids)
    changed = {key: end for key, end in targets.items() if deleted.get(key, True) and ends.get(key) != end}
    if not changed:
        return
    # A redirect is a state of a deleted entity, so an id that never was one becomes one that is deleted.
    fresh = [key for key in changed if key not in deleted]
    rows.insert_entities(session, namespace, [stage(EntityRecord(key, key)) for key in fresh], {})
    session.execute(_NEVER_THERE, {"namespace": namespace, "ids": fresh})
    retire_entities(session, namespace, changed, edit)
