"""Which knowledge base a request is about: the one that it names, else the one that is served.

`ApiRoute` (app/routing.py) writes it into the request's scope before anybody asks who may do what there, so that the
key is checked for the very knowledge base that the endpoint works on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from app.errors import ProblemError
from app.runtime import get_service
from app.schemas.fields import NamespaceName
from app.schemas.problem import FieldProblem
from app.service import Service
from kb.conflicts import NamespaceMissing
from kb.namespaces import get_namespace

PARAMETER = "namespace"
NAMED = "namesake.namespace"  # where a request's scope keeps the name of its knowledge base


def get_opened(
    request: Request,
    namespace: Annotated[  # noqa: ARG001 - documented and checked here, read from the scope
        NamespaceName | None, Query(description="Name of the knowledge base; without it, the one that is served.")
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


def namespace_missing(error: NamespaceMissing) -> ProblemError:
    """Return the problem of a knowledge base that is not there."""
    remedy = "GET /v1/namespaces lists those that there are"
    return ProblemError("namespace-not-found", [FieldProblem(field=PARAMETER, detail=str(error), remedy=remedy)])


Opened = Annotated[Service, Depends(get_opened)]
"""The service over the knowledge base that the request names."""
