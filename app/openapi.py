"""The OpenAPI document: what FastAPI derives from the routes, the limits of this server, and the problem schema."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.schemas.problem import FieldProblem, Problem
from app.settings import Settings

KEY_SCHEME = "key"
KEY_DESCRIPTION = """A key that `namesake keys create` made. Reading from the machine that serves needs none, unless a
setting says otherwise; writing always does."""
DESCRIPTION = """Which of the entities that share this name does the text mean?

Text goes in; mentions come out, each linked to an entity of the knowledge base or to NIL, with a calibrated
probability. Offsets are code points unless `offset_unit` says otherwise. Errors are `application/problem+json`
(RFC 9457) and name the field at fault and what to do about it."""


def install(app: FastAPI, settings: Settings) -> None:
    """Make `app` serve the completed document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
            app.openapi_schema = _completed(document, settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    template = "#/components/schemas/{model}"
    for model in (FieldProblem, Problem):
        schema = model.model_json_schema(ref_template=template)
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    # FastAPI adds its own validation error to every operation with parameters; ours replaces it.
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    document["components"]["securitySchemes"] = {
        KEY_SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "nsk_…", "description": KEY_DESCRIPTION}
    }
    for schema in schemas.values():
        _limit(schema.get("properties", {}), settings)
    return document


def _limit(properties: dict[str, Any], settings: Settings) -> None:
    """Write this server's limits into a request's schema; answers have none of these fields with a minimum length."""
    text, documents, mentions = (properties.get(name, {}) for name in ("text", "documents", "mentions"))
    if "minLength" in text:
        text["maxLength"] = settings.max_text_chars
        for choice in [mentions, *mentions.get("anyOf", [])]:
            if choice.get("type") == "array":
                choice["maxItems"] = settings.max_mentions
    if "minItems" in documents:
        documents["maxItems"] = settings.max_texts
