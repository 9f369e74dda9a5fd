"""Whatever is wrong with a request, the answer names the field and what to do, and is problem+json."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import problem
from starlette.testclient import TestClient

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "field", "detail", "remedy"),
    [
        ({"text": ""}, "text", "empty", "send at least one character"),
        ({}, "text", "the field is missing", "add it"),
        ([], "body", "not a JSON object", "send a JSON object"),
        ("text", "body", "not a JSON object", "send a JSON object"),
        (None, "body", "not a JSON object", "send a JSON object"),
        ({"text": 5}, "text", "not a string", "double quotes"),
        ({"text": "a", "mentoins": []}, "mentoins", "there is no such field", "did you mean mentions?"),
        ({"text": "a", "documents": []}, "documents", "there is no such field", "documents"),
        ({"documents": []}, "documents", "the list is empty", "at least one"),
        ({"documents": [{"text": ""}]}, "documents.0.text", "empty", "at least one character"),
        ({"documents": [{"text": "a"}, {}]}, "documents.1.text", "the field is missing", "add it"),
        ({"documents": "a"}, "documents", "not a list", "[ … ]"),
        ({"documents": [{"text": "a"}] * 21}, "documents", "there are 21, at most 20", "NAMESAKE_MAX_TEXTS"),
        ({"text": "a" * 1001}, "text", "1001 code points, at most 1000", "NAMESAKE_MAX_TEXT_CHARS"),
        ({"text": "a", "candidates": 31}, "candidates", "larger than 30", "30 or less"),
        ({"text": "a", "candidates": -1}, "candidates", "smaller than 0", "0 or more"),
        ({"text": "a", "candidates": "5"}, "candidates", "not a whole number", "without quotes"),
        ({"text": "a", "candidates": True}, "candidates", "not a whole number", "whole number"),
        ({"text": "a", "min_confidence": 1.5}, "min_confidence", "larger than 1", "1 or less"),
        ({"text": "a", "min_confidence": float("nan")}, "min_confidence", "not a finite number", "finite"),
        ({"text": "a", "offset_unit": "bytes"}, "offset_unit", "none of the values", "'codepoint', 'utf16' or 'utf8'"),
        ({"text": "a", "language": "English?"}, "language", "not of the right form", "matches"),
        ({"text": "a", "types": ["no-such"]}, "types.0", "no type no-such", "`types`"),
        ({"text": "a", "types": ["a\0"]}, "types.0", "NUL", "leave NUL out"),
        ({"text": "a", "id": ""}, "id", "empty", "at least one character"),
    ],
)
def test_annotate_names_field_and_remedy(client: TestClient, body: Any, field: str, detail: str, remedy: str) -> None:
    response = client.post("/v1/annotate", content=json.dumps(body), headers=JSON)
    first = problem(response, 422, "invalid-request").errors[0]
    assert first.field == field
    assert detail in first.detail
    assert remedy in first.remedy or field == "documents"


def test_every_field_at_fault_is_named(client: TestClient) -> None:
    response = client.post("/v1/annotate", json={"text": "", "candidates": 99, "x": 1})
    assert {error.field for error in problem(response, 422, "invalid-request").errors} == {"text", "candidates", "x"}


@pytest.mark.parametrize(
    ("text", "position"), [("a\\ud800b", 1), ("\\udc00", 0), ("ab\\ude00\\ud83d", 2), ("\\ud83d\\ude00 \\ud83d", 2)]
)
def test_half_of_a_surrogate_pair_is_refused_with_its_position(client: TestClient, text: str, position: int) -> None:
    response = client.post("/v1/annotate", content=f'{{"text": "{text}"}}', headers=JSON)
    error = problem(response, 422, "invalid-request").errors[0]
    assert error.field == "text"
    assert f"code point {position} is half of a surrogate pair" in error.detail


@pytest.mark.parametrize(
    "body", ['{"text": "a", "\\ud800": 1}', '{"text": "a", "types": ["\\ud800"]}', '{"\\ud800": 1}']
)
def test_half_of_a_surrogate_pair_elsewhere_breaks_nothing(client: TestClient, body: str) -> None:
    problem(client.post("/v1/annotate", content=body, headers=JSON), 422, "invalid-request")


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "a',
        b"{",
        b'{"text": "\xff"}',
        b"[" * 50_000,
        b'{"text": ' + b"1" * 5000 + b"}",
        b'{"text": "a"} x',
        b"\xef\xbb",
    ],
)
def test_broken_json_is_400(client: TestClient, body: bytes) -> None:
    assert (
        problem(client.post("/v1/annotate", content=body, headers=JSON), 400, "invalid-json").errors[0].field == "body"
    )


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"Content-Type": "text/plain"}, "Content-Type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"Content-Type": "nonsense"}, "Content-Type"),
        ({}, "Content-Type"),
        ({"Content-Type": "application/json; charset=latin-1"}, "Content-Type"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "Content-Encoding"),
    ],
)
def test_a_wrong_content_type_is_415(client: TestClient, headers: dict[str, str], field: str) -> None:
    response = client.post("/v1/annotate", content=b'{"text": "a"}', headers=headers)
    assert problem(response, 415, "unsupported-media-type").errors[0].field == field
    assert response.headers["accept-post"] == "application/json"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8", "application/ld+json"])
def test_json_is_taken_however_it_is_called(client: TestClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert client.post("/v1/annotate", content=b'{"text": "a"}', headers=headers).status_code == 200


def test_a_large_body_is_413_by_its_announced_length(client: TestClient) -> None:
    response = client.post("/v1/annotate", content=b"x" * 100_001, headers=JSON)
    assert "100001 bytes are announced, at most 100000" in problem(response, 413, "body-too-large").detail


def test_a_large_body_without_length_is_413_while_it_arrives(client: TestClient) -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 10_000

    error = problem(client.post("/v1/annotate", content=chunks(), headers=JSON), 413, "body-too-large").errors[0]
    assert "NAMESAKE_MAX_BODY_BYTES" in error.remedy


@pytest.mark.parametrize(
    ("mentions", "fields"),
    [
        ([{"start": 0, "end": 99}], ["mentions.0.end"]),
        ([{"start": -1, "end": 2}], ["mentions.0.start"]),
        ([{"start": 3, "end": 3}], ["mentions.0"]),
        ([{"start": 3, "end": 2}], ["mentions.0"]),
        ([{"start": 0, "end": 3}, {"start": 2, "end": 4}], ["mentions.1"]),
        ([{"start": 2, "end": 4}, {"start": 0, "end": 3}], ["mentions.0"]),
        ([{"start": 0, "end": 6}, {"start": 1, "end": 2}, {"start": 4, "end": 5}], ["mentions.1", "mentions.2"]),
        ([{"start": 0, "end": 2}, {"start": 0, "end": 2}], ["mentions.1"]),
        ([{"start": 0}], ["mentions.0.end"]),
        ([{"start": 0, "end": 2, "text": "ab"}], ["mentions.0.text"]),
        ([{"start": 0, "end": 1e99}], ["mentions.0.end"]),
        ([{"start": 0, "end": 10**30}], ["mentions.0.end"]),
        ([None], ["mentions.0"]),
        (None, ["mentions"]),
        ([{"start": i, "end": i + 1} for i in range(11)], ["mentions", "mentions.6.end"]),
    ],
)
def test_mentions_that_cannot_be_honoured_are_named(client: TestClient, mentions: Any, fields: list[str]) -> None:
    response = client.post("/v1/disambiguate", json={"text": "abcdef", "mentions": mentions})
    found = [error.field for error in problem(response, 422, "invalid-request").errors]
    assert found[: len(fields)] == fields


def test_both_overlapping_mentions_are_named_with_their_document(client: TestClient) -> None:
    mentions = [{"start": 4, "end": 6}, {"start": 0, "end": 5}]
    body = {"documents": [{"text": "fine", "mentions": []}, {"text": "abcdef", "mentions": mentions}]}
    error = problem(client.post("/v1/disambiguate", json=body), 422, "invalid-request").errors[0]
    assert error.field == "documents.1.mentions.0"
    assert error.detail == "the mention from 4 to 6 overlaps mentions.1, from 0 to 5"


def test_disambiguate_wants_mentions(client: TestClient) -> None:
    assert (
        problem(client.post("/v1/disambiguate", json={"text": "a"}), 422, "invalid-request").errors[0].field
        == "mentions"
    )


def test_a_thousand_mistakes_make_a_short_answer(client: TestClient) -> None:
    mention = {"start": 0, "end": 9}
    body = {"documents": [{"text": "a", "mentions": [mention] * 10}] * 20}
    assert len(problem(client.post("/v1/annotate", json=body), 422, "invalid-request").errors) == 100


def test_unknown_addresses_and_methods(client: TestClient) -> None:
    problem(client.get("/v2/annotate"), 404, "not-found")
    problem(client.get("/assets/swagger/none.js"), 404, "not-found")
    response = client.get("/v1/annotate")
    assert problem(response, 405, "method-not-allowed").errors[0].remedy == "use POST"
    assert response.headers["allow"] == "POST"
