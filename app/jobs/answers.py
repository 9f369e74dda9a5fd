"""What the API answers of jobs, and which jobs are a caller's business."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session

from app.access.callers import Caller
from app.change_stream import News
from app.errors import ProblemError
from app.jobs import store
from app.jobs.store import JobMissing, JobRecord, Status
from app.schemas.jobs import Job
from app.schemas.problem import FieldProblem
from app.service import Service
from kb.keys import Role

LIST_REMEDY = "GET /v1/jobs lists those that there are"
ENDED: tuple[Status, ...] = ("done", "failed", "cancelled")
NEXT: dict[Status, str] = {
    "done": "send a new job; what is done can be fetched or deleted",
    "failed": "POST …/retry lets it go on, DELETE deletes it",
    "cancelled": "POST …/retry lets it go on, DELETE deletes it",
    "paused": "POST …/resume lets it go on, POST …/cancel ends it",
    "queued": "wait until it is done, or POST …/cancel",
    "running": "wait until it is done, or POST …/cancel",
}


def shown(job: JobRecord) -> Job:
    """Return what the API shows of a job."""
    rate = _rate(job)
    left = None
    if rate and job.status == "running" and job.cut_at is not None:
        left = round((job.documents - job.documents_done) / rate, 1)
    return Job(
        id=job.id,
        namespace=job.namespace,
        status=job.status,
        reason=job.reason,
        format=job.format,
        source=job.source,
        priority=job.priority,
        options=job.options,
        created_by=job.actor,
        documents=job.documents,
        complete=job.cut_at is not None,
        rejects=job.rejects,
        documents_done=job.documents_done,
        mentions=job.mentions,
        links=job.links,
        parts=job.chunks,
        parts_done=job.chunks_done,
        documents_per_second=rate,
        seconds_left=left,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _rate(job: JobRecord) -> float | None:
    if not job.seconds or not job.documents_done:
        return None
    if job.recent is not None:
        return round(job.recent / min(job.seconds, store.RATE_SECONDS), 2)
    return round(job.documents_done / job.seconds, 2) if job.status == "done" else None


def progress(service: Service, job_id: int) -> Callable[[], News]:
    """Return what tells how far a job is, whenever that is not as it was before."""
    before = ""

    def read() -> News:
        nonlocal before
        try:
            with Session(service.engine) as session:
                job = store.get_job(session, job_id)
        except JobMissing:
            return News([], last=True)
        data = shown(job).model_dump_json()
        # A rate falls while nothing is done; that alone is no news.
        state = f"{job.status} {job.documents} {job.rejects} {job.documents_done} {job.cut_at}"
        events = [] if state == before else [f"event: progress\ndata: {data}\n\n"]
        before = state
        return News(events, last=job.status in ENDED)

    return read


def parts(service: Service, job: JobRecord, read: Callable[[Session, int, int], bytes | None]) -> Iterator[bytes]:
    """Yield what each chunk has, one after the other, so that no more than one is in memory."""
    for number in range(job.chunks):
        with Session(service.engine) as session:
            found = read(session, job.id, number)
        if found:
            yield found


def check_part(job: JobRecord, part: int) -> None:
    """Check that a job has a part, or may still get it.

    Raises:
        ProblemError: it has none.
    """
    if part < job.chunks or (job.cut_at is None and job.status not in ENDED):
        return
    detail = f"job {job.id} has {job.chunks} parts, the first is 0"
    error = FieldProblem(field="part", detail=detail, remedy="send a smaller number")
    raise ProblemError("part-not-found", [error])


def wrong_status(job_id: int, status: Status, remedy: str | None = None) -> ProblemError:
    """Return the problem of a job that is in the wrong state for what is asked."""
    kind = "job-finished" if status in ENDED else "job-unfinished"
    error = FieldProblem(field="id", detail=f"job {job_id} is {status}", remedy=remedy or NEXT[status])
    return ProblemError(kind, [error])


def visible_job(service: Service, job_id: int, caller: Caller) -> JobRecord:
    """Return a job that is the caller's business.

    Raises:
        ProblemError: there is none, or it is somebody else's, which is told the same way.
    """
    with Session(service.engine) as session:
        try:
            job = store.get_job(session, job_id)
        except JobMissing:
            job = None
    own = job is not None and (is_admin(caller) or job.key_id == key_id_of(caller))
    if job is None or not own or job.namespace != service.settings.namespace:
        error = FieldProblem(field="id", detail=f"there is no job {job_id}", remedy=LIST_REMEDY)
        raise ProblemError("job-not-found", [error])
    return job


def is_admin(caller: Caller) -> bool:
    """Say whether a caller may see the jobs of all."""
    return caller.key is not None and caller.key.role.includes(Role.ADMIN)


def key_id_of(caller: Caller) -> int:
    """Return the id of the caller's key; an annotator has one."""
    assert caller.key is not None  # noqa: S101
    return caller.key.id
