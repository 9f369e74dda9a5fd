"""Entities of the knowledge base, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.schemas.answers import EntityBrief


class Alias(BaseModel):
    """A surface form of an entity."""

    text: str
    count: int = Field(description="How often it named the entity; 0: known as a name, never seen as a link.")
    language: str | None


class Relation(BaseModel):
    """An outgoing edge."""

    predicate: str = Field(description="Id of the predicate.")
    object: str = Field(description="Id of the entity that the edge leads to.")
    object_label: str | None = Field(description="Its label; null where there is no such entity yet.")


class EntityAnswer(EntityBrief):
    """Everything about an entity."""

    text: str | None = Field(description="A longer text about it.")
    aliases: list[Alias]
    relations: list[Relation]
    incoming_relations: int = Field(description="How many relations lead to it.")
    former_ids: list[str] = Field(description="Ids that lead to it, since theirs was merged into it, or renamed.")
    popularity: int = Field(description="How often it was linked.")
    source: str | None = Field(description="Where it was imported from.")
    version: int = Field(description="Counts its edits; the `ETag`.")
    created_at: datetime
    updated_at: datetime
    kb_version: int
    model_version: str


class RedirectAnswer(BaseModel):
    """What the answer 308 says of a former id."""

    id: str = Field(description="The former id.")
    redirect: str = Field(description="Id of the entity that it leads to, whose address is `Location`.")


class Found(BaseModel):
    """An entity that a search found."""

    id: str
    label: str
    description: str | None
    types: list[str]
    popularity: int
    match: Literal["exact", "prefix", "similar"] | None = Field(
        description="A name (or the id) is what was typed, starts with it, or is similar to it; null in a list."
    )


class FoundPage(BaseModel):
    """Some of the entities that a search found, best first, or of a list, sorted by id."""

    entities: list[Found]
    cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")
    complete: bool = Field(
        description="False where the search took too long and was given up: there may be others, and better ones. "
        "Type more of the name."
    )
    kb_version: int
    model_version: str
