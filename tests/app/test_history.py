"""The history over HTTP: listed, shown with what changed, undone, followed."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from api_client import problem
from starlette.testclient import TestClient

from app.schemas.history import Changes, RevisionAnswer, RevisionPage, UndoAnswer, UndoSinceAnswer


@pytest.fixture
def edited(curator: TestClient) -> str:
    """The id of an entity with three revisions: created, described, described otherwise."""
    key = f"e/{uuid.uuid4().hex[:8]}/revisions"
    assert curator.post("/v1/entities", json={"id": key, "label": "E"}).status_code == 201
    for version, described in enumerate(("one", "two"), start=1):
        patch(curator, key, version, description=described, comment=f"Describe {described}")
    return key


def patch(curator: TestClient, key: str, version: int, **fields: Any) -> None:
    answer = curator.patch(f"/v1/entities/{key}", json=fields, headers={"If-Match": f'"{version}"'})
    assert answer.status_code == 200, answer.text


def listed(curator: TestClient, **parameters: Any) -> RevisionPage:
    answer = curator.get("/v1/revisions", params=parameters)
    assert answer.status_code == 200, answer.text
    return RevisionPage.model_validate_json(answer.text, extra="forbid")


def shown(curator: TestClient, revision: int) -> RevisionAnswer:
    answer = curator.get(f"/v1/revisions/{revision}")
    assert answer.status_code == 200, answer.text
    return RevisionAnswer.model_validate_json(answer.text, extra="forbid")


def undo(curator: TestClient, revision: int, version: int | None = None, **body: Any) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return curator.post(f"/v1/revisions/{revision}/undo", json=body, headers=headers)


def test_revisions_of_an_entity_in_pages(curator: TestClient, edited: str) -> None:
    whole = listed(curator, entity=edited).revisions
    assert [(r.kind, r.comment) for r in whole] == [
        ("patch", "Describe two"),
        ("patch", "Describe one"),
        ("create", None),
    ]
    page = listed(curator, entity=edited, limit=2)
    assert page.cursor
    rest = listed(curator, entity=edited, limit=2, cursor=page.cursor)
    assert (page.revisions + rest.revisions, rest.cursor) == (whole, None)
    actor = whole[0].actor
    assert actor
    assert listed(curator, actor=actor, limit=3).revisions == whole
    assert listed(curator, actor="nobody").revisions == listed(curator, entity="nobody").revisions == []


def test_a_revision_with_its_difference(curator: TestClient, edited: str) -> None:
    newest, _, first = listed(curator, entity=edited).revisions
    found = shown(curator, newest.id)
    assert [(d.field, d.before, d.after) for d in found.diff] == [("description", "one", "two")]
    assert found.before
    assert found.after
    assert (found.before["description"], found.after["description"], found.current_version) == ("one", "two", 3)
    created = shown(curator, first.id)
    assert created.before is None
    names = next(d for d in created.diff if d.field == "aliases")
    assert names.added == [{"text": "E", "count": 0}]


def test_a_revision_is_undone(curator: TestClient, edited: str) -> None:
    second, first, creation = listed(curator, entity=edited).revisions
    needed = undo(curator, second.id)
    assert problem(needed, 428, "version-needed").errors[0].field == "If-Match"
    problem(undo(curator, second.id, 2), 412, "version-changed")
    clash = problem(undo(curator, first.id, 3), 409, "edited-later")
    assert clash.errors[0].field == f"revisions.{first.id}"
    assert "description" in clash.detail
    done = undo(curator, second.id, 3, comment="no")
    answer = UndoAnswer.model_validate_json(done.text, extra="forbid")
    assert (answer.entity, answer.version, answer.deleted, done.headers["etag"]) == (edited, 4, False, '"4"')
    assert curator.get(f"/v1/entities/{edited}").json()["description"] == "one"
    problem(undo(curator, second.id, 4), 409, "nothing-to-undo")
    gone = undo(curator, creation.id, 4, force=True).json()
    assert gone["deleted"] is True
    newest = listed(curator, entity=edited, limit=1).revisions[0]
    assert (newest.kind, newest.comment) == ("undo", f"undo of revision {creation.id}")


def test_everything_since_a_time_is_undone(curator: TestClient, edited: str) -> None:
    since = datetime.now(UTC).isoformat()
    patch(curator, edited, 3, description="three", popularity=3)
    patch(curator, edited, 4, description="four")
    answer = curator.post("/v1/revisions/undo-since", json={"since": since})
    found = UndoSinceAnswer.model_validate_json(answer.text, extra="forbid")
    assert (found.revisions, found.entities) == (2, [edited])
    assert curator.get(f"/v1/entities/{edited}").json()["description"] == "two"
    again = curator.post("/v1/revisions/undo-since", json={"since": since, "actor": "nobody"})
    problem(again, 409, "nothing-to-undo")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-25T08:00:00"}, "since"),
        ({"since": 5}, "since"),
        ({"actor": ""}, "actor"),
        ({"actor": "a\0"}, "actor"),
        ({"actor": "a", "force": "yes"}, "force"),
        ({"actor": "a", "until": "x"}, "until"),
    ],
)
def test_an_undoing_that_makes_no_sense(curator: TestClient, body: dict[str, Any], field: str) -> None:
    answer = curator.post("/v1/revisions/undo-since", json=body)
    assert field in {error.field for error in problem(answer, 422, "invalid-request").errors}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "cursor=x", "cursor=-1", "entity=", "entity=a%00", "ids=1", "actor="]
)
def test_a_list_that_makes_no_sense(curator: TestClient, query: str) -> None:
    problem(curator.get(f"/v1/revisions?{query}"), 422, "invalid-request")


def test_a_revision_that_is_not_there(curator: TestClient) -> None:
    problem(curator.get(f"/v1/revisions/{2**63 - 1}"), 404, "revision-not-found")
    problem(undo(curator, 2**63 - 1), 404, "revision-not-found")
    problem(curator.get("/v1/revisions/0"), 422, "invalid-request")
    problem(curator.get(f"/v1/revisions/{2**63}"), 422, "invalid-request")


def test_changes_are_followed_in_pieces(curator: TestClient, edited: str) -> None:
    def follow(since: int, limit: int) -> Changes:
        answer = curator.get("/v1/changes", params={"since": since, "limit": limit})
        return Changes.model_validate_json(answer.text, extra="forbid")

    whole = follow(0, 1000)
    assert (whole.more, whole.next) == (False, whole.kb_version)
    assert [change.entity for change in whole.changes[-3:]] == [edited] * 3
    since, seen = 0, []
    while True:
        piece = follow(since, 2)
        seen += piece.changes
        since = piece.next
        if not piece.more:
            break
    assert seen == whole.changes
    end = follow(since, 2)
    assert (end.changes, end.next) == ([], since)
    problem(curator.get("/v1/changes?since=-1"), 422, "invalid-request")
    problem(curator.get("/v1/changes?since=0&from=1"), 422, "invalid-request")
    problem(curator.get("/v1/changes?limit=1001"), 422, "invalid-request")
