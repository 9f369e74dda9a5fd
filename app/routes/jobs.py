"""`/v1/jobs`: documents in bulk. They are sent here, linked by `namesake worker`, and their answers fetched here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from app.access.callers import Caller
from app.access.guard import forbid, require
from app.answers import check_types
from app.change_stream import MEDIA_TYPE, stream, wants_events
from app.cursors import decode_cursor, encode_cursor
from app.edits import refuse_request, refuse_unknown
from app.errors import ProblemError
from app.examples_jobs import EVENT, JOB, JOBS, REJECTS, RESULT
from app.examples_jobs import UPLOADS as EXAMPLES
from app.jobs import store
from app.jobs.answers import (
    LIST_REMEDY,
    check_part,
    is_admin,
    key_id_of,
    parts,
    progress,
    shown,
    visible_job,
    wrong_status,
)
from app.jobs.quotas import find_full, store_job
from app.jobs.store import NewJob, Status, WrongStatus
from app.jobs.uploads import WISH_NAMES, Wish, check_body, check_format, get_wish, receive, spooled
from app.namespaces import Linking, Opened
from app.responses import Responses, problem, problems
from app.routing import EMPTY, ApiRoute
from app.schemas.jobs import Job, JobPage
from app.schemas.problem import FieldProblem
from app.schemas.requests import AnnotateOne
from app.service import Service
from kb.keys import Role

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=ApiRoute)

UPLOADS = "/v1/jobs"
NDJSON = "application/x-ndjson"
GOING: tuple[Status, ...] = ("queued", "running")

Annotator = Annotated[Caller, Depends(require(Role.ANNOTATOR))]
JobId = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="Id of the job.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="Any string that is another one for each job: sent again, it makes no second job.",
    ),
]
NOT_FOUND: Responses = {404: problem("job-not-found", "id", "there is no job 12", LIST_REMEDY)}
FINISHED: Responses = {409: problem("job-finished", "id", "job 12 is done", "send a new job")}
UNFINISHED: Responses = {
    409: problem("job-unfinished", "id", "job 12 is running", "wait until it is done, or cancel it: POST …/cancel")
}
FULL: Responses = {
    507: problem("storage-full", "service", "No space left on device", "free some on the disk of the database")
}
SHOWN = {"content": {"application/json": {"example": JOB}}}


@router.post(
    "/jobs",
    summary="Annotate documents in bulk",
    status_code=202,
    openapi_extra={"requestBody": {"content": EXAMPLES, "description": "The file, where there is no `source`."}},
    responses={
        202: {"description": "It waits for a worker", **SHOWN},
        **problems(408, 413, 415, 422, 429, 500, 503),
        **FULL,
        **EMPTY,
    },
)
async def create(
    request: Request,
    response: Response,
    caller: Annotator,
    linking: Linking,
    wish: Annotated[Wish, Depends(get_wish)],
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Take a file of documents, or the path or URL of one, for workers to annotate.

    Rejected documents do not stop the others. The answers come as lines of JSON, in the order of the documents.
    """
    refuse_unknown(request, WISH_NAMES)
    settings = linking.service.settings
    if wish.priority > 0 and not is_admin(caller):
        forbid(f"{caller} may not go before others", "leave priority out, or send 0 or less")
    check_types(AnnotateOne.model_validate({"text": "-"} | wish.options), linking.service)
    found = await run_sync(check_format, request, wish, settings)
    with spooled(settings) as file:
        body = await receive(request, file)
        check_body(file, wish)
        about = orjson.dumps([wish.source, found, wish.columns, wish.priority, wish.options, settings.namespace])
        new = NewJob(
            namespace=settings.namespace,
            key_id=key_id_of(caller),
            actor=caller.actor,
            idempotency_key=idempotency_key,
            digest=hashlib.blake2b(about + body, digest_size=32).digest(),
            priority=wish.priority,
            format=found,
            columns=wish.columns,
            source=wish.source,
            options=wish.options,
        )
        job = await run_sync(store_job, linking.service, new, None if wish.source is not None else file)
    response.headers["Location"] = f"{UPLOADS}/{job.id}"
    return shown(job)


@router.get(
    "/jobs",
    summary="List jobs",
    responses={200: {"content": {"application/json": {"example": JOBS}}}, **problems(422, 500, 503)},
)
def list_jobs(
    request: Request,
    caller: Annotator,
    service: Opened,
    status: Annotated[Status | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most in one answer.")] = 20,
    cursor: Annotated[str | None, Query(description="`cursor` of the answer before, for older ones.")] = None,
) -> JobPage:
    """List your jobs, the newest first; an admin sees those of all."""
    refuse_unknown(request, ("status", "limit", "cursor"))
    before = decode_cursor(cursor)
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        refuse_request("cursor", "no list returned this cursor", "leave it out to begin with the first page")
    own = None if is_admin(caller) else key_id_of(caller)
    with Session(service.engine) as session:
        namespace = service.settings.namespace
        found = store.list_jobs(session, namespace, own, status, int(before) if before else None, limit + 1)
    page = found[:limit]
    following = encode_cursor(str(page[-1].id)) if len(found) > limit else None
    return JobPage(jobs=[shown(job) for job in page], cursor=following)


@router.get(
    "/jobs/{id}",
    summary="Show a job",
    response_model=Job,
    responses={
        200: {"content": {"application/json": {"example": JOB}, MEDIA_TYPE: {"example": EVENT}}},
        **problems(422, 500, 503),
        **NOT_FOUND,
    },
)
def show(job_id: JobId, request: Request, caller: Annotator, service: Opened) -> Job | Response:
    """Show how far a job is. With `Accept: text/event-stream`, as events until it is finished."""
    job = visible_job(service, job_id, caller)
    if not wants_events(request):
        return shown(job)
    events = stream(progress(service, job_id))
    return StreamingResponse(events, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


@router.post(
    "/jobs/{id}/cancel",
    summary="Cancel a job",
    responses={200: SHOWN, **problems(422, 500, 503), **NOT_FOUND, **FINISHED},
)
def cancel(job_id: JobId, caller: Annotator, service: Opened) -> Job:
    """End a job before it is done. The parts that are there can still be fetched."""
    return _changed(service, job_id, caller, "cancelled", (*GOING, "paused"))


@router.post(
    "/jobs/{id}/pause",
    summary="Pause a job",
    responses={200: SHOWN, **problems(422, 500, 503), **NOT_FOUND, **FINISHED},
)
def pause(job_id: JobId, caller: Annotator, service: Opened) -> Job:
    """Let a job wait until it is resumed. What workers have begun of it is finished first."""
    return _changed(service, job_id, caller, "paused", (*GOING, "paused"), f"paused by {caller.actor}: resume it")


@router.post(
    "/jobs/{id}/resume",
    summary="Resume a job",
    responses={200: SHOWN, **problems(422, 500, 503), **NOT_FOUND, **FINISHED},
)
def resume(job_id: JobId, caller: Annotator, service: Opened) -> Job:
    """Let a job that is paused go on where it was."""
    return _changed(service, job_id, caller, "running", ("paused",))


@router.post(
    "/jobs/{id}/retry",
    summary="Retry a job",
    responses={200: SHOWN, **problems(422, 429, 500, 503), **NOT_FOUND, **UNFINISHED},
)
def retry(job_id: JobId, caller: Annotator, service: Opened) -> Job:
    """Let a job that failed or was cancelled go on with what is not done of it."""
    return _changed(service, job_id, caller, "running", ("failed", "cancelled"))


@router.delete(
    "/jobs/{id}",
    summary="Delete a job",
    status_code=204,
    responses={204: {"description": "It is deleted"}, **problems(422, 500, 503), **NOT_FOUND, **UNFINISHED},
)
def delete(job_id: JobId, caller: Annotator, service: Opened) -> Response:
    """Delete a finished job with its documents and their answers."""
    visible_job(service, job_id, caller)
    with Session(service.engine) as session, session.begin():
        try:
            store.delete_job(session, job_id)
        except WrongStatus as error:
            raise wrong_status(job_id, error.status) from None
    return Response(status_code=204)


@router.get(
    "/jobs/{id}/result",
    summary="Fetch the answers",
    response_class=StreamingResponse,
    responses={
        200: {"description": "An answer a line", "content": {NDJSON: {"example": RESULT}}},
        **problems(422, 500, 503),
        **NOT_FOUND,
        **UNFINISHED,
    },
)
def result(
    job_id: JobId,
    request: Request,
    caller: Annotator,
    service: Opened,
    part: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="Only this part, as soon as it is there; from 0.")
    ] = None,
) -> Response:
    """Return the answers of `POST /v1/annotate` to all documents, a line each, in their order."""
    refuse_unknown(request, ("part",))
    job = visible_job(service, job_id, caller)
    if part is None:
        if job.status != "done":
            raise wrong_status(job_id, job.status, "wait until it is done, or fetch its parts: ?part=0")
        return StreamingResponse(parts(service, job, store.read_part), media_type=NDJSON)
    check_part(job, part)
    with Session(service.engine) as session:
        found = store.read_part(session, job_id, part)
    if found is None:
        detail = f"part {part} of job {job_id} is not there yet"
        error = FieldProblem(
            field="part", detail=detail, remedy="try again later; GET /v1/jobs/{id} says how far it is"
        )
        raise ProblemError("job-unfinished", [error])
    return Response(found, media_type=NDJSON)


@router.get(
    "/jobs/{id}/rejects",
    summary="Fetch what could not be read",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A document a line", "content": {NDJSON: {"example": REJECTS}}},
        **problems(422, 500, 503),
        **NOT_FOUND,
    },
)
def rejects(job_id: JobId, caller: Annotator, service: Opened) -> Response:
    """Return which documents could not be read so far, and why, a line each."""
    job = visible_job(service, job_id, caller)
    return StreamingResponse(parts(service, job, store.read_rejected), media_type=NDJSON)


def _changed(
    service: Service, job_id: int, caller: Caller, status: Status, allowed: Sequence[Status], reason: str | None = None
) -> Job:
    """Bring a job into another state.

    Raises:
        ProblemError: it cannot be from the one in which it is, or its key has as many jobs as it may.
    """
    job = visible_job(service, job_id, caller)
    with Session(service.engine) as session, session.begin():
        full = find_full(session, service.settings, job.key_id) if "failed" in allowed else None
        if full is not None:
            raise full
        try:
            store.change(session, job_id, status, allowed, reason)
        except WrongStatus as error:
            raise wrong_status(job_id, error.status) from None
        return shown(store.get_job(session, job_id))
