"""Feedback over HTTP: stored once, decided by curators, counted as aliases, exported, deleted."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from api_client import problem, serving
from key_holders import bearer, issue, set_up
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.examples_feedback import NEW_FEEDBACK
from app.schemas.feedback import Feedback, FeedbackPage
from app.service import Service
from kb import feedback
from kb.keys import Role
from model.evaluation.corpus import KINDS
from model.evaluation.corpus_lines import check_row, decode_line


@pytest.fixture(scope="module")
def annotator(fresh: Service) -> Iterator[TestClient]:
    """The API over the same knowledge base as `curator`, with a key that may only say something."""
    with serving(fresh, headers=bearer(issue(fresh, Role.ANNOTATOR, fresh.settings.namespace))) as client:
        yield client


@pytest.fixture
def city(curator: TestClient) -> str:
    key = f"Lincoln/{uuid.uuid4().hex[:8]}"
    aliases = [{"text": "Lincoln", "count": 3, "language": "en"}]
    made = curator.post("/v1/entities", json={"id": key, "label": "Lincoln, Nebraska", "aliases": aliases})
    assert made.status_code == 201, made.text
    return key


def said(
    city: str | None, body: str = "Lincoln is large.", start: int = 0, end: int = 7, **more: Any
) -> dict[str, Any]:
    verdict = {"verdict": "nil"} if city is None else {"verdict": "entity", "entity": city}
    return {"text": f"{body} {uuid.uuid4().hex}", "start": start, "end": end} | verdict | more


def send(client: TestClient, body: dict[str, Any], status: int = 201) -> Feedback:
    answer = client.post("/v1/feedback", json=body)
    assert answer.status_code == status, answer.text
    return Feedback.model_validate_json(answer.text, extra="forbid")


def counts(client: TestClient, city: str) -> dict[str, int]:
    return {alias["text"]: alias["count"] for alias in client.get(f"/v1/entities/{city}").json()["aliases"]}


def test_the_examples_are_stored(annotator: TestClient, curator: TestClient) -> None:
    curator.post("/v1/entities", json={"id": "Jordan", "label": "Jordan"})
    for example in NEW_FEEDBACK.values():
        body = example["value"]
        stored = send(annotator, body)
        assert (stored.text, stored.verdict, stored.entity) == (body["text"], body["verdict"], body.get("entity"))
        assert stored.answered == body.get("answered")
        assert stored.status == "open"
        assert curator.get(f"/v1/feedback/{stored.id}").json() == stored.model_dump(mode="json")


def test_versions_are_those_of_the_answer_or_of_now(annotator: TestClient, fresh: Service, city: str) -> None:
    now = send(annotator, said(city))
    newest = annotator.get("/v1/changes?since=0&limit=1").json()["kb_version"]
    assert (now.model_version, now.kb_version) == (fresh.model_version, newest)
    then = send(annotator, said(city, model_version="features-0", kb_version=3))
    assert (then.model_version, then.kb_version) == ("features-0", 3)


def test_the_same_feedback_is_stored_once(annotator: TestClient, curator: TestClient, city: str) -> None:
    body = said(city)
    first = send(annotator, body)
    assert send(annotator, body | {"comment": "again"}, 200) == first
    assert send(curator, body).id != first.id  # somebody else says so, too
    with ThreadPoolExecutor(8) as pool:
        other = said(city)
        answers = list(pool.map(lambda _: annotator.post("/v1/feedback", json=other), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize(("unit", "start", "end"), [("codepoint", 3, 10), ("utf16", 4, 11), ("utf8", 7, 14)])
def test_offsets_count_in_the_unit_of_the_request(
    annotator: TestClient, city: str, unit: str, start: int, end: int
) -> None:
    stored = send(annotator, said(city, "é 🏙Lincoln"[0:2] + "🏙Lincoln", start, end, offset_unit=unit))
    assert (stored.surface, stored.start, stored.end) == ("Lincoln", 3, 10)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end": 900}, "end"),
        ({"start": 7}, "end"),
        ({"start": -1}, "start"),
        ({"start": 2**70}, "start"),
        ({"start": "0"}, "start"),
        ({"start": 7, "end": 8}, "end"),
        ({"text": ""}, "text"),
        ({"text": "x" * 20_001}, "text"),
        ({"text": "Lincoln \0 "}, "text"),
        ({"text": "\ud800 Lincoln"}, "text"),
        ({"text": "🏙 is large", "start": 1, "end": 3, "offset_unit": "utf16"}, "start"),
        ({"text": "🏙 is large", "start": 0, "end": 3, "offset_unit": "utf8"}, "end"),
        ({"offset_unit": "bytes"}, "offset_unit"),
        ({"verdict": "perhaps"}, "verdict"),
        ({"entity": None}, "entity"),
        ({"verdict": "nil"}, "entity"),
        ({"entity": "no such entity"}, "entity"),
        ({"entity": "a\0"}, "entity"),
        ({"answered": {"entity": "x", "score": 1}}, "answered.score"),
        ({"answered": {"entity": None, "confidence": 2}}, "answered.confidence"),
        ({"kb_version": -1}, "kb_version"),
        ({"comment": "x" * 1001}, "comment"),
        ({"entitiy": "x"}, "entitiy"),
    ],
)
def test_what_cannot_be_used_is_named(annotator: TestClient, city: str, change: dict[str, Any], field: str) -> None:
    body = json.dumps(said(city) | change)
    answer = annotator.post("/v1/feedback", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 422, "invalid-request").errors[0].field == field


def test_who_may(fresh: Service, annotator: TestClient, city: str) -> None:
    with serving(fresh) as stranger, serving(fresh, headers=bearer(issue(fresh, Role.READER))) as reader:
        problem(stranger.post("/v1/feedback", json=said(city)), 401, "key-needed")
        problem(reader.post("/v1/feedback", json=said(city)), 403, "forbidden")
        for path in ("/v1/feedback", "/v1/feedback/1", "/v1/proposals"):
            problem(stranger.get(path), 401, "key-needed")
            problem(annotator.get(path), 403, "forbidden")
    stored = send(annotator, said(city))
    for verb in ("accept", "reject"):
        problem(annotator.post(f"/v1/feedback/{stored.id}/{verb}"), 403, "forbidden")
    problem(annotator.delete(f"/v1/feedback/{stored.id}"), 403, "forbidden")


def test_accepted_feedback_counts_as_an_edit_that_can_be_undone(
    annotator: TestClient, curator: TestClient, city: str
) -> None:
    known, new = send(annotator, said(city)), send(annotator, said(city, "In Star City", 3, 12))
    for stored in (known, new):
        accepted = curator.post(f"/v1/feedback/{stored.id}/accept", json={"comment": "Seen"})
        assert accepted.status_code == 200, accepted.text
        assert (accepted.json()["status"], accepted.json()["decision_comment"]) == ("accepted", "Seen")
        assert accepted.json()["decided_by"].startswith("key:")
    assert counts(curator, city) == {"Lincoln": 4, "Lincoln, Nebraska": 0, "Star City": 1}
    revision = curator.get("/v1/revisions", params={"entity": city}).json()["revisions"][0]
    assert revision["kind"] == "feedback"
    assert revision["comment"] == f"feedback {new.id} by {new.actor}: Seen"
    undone = curator.post(f"/v1/revisions/{revision['id']}/undo", headers={"If-Match": "*"})
    assert undone.status_code == 200, undone.text
    assert counts(curator, city) == {"Lincoln": 4, "Lincoln, Nebraska": 0}


def test_it_is_decided_once(annotator: TestClient, curator: TestClient, city: str) -> None:
    stored = send(annotator, said(city))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: curator.post(f"/v1/feedback/{stored.id}/accept"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    found = problem(curator.post(f"/v1/feedback/{stored.id}/reject"), 409, "already-decided")
    assert f"feedback {stored.id} was accepted by key:" in found.detail
    assert counts(curator, city)["Lincoln"] == 4


def test_conflicts_are_told_and_change_nothing(annotator: TestClient, curator: TestClient, city: str) -> None:
    gone, odd = send(annotator, said(city)), send(annotator, said(city, "... is large", 0, 3))
    refused = problem(curator.post(f"/v1/feedback/{odd.id}/accept"), 422, "invalid-request")
    assert "no letter" in refused.detail
    curator.delete(f"/v1/entities/{city}", headers={"If-Match": "*"})
    problem(curator.post(f"/v1/feedback/{gone.id}/accept"), 404, "entity-not-found")
    assert {curator.get(f"/v1/feedback/{item.id}").json()["status"] for item in (gone, odd)} == {"open"}
    assert curator.post(f"/v1/feedback/{gone.id}/reject").json()["status"] == "rejected"
    for verb in ("accept", "reject"):
        problem(curator.post(f"/v1/feedback/999999999/{verb}"), 404, "feedback-not-found")
    problem(curator.get("/v1/feedback/0"), 422, "invalid-request")
    problem(curator.post(f"/v1/feedback/{2**70}/accept"), 422, "invalid-request")


def test_lists_go_page_by_page(annotator: TestClient, curator: TestClient, city: str) -> None:
    made = [send(annotator, said(city)).id for _ in range(5)]
    curator.post(f"/v1/feedback/{made[1]}/reject")
    listed: list[int] = []
    cursor = None
    while True:
        parameters = {"status": "open", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = FeedbackPage.model_validate_json(curator.get("/v1/feedback", params=parameters).text, extra="forbid")
        listed += [item.id for item in page.feedback]
        cursor = page.cursor
        if cursor is None:
            break
    assert listed == sorted(set(listed), reverse=True)
    assert [key for key in listed if key in made] == [made[4], made[3], made[2], made[0]]
    for query in ("status=done", "limit=0", "limit=101", "cursor=x", "offset=3"):
        problem(curator.get(f"/v1/feedback?{query}"), 422, "invalid-request")


def test_a_deleted_text_is_gone(annotator: TestClient, curator: TestClient, fresh: Service, city: str) -> None:
    secret = f"Lincoln {uuid.uuid4().hex}"
    stored = [send(annotator, {"text": secret, "start": 0, "end": 7, "verdict": "nil"})]
    stored += [send(curator, said(city, secret))]
    for item in stored:
        assert curator.delete(f"/v1/feedback/{item.id}").status_code == 204
        problem(curator.get(f"/v1/feedback/{item.id}"), 404, "feedback-not-found")
        problem(curator.delete(f"/v1/feedback/{item.id}"), 404, "feedback-not-found")
    rest = text(
        "SELECT (SELECT count(*) FROM feedback WHERE text LIKE :secret) + (SELECT count(*) FROM nil_mention"
        " WHERE context LIKE :secret)"
    )
    with fresh.engine.connect() as connection:
        assert connection.execute(rest, {"secret": f"{secret}%"}).scalar_one() == 0


def test_old_texts_go_when_a_new_one_comes(annotator: TestClient, fresh: Service, city: str) -> None:
    old = send(annotator, said(city)).id
    age = text("UPDATE feedback SET created_at = now() - interval '31 days' WHERE id = :id")
    there = text("SELECT count(*) FROM feedback WHERE id = :id")
    with fresh.engine.begin() as connection:
        connection.execute(age, {"id": old})
    key = bearer(issue(fresh, Role.ANNOTATOR, fresh.settings.namespace))
    for days, left in ((0, 1), (32, 1), (30, 0)):
        with set_up(fresh, {"headers": key}, feedback_days=days) as client:
            send(client, said(city))
        with fresh.engine.connect() as connection:
            assert connection.execute(there, {"id": old}).scalar_one() == left, days
    with Session(fresh.engine) as session:
        assert feedback.prune(session, fresh.settings.namespace, timedelta(days=1)) == 0


def test_accepted_feedback_becomes_training_documents(fresh: Service, curator: TestClient) -> None:
    """The last verdict on a span counts, and what names nothing is no mention."""
    service = replace(fresh, settings=fresh.settings.model_copy(update={"namespace": f"t-{uuid.uuid4().hex[:8]}"}))
    body = "May 🏙 Lincoln met Grant in Paris."
    with serving(service, headers=bearer(issue(service, Role.CURATOR, None))) as client:
        client.post("/v1/entities", json={"id": "L", "label": "Lincoln"})
        client.post("/v1/entities", json={"id": "P", "label": "Paris"})
        verdicts: list[tuple[int, int, str, str | None, str]] = [
            (6, 13, "entity", "P", "accept"),
            (6, 13, "entity", "L", "accept"),
            (4, 13, "nil", None, "accept"),
            (6, 13, "entity", "L", "accept"),
            (0, 3, "no_mention", None, "accept"),
            (18, 23, "nil", None, "accept"),
            (27, 32, "entity", "P", "reject"),
        ]
        for number, (start, end, verdict, entity, decision) in enumerate(verdicts):
            what = {"text": body, "start": start, "end": end, "verdict": verdict, "entity": entity}
            if number == 3:
                with serving(service, headers=bearer(issue(service, Role.ANNOTATOR, None))) as another:
                    stored = send(another, what)
            else:
                stored = send(client, what)
            assert client.post(f"/v1/feedback/{stored.id}/{decision}").status_code == 200
    with Session(service.engine) as session:
        (document,) = feedback.training_documents(session, service.settings.namespace)
    assert document["mentions"] == [
        {"start": 6, "end": 13, "entity": "L", "kind": "anchor"},
        {"start": 18, "end": 23, "entity": None, "kind": "anchor"},
    ]
    row = check_row(decode_line(orjson.dumps(document), "line 1"), "line 1", frozenset(KINDS))
    assert (row.text, row.source, len(row.mentions)) == (body, "feedback", 2)
