"""Everything that goes wrong becomes a problem+json answer that says what to do.

ProblemError                 an answer with its status; what routes and middleware raise
StarletteHTTPException       what the framework raises (404, 405, a body that cannot be read)
RequestValidationError       what pydantic finds in a request
OperationalError             the database cannot be reached
Exception                    anything else: 500, with the traceback in the log and not in the answer; caught by the
                             middleware, so that this answer too has its id and its line in the log
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.schemas.problem import PROBLEM_TYPE, FieldProblem
from app.validation import field_problem
from kb.keys import hide_keys

log = structlog.get_logger(__name__)

TITLES: dict[str, tuple[int, str]] = {
    "invalid-json": (400, "The body is not JSON"),
    "bad-request": (400, "The request cannot be understood"),
    "key-needed": (401, "A key is needed that is good"),
    "forbidden": (403, "This key may not do that"),
    "not-found": (404, "There is nothing at this address"),
    "entity-not-found": (404, "The knowledge base has no such entity"),
    "namespace-not-found": (404, "There is no such knowledge base"),
    "class-not-found": (404, "The knowledge base has no such type or predicate"),
    "revision-not-found": (404, "The history has no such revision"),
    "feedback-not-found": (404, "There is no such feedback"),
    "proposal-not-found": (404, "There is no such proposal"),
    "job-not-found": (404, "There is no such job"),
    "part-not-found": (404, "The job has no such part"),
    "key-not-found": (404, "There is no such key"),
    "method-not-allowed": (405, "This address does not answer this method"),
    "body-incomplete": (408, "The body did not arrive"),
    "job-finished": (409, "The job has ended"),
    "job-unfinished": (409, "The job has not got so far"),
    "key-revoked": (409, "The key is revoked for good"),
    "id-taken": (409, "The id is taken"),
    "xref-taken": (409, "Two entities would be the same one elsewhere"),
    "not-deleted": (409, "The entity is not deleted"),
    "namespace-exists": (409, "There is such a knowledge base"),
    "namespace-in-use": (409, "The knowledge base is in use"),
    "namespace-empty": (409, "The knowledge base has no entities"),
    "bulk-changed": (409, "The patch would do something else by now"),
    "class-exists": (409, "There is such a type or predicate"),
    "class-in-use": (409, "The type or predicate is in use"),
    "entity-redirected": (409, "The id is a former one of another entity"),
    "redirect-cycle": (409, "Ids would lead to each other"),
    "merge-conflict": (409, "The two entities contradict each other"),
    "too-many-entities": (409, "Too many entities would be edited at once"),
    "nothing-to-undo": (409, "There is nothing to undo"),
    "edited-later": (409, "Later edits touched the same fields"),
    "too-many-revisions": (409, "Too much would be undone at once"),
    "already-decided": (409, "It was accepted or rejected before"),
    "version-changed": (412, "It has another version by now"),
    "body-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body is of a type that is not understood here"),
    "invalid-request": (422, "The request has fields that cannot be used"),
    "idempotency-key-reused": (422, "The Idempotency-Key came with another request before"),
    "version-needed": (428, "The version that the edit starts from is not named"),
    "too-many-requests": (429, "The limit of requests is reached"),
    "quota-reached": (429, "The key has as many jobs or documents as it may"),
    "internal-error": (500, "Something went wrong inside the service"),
    "not-ready": (503, "The service cannot answer yet"),
    "overloaded": (503, "Too many requests are waiting"),
    "deadline-passed": (503, "The answer was not there in time"),
    "database-unavailable": (503, "The database cannot be reached"),
    "storage-full": (507, "There is no space left"),
}


class ProblemError(HTTPException):
    """A problem to answer with.

    Attributes:
        kind: a key of `TITLES`, which gives the status.
        errors: the fields at fault.
    """

    def __init__(
        self,
        kind: str,
        errors: Sequence[FieldProblem],
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.errors = list(errors)
        first = "; ".join(f"{error.field}: {error.detail}" for error in self.errors[:3])
        more = f" (and {len(self.errors) - 3} more)" if len(self.errors) > 3 else ""
        super().__init__(TITLES[kind][0], detail or first + more, dict(headers) if headers else None)


def refuse_type(field: str, detail: str, remedy: str, accepted: Iterable[str]) -> NoReturn:
    """Refuse a body by what its headers say.

    Args:
        accepted: the types that are understood.

    Raises:
        ProblemError: always.
    """
    headers = {"Accept-Post": ", ".join(accepted)}
    error = FieldProblem(field=field, detail=detail, remedy=remedy)
    raise ProblemError("unsupported-media-type", [error], headers=headers)


def refuse_packed(request: Request, remedy: str, accepted: Iterable[str]) -> None:
    """Refuse a body that has been compressed on its way.

    Args:
        accepted: the types that are understood.

    Raises:
        ProblemError: it has been.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        refuse_type("Content-Encoding", f"{encoding} is not understood here", remedy, accepted)


def problem_response(error: ProblemError, request_id: str) -> Response:
    """Return the problem+json answer for `error`."""
    body = orjson.dumps(problem_body(error, request_id))
    return Response(body, error.status_code, error.headers, media_type=PROBLEM_TYPE)


def problem_body(error: ProblemError, request_id: str) -> dict[str, Any]:
    """Return what the answer for `error` says."""
    return {
        "type": f"urn:namesake:problem:{error.kind}",
        "title": TITLES[error.kind][1],
        "status": error.status_code,
        "detail": printable(error.detail),
        "instance": request_id,
        "errors": [
            {"field": printable(e.field), "detail": printable(e.detail), "remedy": printable(e.remedy)}
            for e in error.errors
        ],
    }


def internal_error(error: Exception, request_id: str) -> ProblemError:
    """Log an error that nobody expected and return the problem to answer with, which gives no details away."""
    log.error("internal error", request_id=request_id, exc_info=error)
    remedy = f"look for {request_id} in the service's log and report it with the lines found there"
    fields = [FieldProblem(field="service", detail="an unexpected error, which has been logged", remedy=remedy)]
    return ProblemError("internal-error", fields)


def printable(text: str, limit: int = 500) -> str:
    """Return text that can be encoded and shown: lone surrogates become escapes, and keys are cut off."""
    clean = hide_keys(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def install(app: FastAPI, field_names: Sequence[str]) -> None:
    """Make the app answer every error as problem+json.

    Args:
        app: the application.
        field_names: names that requests may use, to suggest the nearest one for an unknown field.
    """

    def request_id(request: Request) -> str:
        return str(request.scope.get("namesake.request_id", ""))

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        known = error if isinstance(error, ProblemError) else _from_framework(request, error)
        return problem_response(known, request_id(request))

    async def on_validation(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return problem_response(_from_validation(error, field_names), request_id(request))

    async def on_database(request: Request, error: Exception) -> Response:
        log.error("database unavailable", request_id=request_id(request), error=str(error))
        remedy = "try again soon; if it stays, run `namesake doctor` on the server"
        fields = [FieldProblem(field="database", detail="no connection to the database", remedy=remedy)]
        return problem_response(
            ProblemError("database-unavailable", fields, headers={"Retry-After": "5"}), request_id(request)
        )

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(OperationalError, on_database)
    app.add_exception_handler(InterfaceError, on_database)


def _from_framework(request: Request, error: HTTPException) -> ProblemError:
    """Say what the framework's bare status means here."""
    path = request.url.path
    if error.status_code == 404:
        return ProblemError(
            "not-found", [FieldProblem(field="path", detail=f"{path} is no address of this API", remedy="see /docs")]
        )
    if error.status_code == 405:
        allowed = _allowed_methods(request) or (error.headers or {}).get("Allow", "another method")
        field = FieldProblem(field="method", detail=f"{path} does not answer {request.method}", remedy=f"use {allowed}")
        return ProblemError("method-not-allowed", [field], headers={"Allow": allowed})
    if error.status_code == 400:
        remedy = "send one JSON object, encoded as UTF-8, and not nested more than a few levels deep"
        return ProblemError(
            "invalid-json", [FieldProblem(field="body", detail="the body cannot be read as JSON", remedy=remedy)]
        )
    kind = "internal-error" if error.status_code >= 500 else "bad-request"
    return ProblemError(
        kind, [FieldProblem(field="request", detail=str(error.detail), remedy="see /docs")], headers=error.headers
    )


def _allowed_methods(request: Request) -> str:
    """Return all methods of the path; the framework names those of the first endpoint there, and no others."""
    template = getattr(request.scope.get("route"), "path_format", "")
    return ", ".join(sorted(method.upper() for method in request.app.openapi()["paths"].get(template, ())))


def _from_validation(error: RequestValidationError, field_names: Sequence[str]) -> ProblemError:
    items = error.errors()
    if items and items[0]["type"] == "json_invalid":
        position, reason = items[0]["loc"][-1], items[0].get("ctx", {}).get("error", "")
        detail = f"not JSON: {reason} (character {position})"
        return ProblemError("invalid-json", [FieldProblem(field="body", detail=detail, remedy="send one JSON object")])
    return ProblemError("invalid-request", [field_problem(item, field_names) for item in items])
