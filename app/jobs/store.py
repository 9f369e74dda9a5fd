"""Jobs and their chunks in Postgres. All that reads and writes them is here; nothing here commits.

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

from app.jobs import store_sql as sql

QUEUE = "annotation"
PIECE_BYTES = 1 << 20
RATE_SECONDS = 60  # the rate is that of so long

Status = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Json = dict[str, Any]


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
    job_id = session.execute(text(sql.INSERT), values).scalar_one_or_none()
    if job_id is None:
        same = {"key_id": new.key_id, "idempotency_key": new.idempotency_key}
        return get_job(session, session.execute(text(sql.SAME), same).scalar_one()), False
    if upload is not None:
        store_input(session, job_id, upload)
    _defer(session, "cut", new.priority, [{"job": job_id}])
    return get_job(session, job_id), True


def store_input(session: Session, job_id: int, file: BinaryIO) -> None:
    """Store the documents of a job as they came, from the start of a file."""
    file.seek(0)
    number = 0
    while piece := file.read(PIECE_BYTES):
        session.execute(text(sql.ADD_INPUT), {"id": job_id, "number": number, "piece": piece})
        number += 1
    session.execute(text(sql.STORED), {"id": job_id, "size": file.tell()})


def read_input(session: Session, job_id: int) -> Iterator[bytes]:
    """Yield what `store_input` stored, piece by piece."""
    number = 0
    while piece := session.execute(text(sql.READ_INPUT), {"id": job_id, "number": number}).scalar_one_or_none():
        yield piece
        number += 1


def get_job(session: Session, job_id: int) -> JobRecord:
    """Return a job.

    Raises:
        JobMissing: there is none.
    """
    row = session.execute(text(sql.GET), {"id": job_id, "rated": timedelta(seconds=RATE_SECONDS)}).one_or_none()
    if row is None:
        raise JobMissing(job_id)
    return JobRecord(**row._mapping)


def lock_job(session: Session, job_id: int) -> JobRecord:
    """Return a job that nobody else changes until the transaction ends.

    Raises:
        JobMissing: there is none.
    """
    session.execute(text(sql.HOLD_BRIEFLY))
    session.execute(text(sql.LOCK), {"id": job_id})
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
    found = session.execute(text(sql.LIST), values | {"rated": timedelta(seconds=RATE_SECONDS)})
    return [JobRecord(**row._mapping) for row in found]


def count_unfinished(session: Session, key_id: int) -> int:
    """Return how many jobs of a key are not finished; nobody else adds one until the transaction ends."""
    session.execute(text(sql.TAKE_TURN), {"key_id": key_id})
    return int(session.execute(text(sql.UNFINISHED), {"key_id": key_id}).scalar_one())


def documents_of_day(session: Session, key_id: int) -> int:
    """Return how many documents were read for a key within the last 24 hours."""
    return int(session.execute(text(sql.LAST_DAY), {"key_id": key_id}).scalar_one())


def begin(session: Session, job_id: int, stamp: str | None) -> bool:
    """Note that a job runs; tell whether its source is what it was when it was first read."""
    found = session.execute(text(sql.BEGIN), {"id": job_id, "stamp": stamp}).one_or_none()
    return found is None or found.source_stamp == stamp


def add_chunk(session: Session, job: JobRecord, chunk: Chunk) -> None:
    """Add a chunk to a job, which the caller has locked, and queue it."""
    values = {"id": job.id, "documents": chunk.documents, "rejects": chunk.rejects}
    inputs = {"number": job.chunks, "input": chunk.input, "rejected": chunk.rejected}
    session.execute(text(sql.ADD_CHUNK), values | inputs)
    session.execute(text(sql.COUNT_READ), values)
    _defer(session, "link", job.priority, [{"job": job.id, "chunk": job.chunks}])


def end_input(session: Session, job_id: int) -> None:
    """Note that all documents of a job are in chunks; the caller has locked it."""
    session.execute(text(sql.DROP_INPUT), {"id": job_id})
    session.execute(text(sql.END_OF_INPUT), {"id": job_id})
    session.execute(text(sql.END), {"id": job_id})


def read_chunk(session: Session, job_id: int, number: int) -> bytes | None:
    """Return the documents of a chunk; None where it is done, or gone."""
    found: bytes | None = session.execute(text(sql.READ_CHUNK), {"id": job_id, "number": number}).scalar_one_or_none()
    return found


def finish_chunk(session: Session, job_id: int, number: int, result: bytes, mentions: int, links: int) -> bool:
    """Store the result of a chunk, unless it has one or its job has ended; tell whether that was done."""
    if lock_job(session, job_id).status not in {"running", "paused"}:
        return False
    chunk = {"id": job_id, "number": number}
    documents = session.execute(text(sql.DONE_CHUNK), chunk | {"result": result}).scalar_one_or_none()
    if documents is None:
        return False
    counts = {"documents": documents, "mentions": mentions, "links": links}
    session.execute(text(sql.COUNT_DONE), {"id": job_id} | counts)
    session.execute(text(sql.END), {"id": job_id})
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
    session.execute(text(sql.CHANGE), {"id": job_id, "status": status, "reason": reason})
    session.execute(text(sql.FORGET_WORK), {"id": str(job_id), "queue": QUEUE})
    if status != "running":
        return
    if job.cut_at is None:
        _defer(session, "cut", job.priority, [{"job": job_id}])
    numbers = session.execute(text(sql.OPEN_CHUNKS), {"id": job_id}).scalars()
    _defer(session, "link", job.priority, [{"job": job_id, "chunk": number} for number in numbers])


def read_part(session: Session, job_id: int, number: int) -> bytes | None:
    """Return the result of a chunk; None where it has none yet."""
    return session.execute(text(sql.PART), {"id": job_id, "number": number}).scalar_one_or_none()


def read_rejected(session: Session, job_id: int, number: int) -> bytes | None:
    """Return what could not be read among the documents of a chunk; None where that is nothing."""
    return session.execute(text(sql.REJECTED), {"id": job_id, "number": number}).scalar_one_or_none()


def delete_job(session: Session, job_id: int) -> None:
    """Delete a finished job with all that belongs to it.

    Raises:
        JobMissing: there is none.
        WrongStatus: it is not finished.
    """
    job = lock_job(session, job_id)
    if job.finished_at is None:
        raise WrongStatus(job.status)
    session.execute(text(sql.DELETE), {"id": job_id})


def prune(session: Session, age: timedelta) -> int:
    """Delete jobs that ended longer ago, with all that belongs to them; return how many."""
    return len(session.execute(text(sql.PRUNE), {"age": age}).all())


def take_over(session: Session, lease: timedelta, ids: Sequence[int] = ()) -> int:
    """Queue again the work of workers that have said nothing for so long; return how many pieces that were.

    Args:
        session: whose caller commits.
        lease: how long a worker may say nothing.
        ids: work of the queue that is known to be lost.
    """
    return len(session.execute(text(sql.TAKE_OVER), {"queue": QUEUE, "lease": lease, "ids": list(ids)}).all())


def _defer(session: Session, task: str, priority: int, work: Sequence[Json]) -> None:
    """Queue pieces of work; reading input goes before linking it, so that errors in it show early."""
    if work:
        ranked = 2 * priority + (task == "cut")
        values = {"queue": QUEUE, "task": task, "priority": ranked, "work": orjson.dumps(work).decode()}
        session.execute(text(sql.DEFER), values)
