"""Feedback on answers, and mentions whose entity is not there, from which new entities are proposed.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("digest", postgresql.BYTEA(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("start_offset", sa.Integer(), nullable=False),
        sa.Column("end_offset", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("entity_id", ID, nullable=True),
        sa.Column("answered", postgresql.JSONB(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("kb_version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_comment", sa.Text(), nullable=True),
        sa.Column("decided_at", TIME, nullable=True),
        sa.CheckConstraint("verdict IN ('entity', 'nil', 'no_mention')", name=op.f("ck_feedback_verdict")),
        sa.CheckConstraint("status IN ('open', 'accepted', 'rejected')", name=op.f("ck_feedback_status")),
        sa.CheckConstraint("(verdict = 'entity') = (entity_id IS NOT NULL)", name=op.f("ck_feedback_entity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("namespace", "digest", name=op.f("uq_feedback_namespace_digest")),
    )
    op.create_index("ix_feedback_namespace_status", "feedback", ["namespace", "status", "id"])
    op.create_index("ix_feedback_created_at", "feedback", ["created_at"])
    op.create_table(
        "nil_mention",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("digest", postgresql.BYTEA(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("normalised", ID, nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("start_offset", sa.Integer(), nullable=False),
        sa.Column("end_offset", sa.Integer(), nullable=False),
        sa.Column("vector", postgresql.BYTEA(), nullable=False),
        sa.Column("encoder_version", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("feedback_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposal.id"], name=op.f("fk_nil_mention_proposal_id_proposal"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["feedback_id"], ["feedback.id"], name=op.f("fk_nil_mention_feedback_id_feedback"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nil_mention")),
        sa.UniqueConstraint("namespace", "digest", name=op.f("uq_nil_mention_namespace_digest")),
    )
    for column in ("proposal_id", "feedback_id", "created_at"):
        op.create_index(f"ix_nil_mention_{column}", "nil_mention", [column])


def downgrade() -> None:
    op.drop_table("nil_mention")
    op.drop_table("feedback")
