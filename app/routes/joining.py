"""`/v1/entities/{id}/merge`, `…/rename` and `…/split`: entities become one, change their id, become two."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from app.edits import base_version, edit_of, edit_session
from app.entity_answers import answer_with_etag, entity_address
from app.examples_edits import CREATED
from app.examples_joining import MERGE, MERGED, RENAME, RENAMED, SPLIT
from app.namespaces import Opened
from app.responses import Responses, problem
from app.routes.edits import EDITED, ETAG, ID_TAKEN, LOCATION, Curator, IfMatch, Key, XComment, shown
from app.routing import ApiRoute
from app.schemas.entities import EntityAnswer
from app.schemas.joining import Merge, Move, Rename, Split
from kb import joining, splitting
from kb.records import RelationRecord
from kb.splitting import Share

router = APIRouter(prefix="/v1", tags=["editing"], route_class=ApiRoute)

CONFLICT: Responses = {
    409: problem(
        "merge-conflict",
        "xrefs.wikidata",
        "the entity is Q27593 in wikidata, the duplicate Q1",
        'if they are one entity all the same, say which stays: {"xrefs": {"wikidata": "Q27593"}}',
    )
}


@router.post(
    "/entities/{id:path}/merge",
    summary="Merge two entities",
    responses={200: shown(MERGED, ETAG), **EDITED, **CONFLICT},
)
def merge(
    entity_id: Key,
    body: Annotated[Merge, Body(openapi_examples=MERGE)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Make another entity part of this one. Counts are added; what led to the other one leads to this one."""
    namespace = service.settings.namespace
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match)
        joining.merge_entities(
            session,
            namespace,
            entity_id,
            body.duplicate,
            base,
            edit_of("merge", caller, body, x_comment),
            duplicate_base=body.duplicate_version,
            choices=body.xrefs,
        )
        return answer_with_etag(session, service, entity_id, response)


@router.post(
    "/entities/{id:path}/rename",
    summary="Give an entity another id",
    responses={200: shown(RENAMED, LOCATION | ETAG), **EDITED, **ID_TAKEN},
)
def rename(
    entity_id: Key,
    body: Annotated[Rename, Body(openapi_examples=RENAME)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Give an entity another id. The old one leads to it from then on, and relations follow."""
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match)
        edit = edit_of("rename", caller, body, x_comment)
        joining.rename_entity(session, service.settings.namespace, entity_id, body.id, base, edit)
        response.headers["Location"] = entity_address(body.id)
        return answer_with_etag(session, service, body.id, response)


@router.post(
    "/entities/{id:path}/split",
    summary="Split an entity in two",
    status_code=201,
    responses={201: {"description": "The new entity", **shown(CREATED, LOCATION | ETAG)}, **EDITED, **ID_TAKEN},
)
def split(
    entity_id: Key,
    body: Annotated[Split, Body(openapi_examples=SPLIT)],
    caller: Curator,
    service: Opened,
    response: Response,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> EntityAnswer:
    """Make a new entity of a part of one: names, types, relations and xrefs that the body names go to it."""
    with edit_session(service) as session:
        base = base_version(session, service, entity_id, if_match)
        edit = edit_of("split", caller, body, x_comment)
        new = body.new.model_dump(exclude_unset=True, exclude={"comment"})
        splitting.split_entity(session, service.settings.namespace, entity_id, new, _share(body.move), base, edit)
        response.headers["Location"] = entity_address(body.new.id)
        return answer_with_etag(session, service, body.new.id, response)


def _share(move: Move) -> Share:
    return Share(
        aliases=[(alias.text, alias.count) for alias in move.aliases],
        types=move.types,
        relations=[RelationRecord(edge.predicate, edge.object) for edge in move.relations],
        incoming=[(edge.subject, edge.predicate) for edge in move.incoming],
        xrefs=move.xrefs,
    )
