"""Types and predicates, as they are sent and shown."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.schemas.edits import Remark
from app.schemas.fields import EntityId, Storable


class TypeFields(Remark):
    """All of a type but its id."""

    label: Storable = Field(description="The name to show, which the model reads.")
    parent: EntityId | None = Field(default=None, description="Id of a broader type; one that is not known is made.")


class NewType(TypeFields):
    """A type to create."""

    id: EntityId = Field(description="Names it for good; any text, slashes too.")


class WholeType(TypeFields):
    """What to put in place of a type."""

    id: EntityId | None = Field(default=None, description="May be left out; else that of the address.")


class PredicateFields(Remark):
    """All of a predicate but its id."""

    label: Storable = Field(description="The name to show, which the model reads.")


class NewPredicate(PredicateFields):
    """A predicate to create."""

    id: Storable = Field(min_length=1, description="Names it for good; any text of at most 500 bytes.")


class WholePredicate(PredicateFields):
    """What to put in place of a predicate."""

    id: Storable | None = Field(default=None, description="May be left out; else that of the address.")


class TypeItem(BaseModel):
    """A type."""

    id: str
    label: str
    parent: str | None = Field(description="Id of a broader type.")
    entities: int = Field(description="How many entities have it, types below it not counted.")


class PredicateItem(BaseModel):
    """A predicate."""

    id: str
    label: str
    relations: int = Field(description="How many relations have it.")


class TypeAnswer(TypeItem):
    """A type with what hangs on it."""

    types: int = Field(description="How many types are right below it.")
    kb_version: int


class PredicateAnswer(PredicateItem):
    """A predicate with what hangs on it."""

    kb_version: int


class TypePage(BaseModel):
    """Some of the types, sorted by id."""

    types: list[TypeItem]
    cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")
    kb_version: int


class PredicatePage(BaseModel):
    """Some of the predicates, sorted by id."""

    predicates: list[PredicateItem]
    cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")
    kb_version: int
