"""Bodies that nobody would think of: whatever arrives, the answer is 200 or a problem, and the next one is answered."""

import asyncio
import json
from typing import Any

import pytest
from api_client import problem
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.errors import ProblemError
from app.middleware import BodyLimit

JSON = {"Content-Type": "application/json"}
PATHS = st.sampled_from(["/v1/annotate", "/v1/disambiguate"])
FIELDS = ["text", "documents", "mentions", "id", "types", "min_confidence", "candidates", "offset_unit", "language"]
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 1e308, 2**63, -0.0]))
# Lone surrogates too: `json.dumps` spells them as escapes.
STRINGS = st.one_of(st.text(max_size=20), st.text(st.characters(categories=["Cs", "Cc", "Mn", "Lo", "So"]), max_size=9))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from([*FIELDS, "start", "end"]), STRINGS), inner, max_size=4),
    ),
    max_leaves=12,
)
anything = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def check(client: TestClient, path: str, content: bytes) -> None:
    response = client.post(path, content=content, headers=JSON)
    if response.status_code != 200:
        assert response.status_code in {400, 413, 422}, response.text
        kinds = {400: "invalid-json", 413: "body-too-large", 422: "invalid-request"}
        problem(response, response.status_code, kinds[response.status_code])


@anything
@given(PATHS, st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_any_values_in_the_known_fields(client: TestClient, path: str, body: dict[str, Any]) -> None:
    check(client, path, json.dumps(body).encode())


@anything
@given(PATHS, VALUES)
def test_any_json(client: TestClient, path: str, body: Any) -> None:
    check(client, path, json.dumps(body).encode())


@anything
@given(PATHS, st.binary(max_size=60))
@example("/v1/annotate", b"")
@example("/v1/annotate", b"null")
@example("/v1/annotate", b'\xef\xbb\xbf{"text": "a"}')
@example("/v1/annotate", '{"text": "a"}'.encode("utf-16"))
@example("/v1/annotate", b'{"text": "a", "min_confidence": 1e999}')
@example("/v1/annotate", b'{"text": "a", "candidates": -Infinity}')
@example("/v1/annotate", b'{"text": "a", "mentions": ' + b"[" * 900 + b"]" * 900 + b"}")
@example("/v1/annotate", b'{"text":' * 5000 + b"1" + b"}" * 5000)
@example("/v1/annotate", b'{"text": "a", "text": "b"}')
def test_any_bytes(client: TestClient, path: str, body: bytes) -> None:
    check(client, path, body)


@pytest.mark.parametrize("language", ["", "e", "english", "en_US", "en-", "-en", "日本", "en\0", "x" * 36, 5, ["en"]])
def test_a_wrong_language_code_is_named(client: TestClient, language: Any) -> None:
    response = client.post("/v1/annotate", json={"text": "a", "language": language})
    assert problem(response, 422, "invalid-request").errors[0].field == "language"


def test_a_mention_inside_a_character_says_where_it_may_be_cut(client: TestClient) -> None:
    body = {"text": "😀 Paris", "offset_unit": "utf16", "mentions": [{"start": 1, "end": 8}]}
    error = problem(client.post("/v1/annotate", json=body), 422, "invalid-request").errors[0]
    assert error.field == "mentions.0.start"
    assert "0 or 2" in error.remedy


def test_a_body_that_stops_arriving_is_given_up() -> None:
    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def read(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()

    async def send(_: Message) -> None:
        raise AssertionError("nothing is to be sent")

    scope = {"type": "http", "path": "/", "headers": []}
    with pytest.raises(ProblemError) as refused:
        asyncio.run(BodyLimit(read, limit=100, patience=0.01)(scope, silence, send))
    assert refused.value.status_code == 408
    assert "Content-Length" in refused.value.errors[0].remedy
