"""Two entities become one, or one gets another id: each with all that leads to it, as one operation.

Such an operation edits several entities in one transaction, and its revisions share a group, by which all of it is
undone (`kb.undoing`). Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import curation, lookups, queries
from kb.claims import put_all
from kb.conflicts import IdTaken, MergeConflict, TooManyEntities, XrefChoice
from kb.curation import Edit, stage
from kb.editing import current_entity, staged_entity, take_turn, version_of
from kb.importers.checks import Rejected
from kb.limits import LARGEST_COUNT
from kb.records import AliasRecord, EntityRecord, RelationRecord
from kb.redirects import resolve_redirects
from kb.undoing import MOST_REVISIONS


def merge_entities(
    session: Session,
    namespace: str,
    entity_id: str,
    duplicate_id: str,
    base: int | None,
    edit: Edit,
    *,
    duplicate_base: int | None = None,
    choices: Mapping[str, str] | None = None,
) -> int:
    """Make two entities one, to which the id of the other leads from then on, and return its version.

    Counts of aliases and popularity are added, types and relations united, relations that led to the duplicate lead to
    the entity. Label, description, text and source are the entity's where it has them, else the duplicate's.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        entity_id: the entity that stays.
        duplicate_id: the one that becomes part of it.
        base: the version of the former that the edit starts from; None for whichever is there.
        edit: who does it and why.
        duplicate_base: the version of the duplicate, likewise.
        choices: by scheme, which of two different xrefs stays.

    Raises:
        Rejected: both are the same entity, or a choice is none.
        EntityMissing, Redirected, Stale: one of them is not there, or was edited.
        MergeConflict: they have different xrefs in a scheme, and it was not said which stays.
        TooManyEntities: more relations lead to the duplicate than one operation can move.
        XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    if entity_id == duplicate_id:
        raise Rejected("duplicate", "an entity cannot be merged with itself", "name the other entity")
    kept = current_entity(session, namespace, entity_id, base)
    duplicate = current_entity(session, namespace, duplicate_id, duplicate_base)
    merged = merged_record(kept, duplicate, choices or {})
    subjects = _subjects(session, namespace, duplicate_id, [entity_id])
    grouped = replace(edit, group=curation.new_group(session))
    curation.retire_entities(session, namespace, {duplicate_id: entity_id}, grouped)
    moved = [_led_to(item, duplicate_id, entity_id) for item in subjects]
    before = {item.id: item for item in (kept, duplicate, *subjects)}
    put_all(session, namespace, [stage(item) for item in (merged, *moved)], before, grouped)
    return version_of(session, namespace, entity_id)


def rename_entity(session: Session, namespace: str, entity_id: str, new_id: str, base: int | None, edit: Edit) -> int:
    """Give an entity another id, to which the old one leads from then on, and return its version under that.

    The new id may be one that the entity had before, or that of one that was merged into it.

    Raises:
        Rejected: the new id cannot be used, or is the old one.
        IdTaken: another entity has the new id, had it and is deleted, or is led to by it.
        EntityMissing, Redirected, Stale, TooManyEntities, XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    if new_id == entity_id:
        raise Rejected("id", "the entity has this id already", "name another id")
    before = current_entity(session, namespace, entity_id, base)
    relations = tuple(edge for edge in before.relations if edge.object != new_id)
    renamed = _checked(replace(before, id=new_id, relations=relations))
    state = lookups.entity_state(session, namespace, new_id)
    if state is not None and resolve_redirects(session, namespace, [new_id]).get(new_id) != entity_id:
        raise IdTaken(new_id, state.version, deleted=state.deleted, redirect=state.redirect)
    subjects = _subjects(session, namespace, entity_id, [])
    grouped = replace(edit, group=curation.new_group(session))
    curation.retire_entities(session, namespace, {entity_id: new_id}, grouped)
    moved = [_led_to(item, entity_id, new_id) for item in subjects]
    known = {item.id: item for item in (before, *subjects)}
    put_all(session, namespace, [stage(item) for item in (renamed, *moved)], known, grouped)
    return version_of(session, namespace, new_id)


def merged_record(kept: EntityRecord, duplicate: EntityRecord, choices: Mapping[str, str]) -> EntityRecord:
    """Return what two entities are as one.

    Raises:
        Rejected: a choice is none, or the result is too large.
        MergeConflict: they have different xrefs in a scheme, and it was not said which stays.
    """
    both = {kept.id, duplicate.id}
    edges = [edge for edge in (*kept.relations, *duplicate.relations) if edge.object not in both]
    return _checked(
        replace(
            kept,
            description=kept.description or duplicate.description,
            text=kept.text or duplicate.text,
            aliases=_added(kept.aliases, duplicate.aliases),
            types=(*kept.types, *duplicate.types),
            relations=tuple(edges),
            xrefs=_chosen(kept.xrefs, duplicate.xrefs, choices),
            popularity=min(kept.popularity + duplicate.popularity, LARGEST_COUNT),
            source=kept.source or duplicate.source,
        )
    )


def _added(first: Sequence[AliasRecord], second: Sequence[AliasRecord]) -> tuple[AliasRecord, ...]:
    """Return the names of both, with the counts of those that are in both added."""
    names = {alias.text: alias for alias in first}
    for alias in second:
        known = names.get(alias.text, AliasRecord(alias.text))
        count = min(known.count + alias.count, LARGEST_COUNT)
        names[alias.text] = AliasRecord(alias.text, count, known.language or alias.language)
    return tuple(names.values())


def _chosen(first: Mapping[str, str], second: Mapping[str, str], choices: Mapping[str, str]) -> dict[str, str]:
    """Return the xrefs of both, where they differ the chosen ones."""
    differing = {
        scheme: (first[scheme], second[scheme])
        for scheme in first
        if second.get(scheme, first[scheme]) != first[scheme]
    }
    for scheme, value in choices.items():
        if value not in differing.get(scheme, ()):
            remedy = "name a scheme in which the two entities differ, and one of their two values"
            raise Rejected(f"xrefs.{scheme}", "there is nothing to choose, or this is neither value", remedy)
    open_choices = [XrefChoice(scheme, *values) for scheme, values in differing.items() if scheme not in choices]
    if open_choices:
        raise MergeConflict(open_choices)
    return {**second, **first, **choices}


def _subjects(session: Session, namespace: str, object_id: str, leave_out: Sequence[str]) -> list[EntityRecord]:
    """Return the entities with relations that lead to one.

    Raises:
        TooManyEntities: there are more than one operation can edit.
    """
    statement = text(
        "SELECT DISTINCT subject_id FROM relation WHERE namespace = :namespace AND object_id = :id"
        " AND NOT subject_id = ANY(:others)"
    )
    values = {"namespace": namespace, "id": object_id, "others": list(leave_out)}
    ids = list(session.execute(statement, values).scalars())
    if len(ids) + 2 > MOST_REVISIONS:
        raise TooManyEntities(MOST_REVISIONS, len(ids) + 2)
    return queries.read_entities(session, namespace, ids)


def _led_to(record: EntityRecord, old: str, new: str) -> EntityRecord:
    """Return an entity whose relations to one lead to another one."""
    edges = (RelationRecord(edge.predicate, new if edge.object == old else edge.object) for edge in record.relations)
    return replace(record, relations=tuple(edges))


def _checked(record: EntityRecord) -> EntityRecord:
    """Return an entity as it is stored, if files could hold it.

    Raises:
        Rejected: a field is out of range, or all of it is too large.
    """
    data = orjson.loads(stage(record).line)
    return staged_entity(data, {record.label, *(alias.text for alias in record.aliases)}).record
