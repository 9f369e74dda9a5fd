"""The endpoints that make, list, rotate and revoke keys."""

from typing import Any

import pytest
from api_client import problem, wait_for
from key_holders import bearer, issue
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.examples_keys import ISSUED, KEY
from app.schemas.keys import IssuedKey, Key, KeyList
from app.service import Service
from kb import keys
from kb.keys import Role


@pytest.fixture
def admin(service: Service) -> keys.IssuedKey:
    return issue(service, Role.ADMIN)


@pytest.fixture
def global_admin(service: Service) -> keys.IssuedKey:
    return issue(service, Role.ADMIN, namespace=None)


def make(client: TestClient, admin: keys.IssuedKey, **body: Any) -> IssuedKey:
    answer = client.post("/v1/keys", json=body, headers=bearer(admin))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return IssuedKey.model_validate_json(answer.text, extra="forbid")


def own(client: TestClient, secret: str) -> Key:
    return Key.model_validate_json(client.get("/v1/keys/me", headers=bearer(secret)).text, extra="forbid")


def listed(client: TestClient, admin: keys.IssuedKey) -> dict[int, Key]:
    answer = client.get("/v1/keys", headers=bearer(admin))
    return {key.id: key for key in KeyList.model_validate_json(answer.text, extra="forbid").keys}


def test_a_key_is_made_shown_once_and_works(client: TestClient, admin: keys.IssuedKey) -> None:
    made = make(client, admin, role="curator", name="loader", expires_in="90d")
    assert (made.name, made.role, made.namespace, made.status) == ("loader", "curator", "default", "good")
    assert made.created_by == f"key:{admin.record.label}"
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).days == 90
    known = Key(**made.model_dump(exclude={"key"}))
    assert own(client, made.key) == known
    assert listed(client, admin)[made.id].name == "loader"
    assert made.key not in client.get("/v1/keys", headers=bearer(admin)).text


def test_the_examples_are_like_real_answers() -> None:
    assert KEY.keys() == Key.model_fields.keys()
    assert ISSUED.keys() == IssuedKey.model_fields.keys()
    Key.model_validate(KEY)


def test_a_key_without_a_name_is_called_by_its_role(client: TestClient, admin: keys.IssuedKey) -> None:
    made = make(client, admin, role="reader")
    assert (made.name, made.expires_at) == ("reader", None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "role"),
        ({"role": "owner"}, "role"),
        ({"role": "reader", "name": ""}, "name"),
        ({"role": "reader", "name": " x"}, "name"),
        ({"role": "reader", "name": "a\nb"}, "name"),
        ({"role": "reader", "name": "x" * 101}, "name"),
        ({"role": "reader", "name": "a\0"}, "name"),
        ({"role": "reader", "expires_in": "soon"}, "expires_in"),
        ({"role": "reader", "expires_in": 90}, "expires_in"),
        ({"role": "reader", "expire_in": "90d"}, "expire_in"),
        ({"role": "reader", "all_namespaces": "yes"}, "all_namespaces"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(
    client: TestClient, admin: keys.IssuedKey, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/keys", json=body, headers=bearer(admin))
    assert problem(answer, 422, "invalid-request").errors[0].field == field


def test_a_rotated_key_is_replaced(client: TestClient, admin: keys.IssuedKey) -> None:
    old = make(client, admin, role="annotator", name="labeller", expires_in="10d")
    for body in ({}, {"expires_in": "1d"}):
        answer = client.post(f"/v1/keys/{old.id}/rotate", json=body, headers=bearer(admin))
        new = IssuedKey.model_validate_json(answer.text, extra="forbid")
        assert (new.id, new.name, new.role) == (old.id, "labeller", "annotator")
        assert own(client, new.key).rotated_at is not None
        wait_for(lambda secret=old.key: client.get("/v1/keys/me", headers=bearer(secret)).status_code == 401)  # type: ignore[misc]
        old = new
    without_body = client.post(f"/v1/keys/{old.id}/rotate", headers=bearer(admin))
    assert without_body.status_code == 200
    typed = client.post(f"/v1/keys/{old.id}/rotate", content=b"{}", headers=bearer(admin))
    problem(typed, 415, "unsupported-media-type")


def test_a_revoked_key_is_refused_with_its_name(client: TestClient, admin: keys.IssuedKey) -> None:
    made = make(client, admin, role="reader", name="leaked")
    assert own(client, made.key).status == "good"
    for _ in range(2):
        assert client.delete(f"/v1/keys/{made.id}", headers=bearer(admin)).status_code == 204
    wait_for(lambda: client.get("/v1/keys/me", headers=bearer(made.key)).status_code == 401)
    refused = problem(client.get("/v1/version", headers=bearer(made.key)), 401, "key-needed")
    assert refused.errors[0].detail == f"key {made.id}/leaked is revoked"
    assert listed(client, admin)[made.id].status == "revoked"
    problem(client.post(f"/v1/keys/{made.id}/rotate", headers=bearer(admin)), 409, "key-revoked")


def test_keys_of_others_are_nobody_s_business(
    client: TestClient, service: Service, admin: keys.IssuedKey, global_admin: keys.IssuedKey
) -> None:
    other = issue(service, Role.READER, namespace="other").record.id
    every = issue(service, Role.READER, namespace=None).record.id
    for caller, hidden in ((admin, {other, every, 2**50}), (global_admin, {other, 2**50})):
        assert not hidden & listed(client, caller).keys()
        for key_id in hidden:
            problem(client.delete(f"/v1/keys/{key_id}", headers=bearer(caller)), 404, "key-not-found")
            problem(client.post(f"/v1/keys/{key_id}/rotate", headers=bearer(caller)), 404, "key-not-found")
    assert every in listed(client, global_admin)
    with Session(service.engine) as session:
        assert keys.get_key(session, other).status == keys.get_key(session, every).status == "good"


def test_only_a_key_for_all_makes_a_key_for_all(
    client: TestClient, admin: keys.IssuedKey, global_admin: keys.IssuedKey
) -> None:
    body = {"role": "reader", "all_namespaces": True}
    problem(client.post("/v1/keys", json=body, headers=bearer(admin)), 403, "forbidden")
    assert make(client, global_admin, **body).namespace is None


@pytest.mark.parametrize("key_id", ["0", "-1", "abc", str(2**63), "1.5"])
def test_an_id_that_is_none(client: TestClient, admin: keys.IssuedKey, key_id: str) -> None:
    error = problem(client.delete(f"/v1/keys/{key_id}", headers=bearer(admin)), 422, "invalid-request").errors[0]
    assert error.field == "id"
