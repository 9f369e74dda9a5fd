"""`/v1/bulk-patches`: the same patch of all entities that a filter finds, previewed and applied."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query

from app.edits import edit_of, edit_session
from app.examples_bulk import APPLIED, APPLY, PREVIEW, PREVIEWED
from app.namespaces import Opened
from app.responses import Responses, problem, problems
from app.routes.edits import Curator, XComment, shown
from app.routing import ApiRoute
from app.schemas.bulk import BulkAnswer, BulkChange, BulkFilter, BulkPatch, BulkPreview, BulkWish
from kb import bulk, queries
from kb.bulk import Patch
from kb.listing import Filter

router = APIRouter(prefix="/v1", tags=["editing"], route_class=ApiRoute)

CHANGED: Responses = {
    409: problem(
        "bulk-changed",
        "token",
        "the patch would do something else than what was previewed; it would change 3 entities now",
        "preview it again, look at what it would do, and send the new token",
    )
}
BODY = problems(400, 408, 413, 415, 422, 500, 503)


@router.post(
    "/bulk-patches/preview",
    summary="Preview a bulk patch",
    responses={200: shown(PREVIEWED, {}), **BODY, **CHANGED},
)
def preview(
    body: Annotated[BulkWish, Body(openapi_examples=PREVIEW)],
    caller: Curator,  # noqa: ARG001 - only they may
    service: Opened,
    examples: Annotated[int, Query(ge=0, le=100, description="Most entities to show.")] = 10,
) -> BulkPreview:
    """Tell how many entities a patch would change, and show the first of them before and after. Nothing is written."""
    namespace = service.settings.namespace
    with edit_session(service) as session:
        found = bulk.preview_bulk(session, namespace, _filter(body.filter), _patch(body.patch), examples)
        version = queries.kb_version(session, namespace)
    return BulkPreview.model_validate(
        {
            "matched": found.matched,
            "changed": found.changed,
            "examples": [{"before": item.before, "after": item.after} for item in found.examples],
            "token": found.token,
            "kb_version": version,
        }
    )


@router.post(
    "/bulk-patches",
    summary="Apply a bulk patch",
    responses={200: shown(APPLIED, {}), **BODY, **CHANGED},
)
def apply(
    body: Annotated[BulkPatch, Body(openapi_examples=APPLY)],
    caller: Curator,
    service: Opened,
    x_comment: XComment = None,
) -> BulkAnswer:
    """Do what was previewed, all of it or nothing. Refused where it would do something else by now."""
    namespace = service.settings.namespace
    with edit_session(service) as session:
        edit = edit_of("bulk-patch", caller, body, x_comment)
        which, patch = _filter(body.filter), _patch(body.patch)
        done = bulk.apply_bulk(session, namespace, which, patch, body.token, edit)
        version = queries.kb_version(session, namespace)
    return BulkAnswer(
        matched=done.matched, changed=done.changed, group=done.group, revision=done.revision, kb_version=version
    )


def _filter(given: BulkFilter) -> Filter:
    return Filter(
        ids=given.ids,
        type_id=given.type,
        subtypes=given.subtypes,
        source=given.source,
        missing_description=given.missing_description,
        no_alias=given.no_alias,
        ambiguous_alias=given.ambiguous_alias,
        changed_since=given.changed_since,
    )


def _patch(given: BulkChange) -> Patch:
    return Patch(
        put=given.set.model_dump(exclude_unset=True),
        add=given.add.model_dump(exclude_unset=True),
        remove=given.remove.model_dump(exclude_unset=True),
    )
