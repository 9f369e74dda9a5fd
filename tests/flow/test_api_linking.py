"""Linking over the API, with the real model over the starter KB."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api_client import problem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.examples import ANNOTATE, BULLS, DISAMBIGUATE, JORDAN, LINCOLN, MANY_ANSWER, MERCURY, ONE_ANSWER
from app.schemas.answers import ManyAnswer, OneAnswer

# Emoji with joiners, combining marks, right-to-left text, CJK, controls: everything that has confused offsets before.
AROUND = [
    "",
    " ",
    "é ",
    "e\u0301 ",
    "😀",
    "👩\u200d🚀 ",
    "שלום ",
    "العربية ",
    "\0",
    "\ufeff",
    "東京",
    "\u202e",
    "ﬁ ",
    "\r\n",
    "\t",
]
SIZE = {"codepoint": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}


def post(client: TestClient, path: str, body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    model = ManyAnswer if "documents" in body else OneAnswer
    model.model_validate_json(response.text, extra="forbid")
    return response.json()


def entities(answer: Any) -> list[str | None]:
    return [mention["entity"] and mention["entity"]["id"] for mention in answer["mentions"]]


@pytest.mark.parametrize("name", ANNOTATE)
def test_the_examples_of_annotate_are_answered(client: TestClient, name: str) -> None:
    post(client, "/v1/annotate", ANNOTATE[name]["value"])


@pytest.mark.parametrize("name", DISAMBIGUATE)
def test_the_examples_of_disambiguate_are_answered(client: TestClient, name: str) -> None:
    post(client, "/v1/disambiguate", DISAMBIGUATE[name]["value"])


def test_the_answers_of_the_examples_are_what_the_document_says(client: TestClient) -> None:
    answer = post(client, "/v1/annotate", ANNOTATE["one text"]["value"])
    for expected in (ONE_ANSWER["mentions"][0], MANY_ANSWER["documents"][0]["mentions"][0]):
        found = next(mention for mention in answer["mentions"] if mention["start"] == expected["start"])
        assert found["entity"] == expected["entity"]
        assert found["text"] == expected["text"]
        for candidate in expected["candidates"]:
            assert candidate["id"] in [item["id"] for item in found["candidates"]]


def test_the_same_name_means_different_entities(client: TestClient) -> None:
    documents = [{"id": text, "text": text} for text in (JORDAN, BULLS, MERCURY, LINCOLN)]
    answer = post(client, "/v1/annotate", {"documents": documents})
    first = {document["id"]: entities(document)[0] for document in answer["documents"]}
    assert first == {
        JORDAN: "Jordan",
        BULLS: "Michael_Jordan",
        MERCURY: "Mercury_(planet)",
        LINCOLN: "Lincoln,_Nebraska",
    }


def test_every_answer_says_which_model_and_which_knowledge_base(client: TestClient) -> None:
    version = client.get("/v1/version").json()
    one = post(client, "/v1/annotate", {"text": "Paris"})
    many = post(client, "/v1/annotate", {"documents": [{"text": "Paris"}]})
    for answer in (one, many):
        assert {key: answer[key] for key in ("model_version", "kb_version")} == {
            key: version[key] for key in ("model_version", "kb_version")
        }
    assert version["kb_version"] > 0


def test_candidates_are_listed_best_first_as_many_as_asked_for(client: TestClient) -> None:
    for count in (0, 1, 5, 30):
        answer = post(client, "/v1/annotate", {"text": MERCURY, "candidates": count})
        for mention in answer["mentions"]:
            scores = [candidate["score"] for candidate in mention["candidates"]]
            assert len(scores) <= count
            assert scores == sorted(scores, reverse=True)
            assert all(candidate["features"] and candidate["found_by"] for candidate in mention["candidates"])


def test_the_number_of_candidates_changes_no_link(client: TestClient) -> None:
    answers = [post(client, "/v1/annotate", {"text": LINCOLN, "candidates": count}) for count in (0, 30)]
    bare = [[{**mention, "candidates": []} for mention in answer["mentions"]] for answer in answers]
    assert bare[0] == bare[1]


def test_types_keep_only_what_is_below_them(client: TestClient) -> None:
    mentions = [{"start": 0, "end": 7}]
    people = post(
        client, "/v1/disambiguate", {"text": LINCOLN, "mentions": mentions, "types": ["person"], "candidates": 9}
    )
    assert all("Nebraska" not in candidate["id"] for candidate in people["mentions"][0]["candidates"])
    assert entities(people) in (["Abraham_Lincoln"], [None])


def test_min_confidence_leaves_out_found_mentions_and_makes_given_ones_nil(client: TestClient) -> None:
    assert post(client, "/v1/annotate", {"text": LINCOLN, "min_confidence": 1.0})["mentions"] == []
    mentions = [{"start": 0, "end": 7}, {"start": 26, "end": 34}]
    given_ones = post(client, "/v1/disambiguate", {"text": LINCOLN, "mentions": mentions, "min_confidence": 1.0})
    assert entities(given_ones) == [None, None]


def test_a_mention_that_names_nothing_is_nil(client: TestClient) -> None:
    body = {"text": "Zorblax met Quuxwort.", "mentions": [{"start": 0, "end": 7}, {"start": 12, "end": 20}]}
    assert entities(post(client, "/v1/disambiguate", body)) == [None, None]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(AROUND), max_size=6),
    st.lists(st.sampled_from(AROUND), max_size=6),
    st.sampled_from(list(SIZE)),
)
def test_given_mentions_come_back_at_their_place_in_every_unit(
    client: TestClient, before: list[str], after: list[str], unit: str
) -> None:
    encoding, size = SIZE[unit]
    left = "".join(before)
    text = f"{left}Lincoln{''.join(after)} is the capital of Nebraska"
    start = len(left.encode(encoding)) // size
    mention = {"start": start, "end": start + 7 * len("x".encode(encoding)) // size}
    answer = post(client, "/v1/disambiguate", {"text": text, "mentions": [mention], "offset_unit": unit})
    (found,) = answer["mentions"]
    assert {"start": found["start"], "end": found["end"]} == mention
    assert found["text"] == "Lincoln"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.sampled_from([*AROUND, "Lincoln ", "Paris, ", "AC/DC "]), st.characters(exclude_categories=["Cs"]))
    ),
    st.sampled_from(list(SIZE)),
)
def test_found_mentions_are_where_the_answer_says(client: TestClient, pieces: list[str], unit: str) -> None:
    encoding, size = SIZE[unit]
    text = "".join(pieces) + "."
    encoded = text.encode(encoding)
    reach = 0
    for mention in post(client, "/v1/annotate", {"text": text, "offset_unit": unit})["mentions"]:
        assert encoded[mention["start"] * size : mention["end"] * size].decode(encoding) == mention["text"]
        assert mention["start"] >= reach
        reach = mention["end"]


def test_a_list_gives_each_text_what_it_gets_alone(client: TestClient) -> None:
    texts = [JORDAN, "\0", " ", MERCURY, "x" * 5000, "שלום Paris"]
    together = post(client, "/v1/annotate", {"documents": [{"text": text} for text in texts]})["documents"]
    alone = [post(client, "/v1/annotate", {"text": text})["mentions"] for text in texts]
    assert [document["mentions"] for document in together] == alone


def test_requests_at_the_same_time_do_not_mix(client: TestClient) -> None:
    texts = [JORDAN, MERCURY, LINCOLN, BULLS] * 4
    expected = {text: post(client, "/v1/annotate", {"text": text}) for text in set(texts)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: post(client, "/v1/annotate", {"text": text}), texts))
    assert answers == [expected[text] for text in texts]


def test_limits_are_those_of_the_settings(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    many = client.post("/v1/annotate", json={"documents": [{"text": "a"}] * 10_000})
    assert problem(many, 422, "invalid-request").errors[0].detail == "there are 10000, at most 1000 are taken"
    none = client.post("/v1/annotate", json={"documents": []})
    assert problem(none, 422, "invalid-request").errors[0].field == "documents"
    long = client.post("/v1/annotate", content=json.dumps({"text": "a" * 10_000_000}), headers=headers)
    assert problem(long, 422, "invalid-request").errors[0].field == "text"
    larger = client.post("/v1/annotate", content=json.dumps({"text": "é" * 10_000_000}), headers=headers)
    assert problem(larger, 413, "body-too-large").errors[0].field == "body"


def test_a_type_that_does_not_exist_is_named(client: TestClient) -> None:
    error = problem(
        client.post("/v1/annotate", json={"text": "a", "types": ["city", "nope"]}), 422, "invalid-request"
    ).errors[0]
    assert (error.field, error.detail) == ("types.1", "the knowledge base has no type nope")
