"""`/v1/proposals`: new entities that texts mention; curators make entities of them, or reject them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.edits import edit_session, refuse_unknown
from app.entity_answers import entity_answer, etag, find_entity
from app.examples_edits import CREATED
from app.examples_feedback import ACCEPT_PROPOSAL, DECIDED, PROPOSAL, PROPOSAL_PAGE
from app.namespaces import Opened
from app.responses import Responses, problem, problems
from app.routes.edits import ETAG, LOCATION, Curator
from app.routes.feedback import BODY, CURATING, LARGEST, Decision
from app.routing import ApiRoute
from app.schemas.entities import EntityAnswer
from app.schemas.feedback import AcceptedProposal, Proposal, ProposalExample, ProposalName, ProposalPage, Status
from kb import proposals
from kb.proposals import ProposalRecord

router = APIRouter(prefix="/v1", tags=["feedback"], route_class=ApiRoute)

NOT_FOUND: Responses = {
    404: problem("proposal-not-found", "id", "there is no proposal 5", "GET /v1/proposals lists those that there are")
}
DECIDED_BEFORE: Responses = {
    409: problem(
        "already-decided",
        "id",
        "proposal 5 was accepted by key:3/ada",
        "to take back what it changed, undo its revision: GET /v1/revisions",
    )
}
ProposalId = Annotated[int, Path(alias="id", ge=1, le=LARGEST, description="Id of the proposal.")]


@router.get(
    "/proposals",
    summary="List proposals of new entities",
    dependencies=[CURATING],
    responses={200: {"content": {"application/json": {"example": PROPOSAL_PAGE}}}, **problems(422, 500, 503)},
)
def list_proposals(
    request: Request,
    service: Opened,
    status: Annotated[Status, Query(description="Only those that are open, accepted or rejected.")] = "open",
    mentions: Annotated[
        int | None,
        Query(ge=1, le=1_000_000, description="Fewest mentions; `NAMESAKE_PROPOSAL_MENTIONS` if left out."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most in one answer.")] = 20,
    cursor: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,9}\.[0-9]{1,18}$", description="`cursor` of the answer before.")
    ] = None,
) -> ProposalPage:
    """List entities that texts mention and the knowledge base lacks, the most frequently mentioned first."""
    refuse_unknown(request, ("status", "mentions", "limit", "cursor"))
    settings = service.settings
    least = settings.proposal_mentions if mentions is None else mentions
    count, _, last = (cursor or "").partition(".")
    after = (int(count), int(last)) if cursor else proposals.BEGINNING
    with Session(service.engine) as session:
        found = proposals.list_proposals(session, settings.namespace, status, least, after, limit + 1)
    page = found[:limit]
    following = f"{page[-1].mentions}.{page[-1].id}" if len(found) > limit else None
    return ProposalPage(proposals=[_shown(item) for item in page], cursor=following)


@router.post(
    "/proposals/{id}/accept",
    summary="Make an entity of a proposal",
    status_code=201,
    responses={
        201: {
            "description": "The entity",
            "content": {"application/json": {"example": CREATED}},
            "headers": LOCATION | ETAG,
        },
        **BODY,
        **NOT_FOUND,
        **DECIDED_BEFORE,
    },
)
def accept(
    proposal_id: ProposalId,
    body: Annotated[AcceptedProposal, Body(openapi_examples=ACCEPT_PROPOSAL)],
    caller: Curator,
    service: Opened,
    response: Response,
) -> EntityAnswer:
    """Create the proposed entity, with the names of its mentions as aliases. An edit, which can be undone."""
    fields = body.model_dump(exclude_unset=True, exclude={"comment"})
    with edit_session(service) as session:
        namespace = service.settings.namespace
        proposals.accept(session, namespace, proposal_id, fields, caller.actor, body.comment)
        found = find_entity(session, namespace, body.id)
        response.headers["Location"] = f"/v1/entities/{quote(body.id, safe='')}"
        response.headers["ETag"] = etag(found.version)
        return entity_answer(session, service, found)


@router.post(
    "/proposals/{id}/reject",
    summary="Reject a proposal",
    responses={
        200: {"content": {"application/json": {"example": PROPOSAL | DECIDED | {"status": "rejected"}}}},
        **BODY,
        **NOT_FOUND,
        **DECIDED_BEFORE,
    },
)
def reject(proposal_id: ProposalId, caller: Curator, service: Opened, body: Decision = None) -> Proposal:
    """Reject a proposal. It stays, so that further mentions of the same do not propose it again."""
    with edit_session(service) as session:
        namespace, comment = service.settings.namespace, body.comment if body else None
        return _shown(proposals.reject(session, namespace, proposal_id, caller.actor, comment))


@router.delete(
    "/proposals/{id}",
    summary="Delete a proposal",
    dependencies=[CURATING],
    status_code=204,
    responses={204: {"description": "It is deleted"}, **problems(422, 500, 503), **NOT_FOUND},
)
def delete(proposal_id: ProposalId, service: Opened) -> Response:
    """Delete a proposal with the texts of its mentions. An entity that it became stays."""
    with edit_session(service) as session:
        proposals.delete_proposal(session, service.settings.namespace, proposal_id)
    return Response(status_code=204)


def _shown(record: ProposalRecord) -> Proposal:
    return Proposal(
        id=record.id,
        mentions=record.mentions,
        names=[ProposalName(text=name, count=count) for name, count in record.names],
        examples=[
            ProposalExample(
                context=example.context,
                start=example.start,
                end=example.end,
                feedback=example.feedback_id,
                created_at=example.created_at,
            )
            for example in record.examples
        ],
        entity=record.entity_id,
        status=record.status,
        created_at=record.created_at,
        decided_by=record.decided_by,
        decision_comment=record.decision_comment,
        decided_at=record.decided_at,
    )
