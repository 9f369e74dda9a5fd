"""`POST /v1/annotate` and `POST /v1/disambiguate`."""

from __future__ import annotations

import email.message
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.routing import APIRoute

from app.answers import build_answer, check_types
from app.documents import read_batch
from app.errors import ProblemError
from app.examples import ANNOTATE, DISAMBIGUATE, LINK_ANSWERS
from app.metrics import Metrics
from app.responses import problems
from app.runtime import Runtime, get_runtime, get_service
from app.schemas.answers import ManyAnswer, OneAnswer
from app.schemas.problem import FieldProblem
from app.schemas.requests import AnnotateRequest, DisambiguateRequest, LinkRequest
from app.service import Service
from model.types import LinkedDocument


def require_json(request: Request) -> None:
    """Refuse a body that is not JSON in UTF-8, by what its headers say.

    Raises:
        ProblemError: another content type, charset or content encoding.
    """
    header = email.message.Message()
    header["content-type"] = request.headers.get("content-type", "")
    given = header["content-type"]
    json = header.get_content_maintype() == "application" and header.get_content_subtype().split("+")[-1] == "json"
    if not given or not json:
        what = f"{given} is not understood here" if given else "there is none"
        _refuse("Content-Type", what, "send JSON with Content-Type: application/json")
    charset = header.get_content_charset("utf-8")
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        _refuse("Content-Type", f"charset {charset} is not understood here", "send the body encoded as UTF-8")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        _refuse("Content-Encoding", f"{encoding} is not understood here", "send the body without compression")


def _refuse(field: str, detail: str, remedy: str) -> None:
    headers = {"Accept-Post": "application/json"}
    raise ProblemError(
        "unsupported-media-type", [FieldProblem(field=field, detail=detail, remedy=remedy)], headers=headers
    )


class JsonRoute(APIRoute):
    """Looks at the headers before the body is read: compressed or foreign bytes would only look like broken JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handler = super().get_route_handler()

        async def checked(request: Request) -> Response:
            require_json(request)
            return await handler(request)

        return checked


router = APIRouter(prefix="/v1", tags=["linking"], route_class=JsonRoute)

RESPONSES = {
    200: {"description": "The links", "content": {"application/json": {"examples": LINK_ANSWERS}}},
    **problems(400, 408, 413, 415, 422, 500, 503),
}


@router.post(
    "/annotate", summary="Find mentions and link them", response_model=OneAnswer | ManyAnswer, responses=RESPONSES
)
async def annotate(
    body: Annotated[AnnotateRequest, Body(openapi_examples=ANNOTATE)],
    runtime: Annotated[Runtime, Depends(get_runtime)],
    service: Annotated[Service, Depends(get_service)],
) -> Response:
    """Find the mentions in one text or a list of documents, and link each to an entity or to NIL.

    Where a document brings its own mentions, they are honoured exactly and answered in their order.
    """
    return await _link(body, runtime, service)


@router.post("/disambiguate", summary="Link given mentions", response_model=OneAnswer | ManyAnswer, responses=RESPONSES)
async def disambiguate(
    body: Annotated[DisambiguateRequest, Body(openapi_examples=DISAMBIGUATE)],
    runtime: Annotated[Runtime, Depends(get_runtime)],
    service: Annotated[Service, Depends(get_service)],
) -> Response:
    """Link given mentions: every mention gets an answer, in the order in which they were sent."""
    return await _link(body, runtime, service)


async def _link(body: LinkRequest, runtime: Runtime, service: Service) -> Response:
    return Response(
        await runtime.pool.run(lambda: _link_now(body, service, runtime.metrics)), media_type="application/json"
    )


def _link_now(body: LinkRequest, service: Service, metrics: Metrics) -> bytes:
    """Check, link and write the answer; runs in a thread."""
    batch = read_batch(body, service.settings)
    check_types(body, service)
    linked = service.linker.link(batch.documents, batch.options)
    _count(linked, service, metrics)
    return orjson.dumps(build_answer(body, batch, linked, service))


def _count(linked: list[LinkedDocument], service: Service, metrics: Metrics) -> None:
    mentions = sum(len(document.links) for document in linked)
    links = sum(link.entity is not None for document in linked for link in document.links)
    metrics.texts.inc(len(linked))
    metrics.mentions.inc(mentions)
    metrics.links.inc(links)
    metrics.nil.inc(mentions - links)
    metrics.wordpieces_since_start(service.linker.wordpieces)
    metrics.kb_version.set(service.kb_version)
