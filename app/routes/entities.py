"""`GET /v1/entities/{id}` and `GET /v1/entities?q=`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.access.guard import READING
from app.edits import refuse_request, refuse_unknown
from app.entity_answers import entity_address, entity_answer, etag, redirect_target
from app.examples import ENTITY, REDIRECT, SEARCH
from app.responses import problems
from app.routing import ApiRoute
from app.runtime import get_service
from app.schemas.entities import EntityAnswer, Found, FoundPage, RedirectAnswer
from app.schemas.fields import EntityId, SearchText
from app.service import Service
from kb import queries
from kb.search import BadCursor, search_entities

router = APIRouter(prefix="/v1", tags=["knowledge base"], route_class=ApiRoute, dependencies=[Depends(READING)])

PARAMETERS = ("q", "type", "limit", "cursor")
NOT_MODIFIED = {"description": "The entity is still the version that `If-None-Match` names"}
MOVED = {
    "description": "The id is a former one: the entity was merged into another one, or renamed",
    "model": RedirectAnswer,
    "content": {"application/json": {"example": REDIRECT}},
    "headers": {"Location": {"description": "Address of the entity.", "schema": {"type": "string"}}},
}
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
    refuse_unknown(request, PARAMETERS)
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        if type_id is not None and not queries.read_types(session, namespace, [type_id]):
            remedy = "send the id of a type, as entities list them under `types`"
            refuse_request("type", f"the knowledge base has no type {type_id}", remedy)
        try:
            page = search_entities(session, namespace, q, type_id, limit, cursor)
        except BadCursor:
            remedy = "leave it out to begin with the first page"
            refuse_request("cursor", "no search returned this cursor", remedy)
        kb_version = queries.kb_version(session, namespace)
    return FoundPage(
        entities=[Found.model_validate(hit, from_attributes=True) for hit in page.hits],
        cursor=page.cursor,
        kb_version=kb_version,
        model_version=service.model_version,
    )


@router.get(
    "/entities/{id:path}",
    summary="Show an entity",
    response_model=EntityAnswer,
    responses={
        200: {"content": {"application/json": {"example": ENTITY}}, "headers": ETAG},
        304: NOT_MODIFIED,
        308: MOVED,
        **problems(404, 422, 500, 503),
    },
)
def entity(
    response: Response,
    service: Annotated[Service, Depends(get_service)],
    entity_id: Annotated[EntityId, Path(alias="id", description="Id of the entity; slashes may stand as they are.")],
    if_none_match: Annotated[str | None, Header(description="An `ETag`; 304 if the entity is still that one.")] = None,
) -> EntityAnswer | Response:
    """Show everything that the knowledge base says of an entity. A former id is answered with 308 and its address."""
    with Session(service.engine) as session:
        found = queries.get_entity(session, service.settings.namespace, entity_id)
        if found is None:
            return _moved(entity_id, redirect_target(session, service.settings.namespace, entity_id))
        tag = etag(found.version)
        response.headers["ETag"] = tag
        if if_none_match is not None and tag in {item.strip().removeprefix("W/") for item in if_none_match.split(",")}:
            return Response(status_code=304, headers={"ETag": tag})
        return entity_answer(session, service, found)


def _moved(entity_id: str, target: str) -> Response:
    body = RedirectAnswer(id=entity_id, redirect=target).model_dump_json()
    return Response(body, 308, {"Location": entity_address(target)}, media_type="application/json")
