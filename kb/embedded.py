"""The embedded Postgres: it starts with the first process that needs it and stops with the last one.

Three locks in the home folder say all there is to know, and the kernel lets go of each when its holder is killed:

* `postgres.start`: one process at a time looks after the server, the others wait.
* `postgres.users`: shared by all that use the server. Whoever leaves and then gets it alone is the last, and stops it.
* `postgres.server`: held by the server's own processes. While one of them lives, no second server starts on its data.

Postgres itself makes sure that nothing committed is lost: a killed server replays its log when it starts again.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from kb.postmaster import (
    SUPERUSER,
    Cluster,
    EmbeddedPostgresError,
    explain,
    log_tail,
    make_home,
    remove_short_folder,
    start,
)

__all__ = ["DATABASE", "EmbeddedPostgresError", "Server", "embedded_postgres", "stop"]

DATABASE = "namesake"
# What a server that starts, recovers, stops or is full answers; without a code, it did not answer at all.
_NOT_NOW = {None, "57P01", "57P02", "57P03", "53300"}

_STARTS = 3  # attempts to start a server that somebody keeps killing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A running embedded Postgres."""

    url: str
    pid: int
    data: Path
    log: Path


@dataclass(frozen=True)
class _PidFile:
    """What the server says about itself in postmaster.pid."""

    pid: int
    port: int
    socket_folder: str
    ready: bool


@contextmanager
def embedded_postgres(home: Path, *, wait_seconds: float = 120) -> Iterator[Server]:
    """Give the Postgres server whose files are below `home`, started if it does not run.

    Any number of processes may be inside at the same time, and when the last one leaves, the server stops. A process
    that is killed leaves it running, and the next one finds it there. A child made by os.fork is inside while it lives.

    The database is UTF8 with Postgres' builtin locale C.UTF-8, which sorts by code point. The server listens only on a
    socket that no other account but root reaches.

    Raises:
        EmbeddedPostgresError: the server cannot be started, or does not answer within `wait_seconds`.
    """
    cluster = Cluster(home.expanduser().resolve())
    deadline = time.monotonic() + wait_seconds
    with _explained(cluster):
        make_home(cluster.home)
        with _starting(cluster, deadline):
            users = _take(cluster.lock("users"), fcntl.LOCK_SH, deadline, "the last one to leave stops the server")
            try:
                server = _running(cluster, deadline)
            except EmbeddedPostgresError:
                # A server that needs longer to recover goes on, so that the next attempt finds it further on.
                os.close(users)
                raise
            except BaseException:
                _leave(cluster, users, wait_seconds)
                raise
    try:
        yield server
    finally:
        _leave(cluster, users, wait_seconds)


def stop(home: Path, *, wait_seconds: float = 120) -> bool:
    """Stop the embedded Postgres below `home`, whoever uses it; say whether it was running.

    Raises:
        EmbeddedPostgresError: it has not stopped within `wait_seconds`, or cannot be stopped from here.
    """
    cluster = Cluster(home.expanduser().resolve())
    if not cluster.data.exists():
        return False
    deadline = time.monotonic() + wait_seconds
    with _explained(cluster), _starting(cluster, deadline):
        stopped = _stop_processes(cluster, deadline)
        # The kernel lets go of a lock a moment after its holder has ended.
        for _ in _polls(min(deadline, time.monotonic() + 5)):
            with _alone(cluster.lock("server")) as lock:
                if lock is not None:
                    return stopped
        raise EmbeddedPostgresError(_unseen(cluster))


def _leave(cluster: Cluster, users: int, wait_seconds: float) -> None:
    """Give up our share, and stop the server if nobody else has one. Data is safe either way, so this never raises."""
    os.close(users)
    try:
        with _explained(cluster), _alone(cluster.lock("users")) as lock:
            # Whoever enters now waits for this lock, and then starts the server again.
            if lock is not None:
                _stop_processes(cluster, time.monotonic() + wait_seconds)
                fcntl.flock(lock, fcntl.LOCK_UN)
    except EmbeddedPostgresError as error:
        log.warning("%s", error)


def _running(cluster: Cluster, deadline: float) -> Server:
    """Return the running server; start it first if none of its processes lives."""
    starts, log_before = 0, 0
    for _ in _polls(deadline):
        with _alone(cluster.lock("server")) as lock:
            if lock is not None and not _server_processes(cluster.data):
                said = log_tail(cluster, log_before)
                # One that ends without a word was killed while it started: the next will do better.
                if starts == _STARTS or (starts and "FATAL" in said):
                    raise explain("The embedded Postgres does not start", said, cluster)
                log_before = start(cluster, lock)
                starts += 1
        server = _attach(cluster, deadline)
        if server is not None:
            return server
        _end_orphans(cluster.data)
    raise _too_slow(cluster)


def _attach(cluster: Cluster, deadline: float) -> Server | None:
    """Return the server if it answers, after making its database if there is none; None while it does not answer."""
    found = _read_pid_file(cluster.data)
    if found is None or not found.ready:
        return None
    patience = max(2, min(10, round(deadline - time.monotonic())))
    try:
        with psycopg.connect(
            host=found.socket_folder,
            port=found.port,
            user=SUPERUSER,
            dbname="postgres",
            connect_timeout=patience,
            autocommit=True,
        ) as connection:
            folder = connection.execute("SHOW data_directory").fetchone()
            # In the copy of another home, the file speaks of the server that runs on the original.
            if folder is None or not Path(folder[0]).exists() or not cluster.data.samefile(folder[0]):
                return None
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")
    except psycopg.Error as error:
        if error.sqlstate in _NOT_NOW:
            return None
        raise explain(f"The database {DATABASE} cannot be made", str(error), cluster) from error
    host = quote(found.socket_folder, safe="/")
    url = f"postgresql://{SUPERUSER}@/{DATABASE}?host={host}&port={found.port}"
    return Server(url, found.pid, cluster.data, cluster.log)


def _too_slow(cluster: Cluster) -> EmbeddedPostgresError:
    postmaster = _postmaster_among(_server_processes(cluster.data))
    if postmaster is None:
        return EmbeddedPostgresError(_unseen(cluster))
    return EmbeddedPostgresError(
        f"The embedded Postgres (process {postmaster.pid}) runs but does not answer yet:\n{log_tail(cluster)}\n"
        "What to do: if it recovers from a crash, try again in a while, it goes on meanwhile; otherwise see "
        f"{cluster.log}, and stop it with `namesake db stop`."
    )


def _unseen(cluster: Cluster) -> str:
    return (
        f"A process that cannot be seen from here, in another container perhaps, uses {cluster.data}: stop it there, "
        "or set NAMESAKE_HOME to another folder"
    )


# --- Processes -------------------------------------------------------------------------------------------------------


def _read_pid_file(data: Path) -> _PidFile | None:
    """Return what postmaster.pid says, or None where it is missing, half written or garbage."""
    try:
        lines = os.fsdecode((data / "postmaster.pid").read_bytes()).splitlines()
        found = _PidFile(int(lines[0]), int(lines[3]), lines[4], lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None
    return found if found.pid > 0 and found.socket_folder else None


def _server_processes(data: Path) -> list[psutil.Process]:
    """Return the live Postgres processes that work in the data directory.

    Each of them has it as its working folder. A number in a file proves nothing: it may be another program's by now.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "postgres" and Path(process.cwd()).samefile(data):
                found.append(process)
    return found


def _postmaster_among(processes: Sequence[psutil.Process]) -> psutil.Process | None:
    """Return the server's first process: the others call themselves "postgres: " and what they do."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()  # empty for one that is just ending
            if command and not command[0].startswith("postgres:"):
                return process
    return None


def _end_orphans(data: Path) -> None:
    """End what is left of a server whose first process was killed; with that one alive, do nothing.

    Such a process may be busy with a query for hours, and while it lives no new server may start.
    """
    orphans = _server_processes(data)
    if not orphans or _postmaster_among(orphans) is not None:
        return
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.send_signal(signal_number)
        for _ in _polls(time.monotonic() + 5):
            if not _server_processes(data):
                return


def _stop_processes(cluster: Cluster, deadline: float) -> bool:
    """Stop the server in fast mode (transactions in progress are rolled back); say whether there was anything to stop.

    Raises:
        EmbeddedPostgresError: it has not ended by the deadline.
    """
    was_there = False
    said = _read_pid_file(cluster.data)
    for _ in _polls(deadline):
        processes = _server_processes(cluster.data)
        if not processes:
            if said is not None:
                remove_short_folder(Path(said.socket_folder))
            return was_there
        was_there = True
        postmaster = _postmaster_among(processes)
        if postmaster is None:
            _end_orphans(cluster.data)
        else:
            # Each time again: a server that has only just begun may miss the first one, a stopping one does not mind.
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.send_signal(signal.SIGINT)
    raise explain(f"Postgres in {cluster.data} has not stopped yet; it goes on stopping", log_tail(cluster), cluster)


def _polls(deadline: float) -> Iterator[None]:
    """Yield at once, and again and again until the deadline, less often as time goes by."""
    pause = 0.02
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.5)
        yield


# --- Locks -----------------------------------------------------------------------------------------------------------


@contextmanager
def _starting(cluster: Cluster, deadline: float) -> Iterator[None]:
    file = _take(cluster.lock("start"), fcntl.LOCK_EX, deadline, "another process starts the server")
    try:
        yield
    finally:
        # Unlocked as well: a child that another thread forked meanwhile has a copy of it.
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


@contextmanager
def _alone(path: Path) -> Iterator[int | None]:
    """Hold the lock if nobody else has it; give None, without waiting, if somebody does.

    It is closed, not unlocked: a server that was started inside has inherited it and keeps it.
    """
    file = _open(path)
    try:
        yield file if _try(file, fcntl.LOCK_EX) else None
    finally:
        os.close(file)


def _take(path: Path, kind: int, deadline: float, who: str) -> int:
    """Return the lock once it is free.

    Raises:
        EmbeddedPostgresError: it is still taken at the deadline.
    """
    file = _open(path)
    announce_at = time.monotonic() + 1
    try:
        for _ in _polls(deadline):
            if _try(file, kind):
                return file
            if time.monotonic() > announce_at:
                announce_at = deadline
                log.warning("Waiting for %s: %s", path, who)
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    raise EmbeddedPostgresError(f"{path} is still taken ({who}): try again in a while")


def _open(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        # Root may be a guest (sudo) in somebody's folder, who needs the file afterwards.
        owner = path.parent.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)
    return file


def _try(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _explained(cluster: Cluster) -> Iterator[None]:
    """Turn what the operating system refuses into our error."""
    try:
        yield
    except (OSError, psutil.Error) as error:
        raise explain(f"The embedded Postgres in {cluster.home} cannot be used", str(error), cluster) from error
