"""The tables of the service around the knowledge base: keys, rate limits, jobs, feedback, proposals."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kb.tables import Base, Id, Json, count_column, now_column, row_number


class ApiKey(Base):
    """A key for the REST API, stored as its hash. Without a namespace it is good for all."""

    __tablename__ = "api_key"
    __table_args__ = (CheckConstraint("role IN ('reader', 'annotator', 'curator', 'admin')", name="role"),)

    id: Mapped[int] = row_number()
    namespace: Mapped[str | None] = mapped_column(Id, ForeignKey("namespace.name", ondelete="CASCADE"))
    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = now_column()
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    role: Mapped[str]
    rotated_at: Mapped[datetime | None]
    created_by: Mapped[str | None]


class RateBucket(Base):
    """How many requests a key or an address may still send; `granted` is what the last one to ask got.

    Not written to the log of the database: after a crash all buckets are full, which does no harm.
    """

    __tablename__ = "rate_bucket"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    name: Mapped[str] = mapped_column(Id, primary_key=True)
    tokens: Mapped[float] = mapped_column(Double)
    granted: Mapped[int]
    refilled_at: Mapped[datetime]


class Job(Base):
    """A piece of long work; `key` says what it works on, `progress` how far it came."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="status"),
        Index("ix_job_namespace_kind_key", "namespace", "kind", "key"),
        Index("ix_job_status", "status", "created_at"),
    )

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id)
    kind: Mapped[str]
    key: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="queued")
    parameters: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    progress: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    result: Mapped[Json | None]
    error: Mapped[str | None]
    actor: Mapped[str | None]
    attempts: Mapped[int] = count_column()
    created_at: Mapped[datetime] = now_column()
    started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = now_column()
    finished_at: Mapped[datetime | None]


class AnnotationJob(Base):
    """Documents to annotate, as one caller sent them; its chunks have the results.

    Attributes:
        key_id: the key of who sent it.
        digest: of the request, to tell whether an `Idempotency-Key` came back with another one.
        reason: why it is paused or failed.
        source: the path or URL that the documents are read from; None for an upload.
        source_stamp: what the source was when it was first read: who goes on reading must find the same.
        columns: what the text and the id of a document are called in the file.
        options: those of `POST /v1/annotate`.
        input_bytes: size of the stored input; None where there is none.
        documents, rejects: how many were read; `cut_at` says that these are all.
        resumed_at: when it last went from paused to running.
    """

    __tablename__ = "annotation_job"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')", name="status"),
        UniqueConstraint("key_id", "idempotency_key"),
        Index("ix_annotation_job_namespace", "namespace", "id"),
        Index("ix_annotation_job_key_id", "key_id", "id"),
        Index("ix_annotation_job_finished_at", "finished_at"),
    )

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id)
    key_id: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str]
    idempotency_key: Mapped[str | None]
    digest: Mapped[bytes]
    status: Mapped[str] = mapped_column(server_default="queued")
    reason: Mapped[str | None]
    priority: Mapped[int] = count_column()
    format: Mapped[str]
    columns: Mapped[Json]
    source: Mapped[str | None]
    source_stamp: Mapped[str | None]
    options: Mapped[Json]
    input_bytes: Mapped[int | None] = mapped_column(BigInteger)
    documents: Mapped[int] = count_column()
    rejects: Mapped[int] = count_column()
    chunks: Mapped[int] = count_column()
    documents_done: Mapped[int] = count_column()
    mentions: Mapped[int] = mapped_column(BigInteger, server_default="0")
    links: Mapped[int] = mapped_column(BigInteger, server_default="0")
    chunks_done: Mapped[int] = count_column()
    created_at: Mapped[datetime] = now_column()
    started_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    cut_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class AnnotationInput(Base):
    """A piece of the file that was sent with a job; it goes when all is cut into chunks."""

    __tablename__ = "annotation_input"

    job_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("annotation_job.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    piece: Mapped[bytes]


class AnnotationChunk(Base):
    """Some documents of a job, in its order. It is done when it has a `result`, and has its `input` until then.

    Attributes:
        input: the documents, a JSON object a line.
        result: their answers, a JSON object a line.
        rejected: what among these documents could not be read, a JSON object a line.
    """

    __tablename__ = "annotation_chunk"

    job_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("annotation_job.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    documents: Mapped[int]
    rejects: Mapped[int]
    input: Mapped[bytes | None]
    result: Mapped[bytes | None]
    rejected: Mapped[bytes | None]
    created_at: Mapped[datetime] = now_column()
    finished_at: Mapped[datetime | None]


class Proposal(Base):
    """An edit that waits for a curator; `base_version` is the version of the entity that it was made for.

    Of the kind `entity`: a new entity, whose mentions are in `nil_mention`.
    """

    __tablename__ = "proposal"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'accepted', 'rejected', 'withdrawn')", name="status"),
        Index("ix_proposal_namespace_status", "namespace", "status", "id"),
    )

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id, ForeignKey("namespace.name", ondelete="CASCADE"))
    kind: Mapped[str]
    entity_id: Mapped[str | None] = mapped_column(Id)
    base_version: Mapped[int | None]
    payload: Mapped[Json]
    status: Mapped[str] = mapped_column(server_default="open")
    actor: Mapped[str | None]
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = now_column()
    decided_by: Mapped[str | None]
    decision_comment: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class Feedback(Base):
    """What a person says that a mention should have been; offsets are code points, end exclusive.

    `digest` is of what makes two the same: who says it, the text, the span and what it should be.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        CheckConstraint("verdict IN ('entity', 'nil', 'no_mention')", name="verdict"),
        CheckConstraint("status IN ('open', 'accepted', 'rejected')", name="status"),
        CheckConstraint("(verdict = 'entity') = (entity_id IS NOT NULL)", name="entity"),
        UniqueConstraint("namespace", "digest"),
        Index("ix_feedback_namespace_status", "namespace", "status", "id"),
        Index("ix_feedback_created_at", "created_at"),
    )

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id)
    digest: Mapped[bytes]
    text: Mapped[str]
    start_offset: Mapped[int]
    end_offset: Mapped[int]
    verdict: Mapped[str]
    entity_id: Mapped[str | None] = mapped_column(Id)
    answered: Mapped[Json | None]
    model_version: Mapped[str]
    kb_version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(server_default="open")
    actor: Mapped[str]
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = now_column()
    decided_by: Mapped[str | None]
    decision_comment: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class NilMention(Base):
    """A mention whose entity is not in the KB, with what stands around it; `proposal_id` is its cluster.

    `vector` is the unit vector of the context (384 x fp16, little-endian) by the encoder of that version.
    """

    __tablename__ = "nil_mention"
    __table_args__ = (
        UniqueConstraint("namespace", "digest"),
        Index("ix_nil_mention_proposal_id", "proposal_id"),
        Index("ix_nil_mention_feedback_id", "feedback_id"),
        Index("ix_nil_mention_created_at", "created_at"),
    )

    id: Mapped[int] = row_number()
    namespace: Mapped[str] = mapped_column(Id)
    digest: Mapped[bytes]
    name: Mapped[str]
    normalised: Mapped[str] = mapped_column(Id)
    context: Mapped[str]
    start_offset: Mapped[int]
    end_offset: Mapped[int]
    vector: Mapped[bytes]
    encoder_version: Mapped[str]
    proposal_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("proposal.id", ondelete="CASCADE"))
    feedback_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("feedback.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = now_column()
