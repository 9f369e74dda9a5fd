"""`GET /v1/entities/{id}` and `GET /v1/entities?q=`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.access.guard import READING
from app.errors import ProblemError
from app.examples import ENTITY, SEARCH
from app.responses import problems
from app.routing import ApiRoute
from app.runtime import get_service
from app.schemas.entities import Alias, EntityAnswer, Found, FoundPage, Relation
from app.schemas.fields import EntityId, SearchText
from app.schemas.problem import FieldProblem
from app.service import Service
from kb import queries
from kb.search import BadCursor, search_entities

router = APIRouter(prefix="/v1", tags=["knowledge base"], route_class=ApiRoute, dependencies=[Depends(READING)])

PARAMETERS = ("q", "type", "limit", "cursor")
NOT_MODIFIED = {"description": "The entity is still the version that `If-None-Match` names"}
ETAG = {"ETag": {"description": "The entity's version.", "schema": {"type": "string"}}}


@router.get(
    "/entities",
    summary="Search for entities",
    responses={200: {"content": {"application/json": {"example": SEARCH}}}, **problems(422, 500, 503)},
)
def search(
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    q: Annotated[SearchText, Query(description="A name, the start of one, something like one, or an id.")],
    type_id: Annotated[
        EntityId | None, Query(alias="type", description="Only entities of this type, or of types below it.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most entities in one answer.")] = 20,
    cursor: Annotated[SearchText | None, Query(description="`cursor` of the answer before.")] = None,
) -> FoundPage:
    """Search for entities as one types: names that are the query, start with it, or are similar."""
    _refuse_unknown(request)
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        if type_id is not None and not queries.read_types(session, namespace, [type_id]):
            remedy = "send the id of a type, as entities list them under `types`"
            raise _refused("type", f"the knowledge base has no type {type_id}", remedy)
        try:
            page = search_entities(session, namespace, q, type_id, limit, cursor)
        except BadCursor:
            remedy = "leave it out to begin with the first page"
            raise _refused("cursor", "no search returned this cursor", remedy) from None
    return FoundPage(
        entities=[Found.model_validate(hit, from_attributes=True) for hit in page.hits],
        cursor=page.cursor,
        kb_version=service.kb_version,
        model_version=service.model_version,
    )


def _refused(field: str, detail: str, remedy: str) -> ProblemError:
    return ProblemError("invalid-request", [FieldProblem(field=field, detail=detail, remedy=remedy)])


def _refuse_unknown(request: Request) -> None:
    """Refuse parameters that do not exist: a misspelt one would otherwise be ignored in silence.

    Raises:
        ProblemError: naming the first of them.
    """
    for name in request.query_params:
        if name not in PARAMETERS:
            raise _refused(name, "there is no such parameter", f"use {', '.join(PARAMETERS)}")


@router.get(
    "/entities/{id:path}",
    summary="Show an entity",
    response_model=EntityAnswer,
    responses={
        200: {"content": {"application/json": {"example": ENTITY}}, "headers": ETAG},
        304: NOT_MODIFIED,
        **problems(404, 422, 500, 503),
    },
)
def entity(
    response: Response,
    service: Annotated[Service, Depends(get_service)],
    entity_id: Annotated[EntityId, Path(alias="id", description="Id of the entity; slashes may stand as they are.")],
    if_none_match: Annotated[str | None, Header(description="An `ETag`; 304 if the entity is still that one.")] = None,
) -> EntityAnswer | Response:
    """Show everything that the knowledge base says of an entity."""
    with Session(service.engine) as session:
        found = queries.get_entity(session, service.settings.namespace, entity_id)
    if found is None:
        remedy = "search for it with GET /v1/entities?q="
        error = FieldProblem(field="id", detail=f"there is no entity {entity_id}", remedy=remedy)
        raise ProblemError("entity-not-found", [error])
    etag = f'"{found.version}"'
    response.headers["ETag"] = etag
    if if_none_match is not None and etag in {item.strip().removeprefix("W/") for item in if_none_match.split(",")}:
        return Response(status_code=304, headers={"ETag": etag})
    return _answer(found, service)


def _answer(found: queries.EntityDetail, service: Service) -> EntityAnswer:
    record = found.record
    labels = {item.id: item.label for item in service.entity_records([edge.object for edge in record.relations])}
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
        popularity=record.popularity,
        source=record.source,
        version=found.version,
        created_at=found.created_at,
        updated_at=found.updated_at,
        kb_version=service.kb_version,
        model_version=service.model_version,
    )
