"""The answers of annotate and disambiguate, of entities and of the system's endpoints."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.offsets import OffsetUnit


class EntityBrief(BaseModel):
    """What an answer shows of an entity; `GET /v1/entities/{id}` shows all."""

    id: str
    label: str
    description: str | None
    types: list[str] = Field(description="Ids of its types.")
    xrefs: dict[str, str] = Field(description="The same entity elsewhere: scheme and value.")


class Candidate(BaseModel):
    """An entity that a mention may mean."""

    id: str
    label: str
    description: str | None
    score: float = Field(description="Ranks the candidates of one mention; larger is better.")
    confidence: float = Field(description="Probability that it is this entity, if the span names something.")
    found_by: list[Literal["alias", "fuzzy", "dense"]] = Field(description="How the candidate was found.")
    features: dict[str, float] = Field(description="What each feature added to the score: the explanation.")


class MentionAnswer(BaseModel):
    """A mention with its link."""

    start: int
    end: int
    text: str = Field(description="The text between start and end.")
    mention_score: float = Field(description="Probability that the span names an entity at all; 1 for given mentions.")
    entity: EntityBrief | None = Field(description="The entity meant; null for NIL: it is not in the knowledge base.")
    confidence: float = Field(
        description="Probability that the link is right: that the span names something, where it was found, and that "
        "this is `entity`. For NIL, that it is NIL."
    )
    nil_probability: float = Field(description="Probability that the entity meant is not in the knowledge base.")
    candidates: list[Candidate] = Field(description="Best first; as many as were asked for.")


class RequestWarning(BaseModel):
    """Something about the request that was honoured, but may not do what was meant."""

    field: str
    detail: str


class OneAnswer(BaseModel):
    """The answer for one text."""

    id: str = Field(description="The document's id; its position (`0`) where none was sent.")
    model_version: str
    kb_version: int = Field(
        description="Sequence number of the last change of the knowledge base that this answer knows."
    )
    offset_unit: OffsetUnit
    mentions: list[MentionAnswer]
    warnings: list[RequestWarning]


class DocumentAnswer(BaseModel):
    """One document of a list."""

    id: str
    kb_version: int
    mentions: list[MentionAnswer]


class ManyAnswer(BaseModel):
    """The answer for a list of documents, in the order of the request."""

    model_version: str
    kb_version: int = Field(description="The lowest among the documents: every one knows at least this change.")
    offset_unit: OffsetUnit
    documents: list[DocumentAnswer]
    warnings: list[RequestWarning]


class Version(BaseModel):
    """What is running."""

    version: str = Field(description="Version of Namesake.")
    model_version: str
    kb_version: int
    namespace: str


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """One part that must work before requests can be answered."""

    name: Literal["database", "model", "index", "link"]
    status: Literal["ok", "fail", "unknown"]
    detail: str
    remedy: str | None = None


class Readiness(BaseModel):
    """Whether requests can be answered."""

    status: Literal["ready", "not ready"]
    checks: list[Check]
