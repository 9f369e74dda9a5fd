"""One entity becomes two, as one operation: what the caller names goes to a new one. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from kb import curation, lookups, queries
from kb.claims import put_all
from kb.conflicts import IdTaken, TooManyEntities
from kb.curation import Edit, stage
from kb.editing import current_entity, staged_entity, take_turn, version_of
from kb.importers.checks import Rejected
from kb.records import AliasRecord, EntityRecord, RelationRecord
from kb.redirects import with_live_objects
from kb.undoing import MOST_REVISIONS


@dataclass(frozen=True, slots=True)
class Share:
    """What goes from an entity to the new one.

    Attributes:
        aliases: names, each with how much of its count goes; None for all of it, and the name with it.
        types: ids of types.
        relations: outgoing ones.
        incoming: those that lead to the entity, as (subject, predicate).
        xrefs: schemes.
    """

    aliases: Sequence[tuple[str, int | None]] = ()
    types: Sequence[str] = ()
    relations: Sequence[RelationRecord] = ()
    incoming: Sequence[tuple[str, str]] = ()
    xrefs: Sequence[str] = field(default=())


def split_entity(
    session: Session, namespace: str, entity_id: str, new: Mapping[str, Any], share: Share, base: int | None, edit: Edit
) -> int:
    """Make two entities of one, and return the version of the one that was there.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        entity_id: the entity.
        new: the other one as files hold it; what goes to it is added to that.
        share: what goes to it.
        base: the version that the edit starts from; None for whichever is there.
        edit: who does it and why.

    Raises:
        Rejected: the new entity has a field that cannot be used, or something that should go to it is not there.
        IdTaken: its id is taken.
        EntityMissing, Redirected, Stale, TooManyEntities, XrefTaken, Busy: as the names say.
    """
    fresh = staged_entity(new, ()).record
    take_turn(session, namespace)
    before = current_entity(session, namespace, entity_id, base)
    state = lookups.entity_state(session, namespace, fresh.id)
    if state is not None:
        raise IdTaken(fresh.id, state.version, deleted=state.deleted, redirect=state.redirect)
    left, gone = _divided(before, fresh, share)
    subjects = _subjects(session, namespace, entity_id, share.incoming)
    grouped = replace(edit, group=curation.new_group(session))
    led = [_led_to(item, entity_id, fresh.id, share.incoming) for item in subjects]
    staged = with_live_objects(session, namespace, stage(gone), before)
    known = {item.id: item for item in [before, *subjects]}
    put_all(session, namespace, [stage(left), staged, *map(stage, led)], known, grouped)
    return version_of(session, namespace, entity_id)


def _divided(before: EntityRecord, fresh: EntityRecord, share: Share) -> tuple[EntityRecord, EntityRecord]:
    """Return what stays of an entity, and what the new one is."""
    for name, given, there in (
        ("types", share.types, set(before.types)),
        ("relations", share.relations, set(before.relations)),
        ("xrefs", share.xrefs, set(before.xrefs)),
    ):
        for position, item in enumerate(given):
            if item not in there:
                raise Rejected(f"move.{name}[{position}]", f"{before.id} has no such item", "name one that it has")
    for position, edge in enumerate(share.relations):
        if edge.object == fresh.id:
            detail = "the new entity would be related to itself"
            raise Rejected(f"move.relations[{position}]", detail, "leave this relation out")
    kept, moved = _shared_names(before, share.aliases)
    taken = {scheme: before.xrefs[scheme] for scheme in share.xrefs}
    left = replace(
        before,
        aliases=kept,
        types=tuple(name for name in before.types if name not in set(share.types)),
        relations=tuple(edge for edge in before.relations if edge not in set(share.relations)),
        xrefs={scheme: value for scheme, value in before.xrefs.items() if scheme not in taken},
    )
    gone = replace(
        fresh,
        aliases=(*fresh.aliases, *moved),
        types=(*fresh.types, *share.types),
        relations=(*fresh.relations, *share.relations),
        xrefs={**fresh.xrefs, **taken},
    )
    return left, gone


def _shared_names(
    before: EntityRecord, given: Sequence[tuple[str, int | None]]
) -> tuple[tuple[AliasRecord, ...], list[AliasRecord]]:
    """Return the names that stay, and those that go."""
    names = {alias.text: alias for alias in before.aliases}
    moved: dict[str, AliasRecord] = {}
    for position, (name, count) in enumerate(given):
        where = f"move.aliases[{position}]"
        if name not in names or name in moved:
            raise Rejected(f"{where}.text", f"{before.id} has no such name", "name one that it has, once")
        alias = names[name]
        if count is not None and not 0 <= count <= alias.count:
            detail = f"{count} is not from 0 to {alias.count}, which is its count"
            raise Rejected(f"{where}.count", detail, "send a part of it, or leave it out for all of it")
        moved[name] = alias if count is None else replace(alias, count=count)
        if count is None:
            del names[name]
        else:
            names[name] = replace(alias, count=alias.count - count)
    return tuple(names.values()), list(moved.values())


def _subjects(
    session: Session, namespace: str, object_id: str, incoming: Sequence[tuple[str, str]]
) -> list[EntityRecord]:
    """Return the entities whose relations go to the new one."""
    ids = sorted({subject for subject, _ in incoming})
    if len(ids) + 2 > MOST_REVISIONS:
        raise TooManyEntities(MOST_REVISIONS, len(ids) + 2)
    found = {item.id: item for item in queries.read_entities(session, namespace, ids)}
    for position, (subject, predicate) in enumerate(incoming):
        if subject not in found or RelationRecord(predicate, object_id) not in found[subject].relations:
            detail = f"{subject} has no relation {predicate} to {object_id}"
            raise Rejected(f"move.incoming[{position}]", detail, "name a relation that is there")
    return list(found.values())


def _led_to(record: EntityRecord, old: str, new: str, incoming: Sequence[tuple[str, str]]) -> EntityRecord:
    """Return an entity whose named relations to one lead to the other."""
    moved = {RelationRecord(predicate, old) for subject, predicate in incoming if subject == record.id}
    edges = (RelationRecord(edge.predicate, new) if edge in moved else edge for edge in record.relations)
    return replace(record, relations=tuple(edges))
