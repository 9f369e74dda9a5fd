"""Feedback and proposals of new entities, as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.offsets import OffsetUnit
from app.schemas.edits import NewAlias, NewRelation, Remark
from app.schemas.fields import Comment, EntityId, RequestModel, Storable

FEEDBACK_CHARS = 20_000

Verdict = Literal["entity", "nil", "no_mention"]
Status = Literal["open", "accepted", "rejected"]


class Answered(RequestModel):
    """What the service answered."""

    entity: EntityId | None = Field(description="Id of the entity that it linked; null for NIL.")
    confidence: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False, description="How sure it was.")


class NewFeedback(RequestModel):
    """What somebody says about a mention."""

    text: Annotated[Storable, Field(min_length=1, max_length=FEEDBACK_CHARS)] = Field(
        description=f"The whole text, which is stored; at most {FEEDBACK_CHARS} code points. Cut longer ones."
    )
    start: int = Field(ge=0, description="Where the mention starts.")
    end: int = Field(ge=0, description="Where it ends, exclusive.")
    offset_unit: OffsetUnit = Field(default="codepoint", description="What `start` and `end` count, as in annotate.")
    verdict: Verdict = Field(
        description="What it should have been: `entity`, `nil` (its entity is not in the knowledge base), or "
        "`no_mention` (it names nothing)."
    )
    entity: EntityId | None = Field(default=None, description="With `entity`: the id of the right one.")
    answered: Answered | None = Field(default=None, description="What the service answered; null where it left it out.")
    model_version: Annotated[Storable, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="`model_version` of that answer; the service's now if left out."
    )
    kb_version: int | None = Field(
        default=None, ge=0, le=2**63 - 1, description="`kb_version` of that answer; the service's now if left out."
    )
    comment: Comment | None = Field(default=None, description="Why.")


class Decided(BaseModel):
    """What was decided about it, and by whom."""

    status: Literal["open", "accepted", "rejected", "withdrawn"]
    created_at: datetime
    decided_by: str | None = Field(description="Who accepted or rejected it.")
    decision_comment: str | None = Field(description="Why.")
    decided_at: datetime | None


class Feedback(Decided):
    """Feedback as it is stored; offsets are code points."""

    id: int
    text: str
    start: int
    end: int
    surface: str = Field(description="The mention's words.")
    verdict: Verdict
    entity: str | None = Field(description="What it should have been.")
    answered: dict[str, Any] | None = Field(description="What the service answered.")
    model_version: str
    kb_version: int
    actor: str = Field(description="Who said so.")
    comment: str | None


class FeedbackPage(BaseModel):
    """Some of the feedback, the newest first."""

    feedback: list[Feedback]
    cursor: str | None = Field(description="Send it as `cursor` for older ones; null on the last page.")


class ProposalName(BaseModel):
    """A name that texts use for what is proposed."""

    text: str
    count: int = Field(description="In how many mentions.")


class ProposalExample(BaseModel):
    """A mention with what stands around it; offsets are code points of `context`."""

    context: str
    start: int
    end: int
    feedback: int | None = Field(description="Id of the feedback that says so; null where the service answered NIL.")
    created_at: datetime


class Proposal(Decided):
    """A new entity that texts mention."""

    id: int
    mentions: int = Field(description="How often it was mentioned.")
    names: list[ProposalName] = Field(description="The most frequent first.")
    examples: list[ProposalExample] = Field(description="The newest ones.")
    entity: str | None = Field(description="Id of the entity that it became.")


class ProposalPage(BaseModel):
    """Some of the proposals, the most frequently mentioned first."""

    proposals: list[Proposal]
    cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class AcceptedProposal(Remark):
    """The entity to make of a proposal; the names of its mentions become aliases, with how often they occurred."""

    id: EntityId = Field(description="Names it for good; any text, slashes too.")
    label: Storable | None = Field(default=None, description="The name to show; the most frequent one if left out.")
    description: Storable | None = Field(default=None, description="One sentence that tells it from its namesakes.")
    text: Storable | None = Field(default=None, description="A longer text about it.")
    aliases: list[NewAlias] = Field(default=[], description="Further names.")
    types: list[EntityId] = Field(default=[], description="Ids of its types; those that are not known are made.")
    relations: list[NewRelation] = Field(default=[], description="What it has to do with other entities.")
    xrefs: dict[Storable, Storable] = Field(default={}, description="The same entity elsewhere: scheme and value.")
