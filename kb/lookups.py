"""What edits and their answers ask about entities: whether they are there, who claims an xref, what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class EntityState:
    """Whether an entity is there, and as which version; a deleted one has a version, too.

    Attributes:
        version: counts its edits.
        deleted: whether it is deleted.
        redirect: the entity that its id leads to since it was merged into that one, or renamed.
    """

    version: int
    deleted: bool
    redirect: str | None = None


def entity_state(session: Session, namespace: str, entity_id: str) -> EntityState | None:
    """Return the state of an entity, None where there never was one with this id."""
    statement = text(
        "SELECT e.version, e.deleted_at IS NOT NULL, r.target_id FROM entity e LEFT JOIN redirect r"
        " ON r.namespace = e.namespace AND r.id = e.id WHERE e.namespace = :namespace AND e.id = :id"
    )
    row = session.execute(statement, {"namespace": namespace, "id": entity_id}).one_or_none()
    return None if row is None else EntityState(row[0], row[1], row[2])


def other_claims(
    session: Session, namespace: str, claims: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield those claims (entity, scheme, value) that another entity makes, too, with that entity's id at the end."""
    if not claims:
        return
    # The join goes through the index of (scheme, value), one look for each claim.
    statement = text(
        "SELECT v.id, v.scheme, v.value, x.entity_id"
        " FROM unnest(CAST(:ids AS text[]), CAST(:schemes AS text[]), CAST(:claimed AS text[])) AS v(id, scheme, value)"
        " JOIN xref x ON x.namespace = :namespace AND x.scheme = v.scheme AND x.value = v.value AND x.entity_id <> v.id"
        ' ORDER BY v.id COLLATE "C", v.scheme COLLATE "C", x.entity_id'
    )
    ids, schemes, values = (list(column) for column in zip(*claims, strict=True))
    parameters = {"namespace": namespace, "ids": ids, "schemes": schemes, "claimed": values}
    for row in session.execute(statement, parameters):
        yield row[0], row[1], row[2], row[3]


def entity_labels(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the labels of those of the entities that exist and are not deleted, by id."""
    statement = text(
        "SELECT id, label FROM entity WHERE namespace = :namespace AND id = ANY(:ids) AND deleted_at IS NULL"
    )
    return {row[0]: row[1] for row in session.execute(statement, {"namespace": namespace, "ids": list(ids)})}


def subjects_of(session: Session, namespace: str, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each of the entities that relations lead to, their subjects, once for each relation."""
    statement = text(
        "SELECT object_id, array_agg(subject_id) FROM relation"
        " WHERE namespace = :namespace AND object_id = ANY(:ids) GROUP BY object_id"
    )
    found = session.execute(statement, {"namespace": namespace, "ids": list(ids)})
    return {target: tuple(subjects) for target, subjects in found}


def entities_of_types(session: Session, namespace: str, types: Sequence[str], most: int) -> set[str]:
    """Return the entities that have one of the types; of more than `most`, only one more than that."""
    statement = text(
        "SELECT DISTINCT entity_id FROM entity_type WHERE namespace = :namespace AND type_id = ANY(:types) LIMIT :limit"
    )
    parameters = {"namespace": namespace, "types": list(types), "limit": most + 1}
    return set(session.execute(statement, parameters).scalars())
