"""Revisions and changes, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class Revision(BaseModel):
    """One edit."""

    id: int = Field(description="Counts up, in the order of the edits.")
    entity: str | None = Field(description="Id of the edited entity; null for a type or a predicate.")
    type: str | None = Field(description="Id of the edited type.")
    predicate: str | None = Field(description="Id of the edited predicate.")
    group: int | None = Field(description="What revisions of one operation on several entities have in common.")
    kind: str = Field(
        description="What was done: `create`, `replace`, `patch`, `delete`, `restore`, `merge`, `rename`, `split`, "
        "`bulk-patch`, `undo`, `import`, `feedback`, `proposal`."
    )
    actor: str | None = Field(description="Who did it: `key:ID/NAME`, or null where the command line did.")
    comment: str | None = Field(description="Why.")
    created_at: datetime


class RevisionPage(BaseModel):
    """Some of the revisions, the newest first."""

    revisions: list[Revision]
    cursor: str | None = Field(description="Send it as `cursor` for older ones; null on the last page.")


class FieldDifference(BaseModel):
    """One field that an edit changed."""

    field: str = Field(description="Its name; `xrefs.SCHEME` for each cross-reference.")
    before: Any = Field(description="Its value before; null where there was none, and for lists.")
    after: Any = Field(description="Its value after.")
    added: list[Any] = Field(description="Of a list: the items that came.")
    removed: list[Any] = Field(description="Of a list: the items that went.")


class RevisionAnswer(Revision):
    """One edit with what it changed."""

    diff: list[FieldDifference] = Field(description="What it changed, field by field.")
    before: dict[str, Any] | None = Field(description="All of it before, as files hold it; null: it was not there.")
    after: dict[str, Any] | None = Field(
        description="All of it after; null: it was deleted; `redirect`: its id leads to that entity."
    )
    current_version: int | None = Field(
        description="Version that the entity has now, deleted or not; null of a type or predicate."
    )
    current_etag: str | None = Field(description="The `If-Match` to undo this revision with.")


class UndoAnswer(BaseModel):
    """What undoing one revision did."""

    entity: str | None = Field(description="Id of the entity; null where it was a revision of a type or predicate.")
    type: str | None = Field(description="Id of the type.")
    predicate: str | None = Field(description="Id of the predicate.")
    version: int | None = Field(description="Version of the entity now; the `ETag`.")
    deleted: bool = Field(description="Whether it is deleted now: its creation was undone.")
    entities: list[str] = Field(description="Ids of all entities that this changed.")
    kb_version: int


class UndoSinceAnswer(BaseModel):
    """What undoing many revisions did."""

    revisions: int = Field(description="How many revisions were undone.")
    entities: list[str] = Field(description="Ids of the entities that this changed.")
    kb_version: int


class Change(BaseModel):
    """Something that readers of the knowledge base must look at again."""

    version: int = Field(description="The kb_version that it made.")
    kind: str = Field(
        description="`entity`, `entity_deleted`, `type`, `predicate`, `alias_occurrence` or `entity_usage`."
    )
    entity: str | None = Field(description="Id of the entity.")
    item: str | None = Field(description="Id of the type or predicate.")
    created_at: datetime


class Changes(BaseModel):
    """Changes after a version, the oldest first."""

    changes: list[Change]
    next: int = Field(description="Send it as `since` to go on.")
    more: bool = Field(description="Whether there are more now.")
    kb_version: int = Field(description="The last change that there is.")
