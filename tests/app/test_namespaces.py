"""Several knowledge bases in one service: made, named by requests, deleted; and whose key is good for which."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from api_client import problem, serving
from key_holders import bearer, issue
from sqlalchemy import text
from starlette.testclient import TestClient

from app.schemas.namespaces import NamespaceAnswer, NamespaceList
from app.service import Service
from kb.keys import Role
from kb.tables import Base

ANY = {"If-Match": "*"}


@pytest.fixture(scope="module")
def admin(fresh: Service) -> Iterator[TestClient]:
    """The API with the key of an admin of all knowledge bases."""
    with serving(fresh, headers=bearer(issue(fresh, Role.ADMIN, None))) as client:
        yield client


@pytest.fixture
def other(admin: TestClient) -> str:
    """The name of a knowledge base that is not the served one."""
    name = f"other-{uuid.uuid4().hex[:8]}"
    made = admin.post("/v1/namespaces", json={"name": name, "label": "Another"})
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/namespaces/{name}")
    answer = NamespaceAnswer.model_validate_json(made.text, extra="forbid")
    assert (answer.name, answer.label, answer.entities, answer.served) == (name, "Another", 0, False)
    return name


def test_a_request_names_its_knowledge_base(admin: TestClient, other: str) -> None:
    where = {"namespace": other}
    made = admin.post("/v1/entities", params=where, json={"id": "a/b", "label": "A", "types": ["t"]})
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/entities/a%2Fb?namespace={other}")
    assert admin.get(made.headers["location"]).json()["label"] == "A"
    problem(admin.get("/v1/entities/a/b"), 404, "entity-not-found")
    assert [item["id"] for item in admin.get("/v1/entities", params=where).json()["entities"]] == ["a/b"]
    assert [item["id"] for item in admin.get("/v1/entities", params=where | {"q": "a"}).json()["entities"]] == ["a/b"]
    assert admin.get("/v1/types", params=where).json()["types"][0]["id"] == "t"
    assert admin.get("/v1/types/t", params=where).json()["entities"] == 1
    assert admin.patch("/v1/entities/a/b", params=where, json={"label": "B"}, headers=ANY).status_code == 200
    renamed = admin.post("/v1/entities/a/b/rename", params=where, json={"id": "c"}, headers=ANY)
    assert renamed.headers["location"] == f"/v1/entities/c?namespace={other}"
    assert admin.get("/v1/entities/a/b", params=where, follow_redirects=True).json()["id"] == "c"
    revisions = admin.get("/v1/revisions", params=where | {"entity": "c"}).json()["revisions"]
    assert [item["kind"] for item in revisions] == ["rename"]
    problem(admin.get(f"/v1/revisions/{revisions[0]['id']}"), 404, "revision-not-found")
    undone = admin.post(f"/v1/revisions/{revisions[0]['id']}/undo", params=where, headers=ANY)
    assert undone.json()["entities"] == ["a/b", "c"]
    assert admin.get("/v1/changes", params=where).json()["changes"][-1]["entity"] in {"a/b", "c"}
    assert admin.get(f"/v1/namespaces/{other}").json()["entities"] == 1


@pytest.mark.parametrize("path", ["/v1/entities", "/v1/entities/a", "/v1/types", "/v1/revisions", "/v1/changes"])
def test_a_knowledge_base_that_is_not_there(admin: TestClient, path: str) -> None:
    problem(admin.get(path, params={"namespace": "nowhere"}), 404, "namespace-not-found")
    for name in ("", "a b", "-a", "x" * 64, "ä"):
        problem(admin.get(path, params={"namespace": name}), 422, "invalid-request")


def test_what_is_told_of_the_served_one_alone(admin: TestClient, other: str) -> None:
    refused = admin.get("/v1/version", params={"namespace": other})
    assert problem(refused, 422, "invalid-request").errors[0].field == "namespace"


def test_a_key_is_good_for_the_one_that_it_was_made_for(fresh: Service, other: str) -> None:
    served = fresh.settings.namespace
    theirs, ours = (bearer(issue(fresh, Role.CURATOR, name)) for name in (other, served))
    reader = bearer(issue(fresh, Role.READER, other))
    body = {"id": uuid.uuid4().hex, "label": "x"}
    with serving(fresh) as client:
        for key, name, status in (
            (theirs, other, 201),
            (theirs, served, 403),
            (theirs, None, 403),
            (ours, other, 403),
            (reader, other, 403),
            ({}, other, 401),
        ):
            where = {} if name is None else {"namespace": name}
            assert client.post("/v1/entities", params=where, json=body, headers=key).status_code == status
        assert client.get("/v1/entities", params={"namespace": other}, headers=reader).status_code == 200
        problem(client.get("/v1/entities", headers=reader), 403, "forbidden")
        # What the guard looks at is what the endpoint works on.
        twice = f"/v1/entities?namespace={other}&namespace={served}"
        problem(client.post(twice, json=body, headers=theirs), 403, "forbidden")
        mine = client.get("/v1/namespaces", params={"namespace": other}, headers=reader)
        found = NamespaceList.model_validate_json(mine.text, extra="forbid")
        assert [item.name for item in found.namespaces] == [other]
        problem(client.get("/v1/namespaces", params={"namespace": served}, headers=reader), 403, "forbidden")
        problem(client.get(f"/v1/namespaces/{served}", headers=reader), 403, "forbidden")
        assert {other} <= {item["name"] for item in client.get("/v1/namespaces").json()["namespaces"]}


def test_who_makes_and_deletes_them(fresh: Service, admin: TestClient, other: str) -> None:
    curator, local, elsewhere = (
        bearer(issue(fresh, role, name))
        for role, name in ((Role.CURATOR, other), (Role.ADMIN, other), (Role.ADMIN, fresh.settings.namespace))
    )
    with serving(fresh) as client:
        problem(client.post("/v1/namespaces", json={"name": "mine"}, headers=elsewhere), 403, "forbidden")
        problem(client.post("/v1/namespaces", json={"name": "mine"}), 401, "key-needed")
        for key in (curator, elsewhere):
            problem(client.delete(f"/v1/namespaces/{other}", headers=key), 403, "forbidden")
        admin.post("/v1/entities", params={"namespace": other}, json={"id": "a", "label": "A"})
        used = problem(client.delete(f"/v1/namespaces/{other}", headers=local), 409, "namespace-in-use")
        assert "1 entities" in used.detail
        assert client.delete(f"/v1/namespaces/{other}?force=true", headers=local).status_code == 204
    problem(admin.get(f"/v1/namespaces/{other}"), 404, "namespace-not-found")
    problem(admin.delete(f"/v1/namespaces/{other}"), 404, "namespace-not-found")
    with fresh.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            if "namespace" in table.columns:
                count = text(f"SELECT count(*) FROM {table.name} WHERE namespace = :name")  # noqa: S608
                assert connection.execute(count, {"name": other}).scalar_one() == 0, table.name


def test_an_empty_one_is_deleted_and_the_served_one_is_not(fresh: Service, admin: TestClient, other: str) -> None:
    assert admin.delete(f"/v1/namespaces/{other}").status_code == 204
    served = fresh.settings.namespace
    problem(admin.delete(f"/v1/namespaces/{served}?force=true"), 409, "namespace-in-use")


def test_names_that_are_taken_or_cannot_be(admin: TestClient, other: str) -> None:
    problem(admin.post("/v1/namespaces", json={"name": other}), 409, "namespace-exists")
    for name in ("", "a b", "-a", "x" * 64, "ä", "a/b", 5, None):
        problem(admin.post("/v1/namespaces", json={"name": name}), 422, "invalid-request")
