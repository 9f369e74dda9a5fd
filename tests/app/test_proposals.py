"""Proposals of new entities: mentions without one, gathered by name and meaning, and what curators make of them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from api_client import problem, serving, wait_for
from key_holders import bearer, issue
from sqlalchemy import text
from starlette.testclient import TestClient

from app.examples_feedback import ACCEPT_PROPOSAL
from app.schemas.feedback import Proposal, ProposalPage
from app.service import Service
from kb.keys import Role

STRIKER = [
    ("Zora Quill", "Zora Quill scored twice for Rovers in the cup final on Saturday."),
    ("Zora Quill", "The striker Zora Quill signed a three-year contract with Rovers."),
    ("Quill", "Quill, the Rovers forward, missed the match with a knee injury."),
    ("Zora Quill", "Zora Quill was named player of the season by the league."),
]
SENATOR = [
    ("Zora Quill", "Zora Quill, the senator from Ohio, introduced a bill on water rights."),
    ("Zora Quill", "Senator Zora Quill voted against the tax reform in the committee."),
    ("Quill", "Voters in Ohio re-elected Quill for a second term."),
]
OTHER = [("Quillon", "Quillon, the Rovers forward, missed the match with a knee injury.")]


@contextmanager
def served(service: Service, **settings: Any) -> Iterator[TestClient]:
    """Serve an empty knowledge base, to a curator."""
    changed = {"namespace": f"proposals-{uuid.uuid4().hex[:12]}", **settings}
    fresh = replace(service, settings=service.settings.model_copy(update=changed))
    with serving(fresh, headers=bearer(issue(fresh, Role.CURATOR, fresh.settings.namespace))) as client:
        yield client


@pytest.fixture
def empty(service: Service) -> Iterator[TestClient]:
    with served(service) as client:
        yield client


def tell(client: TestClient, mentions: list[tuple[str, str]]) -> list[int]:
    told = []
    for name, body in mentions:
        start = body.index(name)
        answer = client.post(
            "/v1/feedback", json={"text": body, "start": start, "end": start + len(name), "verdict": "nil"}
        )
        assert answer.status_code in {200, 201}, answer.text
        told.append(answer.json()["id"])
    return told


def proposals(client: TestClient, **parameters: Any) -> list[Proposal]:
    answer = client.get("/v1/proposals", params=parameters)
    assert answer.status_code == 200, answer.text
    return ProposalPage.model_validate_json(answer.text, extra="forbid").proposals


def test_mentions_are_gathered_by_meaning(empty: TestClient) -> None:
    tell(empty, [*STRIKER[:2], *SENATOR, *STRIKER[2:], *OTHER])
    tell(empty, STRIKER)  # the same again counts once
    first, second = proposals(empty)
    assert [(name.text, name.count) for name in first.names] == [("Zora Quill", 3), ("Quill", 1)]
    assert {example.context for example in first.examples} == {body for _, body in STRIKER}
    assert (second.mentions, second.status, second.entity) == (3, "open", None)
    example = first.examples[0]
    assert example.context[example.start : example.end] in {"Zora Quill", "Quill"}
    assert len(proposals(empty, mentions=1)) == 3
    assert len(proposals(empty, mentions=4)) == 1


def test_an_accepted_one_becomes_an_entity(empty: TestClient) -> None:
    tell(empty, STRIKER)
    (proposal,) = proposals(empty)
    body = ACCEPT_PROPOSAL["a footballer"]["value"]
    made = empty.post(f"/v1/proposals/{proposal.id}/accept", json=body)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/v1/entities/Zora_Quill"
    assert made.headers["etag"] == '"1"'
    entity = made.json()
    assert (entity["label"], entity["types"]) == ("Zora Quill", ["footballer"])
    assert {alias["text"]: alias["count"] for alias in entity["aliases"]} == {"Quill": 1, "Zora Quill": 3}
    (revision,) = empty.get("/v1/revisions", params={"entity": "Zora_Quill"}).json()["revisions"]
    assert (revision["kind"], revision["comment"]) == ("proposal", f"proposal {proposal.id}: Wins cups")
    assert proposals(empty) == []
    (accepted,) = proposals(empty, status="accepted")
    assert (accepted.entity, accepted.id) == ("Zora_Quill", proposal.id)
    problem(empty.post(f"/v1/proposals/{proposal.id}/accept", json={"id": "x"}), 409, "already-decided")
    problem(empty.post(f"/v1/proposals/{proposal.id}/reject"), 409, "already-decided")


def test_what_cannot_be_made_of_it_is_told(empty: TestClient) -> None:
    tell(empty, STRIKER)
    (proposal,) = proposals(empty)
    empty.post("/v1/entities", json={"id": "taken", "label": "Taken", "xrefs": {"wikidata": "Q1"}})
    at = f"/v1/proposals/{proposal.id}/accept"
    problem(empty.post(at, json={"id": "taken"}), 409, "id-taken")
    problem(empty.post(at, json={"id": "new", "xrefs": {"wikidata": "Q1"}}), 409, "xref-taken")
    problem(empty.post(at, json={"label": "Zora"}), 422, "invalid-request")
    problem(empty.post(at, json={"id": "a\0"}), 422, "invalid-request")
    problem(empty.post(at, json={"id": "new", "aliases": [{"text": "...", "count": 1}]}), 422, "invalid-request")
    assert [item.status for item in proposals(empty)] == ["open"]
    problem(empty.post("/v1/proposals/999999999/accept", json={"id": "x"}), 404, "proposal-not-found")
    problem(empty.post("/v1/proposals/999999999/reject"), 404, "proposal-not-found")
    for query in ("status=done", "mentions=0", "limit=101", "cursor=1", "cursor=x.y", "type=a"):
        problem(empty.get(f"/v1/proposals?{query}"), 422, "invalid-request")


def test_a_rejected_one_does_not_come_back(empty: TestClient) -> None:
    tell(empty, STRIKER[:3])
    (proposal,) = proposals(empty)
    rejected = empty.post(f"/v1/proposals/{proposal.id}/reject", json={"comment": "Not notable"}).json()
    assert (rejected["status"], rejected["decision_comment"]) == ("rejected", "Not notable")
    tell(empty, STRIKER)
    assert proposals(empty, mentions=1) == []
    assert [item.mentions for item in proposals(empty, status="rejected")] == [4]


def test_deleted_texts_leave_the_examples(empty: TestClient) -> None:
    first, *rest = tell(empty, STRIKER[:3])
    (proposal,) = proposals(empty)
    assert empty.delete(f"/v1/feedback/{first}").status_code == 204
    assert empty.post(f"/v1/feedback/{rest[0]}/reject").status_code == 200
    (left,) = proposals(empty, mentions=1)
    assert [example.feedback for example in left.examples] == [rest[1]]
    assert empty.delete(f"/v1/proposals/{proposal.id}").status_code == 204
    problem(empty.delete(f"/v1/proposals/{proposal.id}"), 404, "proposal-not-found")
    assert proposals(empty, mentions=1) == []


def test_pages(empty: TestClient) -> None:
    for number, word in enumerate(("Abcor", "Bdefor", "Cghior")):
        tell(empty, [(word, f"{word} opened shop number {count} in town.") for count in range(3 + number % 2)])
    listed, cursor = [], None
    while True:
        answer = empty.get("/v1/proposals", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        listed += [(item["mentions"], item["names"][0]["text"]) for item in answer["proposals"]]
        cursor = answer["cursor"]
        if cursor is None:
            break
    assert listed == [(4, "Bdefor"), (3, "Cghior"), (3, "Abcor")]


def annotated(client: TestClient, body: str, name: str) -> Any:
    start = body.index(name)
    marked = {"text": body, "mentions": [{"start": start, "end": start + len(name)}]}
    answer = client.post("/v1/disambiguate", json=marked)
    assert answer.status_code == 200, answer.text
    return answer.json()["mentions"][0]


def test_answers_of_the_service_are_collected_where_a_setting_says_so(service: Service) -> None:
    assert not service.settings.collect_nil
    with served(service) as client:
        for name, body in STRIKER:
            assert annotated(client, body, name)["entity"] is None
        assert proposals(client, mentions=1) == []
    with served(service, collect_nil=True) as client:
        for name, body in STRIKER:
            assert annotated(client, body, name)["entity"] is None
        annotated(client, "\0 Zora Quill is here", "Zora Quill")  # cannot be stored, and does no harm
        wait_for(lambda: [item.mentions for item in proposals(client)] == [4])
        (proposal,) = proposals(client)
        assert all(example.feedback is None for example in proposal.examples)
        assert "namesake_nil_dropped_total 0.0" in client.get("/metrics").text


def test_what_waits_is_stored_at_the_end(service: Service) -> None:
    with served(service, collect_nil=True) as client:
        for name, body in STRIKER:
            annotated(client, body, name)
        namespace = client.app.state.runtime.settings.namespace  # type: ignore[attr-defined]
    count = text("SELECT count(*) FROM nil_mention WHERE namespace = :namespace")
    with service.engine.connect() as connection:
        assert connection.execute(count, {"namespace": namespace}).scalar_one() == len(STRIKER)
