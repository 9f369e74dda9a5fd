"""`/v1/entities`: entities are created, replaced, patched, deleted and restored."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Response

from app.access.callers import Caller
from app.access.guard import require
from app.edits import base_version, edit_of, edit_session, sent_fields
from app.entity_answers import answer_with_etag, entity_address, etag
from app.examples_edits import CREATE, CREATED, PATCH, PATCHED, REPLACE, RESTORE
from app.namespaces import Opened
from app.responses import Responses, problem, problems
from app.routing import ApiRoute
from app.schemas.edits import EntityPatch, NewEntity, Remark, WholeEntity
from app.schemas.entities import EntityAnswer
from app.schemas.fields import Comment, EntityId
from kb import editing
from kb.keys import Role

router = APIRouter(prefix="/v1", tags=["editing"], route_class=ApiRoute)

Curator = Annotated[Caller, Depends(require(Role.CURATOR))]
Key = Annotated[EntityId, Path(alias="id", description="Id of the entity; slashes may stand as they are.")]
IfMatch = Annotated[
    str | None,
    Header(description="Needed: the `ETag` of the version that the edit starts from, or `*` for whichever is there."),
]
XComment = Annotated[
    Comment | None, Header(description="Why; the history shows it. A `comment` in the body goes before it.")
]

ETAG = {"ETag": {"description": "The entity's version now.", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "The entity's address.", "schema": {"type": "string"}}}
TAKEN: Responses = {
    409: problem(
        "xref-taken",
        "xrefs.wikidata",
        "Acca_Dacca and AC/DC would both be Q27593 in wikidata",
        "leave it out, or take it away from AC/DC first; if both are one entity, merge them",
    )
}
ID_TAKEN: Responses = {
    409: problem(
        "id-taken",
        "id",
        "AC/DC is the id of another entity",
        'choose another id, or edit the entity that is there: PATCH it with If-Match: "1"',
    )
}
NOT_DELETED: Responses = {
    409: problem(
        "not-deleted",
        "id",
        "AC/DC is not deleted",
        "there is nothing to restore; to go back to an earlier state, undo a revision",
    )
}
EDITED = problems(400, 404, 408, 412, 413, 415, 422, 428, 500, 503)


def shown(example: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI document says of an answer."""
    return {"content": {"application/json": {"example": example}}, "headers": headers}


# First: what is said of a method that is not answered comes from the first endpoint that fits the address.
@router.post(
    "/entities/{id:path}/restore",
    summary="Restore a deleted entity",
    responses={200: shown(CREATED | {"version": 3}, ETAG), **EDITED, **NOT_DELETED},
)
def restore(
    entity_id: Key,
    caller: Curator,
    service: Opened,
    response: Response,
    body: Annotated[Remark | None, Body(openapi_examples=RESTORE)] = None,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Bring a deleted entity back as it was, with its aliases, types, relations and xrefs."""
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match, deleted=True)
        edit = edit_of("restore", caller, body, x_comment)
        editing.restore_entity(session, service.settings.namespace, entity_id, base, edit)
        return answer_with_etag(session, service, entity_id, response)


@router.post(
    "/entities",
    summary="Create an entity",
    status_code=201,
    responses={
        201: {"description": "The entity", **shown(CREATED, LOCATION | ETAG)},
        **problems(400, 408, 413, 415, 422, 500, 503),
        **ID_TAKEN,
    },
)
def create(
    body: Annotated[NewEntity, Body(openapi_examples=CREATE)],
    caller: Curator,
    service: Opened,
    response: Response,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Create an entity. An id that is taken, also by a deleted entity, is refused."""
    with edit_session(service) as session:
        edit = edit_of("create", caller, body, x_comment)
        editing.create_entity(session, service.settings.namespace, sent_fields(body), edit)
        response.headers["Location"] = entity_address(body.id)
        return answer_with_etag(session, service, body.id, response)


@router.put(
    "/entities/{id:path}",
    summary="Replace an entity",
    responses={200: shown(CREATED, ETAG), **EDITED, **TAKEN},
)
def replace(
    entity_id: Key,
    body: Annotated[WholeEntity, Body(openapi_examples=REPLACE)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Put the body in place of all that is known of an entity: what it does not say is gone."""
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match)
        edit, fields = edit_of("replace", caller, body, x_comment), sent_fields(body)
        editing.replace_entity(session, service.settings.namespace, entity_id, fields, base, edit)
        return answer_with_etag(session, service, entity_id, response)


@router.patch(
    "/entities/{id:path}",
    summary="Change fields of an entity",
    responses={200: shown(PATCHED, ETAG), **EDITED, **TAKEN},
)
def patch(
    entity_id: Key,
    body: Annotated[EntityPatch, Body(openapi_examples=PATCH)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Change some fields, as a merge patch (RFC 7396): null empties a field, lists are replaced as a whole."""
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match)
        edit, fields = edit_of("patch", caller, body, x_comment), sent_fields(body)
        editing.patch_entity(session, service.settings.namespace, entity_id, fields, base, edit)
        return answer_with_etag(session, service, entity_id, response)


@router.delete(
    "/entities/{id:path}",
    summary="Delete an entity",
    status_code=204,
    responses={204: {"description": "It is deleted", "headers": ETAG}, **problems(404, 412, 422, 428, 500, 503)},
)
def delete(
    entity_id: Key, caller: Curator, service: Opened, if_match: IfMatch = None, x_comment: XComment = None
) -> Response:
    """Delete an entity. It can be restored; relations of others that lead to it wait for that."""
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match)
        edit = edit_of("delete", caller, None, x_comment)
        version = editing.delete_entity(session, service.settings.namespace, entity_id, base, edit)
    return Response(status_code=204, headers={"ETag": etag(version)})
