"""The way to Postgres: engines, sessions and the schema's version."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

import migrations

OLDEST_SERVER = 14
_MIGRATION_LOCK = 0x6E616D65  # any number that no other program on the server locks


class DatabaseError(RuntimeError):
    """The database cannot be used."""

    def __init__(self, detail: str) -> None:
        said = " ".join((inspect.getdoc(type(self)) or "").split())
        super().__init__(f"{said} {detail}")


class ServerUnreachable(DatabaseError):  # noqa: N818
    """No connection to Postgres: check that the server runs and that NAMESAKE_DATABASE_URL names it, a database on it
    and a user with the right password.
    """


class ServerTooOld(DatabaseError):  # noqa: N818
    """Namesake needs Postgres 14 or later: upgrade the server, or unset NAMESAKE_DATABASE_URL to use our own."""


class SchemaTooNew(DatabaseError):  # noqa: N818
    """The database was written by a newer Namesake: upgrade Namesake, or name another database."""


class ExtensionMissing(DatabaseError):  # noqa: N818
    """Postgres lacks an extension: install its contrib package, or let a superuser run CREATE EXTENSION there."""


class RightMissing(DatabaseError):  # noqa: N818
    """The user may not make tables in this database: name one that the user owns, or let its owner GRANT the right."""


def driver_url(url: str | URL) -> URL:
    """Return the URL with the driver that Namesake uses (psycopg 3)."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1) if isinstance(url, str) else url)
    return parsed.set(drivername="postgresql+psycopg")


def make_engine(url: str | URL, **options: Any) -> Engine:
    """Return an engine for a Postgres URL; it connects when it is first used. `options` go to `create_engine`."""
    settings: dict[str, Any] = {
        "pool_pre_ping": True,
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
        # No prepared statements: Postgres would plan them once for all values, and a plan that was made for one id or
        # for an empty table is slow for thousands. Without them, connection poolers work, too.
        "connect_args": {"connect_timeout": 10, "application_name": "namesake", "prepare_threshold": None},
    }
    return create_engine(driver_url(url), **(settings | options))


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Return what makes sessions. Whoever asks for one commits it: nothing in `kb` does."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def snapshot_session(engine: Engine) -> Iterator[Session]:
    """Yield a read-only session that sees the knowledge base as it is now, whatever is written meanwhile."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, Session(connection) as session:
        yield session


def migrate(url_or_engine: str | URL | Engine, revision: str = "head") -> None:
    """Bring the schema up to a revision. Processes that start together wait for each other.

    Raises:
        ServerUnreachable: nothing answers at the URL.
        ServerTooOld: the server is older than Postgres 14.
        SchemaTooNew: the database has a revision that this Namesake does not know.
        ExtensionMissing: the server has no pg_trgm, unaccent or fuzzystrmatch, or does not let this user create them.
        RightMissing: the user may not make tables there.
    """
    with _migrating(url_or_engine) as (config, connection):
        script = ScriptDirectory.from_config(config)
        current = _heads(connection)
        known = {item.revision for item in script.walk_revisions()}
        if current - known:
            raise SchemaTooNew(
                f"Its schema is at {', '.join(sorted(current))}, this Namesake's at {script.get_current_head()}."
            )
        command.upgrade(config, revision)


def downgrade(url_or_engine: str | URL | Engine, revision: str = "base") -> None:
    """Take the schema back to a revision; `base` leaves an empty database."""
    with _migrating(url_or_engine) as (config, _):
        command.downgrade(config, revision)


def current_revision(url_or_engine: str | URL | Engine) -> str | None:
    """Return the revision of the schema in the database, or None where there is none."""
    with _connected(url_or_engine) as connection:
        return next(iter(_heads(connection)), None)


def server_version(connection: Connection) -> int:
    """Return the server's major version."""
    return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000


def alembic_config() -> Config:
    """Return the settings of Alembic, for the migrations in the package."""
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


@contextmanager
def _migrating(url_or_engine: str | URL | Engine) -> Iterator[tuple[Config, Connection]]:
    """Yield Alembic's settings and a connection whose transaction holds the migration lock."""
    config = alembic_config()
    with _connected(url_or_engine) as connection:
        version = server_version(connection)
        if version < OLDEST_SERVER:
            raise ServerTooOld(f"This one is version {version}.")
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            yield config, connection
        except DBAPIError as error:
            if "extension" in str(error.orig).lower():
                raise ExtensionMissing(str(error.orig).strip()) from error
            if isinstance(error.orig, InsufficientPrivilege):
                raise RightMissing(str(error.orig).strip()) from error
            raise


@contextmanager
def _connected(url_or_engine: str | URL | Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that is committed at the end."""
    engine = url_or_engine if isinstance(url_or_engine, Engine) else make_engine(url_or_engine)
    try:
        try:
            connection = engine.connect()
        except OperationalError as error:
            where = engine.url.render_as_string(hide_password=True)
            raise ServerUnreachable(f"{where}: {str(error.orig).strip()}") from error
        with connection, connection.begin():
            yield connection
    finally:
        if engine is not url_or_engine:
            engine.dispose()


def _heads(connection: Connection) -> set[str]:
    """Return the revisions that the database says it has."""
    return set(MigrationContext.configure(connection).get_current_heads())
