"""What endpoints that edit share: the version that an edit starts from, its comment, and why it is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy.orm import Session
from starlette.requests import Request

from app.access.callers import Caller
from app.entity_answers import entity_missing, entity_redirected, etag
from app.errors import ProblemError
from app.namespaces import PARAMETER, namespace_missing
from app.schemas.edits import Remark
from app.schemas.problem import FieldProblem
from app.service import Service
from kb import conflicts, lookups
from kb.curation import Edit
from kb.importers.checks import Rejected

ETAG = re.compile(r'(?:W/)?"([0-9]{1,9})"')
NO_VERSION = -1
LOOK_AGAIN = "GET it, look at what changed, and send the edit again with If-Match: {etag}"


@contextmanager
def edit_session(service: Service) -> Iterator[Session]:
    """Yield a session that is committed at the end; an edit that is refused is rolled back.

    Raises:
        ProblemError: why it was refused.
    """
    try:
        with Session(service.engine) as session, session.begin():
            yield session
    except Rejected as error:
        # Files count items in brackets, requests with dots.
        field = re.sub(r"\[(\d+)\]", r".\1", error.field or "body")
        raise _problem("invalid-request", field, error.error, error.remedy) from None
    except conflicts.Refused as error:
        raise PROBLEMS[type(error)](error) from None


def base_version(
    session: Session, service: Service, entity_id: str, if_match: str | None, *, deleted: bool = False
) -> int | None:
    """Return the version that an edit starts from, as `If-Match` names it; None for `*`, whichever is there.

    A tag that a proxy made weak is taken as well: versions are exact, and compressing an answer changes nothing in it.

    Args:
        session: reads the version that there is.
        service: names the knowledge base.
        entity_id: the entity.
        if_match: the header.
        deleted: whether the entity may be a deleted one.

    Raises:
        ProblemError: 428, the header is not there; 404, the entity is not there either.
    """
    if if_match is None:
        state = lookups.entity_state(session, service.settings.namespace, entity_id)
        if state is not None and state.redirect is not None and not deleted:
            raise entity_redirected(entity_id, state.redirect)
        if state is None or (state.deleted and not deleted):
            raise entity_missing(entity_id, None if state is None else state.version)
        raise version_needed(entity_id, etag(state.version))
    if if_match.strip() == "*":
        return None
    found = ETAG.fullmatch(if_match.strip())
    return int(found[1]) if found else NO_VERSION


def version_needed(key: str, tag: str) -> ProblemError:
    """Return the problem of an edit without `If-Match`; `tag` is the current `ETag`."""
    detail = f"the edit must name the version of {key} that it starts from"
    remedy = f"send If-Match: {tag} if you have seen that version, which is the current one"
    return _problem("version-needed", "If-Match", detail, remedy, ETag=tag)


def class_tag(tag: str) -> str:
    """Return the `ETag` of a type or predicate."""
    return f'"{tag}"'


def class_missing(error: conflicts.ClassMissing) -> ProblemError:
    """Return the problem of a type or predicate that is not there."""
    return _problem("class-not-found", "id", str(error), f"GET /v1/{error.kind}s lists those that there are")


def header_comment(given: str | None) -> str | None:
    """Return the comment of `X-Comment`: headers come as Latin-1, and programs write UTF-8 into them."""
    if given is None:
        return None
    try:
        return given.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return given


def edit_of(kind: str, caller: Caller, body: Remark | None, x_comment: str | None) -> Edit:
    """Return what the history says of an edit."""
    return Edit(kind, caller.actor, (body.comment if body else None) or header_comment(x_comment))


def sent_fields(body: Remark) -> dict[str, Any]:
    """Return the fields that were sent; those that are null are there, and those that were left out are not."""
    return body.model_dump(exclude_unset=True, exclude={"comment"})


def refuse_request(field: str, detail: str, remedy: str) -> NoReturn:
    """Answer that a field cannot be used.

    Raises:
        ProblemError: 422, always.
    """
    raise _problem("invalid-request", field, detail, remedy)


def refuse_unknown(request: Request, names: Sequence[str]) -> None:
    """Refuse parameters that do not exist: a misspelt one would otherwise be ignored in silence.

    Raises:
        ProblemError: naming the first of them.
    """
    for name in request.query_params:
        if name not in {*names, PARAMETER}:
            refuse_request(name, "there is no such parameter", f"use {', '.join((*names, PARAMETER))}")


def revision_missing(revision_id: int) -> ProblemError:
    """Return the problem of a revision that does not exist."""
    remedy = "GET /v1/revisions lists those that there are"
    return _problem("revision-not-found", "id", f"there is no revision {revision_id}", remedy)


def _problem(kind: str, field: str, detail: str, remedy: str, **headers: str) -> ProblemError:
    return ProblemError(kind, [FieldProblem(field=field, detail=detail, remedy=remedy)], headers=headers)


def _id_taken(error: conflicts.IdTaken) -> ProblemError:
    tag = etag(error.version)
    remedy = f"choose another id, or edit the entity that is there: PATCH it with If-Match: {tag}"
    if error.redirect:
        remedy = f"choose another id; GET of this one leads to {error.redirect}"
    elif error.deleted:
        remedy = f"bring it back with POST /v1/entities/{{id}}/restore and If-Match: {tag}, or choose another id"
    return _problem("id-taken", "id", str(error), remedy, ETag=tag)


def _stale(error: conflicts.Stale) -> ProblemError:
    tag = etag(error.current)
    detail = f"the edit starts from another version of {error.entity_id} than the current one, {tag}"
    return _problem("version-changed", "If-Match", detail, LOOK_AGAIN.format(etag=tag), ETag=tag)


def _xref_taken(error: conflicts.XrefTaken) -> ProblemError:
    remedy = f"leave it out, or take it away from {error.other_id} first; if both are one entity, merge them"
    return _problem("xref-taken", f"xrefs.{error.scheme}", str(error), remedy)


def _merge_conflict(error: conflicts.MergeConflict) -> ProblemError:
    fields = [
        FieldProblem(
            field=f"xrefs.{item.scheme}",
            detail=f"the entity is {item.kept} in {item.scheme}, the duplicate {item.dropped}",
            remedy=f"if they are one entity all the same, say which stays: "
            f'{{"xrefs": {{"{item.scheme}": "{item.kept}"}}}}',
        )
        for item in error.choices[:100]
    ]
    return ProblemError("merge-conflict", fields)


def _class_in_use(error: conflicts.ClassInUse) -> ProblemError:
    remedy = "take it away from them first"
    if error.uses.get("entities"):
        remedy += ": GET /v1/entities?type= lists them, POST /v1/bulk-patches edits many at once"
    return _problem("class-in-use", "id", str(error), remedy)


def _stale_class(error: conflicts.StaleClass) -> ProblemError:
    if error.tag is None:
        return _problem("version-changed", "If-Match", f"{error}: it is deleted", "leave it, or create it anew")
    tag = class_tag(error.tag)
    return _problem("version-changed", "If-Match", str(error), LOOK_AGAIN.format(etag=tag), ETag=tag)


def _edited_later(error: conflicts.UndoClash) -> ProblemError:
    forced = "send force: true to undo those later edits, too, or edit the entity by hand"
    restored = "restore the entity first"
    fields = [
        FieldProblem(
            field=f"revisions.{clash.revision_id}", detail=str(clash), remedy=restored if clash.lasting else forced
        )
        for clash in error.clashes[:100]
    ]
    return ProblemError("edited-later", fields)


def _busy(error: conflicts.Busy) -> ProblemError:
    return _problem(
        "overloaded", "service", str(error), "try again soon: an import may be running", **{"Retry-After": "5"}
    )


PROBLEMS: dict[type[conflicts.Refused], Callable[[Any], ProblemError]] = {
    conflicts.EntityMissing: lambda error: entity_missing(error.entity_id, error.deleted_version),
    conflicts.IdTaken: _id_taken,
    conflicts.NamespaceMissing: namespace_missing,
    conflicts.NamespaceExists: lambda error: _problem(
        "namespace-exists", "name", str(error), "choose another name, or use that one"
    ),
    conflicts.NamespaceInUse: lambda error: _problem(
        "namespace-in-use",
        "namespace",
        str(error),
        "send force=true to delete them with all their history; an export keeps a copy",
    ),
    conflicts.BulkChanged: lambda error: _problem(
        "bulk-changed", "token", str(error), "preview it again, look at what it would do, and send the new token"
    ),
    conflicts.ClassMissing: class_missing,
    conflicts.ClassExists: lambda error: _problem(
        "class-exists", "id", str(error), f"choose another id, or PUT what it should be to /v1/{error.kind}s/{{id}}"
    ),
    conflicts.ClassInUse: _class_in_use,
    conflicts.StaleClass: _stale_class,
    conflicts.Redirected: lambda error: entity_redirected(error.entity_id, error.target),
    conflicts.RedirectCycle: lambda error: _problem(
        "redirect-cycle", "id", str(error), "undo what came later first: GET /v1/revisions?entity= lists it"
    ),
    conflicts.MergeConflict: _merge_conflict,
    conflicts.TooManyEntities: lambda error: _problem(
        "too-many-entities", "id", str(error), "edit a part of them first, for example with POST /v1/bulk-patches"
    ),
    conflicts.NotDeleted: lambda error: _problem(
        "not-deleted", "id", str(error), "there is nothing to restore; to go back to an earlier state, undo a revision"
    ),
    conflicts.Stale: _stale,
    conflicts.XrefTaken: _xref_taken,
    conflicts.Busy: _busy,
    conflicts.FeedbackMissing: lambda error: _problem(
        "feedback-not-found", "id", str(error), "GET /v1/feedback lists what there is"
    ),
    conflicts.ProposalMissing: lambda error: _problem(
        "proposal-not-found", "id", str(error), "GET /v1/proposals lists those that there are"
    ),
    conflicts.AlreadyDecided: lambda error: _problem(
        "already-decided", "id", str(error), "to take back what it changed, undo its revision: GET /v1/revisions"
    ),
    conflicts.RevisionMissing: lambda error: revision_missing(error.revision_id),
    conflicts.NothingToUndo: lambda error: _problem(
        "nothing-to-undo", "id", str(error), "look at the history: GET /v1/revisions"
    ),
    conflicts.UndoClash: _edited_later,
    conflicts.TooManyRevisions: lambda error: _problem(
        "too-many-revisions", "since", str(error), "name a later time or an actor, and undo a part at a time"
    ),
}
"""What each reason to refuse an edit becomes."""
