"""Keys have a role, can be renewed and know who made them; token buckets limit how much each may ask.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Scopes never meant anything, so a key that somebody put there by hand may do the least that there is.
    op.add_column("api_key", sa.Column("role", sa.Text(), server_default="reader", nullable=False))
    op.alter_column("api_key", "role", server_default=None)
    op.add_column("api_key", sa.Column("rotated_at", TIME, nullable=True))
    op.add_column("api_key", sa.Column("created_by", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_api_key_role"), "api_key", "role IN ('reader', 'annotator', 'curator', 'admin')"
    )
    op.drop_column("api_key", "scopes")
    op.create_table(
        "rate_bucket",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("refilled_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_bucket")),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    op.drop_table("rate_bucket")
    op.add_column("api_key", sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.alter_column("api_key", "scopes", server_default=None)
    op.drop_constraint(op.f("ck_api_key_role"), "api_key", type_="check")
    for column in ("created_by", "rotated_at", "role"):
        op.drop_column("api_key", column)
