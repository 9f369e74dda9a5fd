"""Examples of a stream of documents in the OpenAPI document; tests check that real answers look like them."""

from __future__ import annotations

import orjson

from app.examples import ONE_ANSWER
from app.responses import problem
from app.schemas.problem import PROBLEM_TYPE

LINES = '{"id": "news-1", "text": "Lincoln is the capital of Nebraska."}\n{"id": "news-2"}\n'

MISSING = problem("invalid-request", "text", "the field is missing", "add it, or name another field with text_field")
PROBLEM = MISSING["content"][PROBLEM_TYPE]["example"]

ANSWERS = "".join(
    orjson.dumps(answer).decode() + "\n" for answer in (ONE_ANSWER | {"id": "news-1"}, {"line": 2, "error": PROBLEM})
)
