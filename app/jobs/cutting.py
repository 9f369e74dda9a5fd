"""The input of a job is read once and cut into chunks, each stored and queued in a transaction of its own.

Whoever goes on after a worker that was killed leaves out as many documents as are in chunks already. Two that read the
same job at once cannot both add a chunk: each looks, under the job's lock, whether the chunks are those that it knows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.documents import read_batch
from app.errors import ProblemError
from app.jobs import store
from app.jobs.reading import Columns, Reject, read_documents
from app.jobs.sources import check_source, fetch, is_url, stamp_of
from app.jobs.store import Chunk, JobRecord
from app.schemas.requests import AnnotateOne
from app.settings import Settings
from app.validation import field_problem

CHUNK_DOCUMENTS = 100
CHUNK_CHARACTERS = 200_000  # long documents make chunks of a few, so that each takes seconds
MAX_REJECTS = 1000  # in one chunk
FIELDS = ("id", "text", "mentions")
RUNNING = ("queued", "running")

Item = dict[str, Any] | Reject


class SourceChanged(ValueError):  # noqa: N818
    """The documents are not those that were there when the job began: send a new job."""


class CutShort(Exception):  # noqa: N818
    """The worker ends: another one goes on with the input."""


class DayUsedUp(Exception):  # noqa: N818
    """The key's documents for 24 hours are used up: resume the job later, or raise NAMESAKE_JOB_DOCUMENTS_PER_DAY."""


def cut(engine: Engine, settings: Settings, job_id: int, ending: Callable[[], bool]) -> None:
    """Cut what is not yet cut of a job's input into chunks.

    Args:
        engine: the database.
        settings: of the worker.
        job_id: the job.
        ending: says whether the worker is to end.

    Raises:
        JobMissing: there is no such job.
        SourceRefused: its source cannot be read.
        SourceChanged: its source is another one by now.
        UnreadableInput: the file is not what it should be.
        DayUsedUp: more may not be read for this key now.
        CutShort: the worker ended before all was read.
    """
    with Session(engine) as session:
        job = store.get_job(session, job_id)
    if job.status not in RUNNING or job.cut_at is not None:
        return
    with opened_input(engine, settings, job) as path:
        stamp = None if job.source is None or is_url(job.source) else stamp_of(path)
        with Session(engine) as session, session.begin():
            if not store.begin(session, job_id, stamp):
                raise SourceChanged(SourceChanged.__doc__)
        read = job.items
        found = read_documents(path, job.format, Columns(**job.columns))
        items = checked(itertools.islice(found, read, None), job.items, job.options, settings)
        for chunk in in_chunks(items):
            if ending():
                raise CutShort
            if not _add(engine, settings, job_id, read, chunk):
                return
            read += chunk.documents + chunk.rejects
        with Session(engine) as session, session.begin():
            if store.lock_job(session, job_id).items == read:
                store.end_input(session, job_id)


@contextmanager
def opened_input(engine: Engine, settings: Settings, job: JobRecord) -> Iterator[Path]:
    """Give the path of a job's input: its source, or a file of what was sent or fetched, deleted afterwards.

    A file that a killed worker left has the job's name: whoever goes on puts its own in its place.
    """
    if job.source is not None and not is_url(job.source):
        path = check_source(job.source, settings)
        assert path is not None  # noqa: S101 - only URLs have none
        yield path
        return
    path = spool_folder(settings) / f"{job.id}.{job.format}"
    try:
        with path.open("w+b") as file:
            if job.source is not None and job.input_bytes is None:
                fetch(job.source, file, settings)
                with Session(engine) as session, session.begin():
                    store.store_input(session, job.id, file)
            else:
                with Session(engine) as session:
                    file.writelines(store.read_input(session, job.id))
        yield path
    finally:
        path.unlink(missing_ok=True)


def spool_folder(settings: Settings) -> Path:
    """Return the folder for files on their way."""
    folder = settings.home / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _add(engine: Engine, settings: Settings, job_id: int, read: int, chunk: Chunk) -> bool:
    """Add a chunk; tell whether the job goes on, and nobody else cuts it."""
    with Session(engine) as session, session.begin():
        job = store.lock_job(session, job_id)
        if job.status not in RUNNING or job.items != read:
            return False
        most = settings.job_documents_per_day
        if most and chunk.documents and store.documents_of_day(session, job.key_id) + chunk.documents > most:
            raise DayUsedUp(DayUsedUp.__doc__)
        store.add_chunk(session, job, chunk)
    return True


def checked(
    items: Iterator[Item], first: int, options: dict[str, Any], settings: Settings
) -> Iterator[tuple[int, Item]]:
    """Yield documents that can be linked and rejects, with their positions.

    Args:
        items: what was read.
        first: the position of the first of them.
        options: what `AnnotateOne` has beside the document.
        settings: say how much a document may be.
    """
    for position, item in enumerate(items, start=first):
        if isinstance(item, Reject):
            yield position, item
            continue
        document = {"id": str(position)} | {name: item[name] for name in FIELDS if item.get(name) is not None}
        try:
            read_batch(AnnotateOne.model_validate(document | options), settings)
        except ValidationError as error:
            found = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
            yield position, Reject(f"document {position}", [field_problem(problem, FIELDS) for problem in found])
        except ProblemError as error:
            yield position, Reject(f"document {position}", error.errors)
        else:
            yield position, document


def in_chunks(items: Iterator[tuple[int, Item]]) -> Iterator[Chunk]:
    """Put documents together that are worked on at once, with the rejects among them."""
    documents: list[bytes] = []
    rejects: list[bytes] = []
    characters = 0
    for position, item in items:
        if isinstance(item, Reject):
            rejects.append(orjson.dumps(_shown(position, item)))
        else:
            documents.append(orjson.dumps(item))
            characters += len(item["text"])
        if len(documents) >= CHUNK_DOCUMENTS or characters >= CHUNK_CHARACTERS or len(rejects) >= MAX_REJECTS:
            yield _chunk(documents, rejects)
            documents, rejects, characters = [], [], 0
    if documents or rejects:
        yield _chunk(documents, rejects)


def _chunk(documents: list[bytes], rejects: list[bytes]) -> Chunk:
    return Chunk(len(documents), len(rejects), _lines(documents), _lines(rejects) or None)


def _lines(rows: list[bytes]) -> bytes:
    return b"".join(row + b"\n" for row in rows)


def _shown(position: int, reject: Reject) -> dict[str, Any]:
    errors = [{"field": item.field, "detail": item.detail, "remedy": item.remedy} for item in reject.errors]
    return {"position": position, "place": reject.place, "errors": errors}
