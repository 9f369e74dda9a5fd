"""What a request for a job brings: its options, and a file that is kept nowhere until all of it is there."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, get_args

from anyio.to_thread import run_sync
from fastapi import Query, Request
from psycopg.errors import DiskFull
from sqlalchemy.exc import OperationalError
from starlette.requests import ClientDisconnect

from app.edits import refuse_request
from app.errors import ProblemError, refuse_packed, refuse_type
from app.jobs.cutting import spool_folder
from app.jobs.sources import SourceRefused, check_source
from app.link_options import FIELD_PARAMETERS, OPTION_NAMES, FieldNames, LinkOptions
from app.schemas.fields import Storable
from app.schemas.jobs import Format
from app.schemas.problem import FieldProblem
from app.settings import Settings

BLOCK_BYTES = 1 << 20
MAX_PRIORITY = 10
CONTENT_TYPES: dict[str, Format] = {
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/zip": "zip",
}
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".zip": "zip",
}
FULL = "free some on the disk of the database and of NAMESAKE_HOME, and send it again"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says besides the documents.

    Attributes:
        source: where the documents are; None where they are in the body.
        format: what they come in, where it is said.
        columns: see `app.jobs.reading.Columns`.
        options: as `POST /v1/annotate` has them, only those that are given.
    """

    source: str | None
    format: Format | None
    columns: dict[str, str]
    priority: int
    options: dict[str, Any]


def get_wish(
    source: Annotated[
        Storable | None,
        Query(
            max_length=2000,
            description="Path on the server or URL to read the documents from, where `NAMESAKE_JOB_SOURCES` allows it; "
            "the body is empty then.",
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - what callers call it
        Format | None,
        Query(description="What the documents come in; without it, what Content-Type or the end of `source` says."),
    ] = None,
    priority: Annotated[
        int,
        Query(ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Those with a larger one go first; above 0 for admins."),
    ] = 0,
    *,
    columns: FieldNames,
    options: LinkOptions,
) -> Wish:
    """Return what the parameters of a request say; a dependency of the route."""
    return Wish(source, format, columns, priority, options)


WISH_NAMES = ("source", "format", "priority", *FIELD_PARAMETERS, *OPTION_NAMES)


def check_format(request: Request, wish: Wish, settings: Settings) -> Format:
    """Return what the documents of a request come in.

    Raises:
        ProblemError: nothing says it, or they may not be read from where they are.
    """
    refuse_packed(request, "send the file as it is", CONTENT_TYPES)
    if wish.source is not None:
        return _format_of_source(wish, wish.source, settings)
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = wish.format or CONTENT_TYPES.get(given)
    if given.startswith("multipart/"):
        remedy = "send the file itself: curl --data-binary @FILE"
        refuse_type("Content-Type", f"{given} is not understood here", remedy, CONTENT_TYPES)
    if found is None:
        what = f"{given or 'none'} does not say what the documents come in"
        remedy = f"send {', '.join(CONTENT_TYPES)}, or name it: ?format=jsonl"
        refuse_type("Content-Type", what, remedy, CONTENT_TYPES)
    if found == "folder":
        refuse_request("format", "a folder cannot be uploaded", "send a zip of it")
    return found


def _format_of_source(wish: Wish, source: str, settings: Settings) -> Format:
    try:
        path = check_source(source, settings)
    except SourceRefused as error:
        refuse_request("source", error.detail, error.remedy)
    folder = path is not None and path.is_dir()
    found: Format | None = wish.format or ("folder" if folder else SUFFIXES.get(Path(source).suffix.lower()))
    if found is None:
        refuse_request("format", f"the end of {source} does not say what it is", "name the format: &format=jsonl")
    if (found == "folder") != folder:
        detail = f"{source} is {'a folder' if folder else 'no folder'}"
        refuse_request("format", detail, f"send one of {', '.join(get_args(Format))} that it is, or leave it out")
    return found


@contextmanager
def spooled(settings: Settings) -> Iterator[BinaryIO]:
    """Give a file without a name: it goes with this process, however that ends.

    Raises:
        ProblemError: there is no space left, here or in the database.
    """
    try:
        with tempfile.TemporaryFile(dir=spool_folder(settings)) as file:
            yield file
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise _full(str(error.strerror)) from None
    except OperationalError as error:
        if not isinstance(error.orig, DiskFull):
            raise
        raise _full(str(error.orig).strip()) from None


def check_body(file: BinaryIO, wish: Wish) -> None:
    """Check that there is a file or a source, and not both.

    Raises:
        ProblemError: there is none, or both.
    """
    if wish.source is not None and file.tell():
        refuse_request("body", "there is a file and a source", "send one of them")
    if wish.source is None and not file.tell():
        refuse_request("body", "it is empty", "send the file as the body: curl --data-binary @FILE, or name its source")


async def receive(request: Request, file: BinaryIO) -> bytes:
    """Write the body of a request to a file, and return its digest.

    Raises:
        ProblemError: it is cut off.
    """
    digest = hashlib.blake2b(digest_size=32)
    waiting: list[bytes] = []
    size = 0

    def write() -> None:
        block = b"".join(waiting)
        digest.update(block)
        file.write(block)

    try:
        async for part in request.stream():
            waiting.append(part)
            size += len(part)
            if size >= BLOCK_BYTES:
                await run_sync(write)
                waiting, size = [], 0
    except ClientDisconnect:
        detail = "the connection ended before all of it had arrived"
        error = FieldProblem(field="body", detail=detail, remedy="send it again; nothing of it was kept")
        raise ProblemError("body-incomplete", [error]) from None
    await run_sync(write)
    return digest.digest()


def _full(detail: str) -> ProblemError:
    return ProblemError("storage-full", [FieldProblem(field="service", detail=detail, remedy=FULL)])
