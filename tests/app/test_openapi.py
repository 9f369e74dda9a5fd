"""The OpenAPI document: complete, with examples that hold, and true for whatever schemathesis comes up with."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from job_client import forget_jobs
from key_holders import bearer, issue
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)
from starlette.testclient import TestClient

from app.jobs.uploads import CONTENT_TYPES
from app.main import create_app
from app.routes.batch import PATH as STREAM
from app.schemas.problem import PROBLEM_TYPE
from app.service import Service
from app.settings import Settings
from kb.keys import Role


@pytest.fixture(scope="session")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


LIMITS = Settings(
    home=Path("unused"), read_without_key="always", rate_limit=0, max_text_chars=1000, max_texts=20, max_mentions=10
)


@schemathesis.serializer(*CONTENT_TYPES)
def as_it_is(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(create_app(LIMITS).openapi())


def started(service: Service) -> FastAPI:
    """The API over a service; schemathesis starts and stops it for each test, and asks as soon as it has started."""
    app = create_app(service.settings, lambda _: nullcontext(service))
    opening = app.router.lifespan_context

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[Any]:
        async with opening(app) as state:
            while app.state.runtime.service is None:
                await asyncio.sleep(0.01)
            yield state

    app.router.lifespan_context = opened
    return app


@pytest.fixture(scope="session")
def application(starter_service: Service) -> FastAPI:
    return started(replace(starter_service, settings=LIMITS))


# Methods that these do not answer are answered by what has the same address: an entity whose id ends in such a verb,
# and a revision with the id "undo-since", which is told that it is no number.
VERBS = ("restore", "merge", "rename", "split")
SHARED = {*(f"/v1/entities/{{id}}/{verb}" for verb in VERBS), "/v1/revisions/undo-since"}


def excluded(case: schemathesis.Case) -> list[Any]:
    # A schema cannot say that offsets lie inside the text, so data that it allows may still be refused.
    found = [positive_data_acceptance] + [unsupported_method] * (case.operation.path in SHARED)
    # Whatever the bytes of a stream are, they are lines, and each is answered.
    return found + [negative_data_rejection] * (case.operation.path == STREAM)


def with_time(case: schemathesis.Case) -> None:
    """Grant a request enough time: an answer that comes too late is 503, as it should be."""
    headers = case.headers or {}
    with suppress(ValueError):
        if 0 < float(headers.get("x-timeout", "0")) < 60:
            headers["x-timeout"] = "60"


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, application: FastAPI) -> None:
    with_time(case)
    case.call_and_validate(app=application, excluded_checks=excluded(case))


@pytest.fixture(scope="session")
def editors(starter_service: Service) -> tuple[FastAPI, dict[str, str]]:
    """The API over an empty knowledge base in the same database, and the header of somebody who may edit it."""
    small = LIMITS.model_copy(update={"namespace": f"schema-{uuid.uuid4().hex[:12]}"})
    service = replace(starter_service, settings=small)
    key = issue(service, Role.CURATOR, small.namespace)
    return started(service), bearer(key)


@schema.include(tag=["editing", "history"]).parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_to_a_curator_is_as_the_document_says(
    case: schemathesis.Case, editors: tuple[FastAPI, dict[str, str]]
) -> None:
    app, key = editors
    # Whether a key is asked for is what the other test looks at: here there always is one.
    case.call_and_validate(app=app, headers=key, excluded_checks=[*excluded(case), ignored_auth])


@pytest.fixture(scope="module")
def senders(starter_service: Service) -> Iterator[tuple[FastAPI, dict[str, str]]]:
    """The API, and the header of somebody who may send jobs, which no worker of later tests shall find."""
    limits = LIMITS.model_copy(update={"home": starter_service.settings.home, "jobs_per_key": 100_000})
    yield started(replace(starter_service, settings=limits)), bearer(issue(starter_service, Role.ANNOTATOR))
    forget_jobs(starter_service)


@schema.include(tag="jobs").parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_about_jobs_is_as_the_document_says(
    case: schemathesis.Case, senders: tuple[FastAPI, dict[str, str]]
) -> None:
    app, key = senders
    # Whatever the bytes of a body are, they are a file, which a worker will look into.
    left_out = [*excluded(case), ignored_auth, negative_data_rejection]
    case.call_and_validate(app=app, headers=key, excluded_checks=left_out)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, item) for path, methods in document["paths"].items() for method, item in methods.items()]


def test_every_request_and_answer_has_an_example(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        contents = [response.get("content", {}) for response in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        for media in (media for content in contents for media in content.values()):
            assert "example" in media or "examples" in media, path
        for parameter in operation.get("parameters", []):
            assert "description" in parameter, (path, parameter["name"])


def test_errors_are_documented_as_problems(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/readyz":
                assert list(response["content"]) == [PROBLEM_TYPE], (path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    assert all(operation["description"] for _, _, operation in operations(document))


def test_this_server_s_limits_are_in_the_document(document: dict[str, Any], settings: Settings) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["AnnotateOne"]["properties"]["text"]["maxLength"] == settings.max_text_chars
    assert schemas["AnnotateMany"]["properties"]["documents"]["maxItems"] == settings.max_texts
    assert schemas["MarkedDocument"]["properties"]["mentions"]["maxItems"] == settings.max_mentions


def test_the_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    for page in ("/", "/docs"):
        html = client.get(page).text
        assert "http://" not in html
        assert "https://" not in html
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert asset in client.get("/docs").text
        assert client.get(f"/assets/swagger/{asset}").status_code == 200
