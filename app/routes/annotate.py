"""`POST /v1/annotate` and `POST /v1/disambiguate`."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Depends, Header, Request, Response

from app.access.guard import READING
from app.answers import build_answer, check_types
from app.deadlines import Deadline
from app.documents import read_batch
from app.examples import ANNOTATE, DISAMBIGUATE, LINK_ANSWERS
from app.namespaces import Linking
from app.responses import problems
from app.routing import EMPTY, ApiRoute
from app.runtime import Runtime, get_runtime
from app.schemas.answers import ManyAnswer, OneAnswer
from app.schemas.requests import AnnotateRequest, DisambiguateRequest, LinkRequest
from app.service import Service

MOST_SECONDS = 3600

router = APIRouter(prefix="/v1", tags=["linking"], route_class=ApiRoute, dependencies=[Depends(READING)])

RESPONSES = {
    200: {"description": "The links", "content": {"application/json": {"examples": LINK_ANSWERS}}},
    **problems(400, 408, 413, 415, 422, 500, 503),
    **EMPTY,
}


def get_deadline(
    request: Request,
    x_timeout: Annotated[
        float | None,
        Header(
            gt=0,
            le=MOST_SECONDS,
            allow_inf_nan=False,
            description="Seconds after which you no longer want the answer: you get 503 then, and the work ends. Never "
            "more than `NAMESAKE_LINK_SECONDS`.",
        ),
    ] = None,
) -> Deadline:
    """Return when a request's answer is due; a dependency of routes."""
    most = get_runtime(request).settings.link_seconds
    return Deadline(most if x_timeout is None else min(x_timeout, most))


Due = Annotated[Deadline, Depends(get_deadline)]


@router.post(
    "/annotate", summary="Find mentions and link them", response_model=OneAnswer | ManyAnswer, responses=RESPONSES
)
async def annotate(
    body: Annotated[AnnotateRequest, Body(openapi_examples=ANNOTATE)],
    runtime: Annotated[Runtime, Depends(get_runtime)],
    linking: Linking,
    due: Due,
) -> Response:
    """Find the mentions in one text or a list of documents, and link each to an entity or to NIL.

    Where a document brings its own mentions, they are honoured exactly and answered in their order.
    """
    return await _link(body, runtime, linking.service, due)


@router.post("/disambiguate", summary="Link given mentions", response_model=OneAnswer | ManyAnswer, responses=RESPONSES)
async def disambiguate(
    body: Annotated[DisambiguateRequest, Body(openapi_examples=DISAMBIGUATE)],
    runtime: Annotated[Runtime, Depends(get_runtime)],
    linking: Linking,
    due: Due,
) -> Response:
    """Link given mentions: every mention gets an answer, in the order in which they were sent."""
    return await _link(body, runtime, linking.service, due)


async def _link(body: LinkRequest, runtime: Runtime, service: Service, due: Deadline) -> Response:
    answer = await runtime.pool.run(lambda: _link_now(body, service, runtime, due), due)
    return Response(answer, media_type="application/json")


def _link_now(body: LinkRequest, service: Service, runtime: Runtime, due: Deadline) -> bytes:
    """Check, link and write the answer; runs in a thread."""
    batch = read_batch(body, service.settings)
    check_types(body, service)
    linked = service.linker.link(batch.documents, batch.options, due.check)
    links = [link for document in linked for link in document.links]
    found = sum(link.entity is not None for link in links)
    runtime.metrics.count_linked(len(linked), len(links), found, service.linker.wordpieces)
    runtime.nil.add(service, batch.documents, linked)
    return orjson.dumps(build_answer(body, batch, linked, service))
