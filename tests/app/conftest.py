import logging
import time
from collections.abc import Iterator

import pytest
import structlog
from fakes import fake_service, opened
from starlette.testclient import TestClient

from app.main import create_app
from app.service import Service
from app.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def _quiet_log() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    limits = {"max_text_chars": 1000, "max_body_bytes": 100_000, "max_texts": 20, "max_mentions": 10}
    return Settings(home=tmp_path_factory.mktemp("home"), database_url=None, **limits)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def fake(settings: Settings) -> Service:
    return fake_service(settings)


@pytest.fixture(scope="session")
def client(settings: Settings, fake: Service) -> Iterator[TestClient]:
    with TestClient(create_app(settings, lambda _: opened(fake))) as client:
        for _ in range(100):
            if client.get("/v1/version").status_code == 200:
                break
            time.sleep(0.05)
        yield client
