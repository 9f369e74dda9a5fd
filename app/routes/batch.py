"""`POST /v1/annotate/batch`: documents as lines of JSON, answered as they come."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from app.access.guard import READING
from app.answers import check_types
from app.edits import refuse_unknown
from app.errors import refuse_packed, refuse_type
from app.examples_batch import ANSWERS, LINES
from app.jobs.reading import Columns
from app.link_options import FIELD_PARAMETERS, OPTION_NAMES, FieldNames, LinkOptions
from app.namespaces import Linking
from app.responses import problems
from app.routing import EMPTY, ApiRoute
from app.runtime import Runtime, get_runtime
from app.schemas.requests import AnnotateOne
from app.streaming import NDJSON, Stream, StreamResponse

PATH = "/v1/annotate/batch"
CONTENT_TYPES = (NDJSON, "application/jsonl")

router = APIRouter(tags=["linking"], route_class=ApiRoute, dependencies=[Depends(READING)])


@router.post(
    PATH,
    summary="Annotate a stream of documents",
    response_class=StreamingResponse,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A document a line: `text`, and where you like `id` and `mentions`.",
            "content": {NDJSON: {"schema": {"type": "string"}, "example": LINES}},
        }
    },
    responses={
        200: {"description": "An answer a line", "content": {NDJSON: {"example": ANSWERS}}},
        **problems(415, 422, 500, 503),
        **EMPTY,
    },
)
async def annotate_batch(
    request: Request,
    runtime: Annotated[Runtime, Depends(get_runtime)],
    linking: Linking,
    columns: FieldNames,
    options: LinkOptions,
) -> Response:
    """Answer a stream of documents, a line for each in their order, while it is still being sent.

    A line that cannot be linked is answered with its number and an error, and the rest goes on. The stream may be as
    long as you like; it is read as fast as its answers are. It ends when nothing comes for half a minute.
    """
    refuse_unknown(request, (*FIELD_PARAMETERS, *OPTION_NAMES))
    _check_type(request)
    check_types(AnnotateOne.model_validate({"text": "-"} | options), linking.service)
    runtime.pool.admit()
    return StreamResponse(Stream(request, runtime, linking.service, Columns(**columns), options))


def _check_type(request: Request) -> None:
    """Refuse what is not lines of JSON by what its headers say.

    Raises:
        ProblemError: another content type or encoding.
    """
    refuse_packed(request, "send the lines as they are", CONTENT_TYPES)
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in CONTENT_TYPES:
        detail = f"{given or 'none'} is not understood here"
        refuse_type("Content-Type", detail, f"send lines of JSON as {NDJSON}", CONTENT_TYPES)
