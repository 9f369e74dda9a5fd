"""`GET /v1/entities/{id}` and `GET /v1/entities`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.access.guard import READING
from app.cursors import decode_cursor, encode_cursor
from app.edits import refuse_request, refuse_unknown
from app.entity_answers import entity_address, entity_answer, etag, redirect_target
from app.entity_filters import FILTERS, listed_filter
from app.examples import ENTITY, REDIRECT, SEARCH
from app.namespaces import Opened
from app.responses import problems
from app.routing import ApiRoute
from app.schemas.entities import EntityAnswer, Found, FoundPage, RedirectAnswer
from app.schemas.fields import EntityId, SearchText
from kb import queries
from kb.database import snapshot_session
from kb.listing import Filter, list_entities, search_listed
from kb.search import BadCursor

router = APIRouter(prefix="/v1", tags=["knowledge base"], route_class=ApiRoute, dependencies=[Depends(READING)])

PARAMETERS = ("q", *FILTERS, "limit", "cursor")
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
    summary="Search for entities, or list them",
    responses={200: {"content": {"application/json": {"example": SEARCH}}}, **problems(422, 500, 503)},
)
def search(
    request: Request,
    service: Opened,
    which: Annotated[Filter, Depends(listed_filter)],
    q: Annotated[
        SearchText | None, Query(description="A name, the start of one, something like one, or an id; else all.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most entities in one answer.")] = 20,
    cursor: Annotated[SearchText | None, Query(description="`cursor` of the answer before.")] = None,
) -> FoundPage:
    """Search for entities as one types: names that are the query, start with it, or are similar.

    Without a query, entities are listed, sorted by id.
    """
    refuse_unknown(request, PARAMETERS)
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        if which.type_id is not None and not queries.read_types(session, namespace, [which.type_id]):
            remedy = "send the id of a type, as entities list them under `types`"
            refuse_request("type", f"the knowledge base has no type {which.type_id}", remedy)
        found, following, complete = _found(session, namespace, q, which, limit, cursor)
        kb_version = queries.kb_version(session, namespace)
    return FoundPage(
        entities=found,
        cursor=following,
        complete=complete,
        kb_version=kb_version,
        model_version=service.model_version,
    )


def _found(
    session: Session, namespace: str, q: str | None, which: Filter, limit: int, cursor: str | None
) -> tuple[list[Found], str | None, bool]:
    """Return a page of entities, the cursor of the next one, and whether the search was not given up."""
    if q is None:
        page = list_entities(session, namespace, which, decode_cursor(cursor), limit)
        listed = [Found(**asdict(item), match=None) for item in page.entities]
        return listed, None if page.after is None else encode_cursor(page.after), True
    type_id, rest = (which.type_id, replace(which, type_id=None)) if which.subtypes else (None, which)
    try:
        hits = search_listed(session, namespace, q, type_id, rest, limit, cursor)
    except BadCursor:
        refuse_request("cursor", "no search returned this cursor", "leave it out to begin with the first page")
    return [Found.model_validate(hit, from_attributes=True) for hit in hits.hits], hits.cursor, hits.complete


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
    service: Opened,
    entity_id: Annotated[EntityId, Path(alias="id", description="Id of the entity; slashes may stand as they are.")],
    if_none_match: Annotated[str | None, Header(description="An `ETag`; 304 if the entity is still that one.")] = None,
) -> EntityAnswer | Response:
    """Show everything that the knowledge base says of an entity. A former id is answered with 308 and its address."""
    # At one moment: a version that is newer than the content would let an edit overwrite what it never saw.
    with snapshot_session(service.engine) as session:
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
