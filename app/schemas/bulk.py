"""The bodies and answers of bulk patches."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.schemas.edits import NewAlias, NewRelation, Remark, Time
from app.schemas.fields import EntityId, RequestModel, Storable


class BulkFilter(RequestModel):
    """Which entities to patch; what is left out filters nothing."""

    ids: Annotated[list[EntityId], Field(min_length=1, max_length=10_000)] | None = Field(
        default=None, description="Only these entities."
    )
    type: EntityId | None = Field(default=None, description="Only entities of this type, or of types below it.")
    subtypes: bool = Field(default=True, description="Whether `type` means types below it, too.")
    source: Storable | None = Field(default=None, description="Only entities of this source.")
    missing_description: bool = Field(default=False, description="Only entities without a description.")
    no_alias: bool = Field(default=False, description="Only entities with no name but their label.")
    ambiguous_alias: bool = Field(default=False, description="Only entities with a name that another one has, too.")
    changed_since: Time | None = Field(default=None, description="Only entities edited at this time or later.")


class BulkSet(RequestModel):
    """Fields to set; null empties one."""

    description: Storable | None = Field(default=None, description="One sentence.")
    text: Storable | None = Field(default=None, description="A longer text.")
    source: Storable | None = Field(default=None, description="Name of the source.")
    popularity: int | None = Field(default=None, description="How often it was linked.")


class BulkAdd(RequestModel):
    """What to add to each entity."""

    aliases: list[NewAlias] = Field(default=[], description="Names; one that is there gets what is said of it.")
    types: list[EntityId] = Field(default=[], description="Ids of types.")
    relations: list[NewRelation] = Field(default=[], description="Relations; none from an entity to itself is added.")


class BulkRemove(RequestModel):
    """What to take away from each entity that has it."""

    aliases: list[Storable] = Field(default=[], description="Names; the label stays one.")
    types: list[EntityId] = Field(default=[], description="Ids of types.")
    relations: list[NewRelation] = Field(default=[], description="Relations.")
    xrefs: list[Storable] = Field(default=[], description="Schemes.")


class BulkChange(RequestModel):
    """What to do to each entity."""

    set: BulkSet = Field(default=BulkSet(), description="Fields to set.")
    add: BulkAdd = Field(default=BulkAdd(), description="Items to add.")
    remove: BulkRemove = Field(default=BulkRemove(), description="Items to take away.")


class BulkWish(RequestModel):
    """A patch of all entities that a filter finds."""

    filter: BulkFilter = Field(description="Which entities.")
    patch: BulkChange = Field(description="What to do to each.")


class BulkPatch(BulkWish, Remark):
    """A patch that was previewed."""

    token: Storable = Field(description="`token` of the preview.")


class BulkExample(BaseModel):
    """An entity that the patch changes, as files hold it."""

    before: dict[str, Any] = Field(description="What it is.")
    after: dict[str, Any] = Field(description="What it would be.")


class BulkPreview(BaseModel):
    """What a patch would do."""

    matched: int = Field(description="How many entities the filter finds.")
    changed: int = Field(description="How many of them the patch changes.")
    examples: list[BulkExample] = Field(description="The first of those.")
    token: str = Field(description="Send it to apply the patch; good as long as it would do exactly this.")
    kb_version: int


class BulkAnswer(BaseModel):
    """What a patch did."""

    matched: int = Field(description="How many entities the filter found.")
    changed: int = Field(description="How many were changed.")
    group: int | None = Field(description="The group of the revisions; null where nothing was to change.")
    revision: int | None = Field(description="One of the revisions: undo it with `group` to take all of it back.")
    kb_version: int
