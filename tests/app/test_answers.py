"""What good requests get, over a linker without a model."""

import json
from typing import Any

import pytest
from fakes import KB_VERSION
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.schemas.answers import ManyAnswer, OneAnswer

AROUND = ["", " ", "é", "e\u0301", "😀", "👩\u200d🚀", "שלום ", "\0", "\ufeff", "東京", "\u202e", "ﬁ"]
SIZE = {"codepoint": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}


def post(client: TestClient, path: str, body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_one_text_gets_one_answer(client: TestClient) -> None:
    answer = post(client, "/v1/annotate", {"text": "Lincoln grows.", "candidates": 3})
    OneAnswer.model_validate(answer, strict=True, extra="forbid")
    assert (answer["id"], answer["kb_version"], answer["model_version"]) == ("0", KB_VERSION, "fake-1")
    mention = answer["mentions"][0]
    assert (mention["start"], mention["end"], mention["text"]) == (0, 7, "Lincoln")
    assert mention["entity"]["label"] == "Lincoln"
    assert mention["candidates"][0]["features"] == {"prior": 1.5}


def test_a_list_keeps_order_and_ids_even_repeated_ones(client: TestClient) -> None:
    documents = [{"id": "b", "text": "Lincoln"}, {"text": "nothing"}, {"id": "b", "text": "AC"}]
    answer = post(client, "/v1/annotate", {"documents": documents})
    ManyAnswer.model_validate(answer, strict=True, extra="forbid")
    assert [document["id"] for document in answer["documents"]] == ["b", "1", "b"]
    labels = [[mention["text"] for mention in document["mentions"]] for document in answer["documents"]]
    assert labels == [["Lincoln"], [], ["AC"]]


def test_given_mentions_are_honoured_in_their_order(client: TestClient) -> None:
    mentions = [{"start": 8, "end": 10}, {"start": 0, "end": 7}, {"start": 10, "end": 11}]
    answer = post(client, "/v1/disambiguate", {"text": "Lincoln AC ", "mentions": mentions})
    assert [mention["text"] for mention in answer["mentions"]] == ["AC", "Lincoln", " "]
    assert answer["mentions"][2]["entity"] is None


@pytest.mark.parametrize("path", ["/v1/annotate", "/v1/disambiguate"])
def test_no_given_mentions_is_not_the_same_as_none_given(client: TestClient, path: str) -> None:
    assert post(client, path, {"text": "Lincoln", "mentions": []})["mentions"] == []


def test_nulls_mean_what_absence_means(client: TestClient) -> None:
    body = {"text": "Lincoln", "id": None, "mentions": None, "language": None}
    assert len(post(client, "/v1/annotate", body)["mentions"]) == 1


@pytest.mark.parametrize(("language", "warned"), [("en", False), ("EN-gb", False), ("de", True), ("zh-Hant-TW", True)])
def test_a_language_that_the_model_does_not_know_is_a_warning(client: TestClient, language: str, warned: bool) -> None:
    warnings = post(client, "/v1/annotate", {"text": "Lincoln", "language": language})["warnings"]
    assert [warning["field"] for warning in warnings] == (["language"] if warned else [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(AROUND)), st.lists(st.sampled_from(AROUND)), st.sampled_from(list(SIZE)))
def test_offsets_stay_right_in_every_unit(client: TestClient, before: list[str], after: list[str], unit: str) -> None:
    encoding, size = SIZE[unit]
    left, right = "".join(before), "".join(after)
    text = f"{left} Lincoln {right}"
    start = len(f"{left} ".encode(encoding)) // size
    given_mention = {"start": start, "end": start + 7 * len("x".encode(encoding)) // size}
    body = {"text": text, "mentions": [given_mention], "offset_unit": unit}
    for answer in (
        post(client, "/v1/disambiguate", body),
        post(client, "/v1/annotate", {"text": text, "offset_unit": unit}),
    ):
        found = [mention for mention in answer["mentions"] if mention["text"] == "Lincoln"]
        assert [{"start": mention["start"], "end": mention["end"]} for mention in found] == [given_mention]
        assert answer["offset_unit"] == unit


def test_a_request_id_comes_back_unless_it_is_strange(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = client.get("/healthz", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"]
    assert len(made) == 32


def test_unicode_escapes_and_raw_utf8_are_the_same_text(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    bodies = [json.dumps({"text": "😀 Lincoln"}, ensure_ascii=escaped) for escaped in (True, False)]
    answers = [client.post("/v1/annotate", content=body.encode(), headers=headers).json() for body in bodies]
    assert answers[0] == answers[1]
