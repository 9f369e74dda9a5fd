"""The bodies of `POST /v1/annotate` and `POST /v1/disambiguate`: one text, or a list of documents, and the options."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from app.offsets import OffsetUnit
from app.schemas.fields import MAX_CANDIDATES, MAX_TYPES, EntityId, Language, RequestModel, Text

ONE, MANY = "tag:one", "tag:many"


class Mention(RequestModel):
    """A span to resolve, in the offset unit of the request."""

    start: int = Field(ge=0, description="Where the mention starts.")
    end: int = Field(ge=0, description="Where it ends, exclusive.")


class Options(RequestModel):
    """What a caller may choose."""

    types: list[EntityId] = Field(
        default=[],
        max_length=MAX_TYPES,
        description="Answer only entities of these types, or of types below them. Empty: all.",
    )
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Links below it are left out; where the mentions were given, they are answered as NIL.",
    )
    candidates: int = Field(
        default=0, ge=0, le=MAX_CANDIDATES, description="How many candidates to list for each mention, best first."
    )
    offset_unit: OffsetUnit = Field(
        default="codepoint",
        description="What offsets count, in the request and in the answer: code points (Python), UTF-16 code units "
        "(JavaScript, Java, C#) or UTF-8 bytes (Go, Rust).",
    )
    language: Language | None = Field(
        default=None,
        description="Language of the text (`en`, `de-AT`), where you know it. One that the model was not trained for "
        "is answered with a warning.",
    )


class Document(RequestModel):
    """A document of a list."""

    id: EntityId | None = Field(
        default=None, description="Comes back with the answer; its position where you send none."
    )
    text: Text = Field(description="The text. Every character counts, also NUL and combining marks.")
    mentions: list[Mention] | None = Field(
        default=None, description="Spans to resolve, honoured exactly. Without them, mentions are detected."
    )


class MarkedDocument(Document):
    """A document of a list, with its mentions."""

    mentions: list[Mention] = Field(description="Spans to resolve, honoured exactly and answered in this order.")


class AnnotateOne(Document, Options):
    """One text."""


class AnnotateMany(Options):
    """A list of documents."""

    documents: list[Document] = Field(min_length=1, description="The documents; the answer keeps their order.")


class DisambiguateOne(MarkedDocument, Options):
    """One text with its mentions."""


class DisambiguateMany(Options):
    """A list of documents with their mentions."""

    documents: list[MarkedDocument] = Field(min_length=1, description="The documents; the answer keeps their order.")


def _one_or_many(body: Any) -> str | None:
    if isinstance(body, dict):
        return MANY if "documents" in body and "text" not in body else ONE
    return MANY if isinstance(body, AnnotateMany | DisambiguateMany) else ONE


AnnotateRequest = Annotated[
    Annotated[AnnotateOne, Tag(ONE)] | Annotated[AnnotateMany, Tag(MANY)], Discriminator(_one_or_many)
]
DisambiguateRequest = Annotated[
    Annotated[DisambiguateOne, Tag(ONE)] | Annotated[DisambiguateMany, Tag(MANY)], Discriminator(_one_or_many)
]
LinkRequest = AnnotateOne | AnnotateMany | DisambiguateOne | DisambiguateMany
