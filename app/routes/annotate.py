"""`POST /v1/annotate` and `POST /v1/disambiguate`."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Depends, Response

from app.access.guard import READING
from app.answers import build_answer, check_types
from app.documents import read_batch
from app.examples import ANNOTATE, DISAMBIGUATE, LINK_ANSWERS
from app.metrics import Metrics
from app.namespaces import Linking
from app.responses import problems
from app.routing import EMPTY, ApiRoute
from app.runtime import Runtime, get_runtime
from app.schemas.answers import ManyAnswer, OneAnswer
from app.schemas.requests import AnnotateRequest, DisambiguateRequest, LinkRequest
from app.service import Service
from model.types import LinkedDocument

router = APIRouter(prefix="/v1", tags=["linking"], route_class=ApiRoute, dependencies=[Depends(READING)])

RESPONSES = {
    200: {"description": "The links", "content": {"application/json": {"examples": LINK_ANSWERS}}},
    **problems(400, 408, 413, 415, 422, 500, 503),
    **EMPTY,
}


@router.post(
    "/annotate", summary="Find mentions and link them", response_model=OneAnswer | ManyAnswer, responses=RESPONSES
)
async def annotate(
    body: Annotated[AnnotateRequest, Body(openapi_examples=ANNOTATE)],
    runtime: Annotated[Runtime, Depends(get_runtime)],
    linking: Linking,
) -> Response:
    """Find the mentions in one text or a list of documents, and link each to an entity or to NIL.

    Where a document brings its own mentions, they are honoured exactly and answered in their order.
    """
    return await _link(body, runtime, linking.service)


@router.post("/disambiguate", summary="Link given mentions", response_model=OneAnswer | ManyAnswer, responses=RESPONSES)
async def disambiguate(
    body: Annotated[DisambiguateRequest, Body(openapi_examples=DISAMBIGUATE)],
    runtime: Annotated[Runtime, Depends(get_runtime)],
    linking: Linking,
) -> Response:
    """Link given mentions: every mention gets an answer, in the order in which they were sent."""
    return await _link(body, runtime, linking.service)


async def _link(body: LinkRequest, runtime: Runtime, service: Service) -> Response:
    return Response(await runtime.pool.run(lambda: _link_now(body, service, runtime)), media_type="application/json")


def _link_now(body: LinkRequest, service: Service, runtime: Runtime) -> bytes:
    """Check, link and write the answer; runs in a thread."""
    batch = read_batch(body, service.settings)
    check_types(body, service)
    linked = service.linker.link(batch.documents, batch.options)
    _count(linked, service, runtime.metrics)
    runtime.nil.add(service, batch.documents, linked)
    return orjson.dumps(build_answer(body, batch, linked, service))


def _count(linked: list[LinkedDocument], service: Service, metrics: Metrics) -> None:
    mentions = sum(len(document.links) for document in linked)
    links = sum(link.entity is not None for document in linked for link in document.links)
    metrics.texts.inc(len(linked))
    metrics.mentions.inc(mentions)
    metrics.links.inc(links)
    metrics.nil.inc(mentions - links)
    metrics.wordpieces_since_start(service.linker.wordpieces)
