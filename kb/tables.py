"""The tables of the knowledge base.

Every row belongs to a namespace, the name of one knowledge base. Ids compare by code point (collation "C"), so that the
order of a listing is the same on every server, and is the order that Python sorts in.

What hangs on an entity refers to it by a foreign key, so that it cannot outlive it. References to namespaces, types
and predicates are none: `kb.curation` creates those before it names them, and a check for each row would take a fifth
of the time of a large import.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kb.limits import ID_CHARACTERS, PREDICATE_BYTES

Id = Text(collation="C")
THERE = text("deleted_at IS NULL")
Json = dict[str, Any]
POPULAR = (100, 10)  # names of entities that were linked at least so often have an index of their own


class Base(DeclarativeBase):
    """Parent of all tables; constraint names follow one convention, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text(), datetime: DateTime(timezone=True), bytes: BYTEA(), Json: JSONB()}  # noqa: RUF012


def now_column() -> Mapped[datetime]:
    """Return a column that says when the row was written."""
    return mapped_column(server_default=func.now())


def namespace_column() -> Mapped[str]:
    """Return the part of a primary key that says which knowledge base a row belongs to."""
    return mapped_column(Id, primary_key=True)


def row_number() -> Mapped[int]:
    """Return a primary key that counts up."""
    return mapped_column(BigInteger, Identity(), primary_key=True)


def count_column() -> Mapped[int]:
    """Return a column of numbers that start at 0."""
    return mapped_column(server_default="0")


def owner(table: str, column: str = "entity_id") -> ForeignKeyConstraint:
    """Return the reference of a row to the entity that it hangs on."""
    return ForeignKeyConstraint(
        ["namespace", column],
        ["entity.namespace", "entity.id"],
        name=f"fk_{table}_entity",
        onupdate="CASCADE",
        ondelete="CASCADE",
    )


class Namespace(Base):
    """One knowledge base."""

    __tablename__ = "namespace"

    name: Mapped[str] = mapped_column(Id, primary_key=True)
    label: Mapped[str | None]
    created_at: Mapped[datetime] = now_column()


class Source(Base):
    """Where entities were imported from, and under which licence."""

    __tablename__ = "source"
    __table_args__ = (UniqueConstraint("namespace", "name"),)

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id, ForeignKey("namespace.name", ondelete="CASCADE"))
    name: Mapped[str]
    licence: Mapped[str | None]
    url: Mapped[str | None]
    note: Mapped[str | None]
    imported_at: Mapped[datetime] = now_column()


class Entity(Base):
    """One entity; a deleted one stays as a row without aliases, types, relations and cross-references."""

    __tablename__ = "entity"
    __table_args__ = (
        CheckConstraint(f"char_length(id) BETWEEN 1 AND {ID_CHARACTERS}", name="id_length"),
        CheckConstraint("popularity >= 0", name="popularity"),
        Index("ix_entity_namespace_popularity", "namespace", text("popularity DESC"), postgresql_where=THERE),
        Index("ix_entity_namespace_updated_at", "namespace", "updated_at", postgresql_where=THERE),
        Index("ix_entity_undescribed", "namespace", "id", postgresql_where=text(f"{THERE} AND description IS NULL")),
    )

    namespace: Mapped[str] = mapped_column(Id, primary_key=True, server_default="default")
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    label: Mapped[str]
    description: Mapped[str | None]
    text: Mapped[str | None]
    popularity: Mapped[int] = count_column()
    source_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("source.id"))
    version: Mapped[int] = mapped_column(server_default="1")
    content_hash: Mapped[bytes]
    created_at: Mapped[datetime] = now_column()
    updated_at: Mapped[datetime] = now_column()
    deleted_at: Mapped[datetime | None]


class Redirect(Base):
    """That a deleted entity's id leads to another entity: it was merged into that one, or renamed."""

    __tablename__ = "redirect"
    __table_args__ = (
        owner("redirect", "id"),
        ForeignKeyConstraint(
            ["namespace", "target_id"],
            ["entity.namespace", "entity.id"],
            name="fk_redirect_target",
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("id <> target_id", name="not_to_itself"),
        Index("ix_redirect_namespace_target_id", "namespace", "target_id"),
    )

    namespace: Mapped[str] = namespace_column()
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    target_id: Mapped[str] = mapped_column(Id)


class Alias(Base):
    """A surface form of an entity; `normalised` is what `kb.normalise` makes of it, `popularity` is the entity's.

    With it, the best known of the many entities whose names start alike are found without a look at all of them.
    """

    __tablename__ = "alias"
    __table_args__ = (
        owner("alias"),
        CheckConstraint("count >= 0", name="count"),
        Index("ix_alias_namespace_normalised", "namespace", "normalised"),
        Index(
            "ix_alias_normalised_trigrams",
            "normalised",
            postgresql_using="gin",
            postgresql_ops={"normalised": "gin_trgm_ops"},
        ),
        *(
            Index(
                f"ix_alias_popular_{least}",
                "namespace",
                "normalised",
                postgresql_where=text(f"popularity >= {least}"),
            )
            for least in POPULAR
        ),
    )

    namespace: Mapped[str] = namespace_column()
    entity_id: Mapped[str] = mapped_column(Id, primary_key=True)
    text: Mapped[str] = mapped_column(Id, primary_key=True)
    normalised: Mapped[str] = mapped_column(Id)
    count: Mapped[int] = count_column()
    language: Mapped[str | None]
    popularity: Mapped[int] = count_column()


class Type(Base):
    """A class of entities."""

    __tablename__ = "type"
    __table_args__ = (
        ForeignKeyConstraint(["namespace", "parent_id"], ["type.namespace", "type.id"], name="fk_type_parent"),
        CheckConstraint(f"char_length(id) BETWEEN 1 AND {ID_CHARACTERS}", name="id_length"),
    )

    namespace: Mapped[str] = namespace_column()
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    label: Mapped[str]
    parent_id: Mapped[str | None] = mapped_column(Id)


class EntityType(Base):
    """That an entity has a type."""

    __tablename__ = "entity_type"
    __table_args__ = (
        owner("entity_type"),
        Index("ix_entity_type_namespace_type_id", "namespace", "type_id"),
    )

    namespace: Mapped[str] = namespace_column()
    entity_id: Mapped[str] = mapped_column(Id, primary_key=True)
    type_id: Mapped[str] = mapped_column(Id, primary_key=True)


class Predicate(Base):
    """The label of an edge."""

    __tablename__ = "predicate"
    __table_args__ = (CheckConstraint(f"octet_length(id) BETWEEN 1 AND {PREDICATE_BYTES}", name="id_length"),)

    namespace: Mapped[str] = namespace_column()
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    label: Mapped[str]


class Relation(Base):
    """An edge between entities. Its object need not exist: until it does, the relation is pending."""

    __tablename__ = "relation"
    __table_args__ = (
        owner("relation", "subject_id"),
        CheckConstraint("subject_id <> object_id", name="not_to_itself"),
        Index("ix_relation_namespace_object_id", "namespace", "object_id"),
    )

    namespace: Mapped[str] = namespace_column()
    subject_id: Mapped[str] = mapped_column(Id, primary_key=True)
    predicate_id: Mapped[str] = mapped_column(Id, primary_key=True)
    object_id: Mapped[str] = mapped_column(Id, primary_key=True)


class Xref(Base):
    """The id that another collection (scheme) gives the entity."""

    __tablename__ = "xref"
    __table_args__ = (owner("xref"), Index("ix_xref_namespace_scheme_value", "namespace", "scheme", "value"))

    namespace: Mapped[str] = namespace_column()
    entity_id: Mapped[str] = mapped_column(Id, primary_key=True)
    scheme: Mapped[str] = mapped_column(Id, primary_key=True)
    value: Mapped[str] = mapped_column(Id)


class Revision(Base):
    """One edit, with what was there before (null: nothing) and after (null: deleted), so that it can be undone.

    Those are only ever read as a whole, and plain JSON takes less time to write than JSONB. Of an id that leads to
    another entity, they hold the id and `redirect`. Revisions of one operation on several entities have a group.
    """

    __tablename__ = "revision"
    __table_args__ = (
        Index("ix_revision_namespace_entity_id", "namespace", "entity_id", "id"),
        Index("ix_revision_namespace_created_at", "namespace", "created_at"),
        *(
            Index(f"ix_revision_{name}", "namespace", name, "id", postgresql_where=text(f"{name} IS NOT NULL"))
            for name in ("type_id", "predicate_id", "group_id")
        ),
    )

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id)
    entity_id: Mapped[str | None] = mapped_column(Id)
    kind: Mapped[str]
    before: Mapped[Json | None] = mapped_column(JSON)
    after: Mapped[Json | None] = mapped_column(JSON)
    actor: Mapped[str | None]
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = now_column()
    type_id: Mapped[str | None] = mapped_column(Id)
    predicate_id: Mapped[str | None] = mapped_column(Id)
    group_id: Mapped[int | None] = mapped_column(BigInteger)


class Change(Base):
    """The outbox: what readers of the KB must look at again. Its largest version in a namespace is the kb_version."""

    __tablename__ = "change"

    namespace: Mapped[str] = namespace_column()
    version: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str]
    entity_id: Mapped[str | None] = mapped_column(Id)
    item_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = now_column()
