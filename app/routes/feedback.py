"""`/v1/feedback`: annotators say what a mention should have been; curators accept or reject that."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.access.callers import Caller
from app.access.guard import require
from app.edits import edit_session, refuse_request, refuse_unknown
from app.errors import ProblemError
from app.examples_feedback import DECIDED, DECISION, FEEDBACK, FEEDBACK_PAGE, NEW_FEEDBACK
from app.namespaces import Opened
from app.nil_mentions import store_nil
from app.offsets import OffsetError, Offsets
from app.responses import Responses, problem, problems
from app.routes.edits import Curator
from app.routing import ApiRoute
from app.schemas.edits import Remark
from app.schemas.feedback import Feedback, FeedbackPage, NewFeedback, Status
from app.schemas.problem import FieldProblem
from kb import feedback, queries
from kb.conflicts import EntityMissing
from kb.feedback import FeedbackRecord
from kb.keys import Role

router = APIRouter(prefix="/v1", tags=["feedback"], route_class=ApiRoute)

LARGEST = 2**63 - 1
CURATING = Depends(require(Role.CURATOR))
NOT_FOUND: Responses = {
    404: problem("feedback-not-found", "id", "there is no feedback 17", "GET /v1/feedback lists what there is")
}
DECIDED_BEFORE: Responses = {
    409: problem(
        "already-decided",
        "id",
        "feedback 17 was accepted by key:3/ada",
        "to take back what it changed, undo its revision: GET /v1/revisions",
    )
}
BODY = problems(400, 408, 413, 415, 422, 500, 503)
FeedbackId = Annotated[int, Path(alias="id", ge=1, le=LARGEST, description="Id of the feedback.")]
Decision = Annotated[Remark | None, Body(openapi_examples=DECISION)]
SHOWN = {"content": {"application/json": {"example": FEEDBACK}}}


@router.post(
    "/feedback",
    summary="Say what a mention should have been",
    status_code=201,
    responses={
        200: {"description": "The same was there already", **SHOWN},
        201: {"description": "It is stored", **SHOWN},
        **BODY,
    },
)
def create(
    body: Annotated[NewFeedback, Body(openapi_examples=NEW_FEEDBACK)],
    caller: Annotated[Caller, Depends(require(Role.ANNOTATOR))],
    service: Opened,
    response: Response,
) -> Feedback:
    """Store what a mention should have been, with its text. The same by the same caller is stored once."""
    start, end = _span(body)
    if (body.verdict == "entity") != (body.entity is not None):
        missing = body.entity is None
        detail = "it is missing, and the verdict is entity" if missing else f"the verdict is {body.verdict}"
        refuse_request("entity", detail, "send the id of the right entity" if missing else "leave it out")
    settings = service.settings
    with edit_session(service) as session:
        new = feedback.NewFeedback(
            body.text,
            start,
            end,
            body.verdict,
            body.entity,
            None if body.answered is None else body.answered.model_dump(),
            body.model_version or service.model_version,
            queries.kb_version(session, settings.namespace) if body.kb_version is None else body.kb_version,
            body.comment,
        )
        if settings.feedback_days:
            feedback.prune(session, settings.namespace, timedelta(days=settings.feedback_days))
        try:
            found, is_new = feedback.store(session, settings.namespace, new, caller.actor)
        except EntityMissing as error:
            refuse_request("entity", str(error), "search for it: GET /v1/entities?q=; or send the verdict nil")
    if found.verdict == "nil" and found.status == "open":  # also where an earlier attempt ended here
        store_nil(service, [(body.text, start, end)], found.id)
    response.status_code = 201 if is_new else 200
    return _shown(found)


@router.get(
    "/feedback",
    summary="List feedback",
    dependencies=[CURATING],
    responses={200: {"content": {"application/json": {"example": FEEDBACK_PAGE}}}, **problems(422, 500, 503)},
)
def list_feedback(
    request: Request,
    service: Opened,
    status: Annotated[Status | None, Query(description="Only what is open, accepted or rejected.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most in one answer.")] = 20,
    cursor: Annotated[
        str | None, Query(pattern="^[0-9]{1,18}$", description="`cursor` of the answer before, for older ones.")
    ] = None,
) -> FeedbackPage:
    """List feedback, the newest first."""
    refuse_unknown(request, ("status", "limit", "cursor"))
    before = int(cursor) if cursor else None
    with Session(service.engine) as session:
        found = feedback.list_feedback(session, service.settings.namespace, status, before, limit + 1)
    page = found[:limit]
    following = str(page[-1].id) if len(found) > limit else None
    return FeedbackPage(feedback=[_shown(item) for item in page], cursor=following)


@router.get(
    "/feedback/{id}",
    summary="Show feedback",
    dependencies=[CURATING],
    responses={200: SHOWN, **problems(422, 500, 503), **NOT_FOUND},
)
def show(feedback_id: FeedbackId, service: Opened) -> Feedback:
    """Show what somebody said about a mention, and what was decided."""
    with edit_session(service) as session:
        return _shown(feedback.get_feedback(session, service.settings.namespace, feedback_id))


@router.post(
    "/feedback/{id}/accept",
    summary="Accept feedback",
    responses={
        200: {"content": {"application/json": {"example": FEEDBACK | DECIDED}}},
        **BODY,
        **NOT_FOUND,
        **DECIDED_BEFORE,
    },
)
def accept(feedback_id: FeedbackId, caller: Curator, service: Opened, body: Decision = None) -> Feedback:
    """Accept feedback: the words count as an alias of the entity once more, as an edit that can be undone."""
    with edit_session(service) as session:
        namespace, comment = service.settings.namespace, body.comment if body else None
        return _shown(feedback.accept(session, namespace, feedback_id, caller.actor, comment))


@router.post(
    "/feedback/{id}/reject",
    summary="Reject feedback",
    responses={
        200: {"content": {"application/json": {"example": FEEDBACK | DECIDED | {"status": "rejected"}}}},
        **BODY,
        **NOT_FOUND,
        **DECIDED_BEFORE,
    },
)
def reject(feedback_id: FeedbackId, caller: Curator, service: Opened, body: Decision = None) -> Feedback:
    """Reject feedback: it changes nothing."""
    with edit_session(service) as session:
        namespace, comment = service.settings.namespace, body.comment if body else None
        return _shown(feedback.reject(session, namespace, feedback_id, caller.actor, comment))


@router.delete(
    "/feedback/{id}",
    summary="Delete feedback",
    dependencies=[CURATING],
    status_code=204,
    responses={204: {"description": "It is deleted"}, **problems(422, 500, 503), **NOT_FOUND},
)
def delete(feedback_id: FeedbackId, service: Opened) -> Response:
    """Delete feedback with its text. What it changed in the knowledge base stays."""
    with edit_session(service) as session:
        feedback.delete_feedback(session, service.settings.namespace, feedback_id)
    return Response(status_code=204)


def _span(body: NewFeedback) -> tuple[int, int]:
    """Return the mention's code points.

    Raises:
        ProblemError: an offset is outside the text or inside a character, or the mention is empty.
    """
    offsets, found, wrong = Offsets(body.text, body.offset_unit), [], []
    for name in ("start", "end"):
        try:
            found.append(offsets.to_codepoint(getattr(body, name)))
        except OffsetError as error:
            wrong.append(FieldProblem(field=name, detail=error.detail, remedy=error.remedy))
    if wrong:
        raise ProblemError("invalid-request", wrong)
    if found[0] >= found[1] or not body.text[found[0] : found[1]].strip():
        detail = f"the mention from {body.start} to {body.end} has no words"
        refuse_request("end", detail, "send an end that is larger than the start, around the words of the mention")
    return found[0], found[1]


def _shown(record: FeedbackRecord) -> Feedback:
    fields = {name: getattr(record, name) for name in FeedbackRecord.__slots__ if name != "entity_id"}
    return Feedback(**fields, entity=record.entity_id, surface=record.surface)
