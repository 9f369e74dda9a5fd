"""Which knowledge base a request is about: the one that it names, else the one that is served.

`ApiRoute` (app/routing.py) writes it into the request's scope before anybody asks who may do what there, so that the
key is checked for the very knowledge base that the endpoint works on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from app.errors import ProblemError
from app.open_namespaces import AllInUse, OpeningFailed, OpenKb, StillOpening
from app.runtime import Runtime, get_runtime, get_service
from app.schemas.fields import NamespaceName
from app.schemas.problem import FieldProblem
from app.service import Service
from kb.conflicts import NamespaceMissing
from kb.index.build import EmptyKbError
from kb.live.feed import Bell
from kb.namespaces import get_namespace

PARAMETER = "namespace"
NAMED = "namesake.namespace"  # where a request's scope keeps the name of its knowledge base
DESCRIPTION = "Name of the knowledge base; without it, the one that is served."
RETRY_SECONDS = 5


def get_opened(
    request: Request,
    namespace: Annotated[  # noqa: ARG001 - documented and checked here, read from the scope
        NamespaceName | None, Query(description=DESCRIPTION)
    ] = None,
) -> Service:
    """Return the opened service, over the knowledge base that the request names; a dependency of routes.

    Raises:
        ProblemError: there is no such knowledge base.
    """
    service = get_service(request)
    name: str | None = request.scope.get(NAMED)
    if name is None or name == service.settings.namespace:
        return service
    with Session(service.engine) as session:
        try:
            get_namespace(session, name)
        except NamespaceMissing as error:
            raise namespace_missing(error) from None
    return replace(service, settings=service.settings.model_copy(update={"namespace": name}))


async def get_linking(
    request: Request,
    namespace: Annotated[  # noqa: ARG001 - documented and checked here, read from the scope
        NamespaceName | None, Query(description=DESCRIPTION)
    ] = None,
) -> AsyncIterator[OpenKb]:
    """Give the knowledge base that the request names, open for linking until it is answered; a dependency of routes.

    Raises:
        ProblemError: there is none, it has no entities, or it cannot be opened, or not soon.
    """
    served = get_service(request)
    name: str = request.scope.get(NAMED) or served.settings.namespace
    async with open_kb(get_runtime(request), served, name) as opened:
        yield opened


@asynccontextmanager
async def open_kb(runtime: Runtime, served: Service, name: str) -> AsyncIterator[OpenKb]:
    """Give a knowledge base, open for linking as long as the block lasts.

    Args:
        runtime: keeps it open.
        served: the one that is served.
        name: the one that is wanted.

    Raises:
        ProblemError: there is none, it has no entities, or it cannot be opened, or not soon.
    """
    if name == served.settings.namespace:
        yield OpenKb(served, runtime.follower)
        return
    bell = Bell() if runtime.follower is None else runtime.follower.bell
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(runtime.others.using(served, bell, name))
        except NamespaceMissing as error:
            raise namespace_missing(error) from None
        except EmptyKbError:
            remedy = f"add some first: POST /v1/entities?namespace={name}, or `namesake kb import` on the server"
            raise _problem("namespace-empty", f"the knowledge base {name} has no entities", remedy) from None
        except StillOpening:
            detail = f"the knowledge base {name} is being opened; without an index, one is built first"
            raise _problem("not-ready", detail, "try again soon", RETRY_SECONDS) from None
        except AllInUse:
            detail = f"{served.settings.max_namespaces} other knowledge bases are in use, and no more may be open"
            remedy = "try again in a second, or raise NAMESAKE_MAX_NAMESPACES on the server"
            raise _problem("overloaded", detail, remedy, 1) from None
        except OpeningFailed as error:
            detail = f"the knowledge base {name} cannot be opened: {error}"
            remedy = "see the service's log; it is tried again in a few seconds"
            raise _problem("not-ready", detail, remedy, RETRY_SECONDS) from None
        yield opened


def _problem(kind: str, detail: str, remedy: str, retry_after: int | None = None) -> ProblemError:
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return ProblemError(kind, [FieldProblem(field=PARAMETER, detail=detail, remedy=remedy)], headers=headers)


def namespace_missing(error: NamespaceMissing) -> ProblemError:
    """Return the problem of a knowledge base that is not there."""
    return _problem("namespace-not-found", str(error), "GET /v1/namespaces lists those that there are")


Opened = Annotated[Service, Depends(get_opened)]
"""The service over the knowledge base that the request names."""

Linking = Annotated[OpenKb, Depends(get_linking)]
"""The knowledge base that the request names, open for linking."""
