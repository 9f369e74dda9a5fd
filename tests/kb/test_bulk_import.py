"""What an import leaves out to be fast does not show in what it leaves behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.service import Service
from kb import curation, queries
from kb.database import make_engine, migrate
from kb.importers.context import ImportOptions
from kb.importers.jsonl import import_jsonl
from kb.starter import files

ORPHANS = """
    SELECT namespace, entity_id FROM alias UNION SELECT namespace, entity_id FROM entity_type
    UNION SELECT namespace, subject_id FROM relation UNION SELECT namespace, entity_id FROM xref
    EXCEPT SELECT namespace, id FROM entity
"""


@pytest.fixture
def plain_engine(starter_service: Service) -> Iterator[Engine]:
    """A database whose owner is no superuser."""
    admin = starter_service.engine.execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE ROLE plain LOGIN"))
        connection.execute(text("CREATE DATABASE plain OWNER plain"))
    engine = make_engine(starter_service.engine.url.set(username="plain", database="plain"))
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE plain"))
            connection.execute(text("DROP ROLE plain"))


def test_every_part_has_its_entity(starter_service: Service) -> None:
    with Session(starter_service.engine) as session:
        assert session.execute(text(ORPHANS)).all() == []


def test_an_ordinary_user_imports_the_same(starter_service: Service, plain_engine: Engine) -> None:
    starter = files()
    options = ImportOptions(f"ours-{uuid.uuid4().hex[:12]}")
    for engine in (starter_service.engine, plain_engine):
        report = import_jsonl(
            engine, starter.entities, types=starter.types, predicates=starter.predicates, options=options
        )
        assert report.entities.added == report.entities.read
    with Session(starter_service.engine) as ours, Session(plain_engine) as theirs:
        imported = list(queries.stream_entities(theirs, options.namespace))
        assert imported == list(queries.stream_entities(ours, options.namespace))


def test_the_settings_of_bulk_writing_end_with_the_transaction(starter_service: Service) -> None:
    names = ("synchronous_commit", "session_replication_role")
    with Session(starter_service.engine) as session:
        before = [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]
        curation.prepare_bulk(session)
        assert [session.execute(text(f"SHOW {name}")).scalar_one() for name in names] == ["off", "replica"]
        session.commit()
        assert [session.execute(text(f"SHOW {name}")).scalar_one() for name in names] == before == ["on", "origin"]
