"""What good requests get: one answer for one text, order, ids, offsets, warnings. What is linked, `tests/flow` asks."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.schemas.answers import ManyAnswer, OneAnswer
from app.service import Service

TEXT = "Paris is the capital of France."


def post(client: TestClient, path: str, body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_one_text_gets_one_answer(client: TestClient, service: Service) -> None:
    answer = post(client, "/v1/annotate", {"text": TEXT, "candidates": 3})
    OneAnswer.model_validate(answer, strict=True, extra="forbid")
    assert (answer["id"], answer["kb_version"]) == ("0", service.kb_version)
    assert answer["model_version"] == service.model_version
    mention = answer["mentions"][0]
    assert (mention["start"], mention["end"], mention["text"]) == (0, 5, "Paris")
    assert mention["entity"]["label"] == "Paris"
    assert len(mention["candidates"]) == 3
    assert "log_prior" in mention["candidates"][1]["features"]


def test_a_list_keeps_order_and_ids_even_repeated_ones(client: TestClient) -> None:
    documents = [{"id": "b", "text": TEXT}, {"text": "nothing"}, {"id": "b", "text": "Rome is the capital of Italy."}]
    answer = post(client, "/v1/annotate", {"documents": documents})
    ManyAnswer.model_validate(answer, strict=True, extra="forbid")
    assert [document["id"] for document in answer["documents"]] == ["b", "1", "b"]
    names = [[mention["text"] for mention in document["mentions"]] for document in answer["documents"]]
    assert names == [["Paris", "France"], [], ["Rome", "Italy"]]


def test_given_mentions_are_honoured_in_their_order(client: TestClient) -> None:
    mentions = [{"start": 24, "end": 30}, {"start": 0, "end": 5}, {"start": 5, "end": 6}]
    answer = post(client, "/v1/disambiguate", {"text": TEXT, "mentions": mentions})
    assert [mention["text"] for mention in answer["mentions"]] == ["France", "Paris", " "]
    assert answer["mentions"][2]["entity"] is None


@pytest.mark.parametrize("path", ["/v1/annotate", "/v1/disambiguate"])
def test_no_given_mentions_is_not_the_same_as_none_given(client: TestClient, path: str) -> None:
    assert post(client, path, {"text": TEXT, "mentions": []})["mentions"] == []


def test_nulls_mean_what_absence_means(client: TestClient) -> None:
    body = {"text": TEXT, "id": None, "mentions": None, "language": None}
    assert post(client, "/v1/annotate", body) == post(client, "/v1/annotate", {"text": TEXT})


@pytest.mark.parametrize(("language", "warned"), [("en", False), ("EN-gb", False), ("de", True), ("zh-Hant-TW", True)])
def test_a_language_that_the_model_does_not_know_is_a_warning(client: TestClient, language: str, warned: bool) -> None:
    warnings = post(client, "/v1/annotate", {"text": TEXT, "language": language})["warnings"]
    assert [warning["field"] for warning in warnings] == (["language"] if warned else [])


def test_a_request_id_comes_back_unless_it_is_strange(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = client.get("/healthz", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"]
    assert len(made) == 32


def test_unicode_escapes_and_raw_utf8_are_the_same_text(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    bodies = [json.dumps({"text": f"😀 {TEXT}"}, ensure_ascii=escaped) for escaped in (True, False)]
    answers = [client.post("/v1/annotate", content=body.encode(), headers=headers).json() for body in bodies]
    assert answers[0] == answers[1]
    assert answers[0]["mentions"]
