"""Undoing edits: one revision, or all since a time or by one actor, as a new edit.

A field goes back to what it was before the revision, if it still is what the revision made of it. Where a later edit
changed it again, the undoing is refused, or, when forced, takes that edit with it. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from sqlalchemy.orm import Session

from kb import curation, history, lookups, queries
from kb.conflicts import Clash, EntityMissing, NothingToUndo, RevisionMissing, Stale, TooManyRevisions, UndoClash
from kb.curation import Edit, stage
from kb.editing import put_all, take_turn
from kb.history import Content, RevisionDetail, field_value
from kb.importers.checks import entity_record
from kb.records import EntityRecord

MOST_REVISIONS = 10_000


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing did.

    Attributes:
        revisions: how many revisions were looked at.
        entities: ids of the entities that were changed, sorted.
    """

    revisions: int
    entities: tuple[str, ...]


def undo_revision(
    session: Session, namespace: str, revision_id: int, base: int | None, edit: Edit, *, force: bool = False
) -> str:
    """Undo one revision of an entity and return the entity's id.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        revision_id: the revision.
        base: the version of the entity that the edit starts from; None for whichever is there.
        edit: who does it and why.
        force: undo it even where later edits touched the same fields, which takes those with it.

    Raises:
        RevisionMissing: there is no such revision.
        NothingToUndo: it is of a type or predicate, or what it did is undone already.
        UndoClash: later edits touched the same fields.
        Stale, XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    revision = history.get_revision(session, namespace, revision_id)
    if revision is None:
        raise RevisionMissing(revision_id)
    entity_id = revision.brief.entity_id
    if entity_id is None:
        raise NothingToUndo("it is a revision of a type or predicate: only those of entities can be undone")
    state = lookups.entity_state(session, namespace, entity_id)
    if state is None:
        raise EntityMissing(entity_id)
    if base is not None and base != state.version:
        raise Stale(entity_id, base, state.version)
    said = replace(edit, comment=edit.comment or f"undo of revision {revision_id}")
    if not _undo(session, namespace, [revision], said, force=force):
        raise NothingToUndo(f"what revision {revision_id} changed is as it was before already")
    return entity_id


def undo_since(
    session: Session,
    namespace: str,
    since: datetime | None,
    actor: str | None,
    edit: Edit,
    *,
    force: bool = False,
    most: int = MOST_REVISIONS,
) -> Undone:
    """Undo all revisions of entities since a time, of one actor or of all: all of them or none.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        since: the time; None for all that the actor ever did.
        actor: whose revisions; None for everybody's.
        edit: who does it and why.
        force: undo them even where edits of others touched the same fields later.
        most: how many revisions to undo at most.

    Raises:
        ValueError: neither a time nor an actor is given.
        TooManyRevisions: there are more than `most`.
        NothingToUndo: there are none, or all are undone already.
        UndoClash: edits of others touched the same fields later.
        XrefTaken, Busy: as the names say.
    """
    if since is None and actor is None:
        raise ValueError("give a time or an actor: everything that was ever edited would be undone")
    take_turn(session, namespace)
    revisions = history.revisions_since(session, namespace, since, actor, most)
    if len(revisions) > most:
        raise TooManyRevisions(most)
    which = (f" since {since.isoformat()}" if since else "") + (f" by {actor}" if actor else "")
    said = replace(edit, comment=edit.comment or f"undo of all edits{which}")
    changed = _undo(session, namespace, revisions, said, force=force)
    if not changed:
        raise NothingToUndo("no revision was found that is not undone already")
    return Undone(len(revisions), tuple(changed))


def content_before(current: Content | None, revision: RevisionDetail, *, force: bool) -> Content | None:
    """Return an entity's content with one revision undone.

    Args:
        current: what it is now; None where it is deleted.
        revision: what to undo.
        force: undo it even where later edits touched the same fields.

    Raises:
        UndoClash: they did.
    """
    before, after = revision.before, revision.after
    if before is None or after is None:
        # The entity came into being or went: it goes, or comes back, as a whole.
        if current not in (before, after) and not force:
            raise UndoClash([_clash(revision)])
        return before
    if current is None:
        raise UndoClash([_clash(revision, lasting=True)])
    content, again = dict(current), []
    for name in dict.fromkeys([*before, *after]):
        old, made, now = (field_value(item, name) for item in (before, after, current))
        if old in (made, now):
            continue
        if now != made:
            again.append(name)
        content[name] = old
    if again and not force:
        raise UndoClash([_clash(revision, again)])
    return content


def _undo(session: Session, namespace: str, revisions: list[RevisionDetail], edit: Edit, *, force: bool) -> list[str]:
    """Undo revisions, the newest first, and return the ids of the entities that this changed."""
    ids = sorted({revision.brief.entity_id or "" for revision in revisions})
    records = {record.id: record for record in queries.read_entities(session, namespace, ids)}
    current: dict[str, Content | None] = {key: _content(records.get(key)) for key in ids}
    goals = dict(current)
    clashes: list[Clash] = []
    for revision in revisions:
        key = revision.brief.entity_id or ""
        try:
            goals[key] = content_before(goals[key], revision, force=force)
        except UndoClash as clash:
            clashes += clash.clashes
    if clashes:
        raise UndoClash(clashes)
    contents = {key: None if goal is None else _stored(goal) for key, goal in goals.items()}
    changed = [key for key in ids if contents[key] != current[key]]
    gone = [key for key in changed if contents[key] is None]
    if gone:
        curation.delete_entities(session, namespace, gone, edit)
    written = [stage(entity_record(content)) for key in changed if (content := contents[key]) is not None]
    if written:
        put_all(session, namespace, written, records, edit)
    return changed


def _content(record: EntityRecord | None) -> Content | None:
    return None if record is None else dict(orjson.loads(stage(record).line))


def _stored(content: Content) -> Content | None:
    """Return content as it would be stored: a label that came back is among the aliases, too."""
    return _content(entity_record(content))


def _clash(revision: RevisionDetail, fields: Iterable[str] = (), *, lasting: bool = False) -> Clash:
    return Clash(revision.brief.id, revision.brief.entity_id or "", tuple(fields), lasting)
