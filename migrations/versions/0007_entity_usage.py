"""How entities are written about: the mean vector of the links that lead to each.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "entity_usage",
        sa.Column("namespace", ID, nullable=False),
        sa.Column("entity_id", ID, nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("links", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("links > 0", name=op.f("ck_entity_usage_links")),
        sa.ForeignKeyConstraint(
            ["namespace", "entity_id"],
            ["entity.namespace", "entity.id"],
            name="fk_entity_usage_entity",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("namespace", "entity_id", name=op.f("pk_entity_usage")),
    )


def downgrade() -> None:
    op.drop_table("entity_usage")
