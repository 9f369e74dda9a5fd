"""The parameters that say which entities to list."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from app.schemas.edits import Time
from app.schemas.fields import EntityId, SearchText
from kb.listing import Filter

FILTERS = ("type", "subtypes", "source", "missing_description", "no_alias", "ambiguous_alias", "changed_since")


def listed_filter(
    type_id: Annotated[
        EntityId | None, Query(alias="type", description="Only entities of this type, or of types below it.")
    ] = None,
    subtypes: Annotated[bool, Query(description="Whether `type` means types below it, too.")] = True,
    source: Annotated[SearchText | None, Query(description="Only entities of this source.")] = None,
    missing_description: Annotated[bool, Query(description="Only entities without a description.")] = False,
    no_alias: Annotated[bool, Query(description="Only entities with no name but their label.")] = False,
    ambiguous_alias: Annotated[bool, Query(description="Only entities with a name that another one has, too.")] = False,
    changed_since: Annotated[
        Time | None, Query(description="Only entities edited at this time or later, with its time zone.")
    ] = None,
) -> Filter:
    """Return the filter that a request asks for."""
    return Filter(
        type_id=type_id,
        subtypes=subtypes,
        source=source,
        missing_description=missing_description,
        no_alias=no_alias,
        ambiguous_alias=ambiguous_alias,
        changed_since=changed_since,
    )
