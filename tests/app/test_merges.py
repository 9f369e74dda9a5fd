"""Merges, renamings and splits over HTTP: what is answered, where former ids lead, what is refused."""

import uuid
from typing import Any
from urllib.parse import quote

import pytest
from api_client import problem, serving
from key_holders import bearer, issue
from starlette.testclient import TestClient

from app.examples_edits import CREATE
from app.examples_joining import MERGE, MERGED, RENAME, RENAMED, SPLIT
from app.schemas.entities import EntityAnswer
from app.service import Service
from kb.keys import Role

ANY = {"If-Match": "*"}
TIMES = {"created_at", "updated_at", "kb_version", "model_version", "version"}


@pytest.fixture
def pair(curator: TestClient) -> tuple[str, str]:
    """The ids of two entities, which have slashes."""
    keys = (f"{uuid.uuid4().hex[:8]}/a", f"{uuid.uuid4().hex[:8]}/merge")
    for key in keys:
        made = curator.post("/v1/entities", json={"id": key, "label": key, "xrefs": {"wikidata": key}})
        assert made.status_code == 201, made.text
    return keys


def post(curator: TestClient, key: str, verb: str, body: dict[str, Any], version: int | None = None) -> Any:
    headers = ANY if version is None else {"If-Match": f'"{version}"'}
    return curator.post(f"/v1/entities/{quote(key, safe='')}/{verb}", json=body, headers=headers)


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in TIMES}


def test_the_examples_are_answered_as_the_document_shows(curator: TestClient) -> None:
    for key in ("Australia", "AC/DC", "Acca_Dacca"):
        body = CREATE["a band"]["value"] if key == "AC/DC" else {"id": key, "label": key.replace("_", " ")}
        assert curator.post("/v1/entities", json=body).status_code == 201
    merged = post(curator, "AC/DC", "merge", MERGE["a duplicate"]["value"], 1)
    assert timeless(merged.json()) == timeless(MERGED)
    split = post(curator, "AC/DC", "split", SPLIT["a tribute band"]["value"])
    assert (split.status_code, split.json()["types"]) == (201, ["band"])
    assert split.headers["location"] == "/v1/entities/Acca_Dacca_%28tribute%29"
    assert [a["text"] for a in curator.get("/v1/entities/AC/DC").json()["aliases"]] == ["AC/DC"]
    undone = curator.get("/v1/revisions", params={"entity": "AC/DC", "limit": 1}).json()["revisions"][0]
    answer = curator.post(f"/v1/revisions/{undone['id']}/undo", headers=ANY).json()
    assert answer["entities"] == ["AC/DC", "Acca_Dacca_(tribute)"]
    renamed = post(curator, "AC/DC", "rename", RENAME["a shorter one"]["value"])
    assert renamed.headers["location"] == "/v1/entities/ACDC"
    assert timeless(renamed.json()) == timeless(RENAMED) | {"former_ids": ["AC/DC", "Acca_Dacca"]}


def test_a_former_id_leads_to_the_entity(curator: TestClient, pair: tuple[str, str]) -> None:
    kept, gone = pair
    merged = post(curator, kept, "merge", {"duplicate": gone, "xrefs": {"wikidata": kept}}, 1)
    answer = EntityAnswer.model_validate_json(merged.text, extra="forbid")
    assert (answer.id, answer.former_ids, merged.headers["etag"]) == (kept, [gone], '"2"')
    led = curator.get(f"/v1/entities/{gone}", follow_redirects=False)
    assert (led.status_code, led.json()) == (308, {"id": gone, "redirect": kept})
    assert led.headers["location"] == f"/v1/entities/{quote(kept, safe='')}"
    assert curator.get(f"/v1/entities/{gone}", follow_redirects=True).json()["id"] == kept
    for method, body in (("PUT", {"label": "x"}), ("PATCH", {"label": "x"}), ("DELETE", None)):
        for headers in (ANY, {}):
            how: dict[str, Any] = {} if body is None else {"json": body}
            refused = curator.request(method, f"/v1/entities/{gone}", headers=headers, **how)
            assert kept in problem(refused, 409, "entity-redirected").errors[0].remedy
    problem(post(curator, gone, "restore", {}), 409, "entity-redirected")
    taken = problem(curator.post("/v1/entities", json={"id": gone, "label": "x"}), 409, "id-taken")
    assert kept in taken.errors[0].remedy
    deleted = curator.delete(f"/v1/entities/{kept}", headers=ANY)
    assert kept in problem(curator.get(f"/v1/entities/{gone}"), 404, "entity-not-found").detail
    curator.post(f"/v1/entities/{kept}/restore", headers={"If-Match": deleted.headers["etag"]})
    assert curator.get(f"/v1/entities/{gone}", follow_redirects=False).status_code == 308


def test_a_merge_is_undone_over_http(curator: TestClient, pair: tuple[str, str]) -> None:
    kept, gone = pair
    before = [timeless(curator.get(f"/v1/entities/{key}").json()) for key in pair]
    post(curator, kept, "merge", {"duplicate": gone, "xrefs": {"wikidata": gone}})
    revisions = curator.get("/v1/revisions", params={"entity": gone}).json()["revisions"]
    assert [r["kind"] for r in revisions] == ["merge", "create"]
    shown = curator.get(f"/v1/revisions/{revisions[0]['id']}").json()
    assert shown["after"] == {"id": gone, "redirect": kept}
    assert {"field": "redirect", "before": None, "after": kept, "added": [], "removed": []} in shown["diff"]
    group = curator.get("/v1/revisions", params={"group": shown["group"]}).json()["revisions"]
    assert {r["entity"] for r in group} == {kept, gone}
    undone = curator.post(f"/v1/revisions/{shown['id']}/undo", headers={"If-Match": f'"{shown["current_version"]}"'})
    assert undone.json()["entities"] == sorted(pair)
    assert [timeless(curator.get(f"/v1/entities/{key}").json()) for key in pair] == before


def test_what_is_refused(curator: TestClient, pair: tuple[str, str]) -> None:
    kept, gone = pair
    conflict = problem(post(curator, kept, "merge", {"duplicate": gone}), 409, "merge-conflict")
    assert conflict.errors[0].field == "xrefs.wikidata"
    assert kept in conflict.detail
    assert gone in conflict.detail
    itself = problem(post(curator, kept, "merge", {"duplicate": kept}), 422, "invalid-request")
    assert itself.errors[0].field == "duplicate"
    problem(post(curator, kept, "merge", {"duplicate": "nobody"}), 404, "entity-not-found")
    problem(post(curator, kept, "merge", {"duplicate": gone, "duplicate_version": 9}), 412, "version-changed")
    problem(post(curator, kept, "merge", {"duplicate": gone}, 9), 412, "version-changed")
    problem(post(curator, kept, "rename", {"id": kept}), 422, "invalid-request")
    problem(post(curator, kept, "rename", {"id": gone}), 409, "id-taken")
    problem(post(curator, kept, "rename", {"id": "x" * 251}), 422, "invalid-request")
    problem(post(curator, kept, "split", {"new": {"id": gone, "label": "x"}}), 409, "id-taken")
    missing = post(curator, kept, "split", {"new": {"id": "n", "label": "x"}, "move": {"aliases": [{"text": "y"}]}})
    assert problem(missing, 422, "invalid-request").errors[0].field == "move.aliases.0.text"
    for verb, body in (("merge", {"duplicate": gone}), ("rename", {"id": "n"}), ("split", {"new": {"id": "n"}})):
        problem(post(curator, kept, verb, body | {"what": 1}), 422, "invalid-request")
    for verb, body in (("merge", {"duplicate": gone}), ("rename", {"id": "n"})):
        problem(curator.post(f"/v1/entities/{kept}/{verb}", json=body), 428, "version-needed")
    assert curator.get(f"/v1/entities/{kept}").headers["etag"] == '"1"'


def test_a_curator_s_key_is_needed(fresh: Service, pair: tuple[str, str]) -> None:
    annotator = bearer(issue(fresh, Role.ANNOTATOR, fresh.settings.namespace))
    with serving(fresh) as client:
        for verb, body in (("merge", {"duplicate": pair[1]}), ("rename", {"id": "n"}), ("split", {})):
            problem(client.post(f"/v1/entities/{pair[0]}/{verb}", json=body, headers=ANY), 401, "key-needed")
            refused = client.post(f"/v1/entities/{pair[0]}/{verb}", json=body, headers=ANY | annotator)
            problem(refused, 403, "forbidden")
