"""Undoing edits: one revision, or all since a time or by one actor, as a new edit.

A field goes back to what it was before the revision, if it still is what the revision made of it. Where a later edit
changed it again, the undoing is refused, or, when forced, takes that edit with it. Nothing here commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from sqlalchemy.orm import Session

from kb import curation, history, lookups, queries
from kb.claims import put_all
from kb.conflicts import Clash, EntityMissing, NothingToUndo, RevisionMissing, Stale, TooManyRevisions, UndoClash
from kb.curation import Edit, stage
from kb.editing import take_turn
from kb.exporters.lines import redirect_json
from kb.history import Content, RevisionDetail, field_value
from kb.importers.checks import entity_record
from kb.records import EntityRecord
from kb.redirects import direct_redirects, refuse_cycles

MOST_REVISIONS = 10_000
Claim = tuple[str, str]
PARTABLE = frozenset({"bulk-patch"})
"""Kinds of operations on several entities of which a part can be undone."""


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
    session: Session,
    namespace: str,
    revision_id: int,
    base: int | None,
    edit: Edit,
    *,
    force: bool = False,
    group: bool = False,
) -> Undone:
    """Undo one revision of an entity and return what that did.

    A merge, a renaming, a split and what undid one are undone as a whole, with all entities that they touched.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        revision_id: the revision.
        base: the version of the entity that the edit starts from; None for whichever is there.
        edit: who does it and why.
        force: undo it even where later edits touched the same fields, which takes those with it.
        group: undo all revisions of its group, whatever it is.

    Raises:
        RevisionMissing: there is no such revision.
        NothingToUndo: it is of a type or predicate, or what it did is undone already.
        UndoClash: later edits touched the same fields.
        RedirectCycle: ids would lead to each other.
        Stale, XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    revision = history.get_revision(session, namespace, revision_id)
    if revision is None:
        raise RevisionMissing(revision_id)
    entity_id = revision.brief.entity_id
    if entity_id is None:
        raise NothingToUndo("it is a revision of a type or predicate")
    state = lookups.entity_state(session, namespace, entity_id)
    if state is None:
        raise EntityMissing(entity_id)
    if base is not None and base != state.version:
        raise Stale(entity_id, base, state.version)
    said = replace(edit, comment=edit.comment or f"undo of revision {revision_id}")
    revisions = [revision]
    if revision.brief.group_id is not None and (group or revision.brief.kind not in PARTABLE):
        revisions = history.revisions_of_group(session, namespace, revision.brief.group_id)
        revisions = [item for item in revisions if item.brief.entity_id is not None]
        said = replace(said, group=curation.new_group(session))
    changed = _undo(session, namespace, revisions, said, force=force)
    if not changed:
        raise NothingToUndo(f"what revision {revision_id} changed is as it was before already")
    return Undone(len(revisions), tuple(changed))


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
        current: what it is now; None where it is deleted, or where its id leads.
        revision: what to undo.
        force: undo it even where later edits touched the same fields.

    Raises:
        UndoClash: they did.
    """
    before, after = revision.before, revision.after
    if before is None or after is None or "redirect" in before or "redirect" in after:
        # The entity came into being or went: it goes, or comes back, as a whole.
        if current not in (before, after) and not force:
            raise UndoClash([_clash(revision)])
        return before
    if current is None or "redirect" in current:
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
    for key, target in direct_redirects(session, namespace, ids).items():
        current[key] = redirect_json(key, target)
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
    contents = {key: _stored(goal) if goal and history.is_entity(goal) else goal for key, goal in goals.items()}
    changed = [key for key in ids if contents[key] != current[key]]
    before = {key: records[key] for key in changed if key in records}
    shared = _shared_claims(revisions) if edit.group is not None else set()
    _write(session, namespace, {key: contents[key] for key in changed}, before, edit, shared)
    return changed


def _write(
    session: Session,
    namespace: str,
    contents: Mapping[str, Content | None],
    before: Mapping[str, EntityRecord],
    edit: Edit,
    shared: Collection[Claim],
) -> None:
    """Write what entities should be; None for a deleted one."""
    gone = {
        key: None if content is None else str(content["redirect"])
        for key, content in contents.items()
        if not history.is_entity(content)
    }
    if gone:
        curation.retire_entities(session, namespace, gone, edit)
    written = [stage(entity_record(content)) for content in contents.values() if content and history.is_entity(content)]
    if written:
        put_all(session, namespace, written, before, edit, shared)
    refuse_cycles(session, namespace, list(gone))


def _shared_claims(revisions: Iterable[RevisionDetail]) -> set[Claim]:
    """Return the xrefs that two entities of one operation had before it: an import may bring such."""
    claims = Counter(claim for item in revisions for claim in (item.before or {}).get("xrefs", {}).items())
    return {claim for claim, owners in claims.items() if owners > 1}


def _content(record: EntityRecord | None) -> Content | None:
    return None if record is None else dict(orjson.loads(stage(record).line))


def _stored(content: Content) -> Content | None:
    """Return content as it would be stored: a label that came back is among the aliases, too."""
    return _content(entity_record(content))


def _clash(revision: RevisionDetail, fields: Iterable[str] = (), *, lasting: bool = False) -> Clash:
    brief = revision.brief
    key = brief.entity_id or brief.type_id or brief.predicate_id or ""
    return Clash(brief.id, key, tuple(fields), lasting)
