"""The tables of what labelled documents say of names and entities; each counting replaces what the one before wrote."""

from __future__ import annotations

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kb.tables import Base, Id, count_column, namespace_column, owner


class AliasOccurrence(Base):
    """How often a normalised form occurs in a corpus, and as a link, with and without an upper-case letter in it."""

    __tablename__ = "alias_occurrence"

    namespace: Mapped[str] = namespace_column()
    normalised: Mapped[str] = mapped_column(Id, primary_key=True)
    upper_occurrences: Mapped[int] = count_column()
    upper_links: Mapped[int] = count_column()
    lower_occurrences: Mapped[int] = count_column()
    lower_links: Mapped[int] = count_column()


class EntityUsage(Base):
    """How an entity is written about: the mean of its links' mention vectors (384 little-endian float16).

    Rows stay when their entity is deleted or merged into another one: where that is undone, they are there again.
    `model_version` names what made the vector; it means nothing to another model.
    """

    __tablename__ = "entity_usage"
    __table_args__ = (owner("entity_usage"), CheckConstraint("links > 0", name="links"))

    namespace: Mapped[str] = namespace_column()
    entity_id: Mapped[str] = mapped_column(Id, primary_key=True)
    model_version: Mapped[str]
    links: Mapped[int]
    vector: Mapped[bytes]
