"""The endpoints for operators: version, health, readiness and metrics."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.orm import Session

from app.access.guard import READING
from app.examples import KB_VERSION, MODEL_VERSION, PAYLOAD_VERSION
from app.namespaces import Linking
from app.readiness import ReadinessProbe
from app.responses import Responses, problems
from app.routing import EMPTY, ApiRoute
from app.runtime import Runtime, get_runtime, get_service
from app.schemas.answers import Alive, Readiness, Version
from app.schemas.index import DeltaState, IndexState, Lag, SnapshotState
from app.service import Service
from app.version import installed_version
from kb.live.feed import unapplied

router = APIRouter(tags=["system"], route_class=ApiRoute)

READY = {
    "status": "ready",
    "checks": [
        {"name": "database", "status": "ok", "detail": "answers", "remedy": None},
        {"name": "model", "status": "ok", "detail": MODEL_VERSION, "remedy": None},
        {"name": "index", "status": "ok", "detail": f"kb_version {KB_VERSION}", "remedy": None},
        {"name": "link", "status": "ok", "detail": "a test mention was answered", "remedy": None},
    ],
}
NOT_READY = {
    "status": "not ready",
    "checks": [
        {
            "name": "database",
            "status": "fail",
            "detail": "OperationalError: connection refused",
            "remedy": "see that Postgres runs; run `namesake doctor`",
        },
        *READY["checks"][1:],
    ],
}
READYZ: Responses = {
    200: {"description": "Requests can be answered", "content": {"application/json": {"example": READY}}},
    503: {
        "description": "A part fails: `checks` says which and what to do",
        "model": Readiness,
        "content": {"application/json": {"example": NOT_READY}},
    },
}
VERSION = {"version": "0.1.0", "model_version": MODEL_VERSION, "kb_version": KB_VERSION, "namespace": "default"}


@router.get(
    "/v1/version",
    summary="Versions of the service, the model and the knowledge base",
    response_model=Version,
    dependencies=[Depends(READING)],
    responses={200: {"content": {"application/json": {"example": VERSION}}}, **problems(500, 503)},
)
def version(service: Annotated[Service, Depends(get_service)]) -> Version:
    """Say which versions of the software, the model and the knowledge base answer."""
    return Version(
        version=installed_version(),
        model_version=service.model_version,
        kb_version=service.kb_version,
        namespace=service.settings.namespace,
    )


INDEX = {
    "namespace": "default",
    "kb_version": KB_VERSION,
    "process": 4711,
    "snapshot": {
        "name": f"{KB_VERSION - 2}-{PAYLOAD_VERSION}-3f9a1c",
        "kb_version": KB_VERSION - 2,
        "entities": 4483,
        "created_at": "2026-11-25T09:30:00+00:00",
    },
    "delta": {"entities": 2, "compact_after": 2000, "compacting": False},
    "lag": {"changes": 0, "seconds": 0.0},
    "problem": None,
}


@router.get(
    "/v1/index",
    summary="State of the live index",
    response_model=IndexState,
    dependencies=[Depends(READING)],
    responses={200: {"content": {"application/json": {"example": INDEX}}}, **problems(422, 500, 503), **EMPTY},
)
def index(linking: Linking) -> IndexState:
    """Say which snapshot this process answers from, how much changed since, and how far it is behind the database."""
    service, follower = linking.service, linking.follower
    linker = service.linker
    manifest = linker.snapshot.manifest
    with Session(service.engine) as session:
        changes, seconds = unapplied(session, service.settings.namespace, linker.kb_version)
    return IndexState(
        namespace=service.settings.namespace,
        kb_version=linker.kb_version,
        process=os.getpid(),
        snapshot=SnapshotState(
            name=linker.snapshot_path.name,
            kb_version=manifest.kb_version,
            entities=manifest.entities,
            created_at=manifest.created_at,
        ),
        delta=DeltaState(
            entities=linker.delta_size,
            compact_after=service.settings.compact_after,
            compacting=follower is not None and follower.compacting,
        ),
        lag=Lag(changes=changes, seconds=seconds),
        problem=None if follower is None else follower.failure,
    )


@router.get(
    "/healthz",
    summary="Is the process alive?",
    response_model=Alive,
    responses={200: {"content": {"application/json": {"example": {"status": "ok"}}}}},
)
async def healthz() -> Alive:
    """Say that the process answers; for a liveness probe."""
    return Alive()


@router.get("/readyz", summary="Can it answer?", response_model=Readiness, responses=READYZ)
def readyz(request: Request) -> JSONResponse:
    """Say whether requests can be answered, part by part; for a readiness probe."""
    probe: ReadinessProbe = request.app.state.probe
    answer = probe.check()
    return JSONResponse(answer.model_dump(), status_code=200 if answer.status == "ready" else 503)


METRICS = "# HELP namesake_texts_total Texts linked.\n# TYPE namesake_texts_total counter\nnamesake_texts_total 128.0\n"


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format", "content": {"text/plain": {"example": METRICS}}}},
)
def metrics(runtime: Annotated[Runtime, Depends(get_runtime)]) -> Response:
    """Answer counters and histograms in Prometheus' text format."""
    return Response(runtime.metrics.render(), media_type=CONTENT_TYPE_LATEST)
