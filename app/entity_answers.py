"""Entities as answers show them: what Postgres holds now, whatever the index knows."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Response
from sqlalchemy.orm import Session

from app.errors import ProblemError
from app.schemas.entities import Alias, EntityAnswer, Relation
from app.schemas.problem import FieldProblem
from app.service import Service
from kb import lookups, queries
from kb.redirects import former_ids, resolve_redirects


def find_entity(session: Session, namespace: str, entity_id: str) -> queries.EntityDetail:
    """Return an entity.

    Raises:
        ProblemError: there is none; of one that is deleted, the answer says so, with its `ETag`.
    """
    found = queries.get_entity(session, namespace, entity_id)
    if found is None:
        state = lookups.entity_state(session, namespace, entity_id)
        raise entity_missing(entity_id, None if state is None else state.version)
    return found


def redirect_target(session: Session, namespace: str, entity_id: str) -> str:
    """Return the entity that the id of none leads to, since it was merged into that one, or renamed.

    Raises:
        ProblemError: it leads nowhere, or to one that is deleted.
    """
    target = resolve_redirects(session, namespace, [entity_id]).get(entity_id, entity_id)
    state = lookups.entity_state(session, namespace, target)
    if state is None or state.deleted:
        raise entity_missing(target, None if state is None else state.version)
    return target


def entity_missing(entity_id: str, deleted_version: int | None) -> ProblemError:
    """Return the problem of an entity that is not there; `deleted_version` is that of one that is deleted."""
    if deleted_version is None:
        detail, remedy = f"there is no entity {entity_id}", "search for it with GET /v1/entities?q="
        return ProblemError("entity-not-found", [FieldProblem(field="id", detail=detail, remedy=remedy)])
    remedy = f"to bring it back, POST /v1/entities/{{id}}/restore with If-Match: {etag(deleted_version)}"
    error = FieldProblem(field="id", detail=f"the entity {entity_id} is deleted", remedy=remedy)
    return ProblemError("entity-not-found", [error], headers={"ETag": etag(deleted_version)})


def entity_redirected(entity_id: str, target: str) -> ProblemError:
    """Return the problem of an edit of an id that leads to another entity by now."""
    detail = f"{entity_id} is a former id of {target}: it was merged into that entity, or renamed"
    remedy = f"edit {target}; to take the merge or the renaming back, undo it: GET /v1/revisions?entity= lists it"
    return ProblemError("entity-redirected", [FieldProblem(field="id", detail=detail, remedy=remedy)])


def entity_answer(session: Session, service: Service, found: queries.EntityDetail) -> EntityAnswer:
    """Return what the API shows of an entity."""
    record = found.record
    namespace = service.settings.namespace
    labels = lookups.entity_labels(session, namespace, [edge.object for edge in record.relations])
    return EntityAnswer(
        id=record.id,
        label=record.label,
        description=record.description,
        types=list(record.types),
        xrefs=record.xrefs,
        text=record.text,
        aliases=[Alias.model_validate(alias, from_attributes=True) for alias in record.aliases],
        relations=[
            Relation(predicate=edge.predicate, object=edge.object, object_label=labels.get(edge.object))
            for edge in record.relations
        ],
        incoming_relations=found.incoming_relations,
        former_ids=former_ids(session, namespace, record.id),
        popularity=record.popularity,
        source=record.source,
        version=found.version,
        created_at=found.created_at,
        updated_at=found.updated_at,
        kb_version=queries.kb_version(session, namespace),
        model_version=service.model_version,
    )


def answer_with_etag(session: Session, service: Service, entity_id: str, response: Response) -> EntityAnswer:
    """Return what the API shows of an entity, and put its version into the answer's headers."""
    found = find_entity(session, service.settings.namespace, entity_id)
    response.headers["ETag"] = etag(found.version)
    return entity_answer(session, service, found)


def entity_address(entity_id: str) -> str:
    """Return the address of an entity."""
    return f"/v1/entities/{quote(entity_id, safe='')}"


def etag(version: int) -> str:
    """Return the `ETag` of a version."""
    return f'"{version}"'
