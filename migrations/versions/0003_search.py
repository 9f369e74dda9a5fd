"""Names know how popular their entity is; those of popular entities have indexes of their own, to be searched first.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LEVELS = (100, 10)
TRIGRAMS = "ix_alias_normalised_trigrams"


def upgrade() -> None:
    # Every name is written anew, and the trigrams of all names are indexed faster at once than one by one.
    op.drop_index(TRIGRAMS, "alias")
    op.add_column("alias", sa.Column("popularity", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE alias a SET popularity = e.popularity FROM entity e"
        " WHERE e.namespace = a.namespace AND e.id = a.entity_id AND e.popularity > 0"
    )
    op.create_index(
        TRIGRAMS, "alias", ["normalised"], postgresql_using="gin", postgresql_ops={"normalised": "gin_trgm_ops"}
    )
    for least in LEVELS:
        op.create_index(
            f"ix_alias_popular_{least}",
            "alias",
            ["namespace", "normalised"],
            postgresql_where=sa.text(f"popularity >= {least}"),
        )


def downgrade() -> None:
    for least in LEVELS:
        op.drop_index(f"ix_alias_popular_{least}", "alias")
    op.drop_column("alias", "popularity")
