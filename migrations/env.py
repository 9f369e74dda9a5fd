"""What Alembic runs: migrations on a connection that the caller hands over.

`kb.database.migrate` hands over one whose transaction holds a lock. On Alembic's own command line
(`alembic -c migrations/alembic.ini`, to write a new migration) it is the database that NAMESAKE_DATABASE_URL names.
"""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

import kb.tables_corpus
import kb.tables_service  # noqa: F401 - their tables are compared too
from kb.database import make_engine
from kb.tables import Base

TARGET = Base.metadata


def run(connection: Connection) -> None:
    """Run the migrations that were asked for."""
    context.configure(connection=connection, target_metadata=TARGET, compare_type=True, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Run with the caller's connection, or with one of our own."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = os.environ.get("NAMESAKE_DATABASE_URL")
    if not url:
        raise SystemExit("Set NAMESAKE_DATABASE_URL to the database to compare the tables with.")
    engine = make_engine(url)
    with engine.begin() as connection:
        run(connection)
    engine.dispose()


main()
