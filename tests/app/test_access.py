"""Who is let in: roles and endpoints, keys that are not good, other knowledge bases, other machines, proxies."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from api_client import problem, wait_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from key_holders import bearer, issue, set_up, statements_of
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from app.access.keyring import FRESH_SECONDS
from app.service import Service
from kb.keys import IssuedKey, Role, new_secret

ELSEWHERE = {"client": ("192.0.2.7", 50000), "base_url": "http://namesake.example"}
READING: list[tuple[str, str, Any]] = [
    ("POST", "/v1/annotate", {"text": "Paris"}),
    ("POST", "/v1/disambiguate", {"text": "Paris", "mentions": [{"start": 0, "end": 5}]}),
    ("GET", "/v1/entities?q=paris", None),
    ("GET", "/v1/entities/Paris", None),
    ("GET", "/v1/version", None),
]
KEYED = [("GET", "/v1/keys/me", None)]
ADMINISTERING: list[tuple[str, str, Any]] = [
    ("GET", "/v1/keys", None),
    ("POST", "/v1/keys", {"role": "reader", "name": "made by a test"}),
    ("POST", "/v1/keys/{id}/rotate", {}),
    ("DELETE", "/v1/keys/{id}", None),
]
OPEN = ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/", "/assets/swagger/swagger-ui.css"]


@pytest.fixture(scope="module")
def strict(service: Service) -> Iterator[TestClient]:
    """The API for which everybody needs a key."""
    with set_up(service, read_without_key="never") as client:
        yield client


@pytest.fixture(scope="module")
def holders(service: Service) -> dict[Role, IssuedKey]:
    """A key for each role."""
    return {role: issue(service, role) for role in Role}


def call(client: TestClient, endpoint: tuple[str, str, Any], headers: dict[str, str], key_id: int = 2**40) -> Any:
    method, path, body = endpoint
    return client.request(method, path.replace("{id}", str(key_id)), json=body, headers=headers)


@pytest.mark.parametrize("endpoint", READING + KEYED + ADMINISTERING, ids=lambda item: " ".join(item[:2]))
def test_roles_and_endpoints(
    strict: TestClient, service: Service, holders: dict[Role, IssuedKey], endpoint: tuple[str, str, Any]
) -> None:
    missing = call(strict, endpoint, {})
    assert problem(missing, 401, "key-needed").errors[0].field == "Authorization"
    assert missing.headers["www-authenticate"] == "Bearer"
    for role, holder in holders.items():
        target = issue(service, Role.READER).record.id
        answer = call(strict, endpoint, bearer(holder), target)
        if endpoint in ADMINISTERING and role is not Role.ADMIN:
            refused = problem(answer, 403, "forbidden").errors[0]
            assert f"key {holder.record.label} is a" in refused.detail
            assert "this needs an admin" in refused.detail
            assert "--role admin" in refused.remedy
        else:
            assert answer.status_code in {200, 201, 204}, answer.text


def test_a_local_program_reads_without_a_key_and_writes_with_one(client: TestClient) -> None:
    for endpoint in READING:
        assert call(client, endpoint, {}).status_code == 200
    for endpoint in KEYED + ADMINISTERING:
        problem(call(client, endpoint, {}), 401, "key-needed")


@pytest.mark.parametrize(
    ("asked", "reading"),
    [
        ({"client": ELSEWHERE}, False),
        ({"client": ELSEWHERE, "read_without_key": "always"}, True),
        ({"read_without_key": "always"}, True),
        ({"host": "0.0.0.0"}, False),  # noqa: S104
        ({"host": "0.0.0.0", "published_host": "127.0.0.1"}, True),  # noqa: S104
        ({"read_without_key": "never"}, False),
    ],
)
def test_who_reads_without_a_key(service: Service, asked: dict[str, Any], reading: bool) -> None:
    with set_up(service, **asked) as client:
        for endpoint in READING:
            answer = call(client, endpoint, {})
            assert answer.status_code == (200 if reading else 401), answer.text
        for endpoint in ADMINISTERING:
            assert call(client, endpoint, {}).status_code == 401
        assert all(client.get(path).status_code == 200 for path in OPEN)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Proto", "Via"])
def test_what_comes_through_a_proxy_is_not_local(client: TestClient, header: str) -> None:
    problem(client.get("/v1/version", headers={header: "127.0.0.1"}), 401, "key-needed")
    assert client.get("/healthz", headers={header: "127.0.0.1"}).status_code == 200


def test_a_page_whose_name_points_here_reads_nothing(client: TestClient) -> None:
    problem(client.get("/v1/version", headers={"Host": "rebound.example"}), 401, "key-needed")


NO_KEYS = {
    "empty": "",
    "no key": "Bearer",
    "blank key": "Bearer  ",
    "another scheme": "Basic dXNlcjpwYXNz",
    "short": "Bearer nsk_short",
    "no scheme": new_secret(),
    "more behind it": f"Bearer {new_secret()} x",
}


@pytest.mark.parametrize("value", NO_KEYS.values(), ids=NO_KEYS)
def test_a_header_that_holds_no_key_is_refused_even_where_none_is_needed(client: TestClient, value: str) -> None:
    answer = client.get("/v1/version", headers={"Authorization": value})
    error = problem(answer, 401, "key-needed").errors[0]
    assert error.remedy.startswith("send Authorization: Bearer KEY")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert value.strip() in {"", "Bearer"} or value.strip() not in answer.text


def test_two_headers_are_refused(client: TestClient, holders: dict[Role, IssuedKey]) -> None:
    headers = [("Authorization", f"Bearer {holders[Role.ADMIN].secret}")] * 2
    assert "more than once" in problem(client.get("/v1/keys", headers=headers), 401, "key-needed").detail


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])))
def test_no_header_opens_anything_or_breaks_anything(strict: TestClient, value: str) -> None:
    for sent in (value, f"Bearer {value}", f"Bearer nsk_{value}"):
        answer = strict.get("/v1/keys/me", headers={"Authorization": sent.encode("latin-1")})
        assert answer.status_code == 401


def test_a_key_that_nobody_made_is_refused(client: TestClient) -> None:
    answer = client.get("/v1/version", headers=bearer(new_secret()))
    assert "not known here" in problem(answer, 401, "key-needed").detail
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_key_expires_while_it_is_used(client: TestClient, service: Service) -> None:
    holder = issue(service, Role.READER, lifetime=timedelta(seconds=2))
    assert client.get("/v1/version", headers=bearer(holder)).status_code == 200
    wait_for(lambda: client.get("/v1/version", headers=bearer(holder)).status_code == 401)
    refused = problem(client.get("/v1/version", headers=bearer(holder)), 401, "key-needed").errors[0]
    assert refused.detail == f"key {holder.record.label} has expired"
    assert f"namesake keys rotate {holder.record.id}" in refused.remedy


def test_a_key_of_another_knowledge_base(client: TestClient, service: Service) -> None:
    other = issue(service, Role.ADMIN, namespace="other")
    for endpoint in READING + KEYED + ADMINISTERING:
        refused = problem(call(client, endpoint, bearer(other)), 403, "forbidden").errors[0]
        assert "good for the knowledge base other, and this is default" in refused.detail
    every = issue(service, Role.READER, namespace=None)
    assert client.get("/v1/version", headers=bearer(every)).status_code == 200


def test_a_stranger_s_body_is_not_read(strict: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"\xff", b'{"text": 5}'):
        problem(strict.post("/v1/annotate", content=body, headers=headers), 401, "key-needed")


def test_keys_that_are_used_all_the_time_are_looked_up_now_and_then(
    strict: TestClient, service: Service, holders: dict[Role, IssuedKey]
) -> None:
    headers = bearer(holders[Role.READER])
    with statements_of(service) as statements:
        began = time.monotonic()
        for _ in range(300):
            assert strict.get("/v1/keys/me", headers=headers).status_code == 200
        seconds = time.monotonic() - began
    looked = [statement for statement in statements if "key_hash" in statement]
    assert len(looked) <= seconds / FRESH_SECONDS + 1
    noted = [statement for statement in statements if "api_key" in statement and statement not in looked]
    assert len(noted) <= 1  # the use, once a minute


def test_the_last_use_is_noted_beside_the_request(strict: TestClient, service: Service) -> None:
    holder = issue(service, Role.READER)
    assert strict.get("/v1/version", headers=bearer(holder)).status_code == 200
    query = text("SELECT last_used_at FROM api_key WHERE id = :id")

    def noted() -> bool:
        with service.engine.connect() as connection:
            return connection.execute(query, {"id": holder.record.id}).scalar_one() is not None

    wait_for(noted)


def test_without_a_database_keys_cannot_be_told_and_nobody_gets_in_by_that(service: Service) -> None:
    gone = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
    with set_up(replace(service, engine=gone)) as client:
        answer = client.post("/v1/annotate", json={"text": "Paris"}, headers=bearer(new_secret()))
        problem(answer, 503, "database-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert client.post("/v1/annotate", json={"text": "Paris"}).status_code == 200
