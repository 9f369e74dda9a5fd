"""The error answers of each kind of endpoint, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

from app.errors import TITLES
from app.schemas.problem import PROBLEM_TYPE

Responses = dict[int | str, dict[str, Any]]

ERRORS: dict[int, tuple[str, str, str, str]] = {
    400: ("invalid-json", "body", "not JSON: Expecting ',' delimiter (character 17)", "send one JSON object"),
    401: (
        "key-needed",
        "Authorization",
        "there is no key",
        "send Authorization: Bearer KEY; `namesake keys create` on the server makes one",
    ),
    403: (
        "forbidden",
        "Authorization",
        "key 3/loader is a reader, and this needs an admin",
        "use the key of an admin; `namesake keys create --role admin` on the server makes one",
    ),
    404: ("entity-not-found", "id", "there is no entity Q0", "search for it: GET /v1/entities?q="),
    408: (
        "body-incomplete",
        "body",
        "17 bytes have arrived, and no more for 30 seconds",
        "send the whole body, and its length in bytes (not characters) as Content-Length",
    ),
    412: (
        "version-changed",
        "If-Match",
        'the edit starts from another version of Lincoln,_Nebraska than the current one, "2"',
        'GET it, look at what changed, and send the edit again with If-Match: "2"',
    ),
    413: (
        "body-too-large",
        "body",
        "20000000 bytes are announced, at most 16777216 are taken",
        "send the texts in several requests, or raise NAMESAKE_MAX_BODY_BYTES on the server",
    ),
    415: (
        "unsupported-media-type",
        "Content-Type",
        "text/plain is not understood here",
        "send JSON with Content-Type: application/json",
    ),
    422: (
        "invalid-request",
        "mentions.0.end",
        "40 is outside the text, which has 32 code points",
        "send an offset from 0 to 32, or set offset_unit to the unit that you count in",
    ),
    428: (
        "version-needed",
        "If-Match",
        "the edit must name the version of Lincoln,_Nebraska that it starts from",
        'send If-Match: "2" if you have seen that version, which is the current one',
    ),
    429: (
        "too-many-requests",
        "request",
        "key 3/loader may send 100 requests a second, and 200 at once",
        "wait for as many seconds as Retry-After says, and send several texts in one request",
    ),
    500: (
        "internal-error",
        "service",
        "an unexpected error, which has been logged",
        "look for the request's id in the service's log and report it with the lines found there",
    ),
    503: (
        "not-ready",
        "service",
        "the service is starting: model and index are being loaded",
        "try again soon; /readyz and `namesake doctor` say more",
    ),
}


def problems(*statuses: int) -> Responses:
    """Return OpenAPI responses for these error statuses, each with an example."""
    return {status: problem(*ERRORS[status]) for status in statuses}


def problem(kind: str, field: str, detail: str, remedy: str) -> dict[str, Any]:
    """Return the OpenAPI response for one kind of problem, with an example."""
    status, title = TITLES[kind]
    example = {
        "type": f"urn:namesake:problem:{kind}",
        "title": title,
        "status": status,
        "detail": f"{field}: {detail}",
        "instance": "0b7ff2c1d5e14f6c8c9e6a1b5c1f3a52",
        "errors": [{"field": field, "detail": detail, "remedy": remedy}],
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": title, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}
