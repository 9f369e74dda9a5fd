"""The route class of the API: what is checked of a request before its body is read."""

from __future__ import annotations

import email.message
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.access.guard import Requirement
from app.errors import ProblemError, refuse_type
from app.namespaces import NAMED, PARAMETER
from app.openapi import KEY_SCHEME
from app.responses import Responses, problem, problems
from app.runtime import get_runtime
from app.schemas.problem import FieldProblem

NO_NAMESPACE: Responses = {
    404: problem(
        "namespace-not-found",
        "namespace",
        "there is no knowledge base staging",
        "GET /v1/namespaces lists those that there are",
    )
}
EMPTY: Responses = {
    409: problem(
        "namespace-empty",
        "namespace",
        "the knowledge base staging has no entities",
        "add some first: POST /v1/entities?namespace=staging, or `namesake kb import` on the server",
    )
}

ACCEPTED = ("application/json",)


class ApiRoute(APIRoute):
    """Looks at key and headers before the body is read.

    Who may not call shall cost no work, and compressed or foreign bytes would only look like broken JSON.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        requirement = find_requirement(self.dependant)
        if requirement is not None:
            # Here rather than at each endpoint, so that none can forget it. {} says that it also works without a key.
            schemes: list[dict[str, list[str]]] = [{}, {KEY_SCHEME: []}] if requirement.keyless else [{KEY_SCHEME: []}]
            self.openapi_extra = {**(self.openapi_extra or {}), "security": schemes}
            self.responses = problems(401, 403, 429) | self.responses
        if takes_parameter(self.dependant, PARAMETER):
            self.responses = NO_NAMESPACE | self.responses

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handler = super().get_route_handler()
        requirement = find_requirement(self.dependant)
        field = self.body_field
        optional = field is not None and not field.field_info.is_required()
        takes_namespace = takes_parameter(self.dependant, PARAMETER)

        async def checked(request: Request) -> Response:
            name_namespace(request, takes=takes_namespace)
            if requirement is not None:
                await requirement(request)
            if field is not None and not (optional and _has_no_body(request)):
                require_json(request)
            return with_namespace(request, await handler(request))

        return checked


def takes_parameter(dependant: Dependant, name: str) -> bool:
    """Say whether an endpoint, or what it depends on, has a parameter of the query."""
    return any(param.alias == name for param in dependant.query_params) or any(
        takes_parameter(item, name) for item in dependant.dependencies
    )


def name_namespace(request: Request, *, takes: bool) -> None:
    """Write the name of the knowledge base that a request is about into its scope.

    Raises:
        ProblemError: it names one at an address that answers for the served one alone.
    """
    named = request.path_params.get(PARAMETER) or request.query_params.get(PARAMETER)
    if named is None:
        return
    served = get_runtime(request).settings.namespace
    if takes or PARAMETER in request.path_params:
        request.scope[NAMED] = named
    elif named != served:
        detail = f"{request.url.path} answers for the knowledge base {served} alone"
        remedy = "leave it out, or ask a service that serves the other one (NAMESAKE_NAMESPACE)"
        raise ProblemError("invalid-request", [FieldProblem(field=PARAMETER, detail=detail, remedy=remedy)])


def with_namespace(request: Request, response: Response) -> Response:
    """Let an address that an answer names lead to the knowledge base that the request named."""
    named, location = request.query_params.get(PARAMETER), response.headers.get("location")
    if named is not None and location is not None and "?" not in location:
        response.headers["Location"] = f"{location}?{PARAMETER}={quote(named)}"
    return response


def find_requirement(dependant: Dependant) -> Requirement | None:
    """Return what an endpoint requires of its callers: the highest role where it says so more than once."""
    found = [dependant.call] if isinstance(dependant.call, Requirement) else []
    found += [item for item in map(find_requirement, dependant.dependencies) if item is not None]
    return max(found, key=lambda item: (item.role.rank, not item.keyless), default=None)


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
        refuse_type("Content-Type", what, "send JSON with Content-Type: application/json", ACCEPTED)
    charset = header.get_content_charset("utf-8")
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        refuse_type(
            "Content-Type", f"charset {charset} is not understood here", "send the body encoded as UTF-8", ACCEPTED
        )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        refuse_type(
            "Content-Encoding", f"{encoding} is not understood here", "send the body without compression", ACCEPTED
        )


def _has_no_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
