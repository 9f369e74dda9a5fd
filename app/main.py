"""The application: routes, errors and middleware around one runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import errors, openapi
from app.access.guard import Access
from app.logs import configure_logging
from app.metrics import Metrics
from app.middleware import BodyLimit, RequestContext
from app.readiness import ReadinessProbe
from app.routes import (
    annotate,
    batch,
    bulk,
    classes,
    edits,
    entities,
    feedback,
    history,
    jobs,
    joining,
    keys,
    namespaces,
    pages,
    proposals,
    system,
)
from app.runtime import Opener, Runtime, open_and_build
from app.schemas.bulk import BulkChange, BulkFilter, BulkPatch
from app.schemas.classes import NewPredicate, NewType
from app.schemas.edits import NewEntity, UndoingSince
from app.schemas.feedback import AcceptedProposal, NewFeedback
from app.schemas.fields import field_names
from app.schemas.joining import IncomingRelation, Merge, Move, Split
from app.schemas.keys import NewKey
from app.schemas.namespaces import NewNamespace
from app.schemas.requests import AnnotateMany, AnnotateOne, Mention
from app.settings import Settings, load_settings
from app.version import installed_version

# An entity's address takes all that follows: what is below one comes before it.
ROUTES = (
    annotate,
    batch,
    joining,
    edits,
    entities,
    classes,
    history,
    bulk,
    namespaces,
    feedback,
    proposals,
    jobs,
    keys,
    system,
    pages,
)
FIELD_NAMES = field_names(
    AnnotateOne,
    AnnotateMany,
    Mention,
    NewKey,
    NewEntity,
    UndoingSince,
    NewFeedback,
    AcceptedProposal,
    Merge,
    Split,
    Move,
    IncomingRelation,
    NewType,
    NewPredicate,
    NewNamespace,
    BulkPatch,
    BulkFilter,
    BulkChange,
)


def create_app(settings: Settings | None = None, opener: Opener = open_and_build) -> FastAPI:
    """Make the application; nothing is opened before it runs.

    Args:
        settings: read from the environment when not given.
        opener: opens the service; tests give one that hands out a service that is open already.
    """
    settings = settings or load_settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = Runtime(settings, metrics, opener)
        app.state.runtime = runtime
        app.state.probe = ReadinessProbe(runtime)
        app.state.access = Access(settings)
        async with runtime.running():
            try:
                yield
            finally:
                await app.state.access.close()

    app = FastAPI(
        title="Namesake",
        version=installed_version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    errors.install(app, FIELD_NAMES)
    # The last one added is the outermost: a body that is refused also gets its id and its line in the log.
    app.add_middleware(
        BodyLimit,
        limit=settings.max_body_bytes,
        files={jobs.UPLOADS: settings.job_max_bytes},
        streams={batch.PATH},
    )
    app.add_middleware(RequestContext, metrics=metrics)
    for module in ROUTES:
        app.include_router(module.router)
    app.mount(pages.ASSETS, pages.swagger_assets())
    openapi.install(app, settings)
    return app


def serve_app() -> FastAPI:
    """Make the application in a server process: settings from the environment, logging set up."""
    settings = load_settings()
    configure_logging(settings)
    return create_app(settings)
