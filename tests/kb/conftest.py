"""A real Postgres for the tests of the knowledge base, and a namespace of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kb_files import Kb
from servers import KIND, PostgresServer, running_server
from snapshots import Builder
from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from kb.database import make_engine
from model.encoder import Encoder, load_encoder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a pass with an ordinary server, leave out what has nothing to do with it, our own server's life among it."""
    if KIND != "embedded":
        here = Path(__file__).parent
        others = [item for item in items if here in item.path.parents and "postgres" not in _fixtures(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server that NAMESAKE_TEST_POSTGRES names."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def kb_engine(postgres: PostgresServer) -> Iterator[Engine]:
    """An engine for a migrated database that tests share."""
    engine = make_engine(postgres.new_database(postgres.template))
    yield engine
    engine.dispose()


@pytest.fixture
def kb(kb_engine: Engine, tmp_path: Path) -> Kb:
    """An empty knowledge base."""
    return Kb(kb_engine, f"test-{uuid.uuid4().hex[:12]}", tmp_path)


@pytest.fixture
def empty_url(postgres: PostgresServer) -> URL:
    """A database without any table."""
    return postgres.new_database()


@pytest.fixture
def empty_engine(empty_url: URL) -> Engine:
    """An engine for a database without any table; it keeps no connection open."""
    return make_engine(empty_url, poolclass=NullPool)


@pytest.fixture(scope="session")
def encoder(starter_home: Path) -> Encoder:
    """The real encoder, with the graphs that the starter KB's home has already."""
    return load_encoder(starter_home / "cache" / "encoder")


@pytest.fixture
def builder(tmp_path: Path, encoder: Encoder, starter_home: Path) -> Builder:
    """What builds small snapshots in a folder of the test's own."""
    return Builder(tmp_path / "snapshots", encoder, starter_home / "cache" / "encodings")
