"""Undoing one revision, of an entity or of a type or predicate: what it starts from, and what is answered."""

from __future__ import annotations

from fastapi import Response
from sqlalchemy.orm import Session

from app.class_answers import base_tag
from app.edits import base_version, class_tag
from app.entity_answers import etag
from app.schemas.edits import UndoingOne
from app.schemas.history import UndoAnswer
from app.service import Service
from kb import classes, lookups, queries, undoing
from kb.classes import class_of
from kb.conflicts import ClassMissing
from kb.curation import Edit
from kb.history import RevisionBrief, RevisionDetail


def current_state(session: Session, namespace: str, brief: RevisionBrief) -> tuple[int | None, str | None]:
    """Return the version and the `ETag` that what a revision edited has now, None where it has none."""
    if brief.entity_id is not None:
        state = lookups.entity_state(session, namespace, brief.entity_id)
        return (None, None) if state is None else (state.version, etag(state.version))
    try:
        return None, class_tag(classes.tag_of(classes.get_class(session, namespace, *class_of(brief))))
    except ClassMissing:
        return None, None


def undo_of_entity(
    session: Session,
    service: Service,
    revision: RevisionDetail,
    if_match: str | None,
    edit: Edit,
    wish: UndoingOne,
    response: Response,
) -> UndoAnswer:
    """Undo a revision of an entity."""
    namespace, entity_id = service.settings.namespace, revision.brief.entity_id or ""
    base = base_version(session, service, entity_id, if_match, deleted=True)
    undone = undoing.undo_revision(
        session, namespace, revision.brief.id, base, edit, force=wish.force, group=wish.group
    )
    state = lookups.entity_state(session, namespace, entity_id) or lookups.EntityState(0, deleted=True)
    response.headers["ETag"] = etag(state.version)
    return UndoAnswer(
        entity=entity_id,
        type=None,
        predicate=None,
        version=state.version,
        deleted=state.deleted,
        entities=list(undone.entities),
        kb_version=queries.kb_version(session, namespace),
    )


def undo_of_class(
    session: Session,
    service: Service,
    revision: RevisionDetail,
    if_match: str | None,
    edit: Edit,
    wish: UndoingOne,
    response: Response,
) -> UndoAnswer:
    """Undo a revision of a type or predicate. To bring a deleted one back, nothing needs to be named."""
    namespace, (kind, key) = service.settings.namespace, class_of(revision.brief)
    deleted = current_state(session, namespace, revision.brief)[1] is None
    base = None if deleted and if_match is None else base_tag(session, service, kind, key, if_match)
    record = classes.undo_class(session, namespace, revision, base, edit, force=wish.force)
    if record is not None:
        response.headers["ETag"] = class_tag(classes.tag_of(record))
    return UndoAnswer(
        entity=None,
        type=revision.brief.type_id,
        predicate=revision.brief.predicate_id,
        version=None,
        deleted=record is None,
        entities=[],
        kb_version=queries.kb_version(session, namespace),
    )
