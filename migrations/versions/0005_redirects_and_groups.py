"""Ids lead on to other entities; revisions know their type or predicate and what was edited with them; lists are quick.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
COLUMNS = (("type_id", ID), ("predicate_id", ID), ("group_id", sa.BigInteger()))


def upgrade() -> None:
    create_redirects()
    for name, kind in COLUMNS:
        op.add_column("revision", sa.Column(name, kind, nullable=True))
        op.create_index(
            f"ix_revision_{name}",
            "revision",
            ["namespace", name, "id"],
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    # What was edited is told by its content, of which only types have a parent.
    op.execute("""
        UPDATE revision SET type_id = CASE WHEN of_type THEN content->>'id' END,
            predicate_id = CASE WHEN NOT of_type THEN content->>'id' END
        FROM (SELECT id AS number, coalesce(after, before) AS content,
                  coalesce(after, before)::jsonb ? 'parent' AS of_type
              FROM revision WHERE entity_id IS NULL) item
        WHERE revision.id = item.number
    """)
    op.create_index("ix_revision_namespace_created_at", "revision", ["namespace", "created_at"])
    op.create_index(
        "ix_entity_namespace_updated_at",
        "entity",
        ["namespace", "updated_at"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_entity_undescribed",
        "entity",
        ["namespace", "id"],
        postgresql_where=sa.text("deleted_at IS NULL AND description IS NULL"),
    )


def downgrade() -> None:
    for name in ("ix_entity_undescribed", "ix_entity_namespace_updated_at"):
        op.drop_index(name, "entity")
    op.drop_index("ix_revision_namespace_created_at", "revision")
    for name, _ in COLUMNS:
        op.drop_index(f"ix_revision_{name}", "revision")
        op.drop_column("revision", name)
    # An id that leads on is deleted for those who know of no redirects.
    op.execute("UPDATE revision SET before = NULL WHERE before->>'redirect' IS NOT NULL")
    op.execute("UPDATE revision SET after = NULL WHERE after->>'redirect' IS NOT NULL")
    op.drop_table("redirect")


def create_redirects() -> None:
    """Create what says which entity a former id leads to."""
    op.create_table(
        "redirect",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("target_id", ID, nullable=False),
        sa.CheckConstraint("id <> target_id", name=op.f("ck_redirect_not_to_itself")),
        sa.ForeignKeyConstraint(
            ["namespace", "id"],
            ["entity.namespace", "entity.id"],
            name="fk_redirect_entity",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        # An entity that is renamed goes before the one that it becomes is there.
        sa.ForeignKeyConstraint(
            ["namespace", "target_id"],
            ["entity.namespace", "entity.id"],
            name="fk_redirect_target",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("namespace", "id", name=op.f("pk_redirect")),
    )
    op.create_index("ix_redirect_namespace_target_id", "redirect", ["namespace", "target_id"])
