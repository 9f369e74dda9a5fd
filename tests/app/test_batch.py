"""A stream of documents: every line is answered in its order, whatever is wrong with the others."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from api_client import problem, serving
from job_client import NDJSON, documents, lines
from starlette.testclient import TestClient

from app.examples_batch import ANSWERS, LINES
from app.jobs import reading
from app.schemas.answers import OneAnswer
from app.schemas.problem import Problem
from app.service import Service
from app.streaming import GROUP_BYTES, Line, Lines, grouped

PATH = "/v1/annotate/batch"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def api(starter_service: Service) -> Iterator[TestClient]:
    """An API without the small limits of the others."""
    with serving(starter_service) as client:
        yield client


def answers(client: TestClient, body: bytes, **parameters: Any) -> list[Json]:
    answer = client.post(PATH, content=body, headers=NDJSON, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(NDJSON["Content-Type"])
    assert "content-length" not in answer.headers
    return [orjson.loads(line) for line in answer.content.splitlines()]


def test_a_stream_is_answered_as_its_documents_are_alone(api: TestClient) -> None:
    sent = documents(100)
    found = answers(api, lines(sent), candidates=2)
    assert [item["id"] for item in found] == [item["id"] for item in sent]
    for document, answer in zip(sent, found, strict=True):
        OneAnswer.model_validate(answer)
        assert answer == api.post("/v1/annotate", json=document | {"candidates": 2}).json()
    assert sum(bool(answer["mentions"]) for answer in found) == 100


def test_bad_lines_are_answered_where_they_stand_and_the_rest_goes_on(api: TestClient) -> None:
    body = b"\n".join(
        [
            b'{"text": "Paris is on the Seine."}',
            b'{"text": "Paris',
            b"",
            b'["Paris"]',
            b'{"id": "no text"}',
            b'{"text": "caf\xe9"}',
            b'{"text": 5}',
            b'{"text": "Paris", "mentions": [{"start": 0, "end": 99}]}',
            b'{"id": "last", "text": "Lincoln is the capital of Nebraska."}',
        ]
    )
    found = answers(api, body)
    assert [item.get("line") for item in found] == [None, 2, 4, 5, 6, 7, 8, None]
    assert [item["id"] for item in (found[0], found[-1])] == ["0", "last"]
    for item in found[1:-1]:
        told = Problem.model_validate(item["error"], extra="forbid")
        assert (told.status, told.type) == (422, "urn:namesake:problem:invalid-request")
        assert all(error.field and error.detail and error.remedy for error in told.errors)
    fields = [item["error"]["errors"][0]["field"] for item in found[1:-1]]
    assert fields == ["line", "line", "text", "line", "text", "mentions.0.end"]


def test_a_line_that_is_too_long_is_left_out(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("app.streaming", "app.jobs.reading"):
        monkeypatch.setattr(f"{module}.MAX_DOCUMENT_BYTES", 1000)
    good = b'{"text": "Paris is on the Seine."}\n'
    found = answers(api, good + b'{"text": "' + b"x" * 50_000 + b'"}\n' + good)
    assert [item.get("line") for item in found] == [None, 2, None]
    assert "1000 bytes" in found[1]["error"]["detail"]
    assert reading.MAX_DOCUMENT_BYTES == 1000


def test_options_and_names_of_fields_are_parameters(api: TestClient) -> None:
    body = b'{"key": 7, "body": "\xf0\x9f\x9a\x80 Mercury is closer to the Sun than Venus."}\n'
    options = {"text_field": "body", "id_field": "key", "offset_unit": "utf16", "types": "planet", "candidates": 1}
    (found,) = answers(api, body, **options)
    assert (found["id"], found["offset_unit"]) == ("7", "utf16")
    mercury = found["mentions"][0]
    assert (mercury["text"], mercury["start"], mercury["entity"]["id"]) == ("Mercury", 3, "Mercury_(planet)")
    assert {name for mention in found["mentions"] for name in mention["entity"]["types"]} == {"planet"}


def test_what_cannot_be_streamed_is_refused_before_anything_is_linked(api: TestClient) -> None:
    json_type = api.post(PATH, json={"text": "Paris"})
    assert "application/x-ndjson" in problem(json_type, 415, "unsupported-media-type").errors[0].remedy
    packed = api.post(PATH, content=b"", headers=NDJSON | {"Content-Encoding": "gzip"})
    assert problem(packed, 415, "unsupported-media-type").errors[0].field == "Content-Encoding"
    for name, value in (("types", "no such type"), ("min_confidence", "2"), ("threshold", "1")):
        refused = api.post(PATH, content=LINES, headers=NDJSON, params={name: value})
        assert problem(refused, 422, "invalid-request").errors[0].field.startswith(name)
    assert answers(api, b"") == []
    assert answers(api, b"\n\n") == []


def test_a_fault_inside_costs_no_other_lines_their_answers(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import streaming

    real = streaming.link_documents

    def broken(service: Service, sent: list[Json], *others: Any) -> Any:
        if any(document["id"] == "d40" for document in sent):
            raise ValueError("secret")
        return real(service, sent, *others)

    monkeypatch.setattr(streaming, "link_documents", broken)
    found = answers(api, lines(documents(100)))
    assert len(found) == 100
    failed = [number for number, item in enumerate(found) if "error" in item]
    assert failed == list(range(32, 64))
    assert all(item["error"]["type"].endswith("internal-error") for item in found[32:64])
    assert "secret" not in json.dumps(found)
    assert [item["id"] for item in found[64:]] == [f"d{number}" for number in range(64, 100)]


def test_streams_are_counted(starter_service: Service) -> None:
    with serving(starter_service) as client:
        answers(client, lines(documents(3)))
        assert "namesake_texts_total 3.0" in client.get("/metrics").text


def test_real_answers_look_like_the_example(api: TestClient) -> None:
    found = answers(api, LINES.encode(), candidates=2)
    shown = [orjson.loads(line) for line in ANSWERS.splitlines()]
    assert found[1] | {"error": found[1]["error"] | {"instance": "-"}} == shown[1] | {
        "error": shown[1]["error"] | {"instance": "-"}
    }
    assert found[0].keys() == shown[0].keys()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    body = b'{"a": 1}\n\n {"b": 2} \r\n' + b"x" * 100 + b'\n"last"'
    cut = Lines()
    found = [line for at in range(0, len(body), size) for line in cut.add(body[at : at + size])]
    found += cut.end()
    expected = [(1, b'{"a": 1}'), (3, b' {"b": 2} \r'), (4, b"x" * 100), (5, b'"last"')]
    assert [(line.number, line.content) for line in found] == expected


def test_groups_are_large_enough_to_keep_the_encoder_busy_and_no_larger() -> None:
    short = [Line(number, b"{}") for number in range(70)]
    assert [len(group) for group in grouped(iter(short))] == [32, 32, 6]
    long = [Line(number, b"x" * GROUP_BYTES) for number in range(3)]
    assert [len(group) for group in grouped(iter(long))] == [1, 1, 1]
