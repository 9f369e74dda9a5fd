"""`/v1/revisions` and `/v1/changes`: what was edited, by whom and why; and undoing it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from app.access.guard import READING
from app.change_stream import EXAMPLE, MEDIA_TYPE, events, shown_change, wants_events
from app.edits import edit_session, header_comment, refuse_request, refuse_unknown, revision_missing
from app.examples_edits import CHANGES, REVISION_DETAIL, REVISIONS, UNDO, UNDO_SINCE, UNDONE, UNDONE_SINCE
from app.namespaces import Opened
from app.responses import Responses, problem, problems
from app.routes.edits import ETAG, Curator, IfMatch, XComment
from app.routing import ApiRoute
from app.schemas.edits import UndoingOne, UndoingSince
from app.schemas.fields import EntityId, SearchText
from app.schemas.history import (
    Changes,
    FieldDifference,
    Revision,
    RevisionAnswer,
    RevisionPage,
    UndoAnswer,
    UndoSinceAnswer,
)
from app.undo_answers import current_state, undo_of_class, undo_of_entity
from kb import history, queries, undoing
from kb.curation import Edit
from kb.history import RevisionBrief

router = APIRouter(prefix="/v1", tags=["history"], route_class=ApiRoute)

LARGEST = 2**63 - 1
NOT_FOUND: Responses = {
    404: problem("revision-not-found", "id", "there is no revision 17", "GET /v1/revisions lists those that there are")
}
CLASH: Responses = {
    409: problem(
        "edited-later",
        "revisions.5120",
        "revision 5120 of AC/DC: later edits changed description again",
        "send force: true to undo those later edits, too, or edit the entity by hand",
    )
}
BODY = problems(400, 408, 413, 415, 422, 500, 503)
RevisionId = Annotated[int, Path(alias="id", ge=1, le=LARGEST, description="Id of the revision.")]


@router.get(
    "/revisions",
    summary="List revisions",
    dependencies=[Depends(READING)],
    responses={200: {"content": {"application/json": {"example": REVISIONS}}}, **problems(422, 500, 503)},
)
def list_revisions(
    request: Request,
    service: Opened,
    entity: Annotated[EntityId | None, Query(description="Only revisions of this entity.")] = None,
    type_id: Annotated[EntityId | None, Query(alias="type", description="Only revisions of this type.")] = None,
    predicate: Annotated[SearchText | None, Query(description="Only revisions of this predicate.")] = None,
    group: Annotated[int | None, Query(ge=1, le=LARGEST, description="Only revisions of this group.")] = None,
    actor: Annotated[SearchText | None, Query(description="Only revisions by this actor.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most revisions in one answer.")] = 20,
    cursor: Annotated[
        str | None, Query(pattern="^[0-9]{1,18}$", description="`cursor` of the answer before, for older ones.")
    ] = None,
) -> RevisionPage:
    """List edits, the newest first: of one entity, by one actor, or all."""
    refuse_unknown(request, ("entity", "type", "predicate", "group", "actor", "limit", "cursor"))
    before = int(cursor) if cursor else None
    with Session(service.engine) as session:
        found = history.list_revisions(
            session,
            service.settings.namespace,
            entity_id=entity,
            type_id=type_id,
            predicate_id=predicate,
            group_id=group,
            actor=actor,
            before_id=before,
            limit=limit + 1,
        )
    page = found[:limit]
    return RevisionPage(
        revisions=[_shown(item) for item in page], cursor=str(page[-1].id) if len(found) > limit else None
    )


# Before the endpoints of one revision: what is said of a method that is not answered comes from the first that fits.
@router.post(
    "/revisions/undo-since",
    summary="Undo many revisions",
    responses={200: {"content": {"application/json": {"example": UNDONE_SINCE}}}, **BODY, **CLASH},
)
def undo_since(
    body: Annotated[UndoingSince, Body(openapi_examples=UNDO_SINCE)],
    caller: Curator,
    service: Opened,
    x_comment: XComment = None,
) -> UndoSinceAnswer:
    """Undo all edits of entities since a time, by one actor, or both: all of them or none."""
    if body.since is None and body.actor is None:
        refuse_request("since", "neither since nor actor is given", "send at least one, or everything would be undone")
    namespace = service.settings.namespace
    with edit_session(service) as session:
        edit = Edit("undo", caller.actor, body.comment or header_comment(x_comment))
        undone = undoing.undo_since(session, namespace, body.since, body.actor, edit, force=body.force)
        version = queries.kb_version(session, namespace)
    return UndoSinceAnswer(revisions=undone.revisions, entities=list(undone.entities), kb_version=version)


@router.get(
    "/revisions/{id}",
    summary="Show a revision",
    dependencies=[Depends(READING)],
    responses={
        200: {"content": {"application/json": {"example": REVISION_DETAIL}}},
        **problems(422, 500, 503),
        **NOT_FOUND,
    },
)
def revision(revision_id: RevisionId, service: Opened) -> RevisionAnswer:
    """Show one edit with what was there before and after, and the difference field by field."""
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        found = history.get_revision(session, namespace, revision_id)
        if found is None:
            raise revision_missing(revision_id)
        version, tag = current_state(session, namespace, found.brief)
    changes = history.difference(found.before, found.after)
    return RevisionAnswer(
        **_shown(found.brief).model_dump(),
        diff=[FieldDifference.model_validate(change, from_attributes=True) for change in changes],
        before=found.before,
        after=found.after,
        current_version=version,
        current_etag=tag,
    )


@router.post(
    "/revisions/{id}/undo",
    summary="Undo a revision",
    responses={
        200: {"content": {"application/json": {"example": UNDONE}}, "headers": ETAG},
        **BODY,
        **problems(412, 428),
        **NOT_FOUND,
        **CLASH,
    },
)
def undo(
    revision_id: RevisionId,
    caller: Curator,
    service: Opened,
    response: Response,
    body: Annotated[UndoingOne | None, Body(openapi_examples=UNDO)] = None,
    if_match: IfMatch = None,
    x_comment: XComment = None,
) -> UndoAnswer:
    """Take back what one edit changed, as a new edit. Refused where later edits changed the same fields.

    A merge, a renaming and a split are taken back as a whole, with all entities that they touched.
    """
    wish = body or UndoingOne()
    with edit_session(service) as session:
        found = history.get_revision(session, service.settings.namespace, revision_id)
        if found is None:
            raise revision_missing(revision_id)
        edit = Edit("undo", caller.actor, wish.comment or header_comment(x_comment))
        what = undo_of_class if found.brief.entity_id is None else undo_of_entity
        return what(session, service, found, if_match, edit, wish, response)


@router.get(
    "/changes",
    summary="Follow changes",
    dependencies=[Depends(READING)],
    response_model=Changes,
    responses={
        200: {"content": {"application/json": {"example": CHANGES}, MEDIA_TYPE: {"example": EXAMPLE}}},
        **problems(422, 500, 503),
    },
)
def changes(
    request: Request,
    service: Opened,
    since: Annotated[int, Query(ge=0, le=LARGEST, description="Changes after this version.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most changes in one answer.")] = 100,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=LARGEST, description="Of a stream of events: the last one that was seen.")
    ] = None,
) -> Changes | Response:
    """List what changed after a version, the oldest first, for whoever keeps a copy of the knowledge base.

    With `Accept: text/event-stream`, changes come as server-sent events, and go on coming.
    """
    refuse_unknown(request, ("since", "limit"))
    if wants_events(request):
        start = since if last_event_id is None else last_event_id
        return StreamingResponse(events(service, start), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
    namespace = service.settings.namespace
    with Session(service.engine) as session:
        found = queries.changes_since(session, namespace, since, limit + 1)
        version = queries.kb_version(session, namespace)
    page = found[:limit]
    return Changes(
        changes=[shown_change(item) for item in page],
        next=page[-1].version if page else since,
        more=len(found) > limit,
        kb_version=version,
    )


def _shown(item: RevisionBrief) -> Revision:
    return Revision(
        id=item.id,
        entity=item.entity_id,
        type=item.type_id,
        predicate=item.predicate_id,
        group=item.group_id,
        kind=item.kind,
        actor=item.actor,
        comment=item.comment,
        created_at=item.created_at,
    )
