"""Edits of one entity: created, replaced, patched, deleted, restored.

An edit names the version that it starts from, and is refused (`kb.conflicts`) where the entity has another one by now.
What it brings is checked as lines of files are. Rows, revision and change are written by `kb.curation`, in the caller's
transaction, which the caller must roll back when an edit is refused. Nothing here commits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

import orjson
from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kb import curation, history, lookups, queries
from kb.claims import put_all
from kb.conflicts import Busy, EntityMissing, IdTaken, NotDeleted, Redirected, Stale
from kb.curation import Edit, Staged, stage
from kb.importers.checks import ENTITY_FIELDS, Rejected, entity_record, refuse_unstorable
from kb.importers.lines import LONGEST_LINE
from kb.records import EntityRecord
from kb.redirects import resolve_redirects, with_live_objects

PATIENCE = "20s"  # batches of an import hold the lock for a few seconds each
ID_FIXED = "leave the id out; to rename an entity, POST /v1/entities/{id}/rename"


def create_entity(session: Session, namespace: str, data: Mapping[str, Any], edit: Edit) -> int:
    """Create an entity and return its version.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        data: the entity as files hold it.
        edit: who does it and why.

    Raises:
        Rejected: a field cannot be used.
        IdTaken: there is an entity with this id, or a deleted one.
        XrefTaken: another entity has one of its xrefs.
        Busy: other edits took too long.
    """
    staged = staged_entity(data, ())
    take_turn(session, namespace)
    state = lookups.entity_state(session, namespace, staged.id)
    if state is not None:
        raise IdTaken(staged.id, state.version, deleted=state.deleted, redirect=state.redirect)
    return _write(session, namespace, staged, None, edit)


def replace_entity(
    session: Session, namespace: str, entity_id: str, data: Mapping[str, Any], base: int | None, edit: Edit
) -> int:
    """Put what `data` says in place of all that is known of an entity, and return its version.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        entity_id: the entity.
        data: the entity as files hold it; the id may be left out.
        base: the version that the edit starts from; None for whichever is there.
        edit: who does it and why.

    Raises:
        Rejected, EntityMissing, Redirected, Stale, XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    before = current_entity(session, namespace, entity_id, base)
    staged = staged_entity(_with_id(data, entity_id), _names(before))
    return _write(session, namespace, staged, before, edit)


def patch_entity(
    session: Session, namespace: str, entity_id: str, patch: Mapping[str, Any], base: int | None, edit: Edit
) -> int:
    """Change some fields of an entity, and return its version.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        entity_id: the entity.
        patch: a merge patch (RFC 7396) of the entity as files hold it; lists are replaced as a whole.
        base: the version that the edit starts from; None for whichever is there.
        edit: who does it and why.

    Raises:
        Rejected, EntityMissing, Redirected, Stale, XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    before = current_entity(session, namespace, entity_id, base)
    data = merge_patch(orjson.loads(stage(before).line), _with_id(patch, entity_id))
    return _write(session, namespace, staged_entity(data, _names(before)), before, edit)


def delete_entity(session: Session, namespace: str, entity_id: str, base: int | None, edit: Edit) -> int:
    """Delete an entity so that it can be restored, and return its version.

    Raises:
        EntityMissing, Redirected, Stale, Busy: as the names say.
    """
    take_turn(session, namespace)
    current_entity(session, namespace, entity_id, base)
    curation.delete_entities(session, namespace, [entity_id], edit)
    return version_of(session, namespace, entity_id)


def restore_entity(session: Session, namespace: str, entity_id: str, base: int | None, edit: Edit) -> int:
    """Bring a deleted entity back as it was, with all that hung on it, and return its version.

    Raises:
        EntityMissing: there never was one.
        NotDeleted: it is there.
        Redirected: it is another entity by now; what made it so can be undone.
        Stale, XrefTaken, Busy: as the names say.
    """
    take_turn(session, namespace)
    state = lookups.entity_state(session, namespace, entity_id)
    if state is None:
        raise EntityMissing(entity_id)
    if not state.deleted:
        raise NotDeleted(entity_id)
    if state.redirect is not None:
        raise Redirected(entity_id, state.redirect)
    check_base(entity_id, state.version, base)
    data = history.last_content(session, namespace, entity_id)
    if data is None:
        raise EntityMissing(entity_id)
    put_all(session, namespace, [stage(entity_record(data))], {}, edit)
    return version_of(session, namespace, entity_id)


def take_turn(session: Session, namespace: str) -> None:
    """Wait for the namespace's lock, but not for ever.

    Raises:
        Busy: somebody else kept it for longer than `PATIENCE`.
    """
    session.execute(text("SELECT set_config('lock_timeout', :patience, true)"), {"patience": PATIENCE})
    try:
        curation.lock(session, namespace)
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise Busy(f"other edits took longer than {PATIENCE}") from error
        raise


def staged_entity(data: Mapping[str, Any], known_names: Collection[str]) -> Staged:
    """Check an entity as files hold it, and stage it.

    Args:
        data: the entity.
        known_names: names that it has already; they are not asked to have a letter.

    Raises:
        Rejected: a field is unknown, missing, of another kind than it should be, or out of range.
    """
    unknown = sorted(map(str, data.keys() - ENTITY_FIELDS))
    if unknown:
        raise Rejected(unknown[0], "there is no such field", f"leave it out; there are {', '.join(_FIELDS)}")
    refuse_unstorable("", dict(data))
    record = entity_record(dict(data))
    _require_letters("label", record.label, known_names)
    for position, alias in enumerate(record.aliases):
        _require_letters(f"aliases[{position}].text", alias.text, known_names)
    staged = stage(record)
    if len(staged.line) > LONGEST_LINE:
        raise Rejected(None, "the entity has more than 16 MiB", "shorten its text, or split the entity")
    return staged


def merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` with a merge patch (RFC 7396) applied: null removes, objects are merged, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


_FIELDS = sorted(ENTITY_FIELDS)


def _require_letters(field: str, name: str, known_names: Collection[str]) -> None:
    """Refuse a name that would be found wherever a comma or a dash stands.

    Files may bring one (there is a band called "!!!"), where it comes with how often it named what; a person who types
    one has mistyped.
    """
    if name in known_names or any(unicodedata.category(character)[0] in "LNS" for character in name):
        return
    raise Rejected(field, "it has no letter, digit or symbol", "write the name; one like !!! can only be imported")


def _with_id(data: Mapping[str, Any], entity_id: str) -> dict[str, Any]:
    if data.get("id", entity_id) != entity_id:
        raise Rejected("id", "an entity keeps its id", ID_FIXED)
    return {**data, "id": entity_id}


def _names(record: EntityRecord) -> set[str]:
    return {record.label, *(alias.text for alias in record.aliases)}


def current_entity(session: Session, namespace: str, entity_id: str, base: int | None) -> EntityRecord:
    """Return the entity as it is, if it has the version that an edit starts from.

    Raises:
        EntityMissing, Redirected, Stale: as the names say.
    """
    state = lookups.entity_state(session, namespace, entity_id)
    if state is not None and state.redirect is not None:
        raise Redirected(entity_id, resolve_redirects(session, namespace, [entity_id])[entity_id])
    if state is None or state.deleted:
        raise EntityMissing(entity_id, None if state is None else state.version)
    check_base(entity_id, state.version, base)
    (record,) = queries.read_entities(session, namespace, [entity_id])
    return record


def check_base(entity_id: str, current: int, base: int | None) -> None:
    """Check the version that an edit starts from.

    Raises:
        Stale: it is another one than the current one.
    """
    if base is not None and base != current:
        raise Stale(entity_id, base, current)


def _write(session: Session, namespace: str, staged: Staged, before: EntityRecord | None, edit: Edit) -> int:
    staged = with_live_objects(session, namespace, staged, before)
    put_all(session, namespace, [staged], {} if before is None else {staged.id: before}, edit)
    return version_of(session, namespace, staged.id)


def version_of(session: Session, namespace: str, entity_id: str) -> int:
    """Return an entity's version, deleted or not.

    Raises:
        EntityMissing: there never was one.
    """
    state = lookups.entity_state(session, namespace, entity_id)
    if state is None:
        raise EntityMissing(entity_id)
    return state.version
