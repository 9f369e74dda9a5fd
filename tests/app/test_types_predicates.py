"""Types and predicates over HTTP."""

import uuid
from typing import Any
from urllib.parse import quote

import pytest
from api_client import problem, serving
from key_holders import bearer, issue
from starlette.testclient import TestClient

from app.examples_classes import NEW_PREDICATE, NEW_TYPE, PREDICATE, TYPE
from app.schemas.classes import PredicateAnswer, PredicatePage, TypeAnswer, TypePage
from app.service import Service
from kb.keys import Role

ANY = {"If-Match": "*"}
KINDS = ["types", "predicates"]


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, curator: TestClient) -> str:
    """The address of a new type or predicate, whose id has a slash."""
    key = f"k/{uuid.uuid4().hex[:8]}"
    assert curator.post(f"/v1/{request.param}", json={"id": key, "label": "L"}).status_code == 201
    return f"/v1/{request.param}/{key}"


def test_the_examples_are_answered_as_the_document_shows(curator: TestClient) -> None:
    for path, example, shown, model in (
        ("types", NEW_TYPE["below another"], TYPE, TypeAnswer),
        ("predicates", NEW_PREDICATE["a predicate"], PREDICATE, PredicateAnswer),
    ):
        answer = curator.post(f"/v1/{path}", json=example["value"])
        assert answer.status_code == 201, answer.text
        model.model_validate_json(answer.text, extra="forbid")
        assert answer.headers["location"] == f"/v1/{path}/{quote(shown['id'], safe='')}"
        assert answer.json() | {"kb_version": shown["kb_version"]} == shown
        assert curator.get(answer.headers["location"]).json() == answer.json()


def test_an_edit_names_what_it_starts_from(curator: TestClient, made: str) -> None:
    tag = curator.get(made).headers["etag"]
    needed = problem(curator.put(made, json={"label": "M"}), 428, "version-needed")
    assert tag in needed.errors[0].remedy
    changed = curator.put(made, json={"label": "M"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["label"]) == (200, "M")
    for method in ("PUT", "DELETE"):
        how: dict[str, Any] = {"json": {"label": "N"}} if method == "PUT" else {}
        for stale in (tag, "x", '"', '""', ""):
            refused = curator.request(method, made, headers={"If-Match": stale}, **how)
            problem(refused, 412, "version-changed")
            assert refused.headers["etag"] == changed.headers["etag"]
    assert curator.delete(made, headers={"If-Match": changed.headers["etag"]}).status_code == 204
    for headers in ({}, ANY):
        problem(curator.delete(made, headers=headers), 404, "class-not-found")
        problem(curator.put(made, json={"label": "N"}, headers=headers), 404, "class-not-found")
    problem(curator.get(made), 404, "class-not-found")


def test_revisions_are_listed_and_undone(curator: TestClient, made: str) -> None:
    kind, _, key = made.removeprefix("/v1/").partition("s/")
    curator.put(made, json={"label": "M"}, headers=ANY)
    newest, first = curator.get("/v1/revisions", params={kind: key}).json()["revisions"]
    assert (newest[kind], newest["kind"], first["kind"]) == (key, "replace", "create")
    detail = curator.get(f"/v1/revisions/{newest['id']}").json()
    assert [d["field"] for d in detail["diff"]] == ["label"]
    problem(curator.post(f"/v1/revisions/{newest['id']}/undo"), 428, "version-needed")
    undone = curator.post(f"/v1/revisions/{newest['id']}/undo", headers={"If-Match": detail["current_etag"]})
    assert (undone.status_code, undone.json()[kind], undone.json()["deleted"]) == (200, key, False)
    assert curator.get(made).json()["label"] == "L"
    gone = curator.post(f"/v1/revisions/{first['id']}/undo", headers={"If-Match": undone.headers["etag"]})
    assert gone.json()["deleted"] is True
    deletion = curator.get("/v1/revisions", params={kind: key, "limit": 1}).json()["revisions"][0]
    back = curator.post(f"/v1/revisions/{deletion['id']}/undo")
    assert (back.status_code, curator.get(made).json()["label"]) == (200, "L")


def test_circles_and_what_is_in_use(curator: TestClient) -> None:
    top, below = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("top", "below"))
    curator.post("/v1/types", json={"id": top, "label": "T"})
    curator.post("/v1/types", json={"id": below, "label": "B", "parent": top})
    circle = problem(
        curator.put(f"/v1/types/{top}", json={"label": "T", "parent": below}, headers=ANY), 422, "invalid-request"
    )
    assert circle.errors[0].field == "parent"
    assert f"{top} below {below} below {top}" in circle.detail
    used = problem(curator.delete(f"/v1/types/{top}", headers=ANY), 409, "class-in-use")
    assert "1 types" in used.detail
    problem(curator.post("/v1/types", json={"id": top, "label": "T"}), 409, "class-exists")


def test_lists_come_in_pages(curator: TestClient) -> None:
    top = f"top-{uuid.uuid4().hex[:8]}"
    for name in "abc":
        curator.post("/v1/types", json={"id": f"{top}/{name}", "label": name, "parent": top})
        curator.post("/v1/predicates", json={"id": f"{top}/{name}", "label": name})
    found: list[str] = []
    cursor = None
    while True:
        parameters = {"parent": top, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = TypePage.model_validate_json(curator.get("/v1/types", params=parameters).text, extra="forbid")
        found += [item.id for item in page.types]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [f"{top}/{name}" for name in "abc"]
    predicates = PredicatePage.model_validate_json(curator.get("/v1/predicates").text, extra="forbid")
    assert {f"{top}/{name}" for name in "abc"} <= {item.id for item in predicates.predicates}
    for query in ("limit=0", "limit=1001", "cursor=%25", "cursor=gA", "kind=x", "cursor=AA"):
        for kind in KINDS:
            problem(curator.get(f"/v1/{kind}?{query}"), 422, "invalid-request")


def test_who_may(fresh: Service, made: str) -> None:
    annotator = bearer(issue(fresh, Role.ANNOTATOR, fresh.settings.namespace))
    with serving(fresh) as client:
        assert client.get(made).status_code == 200
        for headers, status, kind in (({}, 401, "key-needed"), (annotator, 403, "forbidden")):
            problem(client.put(made, json={"label": "x"}, headers=ANY | headers), status, kind)
            problem(client.delete(made, headers=ANY | headers), status, kind)
            problem(client.post(made.rpartition("/k/")[0], json={}, headers=headers), status, kind)
