"""How much the jobs of one key may be: so many unfinished at a time, so many documents within 24 hours."""

from __future__ import annotations

from typing import BinaryIO

from sqlalchemy.orm import Session

from app.errors import ProblemError
from app.jobs import store
from app.jobs.store import JobRecord, NewJob
from app.schemas.problem import FieldProblem
from app.service import Service
from app.settings import Settings


def store_job(service: Service, new: NewJob, file: BinaryIO | None) -> JobRecord:
    """Store a job, within what its key may have.

    Raises:
        ProblemError: the key has as much as it may, or its `Idempotency-Key` was another request's.
    """
    with Session(service.engine) as session, session.begin():
        full = find_full(session, service.settings, new.key_id)
        job, is_new = store.create_job(session, new, file)
        if not is_new and job.digest != new.digest:
            detail = f"it came with job {job.id} before, which is another one"
            error = FieldProblem(field="Idempotency-Key", detail=detail, remedy="send another one with each job")
            raise ProblemError("idempotency-key-reused", [error])
        if is_new and full is not None:
            raise full
    return job


def find_full(session: Session, settings: Settings, key_id: int) -> ProblemError | None:
    """Return why a key may have no other job now; None where it may. Nobody else adds one in this transaction."""
    unfinished = store.count_unfinished(session, key_id)
    if unfinished >= settings.jobs_per_key:
        detail = f"{unfinished} jobs of this key are not finished, at most {settings.jobs_per_key} may be"
        return _quota(detail, "wait until one is finished, or cancel one", 60)
    most = settings.job_documents_per_day
    if most and store.documents_of_day(session, key_id) >= most:
        detail = f"the jobs of this key have read {most} documents within 24 hours, and may read no more"
        return _quota(detail, "try again later, or raise NAMESAKE_JOB_DOCUMENTS_PER_DAY on the server", 3600)
    return None


def _quota(detail: str, remedy: str, seconds: int) -> ProblemError:
    error = FieldProblem(field="request", detail=detail, remedy=remedy)
    return ProblemError("quota-reached", [error], headers={"Retry-After": str(seconds)})
