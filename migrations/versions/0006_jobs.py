"""Documents are annotated in bulk: jobs, their input and their chunks, and the tables of the queue.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")
QUEUE = Path(__file__).parents[1] / "sql" / "procrastinate_3_10_0.sql"
# Whoever puts work into the queue does so in a transaction about other tables, and need not know where it looks.
FIND_THEIR_TABLES = """
    DO $$
    DECLARE
        name regprocedure;
    BEGIN
        FOR name IN SELECT oid FROM pg_proc WHERE pronamespace = 'procrastinate'::regnamespace LOOP
            EXECUTE format('ALTER FUNCTION %s SET search_path = procrastinate', name);
        END LOOP;
    END $$
"""


def upgrade() -> None:
    create_jobs()
    create_inputs()
    create_queue()


def downgrade() -> None:
    op.execute("DROP SCHEMA procrastinate CASCADE")
    for table in ("annotation_chunk", "annotation_input", "annotation_job"):
        op.drop_table(table)


def create_jobs() -> None:
    """Create jobs."""
    op.create_table(
        "annotation_job",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("namespace", ID, nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("digest", postgresql.BYTEA(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_stamp", sa.Text(), nullable=True),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("input_bytes", sa.BigInteger(), nullable=True),
        sa.Column("documents", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejects", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("documents_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("mentions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("links", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("chunks_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("resumed_at", TIME, nullable=True),
        sa.Column("cut_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')",
            name=op.f("ck_annotation_job_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation_job")),
        sa.UniqueConstraint("key_id", "idempotency_key", name=op.f("uq_annotation_job_key_id_idempotency_key")),
    )
    op.create_index("ix_annotation_job_namespace", "annotation_job", ["namespace", "id"])
    op.create_index("ix_annotation_job_key_id", "annotation_job", ["key_id", "id"])
    op.create_index("ix_annotation_job_finished_at", "annotation_job", ["finished_at"])


def create_inputs() -> None:
    """Create what jobs read and write."""
    op.create_table(
        "annotation_input",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("piece", postgresql.BYTEA(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["annotation_job.id"],
            name=op.f("fk_annotation_input_job_id_annotation_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_annotation_input")),
    )
    op.create_table(
        "annotation_chunk",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("rejects", sa.Integer(), nullable=False),
        sa.Column("input", postgresql.BYTEA(), nullable=True),
        sa.Column("result", postgresql.BYTEA(), nullable=True),
        sa.Column("rejected", postgresql.BYTEA(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["annotation_job.id"],
            name=op.f("fk_annotation_chunk_job_id_annotation_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_annotation_chunk")),
    )


def create_queue() -> None:
    """Create the tables of procrastinate, in a schema of their own."""
    bind = op.get_bind()
    before = bind.exec_driver_sql("SHOW search_path").scalar_one()
    bind.exec_driver_sql("CREATE SCHEMA procrastinate")
    bind.exec_driver_sql("SET LOCAL search_path TO procrastinate")
    # The driver itself takes several statements, and a % in them for nothing but a %.
    with bind.connection.cursor() as cursor:
        cursor.execute(QUEUE.read_text(encoding="utf-8"))
        cursor.execute(FIND_THEIR_TABLES)
    bind.execute(sa.text("SELECT set_config('search_path', :before, true)"), {"before": before})
