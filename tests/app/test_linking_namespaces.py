"""Texts linked in several knowledge bases of one service: opened when they are asked for, followed, and closed."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api_client import problem, serving, wait_for
from key_holders import bearer, issue, set_up
from sqlalchemy import text
from starlette.testclient import TestClient

from app import assembly
from app.examples import JORDAN
from app.schemas.answers import OneAnswer
from app.schemas.index import IndexState
from app.service import Service
from kb.keys import Role

ANY = {"If-Match": "*"}
SANK = "The Swedish warship Vasa sank on her maiden voyage."
SHIP = {
    "id": "Vasa",
    "label": "Vasa",
    "description": "Swedish warship that sank on her maiden voyage",
    "aliases": [{"text": "Wasa", "count": 3}],
    "types": ["lost ship"],
}
SHED = {"id": "Shed", "label": "Boat shed", "description": "A hut for rowing boats on the shore of a lake"}


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    """The API, with the key of somebody who may do everything."""
    with serving(service, headers=bearer(issue(service, Role.ADMIN, None))) as client:
        yield client


@pytest.fixture
def ships(client: TestClient) -> str:
    """A knowledge base of a ship and a shed."""
    return make(client, SHIP, SHED)


def make(client: TestClient, *entities: dict[str, Any], name: str | None = None) -> str:
    name = name or f"kb-{uuid.uuid4().hex[:8]}"
    assert client.post("/v1/namespaces", json={"name": name}).status_code == 201
    for entity in entities:
        add(client, name, entity)
    return name


def add(client: TestClient, name: str, entity: dict[str, Any]) -> None:
    made = client.post("/v1/entities", params={"namespace": name}, json=entity)
    assert made.status_code == 201, made.text


def drop(client: TestClient, name: str) -> None:
    assert client.delete(f"/v1/namespaces/{name}?force=true").status_code == 204


def linked(client: TestClient, name: str | None, mention: str, words: str = "We saw the {}.", **fields: Any) -> Any:
    """Return the answer to one mention."""
    where = {} if name is None else {"namespace": name}
    start = words.index("{}")
    body = {"text": words.format(mention), "mentions": [{"start": start, "end": start + len(mention)}], **fields}
    answer = client.post("/v1/disambiguate", params=where, json=body)
    assert answer.status_code == 200, answer.text
    OneAnswer.model_validate_json(answer.text, extra="forbid")
    return answer.json()["mentions"][0]


def meant(client: TestClient, name: str | None, mention: str) -> str | None:
    entity = linked(client, name, mention)["entity"]
    return None if entity is None else str(entity["id"])


def opened(client: TestClient) -> int:
    """Return how many knowledge bases are open beside the served one."""
    lines = client.get("/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith("namesake_open_namespaces")).split()[-1]))


def test_another_knowledge_base_is_linked_by_name_and_by_meaning(client: TestClient, ships: str) -> None:
    found = linked(client, ships, "Wasa", "The warship {} sank on her maiden voyage.", types=["lost ship"])
    assert found["entity"] | {"id": "Vasa", "label": "Vasa", "types": ["lost ship"]} == found["entity"]
    words = "They kept the rowing boats in the {} by the lake."
    hut = linked(client, ships, "little hut", words, candidates=30)
    assert "dense" in {item["id"]: item["found_by"] for item in hut["candidates"]}["Shed"]
    answer = client.post("/v1/annotate", params={"namespace": ships}, json={"text": SANK}).json()
    assert [mention["entity"]["id"] for mention in answer["mentions"]] == ["Vasa"]
    assert answer["kb_version"] == client.get(f"/v1/namespaces/{ships}").json()["kb_version"]


def test_knowledge_bases_are_not_mixed(client: TestClient, ships: str) -> None:
    bakers = make(client, {"id": "Vasa", "label": "Vasa Bakery", "aliases": [{"text": "Vasa", "count": 9}]})
    for _ in range(3):
        assert linked(client, ships, "Vasa")["entity"]["label"] == "Vasa"
        assert linked(client, bakers, "Vasa")["entity"]["label"] == "Vasa Bakery"
        assert meant(client, None, "Vasa") is None
    assert meant(client, None, "Lincoln") is not None
    assert meant(client, ships, "Lincoln") is None
    wrong = client.post("/v1/annotate", params={"namespace": ships}, json={"text": "a", "types": ["city"]})
    assert problem(wrong, 422, "invalid-request").errors[0].field == "types.0"
    wrong = client.post("/v1/annotate", json={"text": "a", "types": ["lost ship"]})
    assert problem(wrong, 422, "invalid-request").errors[0].detail == "the knowledge base has no type lost ship"


def test_edits_are_linked(client: TestClient, ships: str) -> None:
    where = {"namespace": ships}
    assert meant(client, ships, "Kronan") is None
    add(client, ships, {"id": "Kronan", "label": "Kronan", "types": ["ship"]})
    wait_for(lambda: meant(client, ships, "Kronan") == "Kronan")
    assert client.delete("/v1/entities/Vasa", params=where, headers=ANY).status_code == 204
    wait_for(lambda: meant(client, ships, "Vasa") is None)
    state = IndexState.model_validate_json(client.get("/v1/index", params=where).text, extra="forbid")
    assert (state.namespace, state.snapshot.entities, state.delta.entities) == (ships, 2, 2)
    assert state.kb_version == client.get(f"/v1/namespaces/{ships}").json()["kb_version"]
    assert client.get("/v1/index").json()["namespace"] == "default"


def test_many_edits_are_put_into_a_new_index(service: Service) -> None:
    key = bearer(issue(service, Role.ADMIN, None))
    with set_up(service, {"headers": key}, compact_after=3) as client:
        name = make(client, SHIP)
        before = client.get("/v1/index", params={"namespace": name}).json()["snapshot"]["name"]
        for number in range(3):
            add(client, name, {"id": f"boat-{number}", "label": f"Boat {number}"})
        wait_for(lambda: client.get("/v1/index", params={"namespace": name}).json()["snapshot"]["name"] != before)
        state = client.get("/v1/index", params={"namespace": name}).json()
        assert (state["snapshot"]["entities"], state["delta"]["entities"]) == (4, 0)
        assert meant(client, name, "Boat 2") == "boat-2"


def test_encoder_and_scorer_are_shared(client: TestClient, ships: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        pytest.fail("the model is loaded twice")

    monkeypatch.setattr(assembly, "load_encoder", load)
    monkeypatch.setattr(assembly, "load_scorer", load)
    assert meant(client, ships, "Vasa") == "Vasa"


def test_first_requests_at_the_same_time_open_it_once(
    client: TestClient, ships: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = []

    def build_index(*arguments: Any) -> Any:
        builds.append(threading.current_thread().name)
        return build(*arguments)

    build = assembly.build_index
    monkeypatch.setattr(assembly, "build_index", build_index)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: meant(client, ships, "Vasa"), range(16))) == {"Vasa"}
    assert len(builds) == 1
    assert builds[0].startswith("namespaces")


def test_a_large_one_is_built_by_a_process_of_its_own(
    client: TestClient, ships: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.open_namespaces.FEW_ENTITIES", 1)
    monkeypatch.setattr("app.open_namespaces.WAIT_SECONDS", 0.05)
    monkeypatch.setattr(assembly, "build_index", lambda *_: pytest.fail("it is built here"))
    answer = client.post("/v1/annotate", params={"namespace": ships}, json={"text": SANK})
    error = problem(answer, 503, "not-ready")
    assert (answer.headers["retry-after"], error.errors[0].field) == ("5", "namespace")
    assert "is being opened" in error.detail
    assert meant(client, None, "Paris") is not None  # others are answered meanwhile
    wait_for(lambda: client.get("/v1/index", params={"namespace": ships}).status_code == 200)
    assert meant(client, ships, "Vasa") == "Vasa"


def test_one_that_is_not_there(client: TestClient) -> None:
    for path in ("/v1/annotate", "/v1/disambiguate"):
        body = {"text": "Paris", "mentions": [{"start": 0, "end": 5}]}
        error = problem(client.post(path, params={"namespace": "nowhere"}, json=body), 404, "namespace-not-found")
        assert error.errors[0].field == "namespace"
        for name in ("", "..", "a/b", "a b", "x" * 64):
            problem(client.post(path, params={"namespace": name}, json=body), 422, "invalid-request")
    problem(client.get("/v1/index", params={"namespace": "nowhere"}), 404, "namespace-not-found")


def test_one_without_entities_until_there_is_one(client: TestClient) -> None:
    name = make(client)
    for _ in range(2):
        answer = client.post("/v1/annotate", params={"namespace": name}, json={"text": SANK})
        error = problem(answer, 409, "namespace-empty").errors[0]
        assert (error.field, error.detail) == ("namespace", f"the knowledge base {name} has no entities")
        assert f"POST /v1/entities?namespace={name}" in error.remedy
    add(client, name, SHIP)
    assert meant(client, name, "Vasa") == "Vasa"


def test_what_fails_is_told_and_tried_again(client: TestClient, ships: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_index(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.open_namespaces.REST_SECONDS", 0.5)
    with monkeypatch.context() as broken:
        broken.setattr(assembly, "build_index", build_index)
        answer = client.post("/v1/annotate", params={"namespace": ships}, json={"text": SANK})
        assert "No space left" in problem(answer, 503, "not-ready").detail
    wait_for(lambda: client.get("/v1/index", params={"namespace": ships}).status_code == 200)
    assert meant(client, ships, "Vasa") == "Vasa"


def test_the_least_recently_used_one_is_closed(service: Service) -> None:
    before = followers()
    with set_up(service, {"headers": bearer(issue(service, Role.ADMIN, None))}, max_namespaces=2) as client:
        names = [make(client, SHIP) for _ in range(3)]
        for name in (names[0], names[1], names[0], names[2]):
            assert meant(client, name, "Vasa") == "Vasa"
            assert opened(client) <= 2
        wait_for(lambda: followers() == before + 3)  # the served one's, and two others
        for name in ("nowhere", make(client)):  # no room is made for what cannot be opened
            assert client.post("/v1/annotate", params={"namespace": name}, json={"text": "a"}).status_code in {404, 409}
        assert opened(client) == 2
        # What was edited while it was closed is linked, too.
        add(client, names[1], {"id": "Kronan", "label": "Kronan"})
        assert meant(client, names[1], "Kronan") == "Kronan"
        assert opened(client) == 2
    assert followers() == before


def followers() -> int:
    return sum(thread.name == "follower" for thread in threading.enumerate())


def test_none_is_closed_while_a_request_is_under_way(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        started.set()
        go_on.wait(20)
        return check(*arguments)

    check = __import__("app.routes.annotate", fromlist=["check_types"]).check_types
    with set_up(service, {"headers": bearer(issue(service, Role.ADMIN, None))}, max_namespaces=1) as client:
        busy, other = make(client, SHIP), make(client, SHIP)
        with monkeypatch.context() as patched, ThreadPoolExecutor(1) as pool:
            patched.setattr("app.routes.annotate.check_types", slow)
            answer = pool.submit(meant, client, busy, "Vasa")
            assert started.wait(20)
            refused = client.get("/v1/index", params={"namespace": other})
            go_on.set()
            assert "NAMESAKE_MAX_NAMESPACES" in problem(refused, 503, "overloaded").errors[0].remedy
            assert refused.headers["retry-after"] == "1"
            assert answer.result() == "Vasa"
        assert meant(client, other, "Vasa") == "Vasa"
        assert opened(client) == 1


def test_one_that_is_deleted_is_closed(service: Service) -> None:
    before = followers()
    with serving(service, headers=bearer(issue(service, Role.ADMIN, None))) as client:
        name = make(client, SHIP)
        assert meant(client, name, "Vasa") == "Vasa"
        folder = service.settings.home / "snapshots" / name
        assert len([path for path in folder.iterdir() if path.is_dir()]) == 1
        drop(client, name)
        for _ in range(2):
            answer = client.post("/v1/annotate", params={"namespace": name}, json={"text": SANK})
            problem(answer, 404, "namespace-not-found")
        assert opened(client) == 0
        assert [path for path in folder.iterdir() if path.is_dir()] == []
        wait_for(lambda: followers() == before + 1)


def test_one_that_is_deleted_is_closed_although_nobody_asks(service: Service) -> None:
    before = followers()
    with serving(service, headers=bearer(issue(service, Role.ADMIN, None))) as client:
        name = make(client, SHIP)
        assert meant(client, name, "Vasa") == "Vasa"
        drop(client, name)
        wait_for(lambda: opened(client) == 0)
        wait_for(lambda: followers() == before + 1)


def test_one_that_is_made_anew_answers_with_what_is_in_it_now(client: TestClient, ships: str) -> None:
    for _ in range(3):
        assert meant(client, ships, "Vasa") == "Vasa"
        drop(client, ships)
        make(client, {"id": "Kronan", "label": "Kronan"}, name=ships)
        assert (meant(client, ships, "Vasa"), meant(client, ships, "Kronan")) == (None, "Kronan")
        drop(client, ships)
        make(client, SHIP, name=ships)


def test_an_index_that_is_left_of_a_deleted_one_is_not_used(service: Service) -> None:
    """As where another machine deleted it, or a build ended later."""
    with serving(service, headers=bearer(issue(service, Role.ADMIN, None))) as client:
        name = make(client, SHIP)
        assert meant(client, name, "Vasa") == "Vasa"
    folder = service.settings.home / "snapshots" / name
    kept = folder.rename(folder.with_name(f"{name}-kept"))
    with serving(service, headers=bearer(issue(service, Role.ADMIN, None))) as client:
        drop(client, name)
        make(client, {"id": "Kronan", "label": "Kronan"}, name=name)
        kept.rename(folder)
        assert (meant(client, name, "Vasa"), meant(client, name, "Kronan")) == (None, "Kronan")


def test_a_key_links_where_it_is_good_for(service: Service, client: TestClient, ships: str) -> None:
    theirs, ours = (bearer(issue(service, Role.READER, name)) for name in (ships, "default"))
    body = {"text": "The Vasa sank."}
    with serving(service, client=("192.0.2.1", 50000)) as stranger:
        for key, name, status in (
            (theirs, ships, 200),
            (theirs, None, 403),
            (ours, ships, 403),
            (ours, None, 200),
            (ours, "nowhere", 403),
            ({}, ships, 401),
        ):
            where = {} if name is None else {"namespace": name}
            for path in ("/v1/annotate", "/v1/disambiguate"):
                spans = {"mentions": [{"start": 4, "end": 8}]}
                assert stranger.post(path, params=where, json=body | spans, headers=key).status_code == status
            assert stranger.get("/v1/index", params=where, headers=key).status_code == status
        assert opened(stranger) == 1


def test_mentions_without_an_entity_are_collected_where_they_were_linked(service: Service) -> None:
    key = bearer(issue(service, Role.ADMIN, None))
    with set_up(service, {"headers": key}, collect_nil=True, proposal_mentions=1) as client:
        names = [make(client, SHIP) for _ in range(2)]
        gone = make(client, SHIP)
        for number, name in enumerate([*names, gone]):
            assert meant(client, name, f"Quuxwort {number}") is None
        for number, name in enumerate(names):
            where = {"namespace": name}
            wait_for(lambda: client.get("/v1/proposals", params=where).json()["proposals"] != [])  # noqa: B023
            (proposal,) = client.get("/v1/proposals", params=where).json()["proposals"]
            assert [item["text"] for item in proposal["names"]] == [f"Quuxwort {number}"]
        drop(client, gone)
    with service.engine.connect() as connection:
        for table in ("namespace", "nil_mention", "proposal"):
            column = "name" if table == "namespace" else "namespace"
            count = text(f"SELECT count(*) FROM {table} WHERE {column} = :name")  # noqa: S608
            assert connection.execute(count, {"name": gone}).scalar_one() == 0


def test_the_metrics_are_those_of_all_and_the_kb_version_is_that_of_the_served_one(service: Service) -> None:
    with serving(service, headers=bearer(issue(service, Role.ADMIN, None))) as client:
        name = make(client, SHIP)
        assert meant(client, name, "Vasa") == "Vasa"
        client.post("/v1/annotate", json={"text": JORDAN})
        said = client.get("/metrics").text
        assert "namesake_texts_total 2.0" in said
        assert "namesake_open_namespaces 1.0" in said
        assert f"namesake_kb_version {float(service.kb_version)}" in said
        assert client.get("/v1/version").json()["kb_version"] == service.kb_version


def test_feedback_names_the_version_of_its_own_knowledge_base(client: TestClient, ships: str) -> None:
    body = {"text": "The Wasa sank.", "start": 4, "end": 8, "verdict": "entity", "entity": "Vasa"}
    said = client.post("/v1/feedback", params={"namespace": ships}, json=body)
    assert said.json()["kb_version"] == client.get(f"/v1/namespaces/{ships}").json()["kb_version"]
