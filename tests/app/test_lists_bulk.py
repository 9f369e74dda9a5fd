"""Lists of entities and bulk patches over HTTP."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from api_client import problem, serving
from key_holders import bearer, issue
from starlette.testclient import TestClient

from app.examples_bulk import APPLIED, PREVIEW, PREVIEWED
from app.examples_edits import CREATE
from app.schemas.bulk import BulkAnswer, BulkPreview
from app.schemas.entities import FoundPage
from app.service import Service
from kb.keys import Role


@pytest.fixture
def kind(curator: TestClient) -> str:
    """A type with three entities: one described, one with two names, and one of a type below."""
    key = f"kind-{uuid.uuid4().hex[:8]}"
    curator.post("/v1/types", json={"id": f"{key}/below", "label": "below", "parent": key})
    for name, fields in (
        ("a", {"description": "described", "types": [key]}),
        ("b", {"aliases": [{"text": f"{key} other"}], "types": [key]}),
        ("c", {"types": [f"{key}/below"]}),
    ):
        made = curator.post("/v1/entities", json={"id": f"{key}/{name}", "label": f"{key} {name}", **fields})
        assert made.status_code == 201, made.text
    return key


def listed(curator: TestClient, **parameters: Any) -> list[str]:
    """Return the ends of the ids that a list gives, asked for in pages of two."""
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = curator.get("/v1/entities", params={"limit": 2, **parameters, **cursor})
        assert answer.status_code == 200, answer.text
        page = FoundPage.model_validate_json(answer.text, extra="forbid")
        found += [item.id.rpartition("/")[2] for item in page.entities]
        if page.cursor is None:
            return found
        cursor = {"cursor": page.cursor}


def test_entities_are_listed_by_what_they_have_and_lack(curator: TestClient, kind: str) -> None:
    since = datetime.now(UTC).isoformat()
    assert listed(curator, type=kind) == ["a", "b", "c"]
    assert listed(curator, type=kind, subtypes=False) == ["a", "b"]
    assert listed(curator, type=kind, missing_description=True) == ["b", "c"]
    assert listed(curator, type=kind, no_alias=True) == ["a", "c"]
    assert listed(curator, type=kind, ambiguous_alias=True) == []
    assert listed(curator, type=kind, changed_since=since) == []
    assert listed(curator, type=kind, source="none") == []
    assert listed(curator, type=kind, q=kind) == ["a", "b", "c"]
    assert listed(curator, type=kind, q=kind, missing_description=True) == ["b", "c"]
    assert listed(curator, type=kind, q=kind, subtypes=False) == ["a", "b"]
    curator.patch(f"/v1/entities/{kind}/c", json={"label": f"{kind} other"}, headers={"If-Match": "*"})
    assert listed(curator, type=kind, ambiguous_alias=True) == ["b", "c"]
    assert listed(curator, type=kind, changed_since=since) == ["c"]
    assert {"a", "b", "c"} <= set(listed(curator))


@pytest.mark.parametrize(
    "query",
    [
        "type=nothing",
        "missing_description=perhaps",
        "changed_since=yesterday",
        "changed_since=2026-11-25T08:00:00",
        "changed_since=5",
        "cursor=%25",
        "cursor=AA",
        "q=",
        "limit=0",
        "missing=description",
        "source=a%00",
    ],
)
def test_a_list_that_makes_no_sense(curator: TestClient, query: str) -> None:
    problem(curator.get(f"/v1/entities?{query}"), 422, "invalid-request")


def test_the_examples_of_bulk_patches_are_answered_as_shown(curator: TestClient) -> None:
    made = curator.post("/v1/entities", json=CREATE["a band"]["value"])
    assert made.status_code == 201, made.text
    wish = PREVIEW["another type"]["value"]
    previewed = curator.post("/v1/bulk-patches/preview", json=wish)
    found = BulkPreview.model_validate_json(previewed.text, extra="forbid")
    assert previewed.json() | {"token": "", "kb_version": 0} == PREVIEWED | {"token": "", "kb_version": 0}
    done = curator.post("/v1/bulk-patches", json=wish | {"token": found.token, "comment": "why"})
    answer = BulkAnswer.model_validate_json(done.text, extra="forbid")
    assert (answer.matched, answer.changed) == (APPLIED["matched"], APPLIED["changed"])
    assert curator.get("/v1/entities/AC/DC").json()["types"] == ["musical ensemble"]
    shown = curator.get(f"/v1/revisions/{answer.revision}").json()
    assert (shown["kind"], shown["comment"], shown["group"]) == ("bulk-patch", "why", answer.group)
    headers = {"If-Match": shown["current_etag"]}
    undone = curator.post(f"/v1/revisions/{answer.revision}/undo", json={"group": True}, headers=headers)
    assert undone.json()["entities"] == ["AC/DC"]
    curator.delete("/v1/entities/AC/DC", headers={"If-Match": "*"})


def test_what_changed_since_the_preview_is_refused(curator: TestClient, kind: str) -> None:
    wish = {"filter": {"type": kind}, "patch": {"set": {"description": "all"}}}
    token = curator.post("/v1/bulk-patches/preview?examples=1", json=wish).json()
    assert (token["matched"], token["changed"], len(token["examples"])) == (3, 3, 1)
    curator.patch(f"/v1/entities/{kind}/a", json={"description": "all"}, headers={"If-Match": "*"})
    refused = curator.post("/v1/bulk-patches", json=wish | {"token": token["token"]})
    assert "2 entities" in problem(refused, 409, "bulk-changed").detail
    assert listed(curator, type=kind, missing_description=True) == ["b", "c"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {}}, "filter"),
        ({"filter": {"subtypes": False}}, "filter"),
        ({"patch": {}}, "patch"),
        ({"patch": {"set": {"label": "x"}}}, "patch.set.label"),
        ({"patch": {"add": {"types": ["x" * 251]}}}, "patch.add.types.0"),
        ({"patch": {"add": {"aliases": [{"text": ";"}]}}}, "patch.add.aliases"),
        ({"patch": {"set": {"popularity": -1}}}, "patch.set.popularity"),
        ({"filter": {"ids": []}}, "filter.ids"),
        ({"filter": {"changed_since": 5}}, "filter.changed_since"),
        ({"where": {}}, "where"),
    ],
)
def test_a_bulk_patch_that_makes_no_sense(curator: TestClient, kind: str, body: dict[str, Any], field: str) -> None:
    wish = {"filter": {"type": kind}, "patch": {"set": {"description": "x"}}} | body
    errors = problem(curator.post("/v1/bulk-patches/preview", json=wish), 422, "invalid-request").errors
    assert field in {error.field for error in errors}, errors


def test_who_may(fresh: Service, kind: str) -> None:
    wish = {"filter": {"type": kind}, "patch": {"set": {"description": "x"}}, "token": "x"}
    annotator = bearer(issue(fresh, Role.ANNOTATOR, fresh.settings.namespace))
    with serving(fresh) as client:
        for path in ("/v1/bulk-patches", "/v1/bulk-patches/preview"):
            problem(client.post(path, json=wish), 401, "key-needed")
            problem(client.post(path, json=wish, headers=annotator), 403, "forbidden")
