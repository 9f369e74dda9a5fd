"""`/v1/types` and `/v1/predicates`: listed, shown, created, replaced, deleted."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.access.guard import READING
from app.class_answers import base_tag, class_answer
from app.cursors import decode_cursor, encode_cursor
from app.edits import edit_of, edit_session, refuse_unknown, sent_fields
from app.examples_classes import (
    NEW_PREDICATE,
    NEW_TYPE,
    PREDICATE,
    PREDICATES,
    TYPE,
    TYPES,
    WHOLE_PREDICATE,
    WHOLE_TYPE,
)
from app.namespaces import Opened
from app.responses import Responses, problem, problems
from app.routes.edits import ETAG, LOCATION, Curator, IfMatch, XComment, shown
from app.routing import ApiRoute
from app.schemas.classes import (
    NewPredicate,
    NewType,
    PredicateAnswer,
    PredicateItem,
    PredicatePage,
    TypeAnswer,
    TypeItem,
    TypePage,
    WholePredicate,
    WholeType,
)
from app.schemas.fields import EntityId, SearchText
from kb import classes, queries

router = APIRouter(prefix="/v1", tags=["types and predicates"], route_class=ApiRoute)

Limit = Annotated[int, Query(ge=1, le=1000, description="Most of them in one answer.")]
Cursor = Annotated[SearchText | None, Query(description="`cursor` of the answer before.")]
TypeKey = Annotated[EntityId, Path(alias="id", description="Id of the type; slashes may stand as they are.")]
PredicateKey = Annotated[
    SearchText, Path(alias="id", description="Id of the predicate; slashes may stand as they are.")
]
MISSING: Responses = {
    404: problem("class-not-found", "id", "there is no type rock band", "GET /v1/types lists those that there are")
}
EXISTS: Responses = {
    409: problem("class-exists", "id", "there is a type rock band", "choose another id, or PUT what it should be")
}
IN_USE: Responses = {
    409: problem(
        "class-in-use",
        "id",
        "12 entities and 1 types name the type band",
        "take it away from them first: GET /v1/entities?type= lists them, POST /v1/bulk-patches edits many at once",
    )
}
BODY = problems(400, 408, 413, 415, 422, 500, 503)
STALE = problems(412, 428)
READ = problems(422, 500, 503)
DELETED: Responses = {204: {"description": "It is deleted"}}


@router.get("/types", summary="List types", dependencies=[Depends(READING)], responses={200: shown(TYPES, {}), **READ})
def list_types(
    request: Request,
    service: Opened,
    parent: Annotated[EntityId | None, Query(description="Only types right below this one.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> TypePage:
    """List types, sorted by id, with how many entities have each."""
    refuse_unknown(request, ("parent", "limit", "cursor"))
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        found = classes.list_types(session, namespace, parent, decode_cursor(cursor), limit + 1)
        version = queries.kb_version(session, namespace)
    items = [TypeItem(id=item.id, label=item.label, parent=item.parent, entities=uses) for item, uses in found[:limit]]
    return TypePage(types=items, cursor=encode_cursor(items[-1].id) if len(found) > limit else None, kb_version=version)


@router.get(
    "/predicates",
    summary="List predicates",
    dependencies=[Depends(READING)],
    responses={200: shown(PREDICATES, {}), **READ},
)
def list_predicates(request: Request, service: Opened, limit: Limit = 100, cursor: Cursor = None) -> PredicatePage:
    """List predicates, sorted by id, with how many relations have each."""
    refuse_unknown(request, ("limit", "cursor"))
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        found = classes.list_predicates(session, namespace, decode_cursor(cursor), limit + 1)
        version = queries.kb_version(session, namespace)
    items = [PredicateItem(id=item.id, label=item.label, relations=uses) for item, uses in found[:limit]]
    more = encode_cursor(items[-1].id) if len(found) > limit else None
    return PredicatePage(predicates=items, cursor=more, kb_version=version)


@router.post(
    "/types",
    summary="Create a type",
    status_code=201,
    responses={201: {"description": "The type", **shown(TYPE, LOCATION | ETAG)}, **BODY, **EXISTS},
)
def create_type(
    body: Annotated[NewType, Body(openapi_examples=NEW_TYPE)],
    caller: Curator,
    service: Opened,
    response: Response,
    x_comment: XComment = None,
) -> TypeAnswer:
    """Create a type, below another one or not."""
    with edit_session(service) as session:
        edit = edit_of("create", caller, body, x_comment)
        classes.create_class(session, service.settings.namespace, "type", sent_fields(body), edit)
        response.headers["Location"] = f"/v1/types/{quote(body.id, safe='')}"
        return TypeAnswer(**class_answer(session, service, "type", body.id, response))


@router.post(
    "/predicates",
    summary="Create a predicate",
    status_code=201,
    responses={201: {"description": "The predicate", **shown(PREDICATE, LOCATION | ETAG)}, **BODY, **EXISTS},
)
def create_predicate(
    body: Annotated[NewPredicate, Body(openapi_examples=NEW_PREDICATE)],
    caller: Curator,
    service: Opened,
    response: Response,
    x_comment: XComment = None,
) -> PredicateAnswer:
    """Create a predicate."""
    with edit_session(service) as session:
        edit = edit_of("create", caller, body, x_comment)
        classes.create_class(session, service.settings.namespace, "predicate", sent_fields(body), edit)
        response.headers["Location"] = f"/v1/predicates/{quote(body.id, safe='')}"
        return PredicateAnswer(**class_answer(session, service, "predicate", body.id, response))


@router.get(
    "/types/{id:path}",
    summary="Show a type",
    dependencies=[Depends(READING)],
    responses={200: shown(TYPE, ETAG), **READ, **MISSING},
)
def show_type(key: TypeKey, service: Opened, response: Response) -> TypeAnswer:
    """Show a type with how many entities have it, and how many types are right below it."""
    with edit_session(service) as session:
        return TypeAnswer(**class_answer(session, service, "type", key, response))


@router.get(
    "/predicates/{id:path}",
    summary="Show a predicate",
    dependencies=[Depends(READING)],
    responses={200: shown(PREDICATE, ETAG), **READ, **MISSING},
)
def show_predicate(key: PredicateKey, service: Opened, response: Response) -> PredicateAnswer:
    """Show a predicate with how many relations have it."""
    with edit_session(service) as session:
        return PredicateAnswer(**class_answer(session, service, "predicate", key, response))


@router.put(
    "/types/{id:path}",
    summary="Replace a type",
    responses={200: shown(TYPE, ETAG), **BODY, **STALE, **MISSING},
)
def replace_type(
    key: TypeKey,
    body: Annotated[WholeType, Body(openapi_examples=WHOLE_TYPE)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> TypeAnswer:
    """Give a type another label or parent. One that would be below itself is refused."""
    with edit_session(service) as session:
        base = base_tag(session, service, "type", key, if_match)
        edit, fields = edit_of("replace", caller, body, x_comment), sent_fields(body)
        classes.replace_class(session, service.settings.namespace, "type", key, fields, base, edit)
        return TypeAnswer(**class_answer(session, service, "type", key, response))


@router.put(
    "/predicates/{id:path}",
    summary="Replace a predicate",
    responses={200: shown(PREDICATE, ETAG), **BODY, **STALE, **MISSING},
)
def replace_predicate(
    key: PredicateKey,
    body: Annotated[WholePredicate, Body(openapi_examples=WHOLE_PREDICATE)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> PredicateAnswer:
    """Give a predicate another label."""
    with edit_session(service) as session:
        base = base_tag(session, service, "predicate", key, if_match)
        edit, fields = edit_of("replace", caller, body, x_comment), sent_fields(body)
        classes.replace_class(session, service.settings.namespace, "predicate", key, fields, base, edit)
        return PredicateAnswer(**class_answer(session, service, "predicate", key, response))


@router.delete(
    "/types/{id:path}",
    summary="Delete a type",
    status_code=204,
    responses={**DELETED, **READ, **STALE, **MISSING, **IN_USE},
)
def delete_type(
    key: TypeKey, caller: Curator, service: Opened, if_match: IfMatch = None, x_comment: XComment = None
) -> Response:
    """Delete a type that no entity has and no type is below."""
    with edit_session(service) as session:
        base = base_tag(session, service, "type", key, if_match)
        edit = edit_of("delete", caller, None, x_comment)
        classes.delete_class(session, service.settings.namespace, "type", key, base, edit)
    return Response(status_code=204)


@router.delete(
    "/predicates/{id:path}",
    summary="Delete a predicate",
    status_code=204,
    responses={**DELETED, **READ, **STALE, **MISSING, **IN_USE},
)
def delete_predicate(
    key: PredicateKey, caller: Curator, service: Opened, if_match: IfMatch = None, x_comment: XComment = None
) -> Response:
    """Delete a predicate that no relation has."""
    with edit_session(service) as session:
        base = base_tag(session, service, "predicate", key, if_match)
        edit = edit_of("delete", caller, None, x_comment)
        classes.delete_class(session, service.settings.namespace, "predicate", key, base, edit)
    return Response(status_code=204)
