"""Entities over the API: one by its id, many by what one types, and ids that do not exist."""

from typing import Any
from urllib.parse import quote

import pytest
from api_client import problem
from starlette.testclient import TestClient

from app.examples import ENTITY, SEARCH
from app.schemas.entities import EntityAnswer, FoundPage

TIMES_AND_VERSIONS = {"created_at", "updated_at", "kb_version", "model_version", "incoming_relations"}


def search(client: TestClient, **parameters: Any) -> FoundPage:
    response = client.get("/v1/entities", params=parameters)
    assert response.status_code == 200, response.text
    return FoundPage.model_validate_json(response.text, extra="forbid")


def test_an_entity_is_shown_as_the_example_says(client: TestClient) -> None:
    response = client.get("/v1/entities/Lincoln,_Nebraska")
    answer = response.json()
    EntityAnswer.model_validate_json(response.text, extra="forbid")
    assert {key: value for key, value in answer.items() if key not in TIMES_AND_VERSIONS} == {
        key: value for key, value in ENTITY.items() if key not in TIMES_AND_VERSIONS
    }
    assert answer["incoming_relations"] >= 0


def test_an_id_may_hold_slashes_and_any_other_character(client: TestClient) -> None:
    for entity in ("AC/DC", "2001:_A_Space_Odyssey_(film)", "Beyoncé"):
        for spelled in {quote(entity, safe="/"), quote(entity, safe="")}:
            response = client.get(f"/v1/entities/{spelled}")
            if response.status_code == 200:
                assert response.json()["id"] == entity
            else:
                assert problem(response, 404, "entity-not-found").errors[0].field == "id"


def test_an_entity_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/v1/entities/Nebraska").headers["etag"]
    for value in (etag, f"W/{etag}", f'"x", {etag}'):
        again = client.get("/v1/entities/Nebraska", headers={"If-None-Match": value})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/v1/entities/Nebraska", headers={"If-None-Match": '"0"'}).status_code == 200


@pytest.mark.parametrize(
    "entity", ["No_such_entity", "no/such/entity", "Lincoln,_Nebraska/", "ΑΒΓ", "%FF", "'; --", "%25"]
)
def test_an_id_that_does_not_exist_is_404(client: TestClient, entity: str) -> None:
    error = problem(client.get(f"/v1/entities/{entity}"), 404, "entity-not-found").errors[0]
    assert "GET /v1/entities?q=" in error.remedy


@pytest.mark.parametrize("entity", ["a%00b", "x" * 251])
def test_an_id_that_cannot_exist_is_422(client: TestClient, entity: str) -> None:
    assert problem(client.get(f"/v1/entities/{entity}"), 422, "invalid-request").errors[0].field == "id"


@pytest.mark.parametrize(
    ("q", "entity", "match"),
    [
        ("Lincoln, Nebraska", "Lincoln,_Nebraska", "exact"),
        ("lincoln", "Lincoln,_Nebraska", "exact"),
        ("Lincoln,_Nebraska", "Lincoln,_Nebraska", "exact"),
        ("Abe Linc", "Abraham_Lincoln", "prefix"),
        ("Abrahm Lincoln", "Abraham_Lincoln", "similar"),
    ],
)
def test_entities_are_found_by_alias_prefix_and_misspelt(client: TestClient, q: str, entity: str, match: str) -> None:
    assert {found.id: found.match for found in search(client, q=q, limit=100).entities}.get(entity) == match


def test_a_search_finds_the_example(client: TestClient) -> None:
    found = {entity.id: entity for entity in search(client, q="Lincoln").entities}
    for expected in SEARCH["entities"]:
        assert found[expected["id"]].model_dump() == expected


def test_a_type_narrows_a_search_to_it_and_what_is_below(client: TestClient) -> None:
    people = {entity.id for entity in search(client, q="Lincoln", type="person", limit=100).entities}
    assert "Abraham_Lincoln" in people
    assert "Lincoln,_Nebraska" not in people


def test_pages_give_every_hit_once(client: TestClient) -> None:
    whole = [entity.id for entity in search(client, q="lin", limit=100).entities]
    assert len(whole) == len(set(whole)) > 10
    paged: list[str] = []
    cursor = None
    while len(paged) < len(whole):
        page = search(client, q="lin", limit=7, **({"cursor": cursor} if cursor else {}))
        paged += [entity.id for entity in page.entities]
        cursor = page.cursor
        if cursor is None:
            break
    assert paged[: len(whole)] == whole


@pytest.mark.parametrize(
    "q", ["%", "_", "\\", "'", "''\"--", "%s", ":name", "שלום", "😀", "a" * 500, " ", "\u0301", "\u202e"]
)
def test_a_search_for_anything_at_all_is_answered(client: TestClient, q: str) -> None:
    search(client, q=q)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ("q=", "q"),
        ("q=a%00", "q"),
        ("q=" + "a" * 501, "q"),
        ("q=a&limit=0", "limit"),
        ("q=a&limit=101", "limit"),
        ("q=a&limit=many", "limit"),
        ("q=a&cursor=nonsense", "cursor"),
        ("q=a&cursor=WzksMCwwLCJ4Il0", "cursor"),
        ("q=a&cursor=W10", "cursor"),
        ("q=a&type=no-such-type", "type"),
        ("q=a&types=city", "types"),
        ("query=a", "query"),
    ],
)
def test_a_search_that_makes_no_sense_is_422(client: TestClient, parameters: str, field: str) -> None:
    errors = problem(client.get(f"/v1/entities?{parameters}"), 422, "invalid-request").errors
    assert field in {error.field for error in errors} or (field == "query" and errors[0].field == "q")
