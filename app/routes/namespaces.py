"""`/v1/namespaces`: knowledge bases are made, listed and deleted."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.access.callers import Caller
from app.access.guard import READING, forbid, require
from app.edits import edit_session, refuse_unknown
from app.errors import ProblemError
from app.examples import Example
from app.namespaces import PARAMETER
from app.responses import Responses, problem, problems
from app.routes.edits import LOCATION, shown
from app.routing import NO_NAMESPACE, ApiRoute
from app.runtime import get_service
from app.schemas.fields import NamespaceName
from app.schemas.namespaces import NamespaceAnswer, NamespaceList, NewNamespace
from app.schemas.problem import FieldProblem
from app.service import Service
from kb import namespaces
from kb.keys import Role
from kb.namespaces import NamespaceRecord

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["namespaces"], route_class=ApiRoute)

Served = Annotated[Service, Depends(get_service)]
Admin = Annotated[Caller, Depends(require(Role.ADMIN))]
Name = Annotated[NamespaceName, Path(alias=PARAMETER, description="Name of the knowledge base.")]
NEW: dict[str, Example] = {"for tests": {"value": {"name": "staging", "label": "To try things out"}}}
ONE: Example = {
    "name": "staging",
    "label": "To try things out",
    "served": False,
    "entities": 0,
    "kb_version": 0,
    "created_at": "2026-11-25T09:12:03.527104Z",
}
EXISTS: Responses = {
    409: problem(
        "namespace-exists", "name", "there is a knowledge base staging", "choose another name, or use that one"
    )
}
IN_USE: Responses = {
    409: problem(
        "namespace-in-use",
        "namespace",
        "the knowledge base staging has 12 entities",
        "send force=true to delete them with all their history; an export keeps a copy",
    )
}


@router.get(
    "/namespaces",
    summary="List knowledge bases",
    responses={200: shown({"namespaces": [ONE]}, {}), **problems(422, 500, 503)},
)
def list_namespaces(
    request: Request,
    service: Served,
    caller: Annotated[Caller, Depends(READING)],
    namespace: Annotated[NamespaceName | None, Query(description="Only the one of this name.")] = None,
) -> NamespaceList:
    """List the knowledge bases that the caller may read."""
    refuse_unknown(request, ())
    with Session(service.engine) as session:
        found = namespaces.list_namespaces(session, namespace)
    mine = [item for item in found if caller.key is None or caller.key.good_for(item.name)]
    return NamespaceList(namespaces=[_answer(item, service) for item in mine])


@router.post(
    "/namespaces",
    summary="Make a knowledge base",
    status_code=201,
    responses={
        201: {"description": "The knowledge base", **shown(ONE, LOCATION)},
        **problems(400, 408, 413, 415, 422, 500, 503),
        **EXISTS,
    },
)
def create_namespace(
    body: Annotated[NewNamespace, Body(openapi_examples=NEW)], caller: Admin, service: Served, response: Response
) -> NamespaceAnswer:
    """Make an empty knowledge base. Only a key that is good for all may."""
    if caller.key is not None and caller.key.namespace is not None:
        detail = f"{caller} is good for one knowledge base, and cannot make another"
        forbid(
            detail, "use a key that is good for all; `namesake keys create --all-namespaces` on the server makes one"
        )
    with edit_session(service) as session:
        made = namespaces.create_namespace(session, body.name, body.label)
    log.info("namespace created", name=body.name, by=caller.actor)
    response.headers["Location"] = f"/v1/namespaces/{body.name}"
    return _answer(made, service)


@router.get(
    "/namespaces/{namespace}",
    summary="Show a knowledge base",
    dependencies=[Depends(READING)],
    responses={200: shown(ONE, {}), **problems(422, 500, 503), **NO_NAMESPACE},
)
def show_namespace(name: Name, service: Served) -> NamespaceAnswer:
    """Show how large a knowledge base is, and its last change."""
    with edit_session(service) as session:
        return _answer(namespaces.get_namespace(session, name), service)


@router.delete(
    "/namespaces/{namespace}",
    summary="Delete a knowledge base",
    status_code=204,
    responses={204: {"description": "It is deleted"}, **problems(422, 500, 503), **NO_NAMESPACE, **IN_USE},
)
def delete_namespace(
    name: Name,
    caller: Admin,
    service: Served,
    force: Annotated[bool, Query(description="Delete it even if it has entities.")] = False,
) -> Response:
    """Delete a knowledge base for good, with its history and its keys. The one that is served stays."""
    if name == service.settings.namespace:
        detail, remedy = f"{name} is the knowledge base that is served", "serve another one (NAMESAKE_NAMESPACE) first"
        raise ProblemError("namespace-in-use", [FieldProblem(field=PARAMETER, detail=detail, remedy=remedy)])
    with edit_session(service) as session:
        namespaces.delete_namespace(session, name, force=force)
    from app.assembly import snapshot_folders  # imports the encoder's libraries, which are loaded by now

    snapshot_folders(service.settings.model_copy(update={"namespace": name})).clear()
    log.info("namespace deleted", name=name, by=caller.actor)
    return Response(status_code=204)


def _answer(record: NamespaceRecord, service: Service) -> NamespaceAnswer:
    return NamespaceAnswer(
        name=record.name,
        label=record.label,
        served=record.name == service.settings.namespace,
        entities=record.entities,
        kb_version=record.kb_version,
        created_at=record.created_at,
    )
