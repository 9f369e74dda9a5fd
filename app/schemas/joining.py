"""The bodies of merges, renamings and splits."""

from __future__ import annotations

from pydantic import Field

from app.schemas.edits import NewEntity, NewRelation, Remark
from app.schemas.fields import EntityId, RequestModel, Storable


class Merge(Remark):
    """What to merge into the entity of the address."""

    duplicate: EntityId = Field(description="Id of the other entity; from then on it leads to the one of the address.")
    duplicate_version: int | None = Field(
        default=None, ge=1, description="Version of the duplicate that you saw; without it, whichever is there."
    )
    xrefs: dict[Storable, Storable] = Field(
        default={}, description="Schemes in which the two have different values: which value stays."
    )


class Rename(Remark):
    """Another id for the entity of the address."""

    id: EntityId = Field(description="The new id; the old one leads to it from then on.")


class MovedAlias(RequestModel):
    """A name that goes to the new entity."""

    text: Storable = Field(description="The name.")
    count: int | None = Field(
        default=None, description="How much of its count goes, the name then stays, too; without it, all of it goes."
    )


class IncomingRelation(RequestModel):
    """A relation that leads to the entity."""

    subject: EntityId = Field(description="Id of the entity that it comes from.")
    predicate: Storable = Field(description="Id of the predicate.")


class Move(RequestModel):
    """What goes from the entity to the new one."""

    aliases: list[MovedAlias] = Field(default=[], description="Names.")
    types: list[EntityId] = Field(default=[], description="Ids of types.")
    relations: list[NewRelation] = Field(default=[], description="Outgoing relations.")
    incoming: list[IncomingRelation] = Field(default=[], description="Relations that lead to it.")
    xrefs: list[Storable] = Field(default=[], description="Schemes.")


class Split(Remark):
    """The entity to make of a part of the one of the address."""

    new: NewEntity = Field(description="The new entity, to which what moves is added.")
    move: Move = Field(default=Move(), description="What moves.")
