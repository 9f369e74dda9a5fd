"""The tables of the knowledge base.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EXTENSIONS = ("pg_trgm", "unaccent", "fuzzystrmatch")
ID = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    create_sources()
    create_entities()
    create_classes()
    create_edges()
    create_journal()
    create_keys()
    create_jobs()


def downgrade() -> None:
    # The extensions stay: others in the same database may use them, and IF NOT EXISTS finds them again.
    for table in (
        "job",
        "proposal",
        "api_key",
        "change",
        "revision",
        "xref",
        "relation",
        "entity_type",
        "predicate",
        "type",
        "alias_occurrence",
        "alias",
        "entity",
        "source",
        "namespace",
    ):
        op.drop_table(table)


def create_sources() -> None:
    """Create namespaces and where their entities come from."""
    op.create_table(
        "namespace",
        sa.Column("name", ID, nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_namespace")),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("imported_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace"], ["namespace.name"], name=op.f("fk_source_namespace_namespace"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_source_namespace_name")),
    )


def create_entities() -> None:
    """Create entities and their aliases."""
    op.create_table(
        "entity",
        sa.Column("namespace", ID, server_default="default", nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("popularity", sa.Integer(), server_default="0", nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("content_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.CheckConstraint("char_length(id) BETWEEN 1 AND 250", name=op.f("ck_entity_id_length")),
        sa.CheckConstraint("popularity >= 0", name=op.f("ck_entity_popularity")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_entity_source_id_source")),
        sa.PrimaryKeyConstraint("namespace", "id", name=op.f("pk_entity")),
    )
    op.create_index(
        "ix_entity_namespace_popularity",
        "entity",
        ["namespace", sa.literal_column("popularity DESC")],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "alias",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("entity_id", ID, nullable=False),
        sa.Column("text", ID, nullable=False),
        sa.Column("normalised", ID, nullable=False),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.CheckConstraint("count >= 0", name=op.f("ck_alias_count")),
        sa.ForeignKeyConstraint(
            ["namespace", "entity_id"],
            ["entity.namespace", "entity.id"],
            name="fk_alias_entity",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("namespace", "entity_id", "text", name=op.f("pk_alias")),
    )
    op.create_index("ix_alias_namespace_normalised", "alias", ["namespace", "normalised"])
    op.create_index(
        "ix_alias_normalised_trigrams",
        "alias",
        ["normalised"],
        postgresql_using="gin",
        postgresql_ops={"normalised": "gin_trgm_ops"},
    )
    op.create_table(
        "alias_occurrence",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("normalised", ID, nullable=False),
        sa.Column("upper_occurrences", sa.Integer(), server_default="0", nullable=False),
        sa.Column("upper_links", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lower_occurrences", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lower_links", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("namespace", "normalised", name=op.f("pk_alias_occurrence")),
    )


def create_classes() -> None:
    """Create types and predicates."""
    op.create_table(
        "type",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("parent_id", ID, nullable=True),
        sa.CheckConstraint("char_length(id) BETWEEN 1 AND 250", name=op.f("ck_type_id_length")),
        sa.ForeignKeyConstraint(["namespace", "parent_id"], ["type.namespace", "type.id"], name="fk_type_parent"),
        sa.PrimaryKeyConstraint("namespace", "id", name=op.f("pk_type")),
    )
    op.create_table(
        "predicate",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.CheckConstraint("octet_length(id) BETWEEN 1 AND 500", name=op.f("ck_predicate_id_length")),
        sa.PrimaryKeyConstraint("namespace", "id", name=op.f("pk_predicate")),
    )


def create_edges() -> None:
    """Create what entities have: types, relations, cross-references."""
    op.create_table(
        "entity_type",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("entity_id", ID, nullable=False),
        sa.Column("type_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace", "entity_id"],
            ["entity.namespace", "entity.id"],
            name="fk_entity_type_entity",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("namespace", "entity_id", "type_id", name=op.f("pk_entity_type")),
    )
    op.create_index("ix_entity_type_namespace_type_id", "entity_type", ["namespace", "type_id"])
    op.create_table(
        "relation",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("predicate_id", ID, nullable=False),
        sa.Column("object_id", ID, nullable=False),
        sa.CheckConstraint("subject_id <> object_id", name=op.f("ck_relation_not_to_itself")),
        sa.ForeignKeyConstraint(
            ["namespace", "subject_id"],
            ["entity.namespace", "entity.id"],
            name="fk_relation_entity",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("namespace", "subject_id", "predicate_id", "object_id", name=op.f("pk_relation")),
    )
    op.create_index("ix_relation_namespace_object_id", "relation", ["namespace", "object_id"])
    op.create_table(
        "xref",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("entity_id", ID, nullable=False),
        sa.Column("scheme", ID, nullable=False),
        sa.Column("value", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["namespace", "entity_id"],
            ["entity.namespace", "entity.id"],
            name="fk_xref_entity",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("namespace", "entity_id", "scheme", name=op.f("pk_xref")),
    )
    op.create_index("ix_xref_namespace_scheme_value", "xref", ["namespace", "scheme", "value"])


def create_journal() -> None:
    """Create the history of edits and the outbox."""
    op.create_table(
        "revision",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("entity_id", ID, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
    )
    op.create_index("ix_revision_namespace_entity_id", "revision", ["namespace", "entity_id", "id"])
    op.create_table(
        "change",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("version", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity_id", ID, nullable=True),
        sa.Column("item_id", ID, nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "version", name=op.f("pk_change")),
    )


def create_keys() -> None:
    """Create keys of the REST API and proposed edits."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["namespace"], ["namespace.name"], name=op.f("fk_api_key_namespace_namespace"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_table(
        "proposal",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity_id", ID, nullable=True),
        sa.Column("base_version", sa.Integer(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_comment", sa.Text(), nullable=True),
        sa.Column("decided_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('open', 'accepted', 'rejected', 'withdrawn')", name=op.f("ck_proposal_status")),
        sa.ForeignKeyConstraint(
            ["namespace"], ["namespace.name"], name=op.f("fk_proposal_namespace_namespace"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    op.create_index("ix_proposal_namespace_status", "proposal", ["namespace", "status", "id"])


def create_jobs() -> None:
    """Create long work."""
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("parameters", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("progress", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_job_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index("ix_job_namespace_kind_key", "job", ["namespace", "kind", "key"])
    op.create_index("ix_job_status", "job", ["status", "created_at"])
