"""Examples of a stream of documents in the OpenAPI document; tests check that real answers look like them."""

from __future__ import annotations

import orjson

from app.examples import ONE_ANSWER

LINES = '{"id": "news-1", "text": "Lincoln is the capital of Nebraska."}\n{"id": "news-2"}\n'

PROBLEM = {
    "type": "urn:namesake:problem:invalid-request",
    "title": "The request has fields that cannot be used",
    "status": 422,
    "detail": "text: the field is missing",
    "instance": "0b7ff2c1d5e14f6c8c9e6a1b5c1f3a52",
    "errors": [
        {"field": "text", "detail": "the field is missing", "remedy": "add it, or name another field with text_field"}
    ],
}

ANSWERS = "".join(
    orjson.dumps(answer).decode() + "\n" for answer in (ONE_ANSWER | {"id": "news-1"}, {"line": 2, "error": PROBLEM})
)
