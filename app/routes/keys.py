"""`/v1/keys`: keys are made, listed, rotated and revoked by admins; everybody can ask what their own is."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Depends, Path, Response
from sqlalchemy.orm import Session

from app.access.callers import Caller
from app.access.guard import forbid, require
from app.access.lifetimes import parse_lifetime
from app.errors import ProblemError
from app.examples_keys import ISSUED, KEY, KEYS, NEW_KEYS, RENEWALS
from app.responses import Responses, problem, problems
from app.routing import ApiRoute
from app.runtime import get_service
from app.schemas.keys import IssuedKey, Key, KeyList, NewKey, Renewal
from app.schemas.problem import FieldProblem
from app.service import Service
from kb import keys
from kb.keys import KeyNotFound, KeyRecord, KeyRevoked, Role

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["keys"], route_class=ApiRoute)

LIST_REMEDY = "GET /v1/keys lists those that there are"
NOT_FOUND: Responses = {404: problem("key-not-found", "id", "there is no key 17", LIST_REMEDY)}
REVOKED_REMEDY = "make a new one with POST /v1/keys"
REVOKED: Responses = {409: problem("key-revoked", "id", "key 17 is revoked", REVOKED_REMEDY)}

Admin = Annotated[Caller, Depends(require(Role.ADMIN))]
Opened = Annotated[Service, Depends(get_service)]
KeyId = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="Id of the key, as lists show it.")]


@router.get(
    "/keys/me",
    summary="Show the key that is used",
    responses={200: {"content": {"application/json": {"example": KEY}}}, **problems(500, 503)},
)
async def me(caller: Annotated[Caller, Depends(require(Role.READER))]) -> Key:
    """Show what is known of the key that the request itself brings: its role, and when it expires."""
    return Key.model_validate(caller.key, from_attributes=True)


@router.get(
    "/keys",
    summary="List keys",
    responses={200: {"content": {"application/json": {"example": KEYS}}}, **problems(500, 503)},
)
def list_keys(caller: Admin, service: Opened) -> KeyList:
    """List the keys of this knowledge base, also those that are no longer good. A key itself is never shown again."""
    with Session(service.engine) as session:
        found = keys.list_keys(session)
    shown = [Key.model_validate(key, from_attributes=True) for key in found if _may_see(caller, key, service)]
    return KeyList(keys=shown)


@router.post(
    "/keys",
    summary="Make a key",
    status_code=201,
    responses={
        201: {"description": "The key", "content": {"application/json": {"example": ISSUED}}},
        **problems(400, 408, 413, 415, 422, 500, 503),
    },
)
def create(
    body: Annotated[NewKey, Body(openapi_examples=NEW_KEYS)], caller: Admin, service: Opened, response: Response
) -> IssuedKey:
    """Make a key for this knowledge base, or for all. The answer is the only one that shows it."""
    if body.all_namespaces and not _is_global(caller):
        detail = f"{caller} is good for one knowledge base, and cannot make a key for all"
        forbid(detail, "leave all_namespaces out, or use a key that is good for all")
    namespace = None if body.all_namespaces else service.settings.namespace
    lifetime = parse_lifetime(body.expires_in) if body.expires_in else None
    with Session(service.engine) as session, session.begin():
        role = Role(body.role)
        issued = keys.create_key(session, role, body.name or role, namespace, lifetime, caller.actor)
    return _issued("key created", issued, caller, response)


@router.post(
    "/keys/{id}/rotate",
    summary="Rotate a key",
    responses={
        200: {"description": "The new key", "content": {"application/json": {"example": ISSUED}}},
        **problems(400, 408, 413, 415, 422, 500, 503),
        **NOT_FOUND,
        **REVOKED,
    },
)
def rotate(
    key_id: KeyId,
    caller: Admin,
    service: Opened,
    response: Response,
    body: Annotated[Renewal | None, Body(openapi_examples=RENEWALS)] = None,
) -> IssuedKey:
    """Put a new key in the place of one, with the same id, name and role. The old one stops working within a second."""
    lifetime = parse_lifetime(body.expires_in) if body is not None and body.expires_in else None
    with Session(service.engine) as session, session.begin():
        _visible(session, key_id, caller, service)
        try:
            issued = keys.rotate_key(session, key_id, lifetime)
        except KeyRevoked:
            error = FieldProblem(field="id", detail=f"key {key_id} is revoked", remedy=REVOKED_REMEDY)
            raise ProblemError("key-revoked", [error]) from None
    return _issued("key rotated", issued, caller, response)


@router.delete(
    "/keys/{id}",
    summary="Revoke a key",
    status_code=204,
    responses={204: {"description": "It is revoked"}, **problems(422, 500, 503), **NOT_FOUND},
)
def revoke(key_id: KeyId, caller: Admin, service: Opened) -> Response:
    """Make a key useless for good, within a second. It stays in the list, since edits name it."""
    with Session(service.engine) as session, session.begin():
        _visible(session, key_id, caller, service)
        revoked = keys.revoke_key(session, key_id)
    log.info("key revoked", key=revoked.label, by=caller.actor)
    return Response(status_code=204)


def _issued(event: str, issued: keys.IssuedKey, caller: Caller, response: Response) -> IssuedKey:
    log.info(event, key=issued.record.label, role=issued.record.role, by=caller.actor)
    response.headers["Cache-Control"] = "no-store"
    known = Key.model_validate(issued.record, from_attributes=True)
    return IssuedKey(**known.model_dump(), key=issued.secret)


def _is_global(caller: Caller) -> bool:
    return caller.key is not None and caller.key.namespace is None


def _may_see(caller: Caller, key: KeyRecord, service: Service) -> bool:
    """Say whether an admin may deal with a key: one of this knowledge base, or, with a key for all, one for all."""
    return key.namespace == service.settings.namespace or (key.namespace is None and _is_global(caller))


def _visible(session: Session, key_id: int, caller: Caller, service: Service) -> None:
    """Check that the caller may deal with a key.

    Raises:
        ProblemError: there is none, or it is none of the caller's business, which is told the same way.
    """
    try:
        if _may_see(caller, keys.get_key(session, key_id), service):
            return
    except KeyNotFound:
        pass
    error = FieldProblem(field="id", detail=f"there is no key {key_id}", remedy=LIST_REMEDY)
    raise ProblemError("key-not-found", [error])
