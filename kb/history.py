"""The history of the knowledge base: revisions, listed and read. Nothing here writes or commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.queries import Parameters

Content = dict[str, Any]

LISTS = ("aliases", "types", "relations")
EMPTY: dict[str, Any] = {"aliases": [], "types": [], "relations": [], "xrefs": {}, "popularity": 0}


@dataclass(frozen=True, slots=True)
class RevisionBrief:
    """One edit, without what it changed.

    Attributes:
        id: counts up, in the order of the edits.
        entity_id, type_id, predicate_id: what was edited; the other two are None.
        group_id: what revisions of one operation on several entities have in common; None for an edit of one.
        kind: what was done: create, replace, patch, delete, restore, merge, rename, split, undo, import, …
        actor: who did it.
        comment: why.
        created_at: when.
    """

    id: int
    entity_id: str | None
    kind: str
    actor: str | None
    comment: str | None
    created_at: datetime
    type_id: str | None = None
    predicate_id: str | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class RevisionDetail:
    """One edit with what was there before (None: nothing) and after (None: deleted), as files hold it."""

    brief: RevisionBrief
    before: Content | None
    after: Content | None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that an edit changed.

    Attributes:
        field: its name; `xrefs.SCHEME` for each cross-reference.
        before, after: its values; None where there was none, and for lists.
        added, removed: the items of a list that came and went.
    """

    field: str
    before: Any = None
    after: Any = None
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()


_BRIEF = "id, entity_id, kind, actor, comment, created_at, type_id, predicate_id, group_id"


def list_revisions(
    session: Session,
    namespace: str,
    *,
    entity_id: str | None = None,
    type_id: str | None = None,
    predicate_id: str | None = None,
    group_id: int | None = None,
    actor: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[RevisionBrief]:
    """Return revisions, the newest first.

    Args:
        session: reads the namespace.
        namespace: the knowledge base.
        entity_id, type_id, predicate_id: only those of this entity, type or predicate.
        group_id: only those of this group.
        actor: only those of this actor.
        before_id: only those older than this one; for the next page, the last id of the page before.
        limit: most of them.
    """
    given = {"entity_id": entity_id, "type_id": type_id, "predicate_id": predicate_id, "group_id": group_id}
    where, parameters = _where(namespace, actor=actor, before_id=before_id, **given)
    statement = text(f"SELECT {_BRIEF} FROM revision WHERE {where} ORDER BY id DESC LIMIT :limit")  # noqa: S608
    return [RevisionBrief(*row) for row in session.execute(statement, parameters | {"limit": limit})]


def get_revision(session: Session, namespace: str, revision_id: int) -> RevisionDetail | None:
    """Return one revision, None where there is none."""
    statement = text(f"SELECT {_BRIEF}, before, after FROM revision WHERE namespace = :namespace AND id = :id")  # noqa: S608
    row = session.execute(statement, {"namespace": namespace, "id": revision_id}).one_or_none()
    return None if row is None else _detail(row)


def revisions_since(
    session: Session, namespace: str, since: datetime | None, actor: str | None, most: int
) -> list[RevisionDetail]:
    """Return the revisions of entities since a time, by one actor or by all, the newest first.

    Where there are more than `most`, one more than `most` is returned.
    """
    where, parameters = _where(namespace, since=since, actor=actor)
    statement = text(
        f"SELECT {_BRIEF}, before, after FROM revision WHERE {where} AND entity_id IS NOT NULL"  # noqa: S608
        " ORDER BY id DESC LIMIT :limit"
    )
    return [_detail(row) for row in session.execute(statement, parameters | {"limit": most + 1})]


def revisions_of_group(session: Session, namespace: str, group_id: int) -> list[RevisionDetail]:
    """Return the revisions of a group, the newest first."""
    where, parameters = _where(namespace, group_id=group_id)
    statement = text(f"SELECT {_BRIEF}, before, after FROM revision WHERE {where} ORDER BY id DESC")  # noqa: S608
    return [_detail(row) for row in session.execute(statement, parameters)]


def is_entity(state: Content | None) -> bool:
    """Tell whether what a revision holds is an entity: else it was deleted, or its id leads to another one."""
    return state is not None and "redirect" not in state


def last_content(session: Session, namespace: str, entity_id: str) -> Content | None:
    """Return what an entity was when it went last, None where it never did."""
    statement = text(
        "SELECT before FROM revision WHERE namespace = :namespace AND entity_id = :id"
        " AND before->>'redirect' IS NULL AND before IS NOT NULL"
        " AND (after IS NULL OR after->>'redirect' IS NOT NULL) ORDER BY id DESC LIMIT 1"
    )
    content: Content | None = session.execute(statement, {"namespace": namespace, "id": entity_id}).scalar_one_or_none()
    return content


def last_revisions(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, RevisionBrief]:
    """Return the newest revision of each entity that has any, by the entity's id."""
    statement = text(
        f"SELECT r.* FROM unnest(CAST(:ids AS text[])) AS v(id) CROSS JOIN LATERAL (SELECT {_BRIEF} FROM revision"  # noqa: S608
        " WHERE namespace = :namespace AND entity_id = v.id ORDER BY revision.id DESC LIMIT 1) AS r"
    )
    rows = session.execute(statement, {"namespace": namespace, "ids": list(ids)})
    return {row.entity_id: RevisionBrief(*row) for row in rows}


def difference(before: Content | None, after: Content | None) -> list[FieldChange]:
    """Return the fields in which two contents differ, in the order of the file format."""
    old, new = before or {}, after or {}
    changes: list[FieldChange] = []
    for name in dict.fromkeys([*old, *new]):
        left, right = field_value(old, name), field_value(new, name)
        if left == right:
            continue
        if name in LISTS:
            changes.append(FieldChange(name, added=_without(right, left), removed=_without(left, right)))
        elif name == "xrefs":
            schemes = [scheme for scheme in dict.fromkeys([*left, *right]) if left.get(scheme) != right.get(scheme)]
            changes += [FieldChange(f"xrefs.{item}", left.get(item), right.get(item)) for item in schemes]
        else:
            changes.append(FieldChange(name, left, right))
    return changes


def field_value(content: Content, name: str) -> Any:
    """Return a field's value, or what stands for one that is absent."""
    value = content.get(name)
    return EMPTY.get(name) if value is None else value


def _without(items: Sequence[Any], others: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(item for item in items if item not in others)


def _where(namespace: str, **given: Any) -> tuple[str, Parameters]:
    conditions = {
        "entity_id": "entity_id = :entity_id",
        "type_id": "type_id = :type_id",
        "predicate_id": "predicate_id = :predicate_id",
        "group_id": "group_id = :group_id",
        "actor": "actor = :actor",
        "before_id": "id < :before_id",
        "since": "created_at >= :since",
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    where = ["namespace = :namespace", *(conditions[name] for name in parameters)]
    return " AND ".join(where), parameters | {"namespace": namespace}


def _detail(row: Any) -> RevisionDetail:
    *brief, before, after = row
    return RevisionDetail(RevisionBrief(*brief), before, after)
