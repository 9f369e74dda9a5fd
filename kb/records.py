"""One entity of the knowledge base as plain data, as files, the importer and the index see it."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class AliasRecord:
    """A surface form and how often it named the entity (0: known as a name, never seen as a link)."""

    text: str
    count: int = 0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class RelationRecord:
    """An outgoing edge: predicate id and object entity id."""

    predicate: str
    object: str


@dataclass(frozen=True, slots=True)
class EntityRecord:
    """An entity with everything that hangs on it.

    `id` is any text of 1 to 250 characters; `popularity` says how often it was linked. `redirects` are former ids that
    lead to it, as a file tells them: they are states of their own ids, no part of what is stored of the entity.
    """

    id: str
    label: str
    description: str | None = None
    text: str | None = None
    aliases: tuple[AliasRecord, ...] = ()
    types: tuple[str, ...] = ()
    relations: tuple[RelationRecord, ...] = ()
    xrefs: dict[str, str] = field(default_factory=dict)
    popularity: int = 0
    source: str | None = None
    redirects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeRecord:
    """A class of entities; `parent` is the id of a broader one."""

    id: str
    label: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class PredicateRecord:
    """The label of an edge."""

    id: str
    label: str
