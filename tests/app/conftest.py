import logging
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from api_client import serving
from key_holders import bearer, issue
from starlette.testclient import TestClient

from app.service import Service
from app.settings import Settings
from kb.keys import Role


@pytest.fixture(scope="session", autouse=True)
def _quiet_log() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="session")
def settings(starter_settings: Settings) -> Settings:
    """Settings with limits so small that tests reach them quickly."""
    limits = {"max_text_chars": 1000, "max_body_bytes": 100_000, "max_texts": 20, "max_mentions": 10}
    return starter_settings.model_copy(update=limits)


@pytest.fixture(scope="session")
def service(starter_service: Service, settings: Settings) -> Service:
    """The service over the starter KB, with the small limits."""
    return replace(starter_service, settings=settings)


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[TestClient]:
    """The API with the small limits, in this process."""
    with serving(service) as client:
        yield client


@pytest.fixture(scope="module")
def fresh(service: Service) -> Service:
    """The service over an empty knowledge base in the same database."""
    namespace = f"edits-{uuid.uuid4().hex[:12]}"
    return replace(service, settings=service.settings.model_copy(update={"namespace": namespace}))


@pytest.fixture(scope="module")
def curator(fresh: Service) -> Iterator[TestClient]:
    """The API over that knowledge base, with a key that may edit it."""
    key = issue(fresh, Role.CURATOR, fresh.settings.namespace)
    with serving(fresh, headers=bearer(key)) as client:
        yield client
