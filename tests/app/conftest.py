import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from api_client import serving
from starlette.testclient import TestClient

from app.service import Service
from app.settings import Settings


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
