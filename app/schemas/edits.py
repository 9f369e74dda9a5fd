"""The bodies of edits. Values are checked as lines of files are (`kb.importers.checks`); here is only their shape."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from app.schemas.fields import Comment, EntityId, RequestModel, Storable


def _written_time(value: object) -> object:
    """Take a time as a date and time alone: a bare number could be seconds or milliseconds."""
    if not isinstance(value, str | datetime) or (isinstance(value, str) and "-" not in value[1:]):
        raise PydanticCustomError("time", "not a time", {"remedy": "send a time such as 2026-11-25T08:00:00Z"})
    return value


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written_time)]


class NewAlias(RequestModel):
    """A name to write."""

    text: Storable = Field(description="The name as texts write it.")
    count: int = Field(default=0, description="How often it named the entity.")
    language: Storable | None = Field(default=None, description="Language of the name.")


class NewRelation(RequestModel):
    """An outgoing edge to write."""

    predicate: Storable = Field(description="Id of the predicate; one that is not known is made.")
    object: EntityId = Field(description="Id of the entity that it leads to, which may come later.")


class Remark(RequestModel):
    """Why something is done."""

    comment: Comment | None = Field(default=None, description="Why; the history shows it. Or send `X-Comment`.")


class EntityFields(Remark):
    """All of an entity but its id; what is left out is empty."""

    label: Storable = Field(description="The name to show; also one of the aliases.")
    description: Storable | None = Field(default=None, description="One sentence that tells it from its namesakes.")
    text: Storable | None = Field(default=None, description="A longer text about it.")
    aliases: list[NewAlias] = Field(default=[], description="Names that texts use for it.")
    types: list[EntityId] = Field(default=[], description="Ids of its types; those that are not known are made.")
    relations: list[NewRelation] = Field(default=[], description="What it has to do with other entities.")
    xrefs: dict[Storable, Storable] = Field(default={}, description="The same entity elsewhere: scheme and value.")
    popularity: int = Field(default=0, description="How often it was linked.")
    source: Storable | None = Field(default=None, description="Name of the source that it comes from.")


class NewEntity(EntityFields):
    """An entity to create."""

    id: EntityId = Field(description="Names it for good; any text, slashes too.")


class WholeEntity(EntityFields):
    """What to put in place of all that is known of an entity."""

    id: EntityId | None = Field(default=None, description="May be left out; else that of the address.")


class EntityPatch(Remark):
    """A merge patch (RFC 7396): fields that are left out stay, null empties a field, lists are replaced as a whole."""

    label: Storable | None = Field(default=None, description="The name to show; the former one stays an alias.")
    description: Storable | None = Field(default=None, description="One sentence; null for none.")
    text: Storable | None = Field(default=None, description="A longer text; null for none.")
    aliases: list[NewAlias] | None = Field(default=None, description="All its names.")
    types: list[EntityId] | None = Field(default=None, description="Ids of all its types.")
    relations: list[NewRelation] | None = Field(default=None, description="All its outgoing edges.")
    xrefs: dict[Storable, Storable | None] | None = Field(
        default=None, description="Schemes to add or change; null takes one away."
    )
    popularity: int | None = Field(default=None, description="How often it was linked.")
    source: Storable | None = Field(default=None, description="Name of its source; null for none.")


class Undoing(Remark):
    """How to undo."""

    force: bool = Field(default=False, description="Undo also what later edits changed again, and those with it.")


class UndoingOne(Undoing):
    """How to undo one revision."""

    group: bool = Field(
        default=False, description="Undo all revisions of its group. A merge, a renaming, a split always go as a whole."
    )


class UndoingSince(Undoing):
    """What to undo: edits since a time, of one actor, or both."""

    since: Time | None = Field(default=None, description="Edits at or after this time, with its time zone.")
    actor: Annotated[Storable, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="Edits of this actor only, as revisions name it."
    )
