"""The schema: up, down and up again, the same as the tables that the code knows, and safe for what is in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from kb_files import PROJECT, Kb, entity
from procrastinate.schema import SchemaManager
from servers import KIND, PROGRAMS, PostgresServer
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

import kb.tables_corpus
import kb.tables_service  # noqa: F401 - their tables are compared too
import migrations
from kb.database import (
    DatabaseError,
    SchemaTooNew,
    ServerUnreachable,
    alembic_config,
    current_revision,
    downgrade,
    migrate,
    server_version,
)
from kb.tables import Base

HEAD = ScriptDirectory.from_config(alembic_config()).get_current_head()
INDEXES = text("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2")
CHECKS = text(
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
)
MIGRATE = """
import sys
from kb.database import migrate
sys.stdin.readline()
migrate(sys.argv[1])
"""


def schema(connection: Connection) -> dict[str, Any]:
    """Return columns, constraints and indexes of all tables."""
    inspector = inspect(connection)
    tables = [name for name in inspector.get_table_names() if name != "alembic_version"]
    columns = {name: [str(sorted(column.items())) for column in inspector.get_columns(name)] for name in tables}
    return {
        "columns": columns,
        "indexes": [tuple(row) for row in connection.execute(INDEXES) if row[0] != "alembic_version"],
        "constraints": [tuple(row) for row in connection.execute(CHECKS) if row[0] != "alembic_version"],
    }


def test_the_server_is_the_one_that_was_asked_for(postgres: PostgresServer) -> None:
    """The second pass over these tests is worth something only if it meets an ordinary server."""
    ((data, listens),) = postgres.run(
        "SELECT current_setting('data_directory'), current_setting('unix_socket_directories')"
    )
    (pid,) = (int(line) for line in Path(str(data), "postmaster.pid").read_text().split("\n", 1)[:1])
    program = Path(f"/proc/{pid}/exe").readlink()
    assert postgres.kind == KIND
    assert (PROGRAMS in program.parents) == (KIND == "system"), program
    assert str(listens)


def test_the_server_is_one_that_namesake_supports(kb_engine: Engine) -> None:
    with kb_engine.connect() as connection:
        assert server_version(connection) >= 14


def test_up_down_and_up_again(empty_engine: Engine) -> None:
    assert current_revision(empty_engine) is None
    migrate(empty_engine)
    assert current_revision(empty_engine) == HEAD
    with empty_engine.connect() as connection:
        first = schema(connection)
    downgrade(empty_engine)
    assert current_revision(empty_engine) is None
    with empty_engine.connect() as connection:
        left = schema(connection)
    assert left == {"columns": {}, "indexes": [], "constraints": []}
    migrate(empty_engine)
    assert current_revision(empty_engine) == HEAD
    with empty_engine.connect() as connection:
        assert schema(connection) == first
    assert {"entity", "alias", "change", "job", "api_key", "proposal"} <= first["columns"].keys()


def test_every_revision_goes_up_and_down(empty_engine: Engine) -> None:
    revisions = [item.revision for item in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
    for revision in revisions:
        migrate(empty_engine, revision)
        assert current_revision(empty_engine) == revision
        downgrade(empty_engine, "-1")
        migrate(empty_engine, revision)


def test_models_agree_with_migrations(kb_engine: Engine) -> None:
    with kb_engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_models_make_the_schema_that_migrations_make(kb_engine: Engine, empty_engine: Engine) -> None:
    """Also what Alembic does not compare: checks, opclasses, conditions and order of indexes."""
    with empty_engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION pg_trgm"))
        Base.metadata.create_all(connection)
        made = schema(connection)
    with kb_engine.connect() as connection:
        migrated = schema(connection)
    assert made["indexes"] == migrated["indexes"]
    assert made["constraints"] == migrated["constraints"]
    assert made["columns"] == migrated["columns"]


def test_alembic_has_nothing_to_add(kb_engine: Engine) -> None:
    config = alembic_config()
    with kb_engine.connect() as connection:
        config.attributes["connection"] = connection
        alembic.command.check(config)


def test_data_survives_another_migration(kb: Kb) -> None:
    kb.load([entity("a", relations=[{"predicate": "near", "object": "b"}], types=["t"]), entity("b")])
    before = kb.records(), kb.sizes(), kb.version()
    migrate(kb.engine)
    migrate(kb.url)
    assert (kb.records(), kb.sizes(), kb.version()) == before


def test_names_that_are_there_learn_how_popular_their_entity_is(empty_engine: Engine, tmp_path: Path) -> None:
    migrate(empty_engine)
    kb = Kb(empty_engine, "default", tmp_path)
    kb.load([entity("a", "A", popularity=150, aliases=[{"text": "Aa", "count": 1}]), entity("b", "B")])
    rows = "SELECT entity_id, text, popularity FROM alias WHERE namespace = :namespace ORDER BY 1, 2"
    before = kb.sql(rows)
    downgrade(empty_engine, "0002")
    migrate(empty_engine)
    assert kb.sql(rows) == before == [("a", "A", 150), ("a", "Aa", 150), ("b", "B", 0)]


@pytest.mark.parametrize("start", ["base", "head"])
def test_two_processes_that_migrate_at_once(empty_url: URL, start: str) -> None:
    if start == "head":
        migrate(empty_url)
    url = empty_url.render_as_string(hide_password=False)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, url], cwd=PROJECT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdin
        child.stdin.write(b"go\n")
        child.stdin.flush()
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors.decode()
    assert current_revision(empty_url) == HEAD


def test_a_failed_migration_leaves_nothing(empty_engine: Engine) -> None:
    with empty_engine.begin() as connection:
        connection.execute(text("CREATE TABLE job (mine int)"))  # the last table that the migration makes
    with pytest.raises(Exception, match="already exists"):
        migrate(empty_engine)
    assert current_revision(empty_engine) is None
    with empty_engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["job"]


def test_a_schema_from_the_future_is_refused(empty_engine: Engine) -> None:
    migrate(empty_engine)
    with empty_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match=r"(?s)upgrade Namesake.*9999"):
        migrate(empty_engine)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1/nothing") as caught:
        migrate("postgresql://somebody:secret@127.0.0.1:1/nothing")
    assert isinstance(caught.value, DatabaseError)
    assert "secret" not in str(caught.value)


def test_the_queue_is_the_one_that_the_installed_package_knows() -> None:
    """A newer procrastinate needs a migration of our own that makes its changes."""
    (ours,) = (Path(migrations.__file__).parent / "sql").glob("procrastinate_*.sql")
    assert ours.read_text().endswith(SchemaManager.get_schema())


def test_work_can_be_queued_whatever_the_search_path_is(kb_engine: Engine) -> None:
    with kb_engine.connect() as connection:
        names = "ARRAY[ROW('q', 'task', 3, NULL, NULL, '{}', NULL)]::procrastinate.procrastinate_job_to_defer_v1[]"
        for path in ("public", "pg_catalog"):
            connection.execute(text(f"SET LOCAL search_path TO {path}"))
            connection.execute(text(f"SELECT procrastinate.procrastinate_defer_jobs_v1({names})"))
        count = text("SELECT count(*) FROM procrastinate.procrastinate_events WHERE type = 'deferred'")
        assert connection.execute(count).scalar_one() == 2
