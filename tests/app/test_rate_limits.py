"""Rate limits of one process: who shares a limit, what a refusal says, and how often the database is asked."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import problem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from key_holders import bearer, issue, set_up, statements_of
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from app.access.limits import RateLimiter, batch_size
from app.service import Service
from app.settings import Settings
from kb.keys import Role, new_secret

SLOW = {"rate_limit": 0.01, "rate_burst": 5, "rate_limit_loopback": True}  # refills too slowly to matter here


def elsewhere() -> dict[str, Any]:
    """Return a client of an address that no other test uses."""
    number = uuid.uuid4().int
    return {"client": (f"10.{number % 256}.{number // 256 % 256}.{number // 65536 % 256}", 50000)}


@pytest.fixture
def slow(service: Service) -> Iterator[TestClient]:
    with set_up(service, elsewhere(), read_without_key="always", **SLOW) as client:
        yield client


def answered(client: TestClient, count: int, **headers: str) -> int:
    return sum(client.get("/v1/version", headers=headers).status_code == 200 for _ in range(count))


def test_a_burst_is_answered_and_then_refused(slow: TestClient, service: Service) -> None:
    assert answered(slow, 8) == 5
    refused = slow.get("/v1/version")
    error = problem(refused, 429, "too-many-requests").errors[0]
    assert "may send 0.01 requests a second, and 5 at once" in error.detail
    assert "Retry-After" in error.remedy
    assert 90 < int(refused.headers["retry-after"]) <= 101
    assert slow.get("/healthz").status_code == 200
    # A key has a limit of its own, wherever it is used.
    for _ in range(2):
        holder = bearer(issue(service, Role.READER))
        assert answered(slow, 8, **holder) == 5
        assert "key " in problem(slow.get("/v1/version", headers=holder), 429, "too-many-requests").detail


def test_whoever_guesses_keys_uses_up_the_limit_of_the_address(slow: TestClient) -> None:
    statuses = [slow.get("/v1/keys/me", headers=bearer(new_secret())).status_code for _ in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    assert slow.get("/v1/keys/me", headers={"Authorization": "Basic eA=="}).status_code == 429
    assert answered(slow, 1) == 0


def test_this_machine_has_no_limit_unless_a_setting_says_so(service: Service) -> None:
    with set_up(service, **(SLOW | {"rate_limit_loopback": False})) as client:
        assert answered(client, 20) == 20
        assert answered(client, 20, **bearer(issue(service, Role.READER))) == 20
    with set_up(service, elsewhere(), read_without_key="always", rate_limit=0) as client:
        assert answered(client, 300) == 300


def test_tokens_come_back(service: Service) -> None:
    with set_up(service, elsewhere(), read_without_key="always", rate_limit=20, rate_burst=10) as client:
        began = time.monotonic()
        assert answered(client, 60) <= 10 + 20 * (time.monotonic() - began)
        time.sleep(0.5)
        assert answered(client, 10) >= 5


def test_without_a_database_there_is_no_limit(service: Service) -> None:
    gone = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})

    async def many() -> list[float]:
        limiter = RateLimiter(Settings(database_url=None, rate_limit=10, rate_burst=5))
        return [await limiter.wait_seconds(gone, "address:x") for _ in range(30)]

    assert asyncio.run(many()) == [0.0] * 30


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.floats(1, 5000), burst=st.integers(1, 500), count=st.integers(1, 600))
def test_the_database_is_asked_once_a_batch(service: Service, rate: float, burst: int, count: int) -> None:
    bucket = uuid.uuid4().hex
    limiter = RateLimiter(Settings(database_url=None, rate_limit=rate, rate_burst=burst))

    async def crowd() -> list[float]:
        return await asyncio.gather(*(limiter.wait_seconds(service.engine, bucket) for _ in range(count)))

    began = time.monotonic()
    with statements_of(service) as statements:
        waits = asyncio.run(crowd())
    seconds = time.monotonic() - began
    granted = waits.count(0.0)
    assert min(count, burst) <= granted <= burst + rate * seconds
    asked = sum("rate_bucket" in statement for statement in statements)
    assert asked <= granted / limiter.batch + seconds / limiter.pause + 1  # after a short batch there is a pause


def test_a_batch_is_small_beside_the_burst() -> None:
    for rate in (0.1, 1.0, 10.0, 100.0, 10_000.0):
        for burst in (1, 4, 40, 4000):
            assert 1 <= batch_size(rate, burst) <= max(1, burst / 4, 1)
            assert batch_size(rate, burst) <= max(1, rate / 10)
    assert batch_size(100, 200) == 10


def test_full_buckets_are_forgotten(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.access.limits.TIDY_SECONDS", 0.0)
    old, new = uuid.uuid4().hex, uuid.uuid4().hex
    limited = Settings(database_url=None, rate_limit=100, rate_burst=10)

    async def ask() -> None:
        limiter = RateLimiter(limited)
        await limiter.wait_seconds(service.engine, old)
        await asyncio.sleep(0.2)
        await limiter.wait_seconds(service.engine, new)

    asyncio.run(ask())
    with service.engine.connect() as connection:
        query = text("SELECT name FROM rate_bucket WHERE name IN (:old, :new)")
        assert set(connection.execute(query, {"old": old, "new": new}).scalars()) == {new}
