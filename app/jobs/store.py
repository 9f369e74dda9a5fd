"""Jobs and their chunks in Postgres. All SQL about them is here; nothing here commits.

What makes a document appear once, whatever is killed: a chunk's result, the counts of its job and the work that
follows from them are written in one transaction, which holds the job's row from its start (`lock_job`), and only where
the chunk has no result yet. The queue (procrastinate) is told in the same transaction. It may bring a piece of work
twice, or when nothing is left to do of it; it forgets none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

QUEUE = "annotation"
PIECE_BYTES = 1 << 20
RATE_SECONDS = 60  # the rate is that of so long

Status = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Json = dict[str, Any]

COLUMNS = """
    id, namespace, key_id, actor, status, reason, priority, format, columns, source, source_stamp, options, input_bytes,
    documents, rejects, chunks, documents_done, mentions, links, chunks_done,
    created_at, started_at, resumed_at, cut_at, finished_at, digest,
    extract(epoch FROM coalesce(finished_at, now()) - coalesce(resumed_at, started_at))::float AS seconds,
    CASE WHEN status = 'running' THEN (
        SELECT coalesce(sum(annotation_chunk.documents), 0) FROM annotation_chunk
        WHERE job_id = annotation_job.id
          AND finished_at > greatest(now() - CAST(:rated AS interval), annotation_job.resumed_at)
    ) END AS recent
"""
INSERT = """
    INSERT INTO annotation_job
        (namespace, key_id, actor, idempotency_key, digest, priority, format, columns, source, options)
    VALUES (:namespace, :key_id, :actor, :idempotency_key, :digest, :priority, :format, :columns, :source, :options)
    ON CONFLICT (key_id, idempotency_key) DO NOTHING RETURNING id
"""
SAME = "SELECT id FROM annotation_job WHERE key_id = :key_id AND idempotency_key = :idempotency_key"
GET = f"SELECT {COLUMNS} FROM annotation_job WHERE id = :id"  # noqa: S608
# A worker that stands still, or whose machine is cut off, must not keep a job locked: the server ends its session.
LOCK_SECONDS = 10
HOLD_BRIEFLY = f"SET LOCAL idle_in_transaction_session_timeout = '{LOCK_SECONDS}s'"
LOCK = "SELECT 1 FROM annotation_job WHERE id = :id FOR UPDATE"
LIST = f"""
    SELECT {COLUMNS} FROM annotation_job
    WHERE namespace = :namespace AND (CAST(:key_id AS bigint) IS NULL OR key_id = :key_id)
      AND (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:before AS bigint) IS NULL OR id < :before)
    ORDER BY id DESC LIMIT :limit
"""  # noqa: S608
UNFINISHED = "SELECT count(*) FROM annotation_job WHERE key_id = :key_id AND finished_at IS NULL"
# One after the other, so that two that come together cannot both be the last that is allowed.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('annotation_job', :key_id))"
LAST_DAY = """
    SELECT coalesce(sum(annotation_chunk.documents), 0)
    FROM annotation_job JOIN annotation_chunk ON annotation_chunk.job_id = annotation_job.id
    WHERE annotation_job.key_id = :key_id AND annotation_chunk.created_at > now() - interval '1 day'
"""
ADD_INPUT = "INSERT INTO annotation_input (job_id, number, piece) VALUES (:id, :number, :piece)"
READ_INPUT = "SELECT piece FROM annotation_input WHERE job_id = :id AND number = :number"
DROP_INPUT = "DELETE FROM annotation_input WHERE job_id = :id"
STORED = "UPDATE annotation_job SET input_bytes = :size WHERE id = :id"
BEGIN = """
    UPDATE annotation_job SET status = 'running', started_at = coalesce(started_at, now()),
        resumed_at = coalesce(resumed_at, now()), source_stamp = coalesce(source_stamp, :stamp)
    WHERE id = :id AND status IN ('queued', 'running') RETURNING source_stamp
"""
ADD_CHUNK = """
    INSERT INTO annotation_chunk (job_id, number, documents, rejects, input, rejected)
    VALUES (:id, :number, :documents, :rejects, :input, :rejected)
"""
COUNT_READ = """
    UPDATE annotation_job SET chunks = chunks + 1, documents = documents + :documents, rejects = rejects + :rejects
    WHERE id = :id
"""
END_OF_INPUT = "UPDATE annotation_job SET cut_at = now() WHERE id = :id"
READ_CHUNK = "SELECT input FROM annotation_chunk WHERE job_id = :id AND number = :number AND result IS NULL"
DONE_CHUNK = """
    UPDATE annotation_chunk SET result = :result, input = NULL, finished_at = now()
    WHERE job_id = :id AND number = :number AND result IS NULL RETURNING documents
"""
COUNT_DONE = """
    UPDATE annotation_job SET chunks_done = chunks_done + 1, documents_done = documents_done + :documents,
        mentions = mentions + :mentions, links = links + :links
    WHERE id = :id
"""
END = """
    UPDATE annotation_job SET status = 'done', reason = NULL, finished_at = now()
    WHERE id = :id AND cut_at IS NOT NULL AND chunks_done = chunks
"""
CHANGE = """
    UPDATE annotation_job SET reason = :reason,
        status = CASE WHEN :status = 'running' AND started_at IS NULL THEN 'queued' ELSE :status END,
        finished_at = CASE WHEN :status IN ('failed', 'cancelled') THEN now() END,
        resumed_at = CASE WHEN :status = 'running' THEN now() ELSE resumed_at END
    WHERE id = :id
"""
OPEN_CHUNKS = "SELECT number FROM annotation_chunk WHERE job_id = :id AND result IS NULL ORDER BY number"
PART = "SELECT result FROM annotation_chunk WHERE job_id = :id AND number = :number"
REJECTED = "SELECT rejected FROM annotation_chunk WHERE job_id = :id AND number = :number"
DELETE = "DELETE FROM annotation_job WHERE id = :id"
PRUNE = "DELETE FROM annotation_job WHERE finished_at < now() - CAST(:age AS interval) RETURNING id"
# The type of the queue's argument has the same columns as ROW has here.
DEFER = """
    SELECT procrastinate.procrastinate_defer_jobs_v1(array_agg(
        ROW(CAST(:queue AS text), CAST(:task AS text), CAST(:priority AS int), NULL, NULL, work, NULL)
            ::procrastinate.procrastinate_job_to_defer_v1))
    FROM jsonb_array_elements(CAST(:work AS jsonb)) AS work
"""
# Work of workers that no longer say that they live; it goes to whoever asks next.
TAKE_OVER = """
    WITH lost AS (
        SELECT job.id FROM procrastinate.procrastinate_jobs job
        LEFT JOIN procrastinate.procrastinate_workers worker ON worker.id = job.worker_id
        WHERE job.status = 'doing' AND job.queue_name = :queue
          AND (worker.id IS NULL OR worker.last_heartbeat < now() - CAST(:lease AS interval) OR job.id = ANY(:ids))
        FOR UPDATE OF job SKIP LOCKED
    )
    SELECT id, procrastinate.procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM lost
"""
FORGET_WORK = """
    DELETE FROM procrastinate.procrastinate_jobs WHERE status = 'todo' AND queue_name = :queue AND args->'job' = :id
"""


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a caller wants done; see `kb.tables_service.AnnotationJob`."""

    namespace: str
    key_id: int
    actor: str
    idempotency_key: str | None
    digest: bytes
    priority: int
    format: str
    columns: Json
    source: str | None
    options: Json


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job; see `kb.tables_service.AnnotationJob`.

    Attributes:
        seconds: how long it has run since it was last started or resumed; None where it never was.
        recent: documents done in the last minute of that, where it runs.
    """

    id: int
    namespace: str
    key_id: int
    actor: str
    status: Status
    reason: str | None
    priority: int
    format: str
    columns: Json
    source: str | None
    source_stamp: str | None
    options: Json
    input_bytes: int | None
    documents: int
    rejects: int
    chunks: int
    documents_done: int
    mentions: int
    links: int
    chunks_done: int
    created_at: datetime
    started_at: datetime | None
    resumed_at: datetime | None
    cut_at: datetime | None
    finished_at: datetime | None
    digest: bytes
    seconds: float | None
    recent: int | None

    @property
    def items(self) -> int:
        """How many documents were read, with those that could not be."""
        return self.documents + self.rejects


@dataclass(frozen=True, slots=True)
class Chunk:
    """Documents that were read, and what of them could not be: a JSON object a line each."""

    documents: int
    rejects: int
    input: bytes
    rejected: bytes | None


class JobMissing(LookupError):  # noqa: N818
    """There is no such job."""


class WrongStatus(ValueError):  # noqa: N818
    """A job in this state cannot be changed so.

    Attributes:
        status: its state.
    """

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


def create_job(session: Session, new: NewJob, upload: BinaryIO | None) -> tuple[JobRecord, bool]:
    """Store a job and queue it; or return the one that the same caller sent with the same `Idempotency-Key`.

    Args:
        session: whose caller commits.
        new: the job.
        upload: its documents, read from the start; None where they are at its source.

    Returns:
        The job, and whether it is new.
    """
    values = {name: getattr(new, name) for name in NewJob.__slots__}
    values |= {name: orjson.dumps(values[name]).decode() for name in ("columns", "options")}
    job_id = session.execute(text(INSERT), values).scalar_one_or_none()
    if job_id is None:
        same = {"key_id": new.key_id, "idempotency_key": new.idempotency_key}
        return get_job(session, session.execute(text(SAME), same).scalar_one()), False
    if upload is not None:
        store_input(session, job_id, upload)
    _defer(session, "cut", new.priority, [{"job": job_id}])
    return get_job(session, job_id), True


def store_input(session: Session, job_id: int, file: BinaryIO) -> None:
    """Store the documents of a job as they came, from the start of a file."""
    file.seek(0)
    number = 0
    while piece := file.read(PIECE_BYTES):
        session.execute(text(ADD_INPUT), {"id": job_id, "number": number, "piece": piece})
        number += 1
    session.execute(text(STORED), {"id": job_id, "size": file.tell()})


def read_input(session: Session, job_id: int) -> Iterator[bytes]:
    """Yield what `store_input` stored, piece by piece."""
    number = 0
    while piece := session.execute(text(READ_INPUT), {"id": job_id, "number": number}).scalar_one_or_none():
        yield piece
        number += 1


def get_job(session: Session, job_id: int) -> JobRecord:
    """Return a job.

    Raises:
        JobMissing: there is none.
    """
    row = session.execute(text(GET), {"id": job_id, "rated": timedelta(seconds=RATE_SECONDS)}).one_or_none()
    if row is None:
        raise JobMissing(job_id)
    return JobRecord(**row._mapping)


def lock_job(session: Session, job_id: int) -> JobRecord:
    """Return a job that nobody else changes until the transaction ends.

    Raises:
        JobMissing: there is none.
    """
    session.execute(text(HOLD_BRIEFLY))
    session.execute(text(LOCK), {"id": job_id})
    return get_job(session, job_id)


def list_jobs(
    session: Session, namespace: str, key_id: int | None, status: Status | None, before: int | None, limit: int
) -> list[JobRecord]:
    """Return the jobs of a knowledge base, the newest first.

    Args:
        session: reads them.
        namespace: the knowledge base.
        key_id: only those of this key.
        status: only those in this state.
        before: only those with a smaller id.
        limit: most to return.
    """
    values = {"namespace": namespace, "key_id": key_id, "status": status, "before": before, "limit": limit}
    found = session.execute(text(LIST), values | {"rated": timedelta(seconds=RATE_SECONDS)})
    return [JobRecord(**row._mapping) for row in found]


def count_unfinished(session: Session, key_id: int) -> int:
    """Return how many jobs of a key are not finished; nobody else adds one until the transaction ends."""
    session.execute(text(TAKE_TURN), {"key_id": key_id})
    return int(session.execute(text(UNFINISHED), {"key_id": key_id}).scalar_one())


def documents_of_day(session: Session, key_id: int) -> int:
    """Return how many documents were read for a key within the last 24 hours."""
    return int(session.execute(text(LAST_DAY), {"key_id": key_id}).scalar_one())


def begin(session: Session, job_id: int, stamp: str | None) -> bool:
    """Note that a job runs; tell whether its source is what it was when it was first read."""
    found = session.execute(text(BEGIN), {"id": job_id, "stamp": stamp}).one_or_none()
    return found is None or found.source_stamp == stamp


def add_chunk(session: Session, job: JobRecord, chunk: Chunk) -> None:
    """Add a chunk to a job, which the caller has locked, and queue it."""
    values = {"id": job.id, "documents": chunk.documents, "rejects": chunk.rejects}
    inputs = {"number": job.chunks, "input": chunk.input, "rejected": chunk.rejected}
    session.execute(text(ADD_CHUNK), values | inputs)
    session.execute(text(COUNT_READ), values)
    _defer(session, "link", job.priority, [{"job": job.id, "chunk": job.chunks}])


def end_input(session: Session, job_id: int) -> None:
    """Note that all documents of a job are in chunks; the caller has locked it."""
    session.execute(text(DROP_INPUT), {"id": job_id})
    session.execute(text(END_OF_INPUT), {"id": job_id})
    session.execute(text(END), {"id": job_id})


def read_chunk(session: Session, job_id: int, number: int) -> bytes | None:
    """Return the documents of a chunk; None where it is done, or gone."""
    found: bytes | None = session.execute(text(READ_CHUNK), {"id": job_id, "number": number}).scalar_one_or_none()
    return found


def finish_chunk(session: Session, job_id: int, number: int, result: bytes, mentions: int, links: int) -> bool:
    """Store the result of a chunk, unless it has one or its job has ended; tell whether that was done."""
    if lock_job(session, job_id).status not in {"running", "paused"}:
        return False
    chunk = {"id": job_id, "number": number}
    documents = session.execute(text(DONE_CHUNK), chunk | {"result": result}).scalar_one_or_none()
    if documents is None:
        return False
    counts = {"documents": documents, "mentions": mentions, "links": links}
    session.execute(text(COUNT_DONE), {"id": job_id} | counts)
    session.execute(text(END), {"id": job_id})
    return True


def change(session: Session, job_id: int, status: Status, allowed: Sequence[Status], reason: str | None = None) -> None:
    """Bring a job into another state: one that runs again is queued, one that does not is taken from the queue.

    Raises:
        JobMissing: there is none.
        WrongStatus: it is in none of the states from which this is allowed.
    """
    job = lock_job(session, job_id)
    if job.status not in allowed:
        raise WrongStatus(job.status)
    session.execute(text(CHANGE), {"id": job_id, "status": status, "reason": reason})
    session.execute(text(FORGET_WORK), {"id": str(job_id), "queue": QUEUE})
    if status != "running":
        return
    if job.cut_at is None:
        _defer(session, "cut", job.priority, [{"job": job_id}])
    numbers = session.execute(text(OPEN_CHUNKS), {"id": job_id}).scalars()
    _defer(session, "link", job.priority, [{"job": job_id, "chunk": number} for number in numbers])


def read_part(session: Session, job_id: int, number: int) -> bytes | None:
    """Return the result of a chunk; None where it has none yet."""
    return session.execute(text(PART), {"id": job_id, "number": number}).scalar_one_or_none()


def read_rejected(session: Session, job_id: int, number: int) -> bytes | None:
    """Return what could not be read among the documents of a chunk; None where that is nothing."""
    return session.execute(text(REJECTED), {"id": job_id, "number": number}).scalar_one_or_none()


def delete_job(session: Session, job_id: int) -> None:
    """Delete a finished job with all that belongs to it.

    Raises:
        JobMissing: there is none.
        WrongStatus: it is not finished.
    """
    job = lock_job(session, job_id)
    if job.finished_at is None:
        raise WrongStatus(job.status)
    session.execute(text(DELETE), {"id": job_id})


def prune(session: Session, age: timedelta) -> int:
    """Delete jobs that ended longer ago, with all that belongs to them; return how many."""
    return len(session.execute(text(PRUNE), {"age": age}).all())


def take_over(session: Session, lease: timedelta, ids: Sequence[int] = ()) -> int:
    """Queue again the work of workers that have said nothing for so long; return how many pieces that were.

    Args:
        session: whose caller commits.
        lease: how long a worker may say nothing.
        ids: work of the queue that is known to be lost.
    """
    return len(session.execute(text(TAKE_OVER), {"queue": QUEUE, "lease": lease, "ids": list(ids)}).all())


def _defer(session: Session, task: str, priority: int, work: Sequence[Json]) -> None:
    """Queue pieces of work; reading input goes before linking it, so that errors in it show early."""
    if work:
        ranked = 2 * priority + (task == "cut")
        values = {"queue": QUEUE, "task": task, "priority": ranked, "work": orjson.dumps(work).decode()}
        session.execute(text(DEFER), values)
