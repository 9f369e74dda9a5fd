"""Postgres servers for tests: our embedded one, or an ordinary one of the operating system."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL
from starter_service import new_home

from kb.database import OLDEST_SERVER, driver_url, migrate
from kb.embedded import embedded_postgres

KIND = os.environ.get("NAMESAKE_TEST_POSTGRES", "embedded")
PROGRAMS = Path("/usr/lib/postgresql")
PATIENCE = 60.0


@dataclass(frozen=True)
class PostgresServer:
    """A server that answers; `template` is a database with the newest schema, from which others are copied."""

    url: URL
    kind: str
    template: str = "migrated"

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement in the maintenance database."""
        plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template0") -> URL:
        """Make a database; it goes with the server, for to drop it would take seconds."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url.set(database=name)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start the server that NAMESAKE_TEST_POSTGRES names (`embedded` or `system`), with a migrated template."""
    starting = {"embedded": _embedded, "system": _system}
    if KIND not in starting:
        raise ValueError(f"NAMESAKE_TEST_POSTGRES={KIND}: set it to embedded or system")
    with starting[KIND]() as url:
        server = PostgresServer(url, KIND)
        # Nothing here outlives the server, so the disk need not be waited for.
        server.run("ALTER SYSTEM SET fsync = off")
        server.run("SELECT pg_reload_conf()")
        server.run(f"CREATE DATABASE {server.template} TEMPLATE template0")
        migrate(url.set(database=server.template))
        yield server


@contextmanager
def _embedded() -> Iterator[URL]:
    home = new_home()
    try:
        with embedded_postgres(home) as server:
            yield driver_url(server.url)
    finally:
        shutil.rmtree(home)


@contextmanager
def _system() -> Iterator[URL]:
    """Start an ordinary server, as its own system user where we are root, on a Unix socket in its own folder."""
    programs = _newest_programs()
    user = _account()
    # Socket paths are short, so the folder is one of the system's temporary ones.
    folder = Path(tempfile.mkdtemp(prefix="namesake-pg-", dir="/tmp"))
    data = folder / "data"
    try:
        if user is not None:
            shutil.chown(folder, user)
        _command(user, programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        control = (programs / "pg_ctl", "-D", data, "-w", "-s")
        _command(user, *control, "-l", folder / "log", "-o", options, "start")
        try:
            yield URL.create(
                "postgresql+psycopg", "postgres", database="postgres", query={"host": str(folder), "port": "5432"}
            )
        finally:
            _command(user, *control, "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder)


def _newest_programs() -> Path:
    versions = {int(path.name): path for path in PROGRAMS.glob("*") if re.fullmatch(r"\d+", path.name)}
    usable = [version for version in versions if version >= OLDEST_SERVER and _complete(versions[version])]
    if not usable:
        pytest.skip(f"postgres: no PostgreSQL {OLDEST_SERVER} or later below {PROGRAMS}")
    return versions[max(usable)] / "bin"


def _complete(version: Path) -> bool:
    return all((version / "bin" / name).exists() for name in ("initdb", "pg_ctl", "postgres"))


def _account() -> str | None:
    """Return the account that the server runs as, None for our own: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("postgres: root needs an account named postgres to run the server as")


def _command(user: str | None, *command: str | Path) -> None:
    # A file for what it says: the server that pg_ctl starts would hold a pipe open.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [str(part) for part in command],
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=PATIENCE,
        )
        said.seek(0)
        assert done.returncode == 0, said.read().decode()
