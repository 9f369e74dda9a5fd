"""The same patch of many entities, which a filter finds: previewed first, then applied as it was previewed.

A preview names what it found by a token, a hash over all entities before and after. Applying works it out anew, and is
refused where the token is another one by then. Nothing here commits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import curation, listing, queries
from kb.claims import put_all
from kb.conflicts import BulkChanged, TooManyEntities
from kb.curation import Edit, Staged, stage
from kb.editing import staged_entity, take_turn
from kb.history import Content
from kb.importers.checks import Rejected
from kb.listing import Filter
from kb.records import EntityRecord
from kb.redirects import with_live_objects
from kb.undoing import MOST_REVISIONS

READ_AT_ONCE = 1000
LISTS = ("aliases", "types", "relations")


@dataclass(frozen=True, slots=True)
class Patch:
    """What to do to each entity.

    Attributes:
        put: fields to set, as files hold them: description, text, source, popularity; None empties one.
        add: items to add to `aliases`, `types`, `relations`. A name that is there gets the count and language given.
        remove: items to take away: texts of `aliases`, ids of `types`, `relations`, schemes of `xrefs`.
    """

    put: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    remove: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """An entity that a patch changes, as files hold it before and after."""

    before: Content
    after: Content


@dataclass(frozen=True, slots=True)
class Preview:
    """What a patch would do.

    Attributes:
        matched: how many entities the filter finds.
        changed: how many of them the patch changes.
        examples: the first of those.
        token: names all of it.
    """

    matched: int
    changed: int
    examples: list[Example]
    token: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What a patch did; `revision` is one of the group's, None where nothing was to change."""

    matched: int
    changed: int
    group: int | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class _Plan:
    matched: int
    changes: list[tuple[EntityRecord, Staged]]
    token: str


def preview_bulk(session: Session, namespace: str, which: Filter, patch: Patch, examples: int) -> Preview:
    """Tell what a patch would do to the entities that a filter finds.

    Raises:
        Rejected: the filter is empty, the patch does nothing, or an entity cannot be what it would be.
        TooManyEntities: the filter finds more than one operation takes.
    """
    plan = _plan(session, namespace, which, patch)
    shown = [Example(_content(stage(before)), _content(after)) for before, after in plan.changes[:examples]]
    return Preview(plan.matched, len(plan.changes), shown, plan.token)


def apply_bulk(session: Session, namespace: str, which: Filter, patch: Patch, token: str, edit: Edit) -> Applied:
    """Do what was previewed, as one group of revisions.

    Raises:
        BulkChanged: it would do something else by now.
        Rejected, TooManyEntities, Busy: as the names say.
    """
    take_turn(session, namespace)
    plan = _plan(session, namespace, which, patch)
    if plan.token != token:
        raise BulkChanged(len(plan.changes))
    if not plan.changes:
        return Applied(plan.matched, 0, None, None)
    group = curation.new_group(session)
    before = {record.id: record for record, _ in plan.changes}
    put_all(session, namespace, [after for _, after in plan.changes], before, replace(edit, group=group))
    newest = text("SELECT max(id) FROM revision WHERE namespace = :namespace AND group_id = :group")
    revision = session.execute(newest, {"namespace": namespace, "group": group}).scalar_one()
    return Applied(plan.matched, len(plan.changes), group, int(revision))


def patched(content: Content, patch: Patch) -> Content:
    """Return an entity's content with a patch applied; a relation to itself is not added."""
    after = {**content, **patch.put}
    for name in LISTS:
        gone = {_key(name, item) for item in patch.remove.get(name, ())}
        items = {_key(name, item): item for item in content[name] if _key(name, item) not in gone}
        for item in patch.add.get(name, ()):
            if name != "relations" or item["object"] != content["id"]:
                items[_key(name, item)] = {**items.get(_key(name, item), {}), **item} if name == "aliases" else item
        after[name] = list(items.values())
    schemes = set(patch.remove.get("xrefs", ()))
    after["xrefs"] = {scheme: value for scheme, value in content["xrefs"].items() if scheme not in schemes}
    return after


def _plan(session: Session, namespace: str, which: Filter, patch: Patch) -> _Plan:
    if which.is_empty:
        raise Rejected("filter", "it lets every entity through", "name at least one condition")
    if not patch.put and not any(patch.add.values()) and not any(patch.remove.values()):
        raise Rejected("patch", "it changes nothing", "say what to set, add or remove")
    ids = listing.matching_ids(session, namespace, which, MOST_REVISIONS + 1)
    if len(ids) > MOST_REVISIONS:
        raise TooManyEntities(MOST_REVISIONS, listing.count_entities(session, namespace, which))
    changes = []
    for start in range(0, len(ids), READ_AT_ONCE):
        for record in queries.read_entities(session, namespace, ids[start : start + READ_AT_ONCE]):
            after = _after(session, namespace, record, patch)
            if after.line != stage(record).line:
                changes.append((record, after))
    return _Plan(len(ids), changes, _token(ids, changes))


def _after(session: Session, namespace: str, record: EntityRecord, patch: Patch) -> Staged:
    names = {record.label, *(alias.text for alias in record.aliases)}
    try:
        staged = staged_entity(patched(_content(stage(record)), patch), names)
        return with_live_objects(session, namespace, staged, record) if patch.add.get("relations") else staged
    except Rejected as error:
        name = (error.field or "").partition("[")[0]
        where = f"patch.add.{name}" if name in LISTS else f"patch.set.{name}"
        raise Rejected(where, f"of {record.id}, {error.error}", error.remedy) from None


def _token(ids: Iterable[str], changes: Iterable[tuple[EntityRecord, Staged]]) -> str:
    state = hashlib.blake2b(orjson.dumps(list(ids)), digest_size=16)
    for before, after in changes:
        state.update(stage(before).digest + after.digest)
    return state.hexdigest()


def _content(staged: Staged) -> Content:
    return dict(orjson.loads(staged.line))


def _key(name: str, item: Any) -> Any:
    """Return what an item of a list is told from others by."""
    if name == "relations":
        return item["predicate"], item["object"]
    return item["text"] if isinstance(item, Mapping) else item
