"""Edits over HTTP: created, changed, deleted, restored; refused with what to do; and who may."""

import json
import threading
import uuid
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from api_client import problem, serving
from key_holders import bearer, issue
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.examples_edits import CREATE, CREATED, PATCH, PATCHED
from app.schemas.entities import EntityAnswer
from app.service import Service
from kb import curation, editing
from kb.keys import Role

BAND = CREATE["a band"]["value"]
TIMES = {"created_at", "updated_at", "kb_version", "model_version"}


@pytest.fixture
def band(curator: TestClient) -> str:
    """The id of a new entity, which has slashes."""
    key = f"AC/DC/{uuid.uuid4().hex[:8]}/restore"
    made = curator.post("/v1/entities", json=BAND | {"id": key, "xrefs": {"wikidata": key}})
    assert made.status_code == 201, made.text
    return key


def at(key: str) -> str:
    return f"/v1/entities/{key}"


def match(version: int | str) -> dict[str, str]:
    return {"If-Match": version if isinstance(version, str) else f'"{version}"'}


def said(comment: str, encoding: str, version: int) -> dict[str, Any]:
    return match(version) | {"X-Comment": comment.encode(encoding)}


def shown(response: httpx2.Response, version: int) -> EntityAnswer:
    assert response.status_code in {200, 201}, response.text
    answer = EntityAnswer.model_validate_json(response.text, extra="forbid")
    assert response.headers["etag"] == f'"{version}"'
    assert answer.version == version
    return answer


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in TIMES}


def test_the_examples_are_answered_as_the_document_shows(curator: TestClient) -> None:
    curator.post("/v1/entities", json={"id": "Australia", "label": "Australia"})
    made = curator.post("/v1/entities", json=BAND)
    shown(made, 1)
    assert made.headers["location"] == "/v1/entities/AC%2FDC"
    assert timeless(made.json()) == timeless(CREATED)
    got = curator.get(made.headers["location"])
    assert got.json() == made.json()
    changed = curator.patch(
        "/v1/entities/AC/DC", json=PATCH["description and an xref"]["value"], headers=match(made.headers["etag"])
    )
    assert timeless(changed.json()) == timeless(PATCHED)
    assert changed.json()["kb_version"] == made.json()["kb_version"] + 1
    assert curator.get("/v1/entities?q=Acca").json()["entities"][0]["id"] == "AC/DC"
    curator.delete("/v1/entities/AC/DC", headers=match("*"))


def test_what_is_read_is_of_one_moment(curator: TestClient, fresh: Service, band: str) -> None:
    """Else who edits what was read could overwrite what was never seen."""
    stop = threading.Event()

    def count_up() -> None:
        version = 2
        while not stop.is_set():
            with Session(fresh.engine) as session, session.begin():
                fields = {"popularity": version}
                edit = curation.Edit("patch")
                editing.patch_entity(session, fresh.settings.namespace, band, fields, version, edit)
            version += 1

    curator.patch(at(band), json={"popularity": 1}, headers=match(1))
    writer = threading.Thread(target=count_up)
    writer.start()
    try:
        for _ in range(100):
            answer = curator.get(at(band))
            assert answer.headers["etag"] == f'"{answer.json()["popularity"] + 1}"'
    finally:
        stop.set()
        writer.join()


def test_from_creation_to_restoration(curator: TestClient, band: str) -> None:
    whole = timeless(curator.get(at(band)).json())
    deleted = curator.delete(at(band), headers=match(1))
    assert (deleted.status_code, deleted.content, deleted.headers["etag"]) == (204, b"", '"2"')
    gone = curator.get(at(band))
    assert "restore" in problem(gone, 404, "entity-not-found").errors[0].remedy
    assert gone.headers["etag"] == '"2"'
    back = curator.post(f"{at(band)}/restore", headers=match(2))
    shown(back, 3)
    assert timeless(back.json()) == whole | {"version": 3}
    replaced = curator.put(at(band), json={"id": band, "label": "Band"}, headers=match(3))
    answer = shown(replaced, 4)
    assert (answer.label, answer.description, answer.types, answer.relations) == ("Band", None, [], [])
    assert [alias.text for alias in answer.aliases] == ["Band"]


def test_slashes_may_be_escaped(curator: TestClient, band: str) -> None:
    shown(curator.patch(f"/v1/entities/{quote(band, safe='')}", json={"popularity": 1}, headers=match(1)), 2)
    curator.delete(f"/v1/entities/{quote(band, safe='')}", headers=match(2))
    shown(curator.post(f"/v1/entities/{quote(band, safe='')}/restore", headers=match(3)), 4)


@pytest.mark.parametrize(
    ("method", "body"), [("PUT", {"label": "B"}), ("PATCH", {"label": "B"}), ("DELETE", None), ("POST", None)]
)
def test_an_edit_names_the_version_that_it_starts_from(
    curator: TestClient, band: str, method: str, body: dict[str, Any] | None
) -> None:
    path = at(band) + ("/restore" if method == "POST" else "")
    how: dict[str, Any] = {} if body is None else {"json": body}
    if method == "POST":
        curator.delete(at(band), headers=match(1))
        curator.post(path, headers=match(2))
        curator.delete(at(band), headers=match(3))
    else:
        curator.patch(at(band), json={"popularity": 99}, headers=match(1))
    current = 4 if method == "POST" else 2
    needed = curator.request(method, path, **how)
    assert f'If-Match: "{current}"' in problem(needed, 428, "version-needed").errors[0].remedy
    assert needed.headers["etag"] == f'"{current}"'
    for stale in ('"1"', "nonsense", '"x"', "2", '"1", "2"', '"99999999999"', ""):
        answer = curator.request(method, path, headers=match(stale), **how)
        assert f'"{current}"' in problem(answer, 412, "version-changed").detail
        assert answer.headers["etag"] == f'"{current}"'
    assert curator.request(method, path, headers=match(f'W/"{current}"'), **how).status_code in {200, 204}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_edit_of_what_is_not_there(curator: TestClient, band: str, method: str) -> None:
    how = {} if method == "DELETE" else {"json": {"label": "x"}}
    for headers in ({}, match(1), match("*")):
        problem(curator.request(method, "/v1/entities/no/body", headers=headers, **how), 404, "entity-not-found")
    curator.delete(at(band), headers=match(1))
    for headers in ({}, match(1), match(2)):
        answer = curator.request(method, at(band), headers=headers, **how)
        assert "deleted" in problem(answer, 404, "entity-not-found").detail
    problem(curator.post("/v1/entities/nobody/restore", headers=match(1)), 404, "entity-not-found")
    problem(curator.post("/v1/entities/nobody/restore"), 404, "entity-not-found")


def test_an_id_or_an_xref_that_is_taken(curator: TestClient, band: str) -> None:
    taken = curator.post("/v1/entities", json={"id": band, "label": "x"})
    assert problem(taken, 409, "id-taken").errors[0].field == "id"
    assert taken.headers["etag"] == '"1"'
    twin = {"id": f"{band}2", "label": "x", "xrefs": {"wikidata": band}}
    error = problem(curator.post("/v1/entities", json=twin), 409, "xref-taken").errors[0]
    assert error.field == "xrefs.wikidata"
    assert band in error.detail
    assert f"{band}2" in error.detail
    problem(curator.post(f"{at(band)}/restore", headers=match(1)), 409, "not-deleted")
    curator.delete(at(band), headers=match(1))
    again = problem(curator.post("/v1/entities", json={"id": band, "label": "x"}), 409, "id-taken")
    assert "restore" in again.errors[0].remedy


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": None}, "label"),
        ({"label": "\u3000"}, "label"),
        ({"label": 5}, "label"),
        ({"aliases": [{"text": "ok"}, {"text": "..."}]}, "aliases.1.text"),
        ({"aliases": [{"text": "a", "count": -1}]}, "aliases.0.count"),
        ({"aliases": [{"text": "a", "count": 10**30}]}, "aliases.0.count"),
        ({"aliases": [{"name": "a"}]}, "aliases.0.text"),
        ({"aliases": "a"}, "aliases"),
        ({"description": "a\0b"}, "description"),
        ({"description": "\ud800"}, "description"),
        ({"xrefs": {"a": 5}}, "xrefs.a"),
        ({"xrefs": {"": "b"}}, "xrefs"),
        ({"relations": [{"predicate": "p", "object": "SELF"}]}, "relations.0.object"),
        ({"relations": [{"predicate": "p" * 501, "object": "x"}]}, "relations.0.predicate"),
        ({"types": ["t" * 251]}, "types.0"),
        ({"popularity": True}, "popularity"),
        ({"popularity": 2**31}, "popularity"),
        ({"id": "other"}, "id"),
        ({"discription": "x"}, "discription"),
        ({"comment": "x" * 1001}, "comment"),
        ({"comment": "\0"}, "comment"),
    ],
)
def test_what_cannot_be_stored_is_refused(curator: TestClient, band: str, fields: dict[str, Any], field: str) -> None:
    body = json.dumps(fields).replace("SELF", band)
    headers = match(1) | {"Content-Type": "application/json"}
    for method in ("PUT", "PATCH"):
        text = body if method == "PATCH" else json.dumps({"label": "L"} | json.loads(body))
        errors = problem(
            curator.request(method, at(band), content=text, headers=headers), 422, "invalid-request"
        ).errors
        assert field in {error.field for error in errors}, errors
    assert curator.get(at(band)).headers["etag"] == '"1"'


def test_a_misspelt_field_is_named(curator: TestClient, band: str) -> None:
    answer = curator.patch(at(band), json={"discription": "x"}, headers=match(1))
    assert "did you mean description" in problem(answer, 422, "invalid-request").errors[0].remedy


def test_a_merge_patch_has_its_own_content_type(curator: TestClient, band: str) -> None:
    headers = match(1) | {"Content-Type": "application/merge-patch+json"}
    answer = shown(curator.patch(at(band), content='{"description": null}', headers=headers), 2)
    assert answer.description is None
    problem(
        curator.patch(at(band), content="x", headers=match(2) | {"Content-Type": "text/plain"}),
        415,
        "unsupported-media-type",
    )
    problem(curator.patch(at(band), json=[], headers=match(2)), 422, "invalid-request")


def test_comments_come_from_body_or_header(curator: TestClient, band: str, fresh: Service) -> None:
    def comment() -> tuple[str | None, str]:
        newest = curator.get("/v1/revisions", params={"entity": band, "limit": 1}).json()["revisions"][0]
        return newest["comment"], newest["actor"]

    curator.patch(at(band), json={"popularity": 1, "comment": "from the body"}, headers=match(1) | {"X-Comment": "no"})
    assert comment()[0] == "from the body"
    curator.patch(at(band), json={"popularity": 2}, headers=said("3 naïve", "latin-1", 2))
    assert comment()[0] == "3 naïve"
    curator.delete(at(band), headers=said("déjà vu — 東", "utf-8", 3))
    assert comment()[0] == "déjà vu — 東"
    curator.post(f"{at(band)}/restore", json={"comment": "back"}, headers=match(4))
    assert comment()[0] == "back"
    assert comment()[1].startswith("key:")
    long = curator.delete(at(band), headers=match(5) | {"X-Comment": "x" * 1001})
    problem(long, 422, "invalid-request")


def test_nobody_writes_without_a_curators_key(fresh: Service, band: str) -> None:
    requests = [
        ("POST", "/v1/entities", {"id": "x", "label": "x"}),
        ("PUT", at(band), {"label": "x"}),
        ("PATCH", at(band), {"label": "x"}),
        ("DELETE", at(band), None),
        ("POST", f"{at(band)}/restore", {}),
        ("POST", "/v1/revisions/1/undo", {}),
        ("POST", "/v1/revisions/undo-since", {"actor": "me"}),
    ]
    annotator = bearer(issue(fresh, Role.ANNOTATOR, fresh.settings.namespace))
    elsewhere = bearer(issue(fresh, Role.CURATOR, "default"))
    with serving(fresh) as client:
        for method, path, body in requests:
            how: dict[str, Any] = {} if body is None else {"json": body}
            problem(client.request(method, path, headers=match("*"), **how), 401, "key-needed")
            for key in (annotator, elsewhere):
                problem(client.request(method, path, headers=match("*") | key, **how), 403, "forbidden")
        assert client.get(at(band)).headers["etag"] == '"1"'


def test_an_edit_that_waits_too_long_is_turned_away(
    curator: TestClient, band: str, fresh: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing, "PATIENCE", "50ms")
    with Session(fresh.engine) as session, session.begin():
        curation.lock(session, fresh.settings.namespace)
        answer = curator.patch(at(band), json={"popularity": 1}, headers=match(1))
    problem(answer, 503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
