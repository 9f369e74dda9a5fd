"""Fixtures: the whole service over the starter KB, with a real embedded Postgres and the real model.

The database and the index are built once a test run (about half a minute; a few seconds where NAMESAKE_TEST_CACHE names
a folder that keeps what was encoded before); tests that only read share them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from app.service import Service
    from app.settings import Settings

PATIENCE = 120.0
# Postgres does not run as root, and its own system user cannot enter root's private folders.
SHARED_PARENT = Path("/var/lib") if os.geteuid() == 0 else None


@dataclass(frozen=True)
class RunningService:
    """A server process that answers.

    Attributes:
        env: environment with which commands work on the same home.
    """

    base_url: str
    env: dict[str, str]
    process: subprocess.Popen[str]


def new_home() -> Path:
    """Make an empty folder that the embedded Postgres can use."""
    home = Path(tempfile.mkdtemp(prefix="namesake-test-", dir=SHARED_PARENT))
    home.chmod(0o755)
    return home


@pytest.fixture(scope="session")
def starter_home() -> Iterator[Path]:
    """A home with the starter KB imported and its index built."""
    from app.assembly import build_index, open_encoder
    from app.service import open_database
    from app.settings import Settings
    from kb.importers.jsonl import import_jsonl
    from kb.starter import files

    home = new_home()
    kept = os.environ.get("NAMESAKE_TEST_CACHE")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        (home / "cache").symlink_to(Path(kept).absolute())
    settings = Settings(home=home, database_url=None)
    starter = files()
    try:
        with open_database(settings) as engine:
            import_jsonl(engine, starter.entities, types=starter.types, predicates=starter.predicates)
            build_index(settings, engine, open_encoder(settings), lambda _step, _done, _total: None)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def starter_settings(starter_home: Path) -> Settings:
    """Settings that name the starter KB's home."""
    from app.settings import Settings

    return Settings(home=starter_home, database_url=None)


@pytest.fixture(scope="session")
def starter_service(starter_settings: Settings) -> Iterator[Service]:
    """The opened service over the starter KB, in this process."""
    from app.service import open_service

    with open_service(starter_settings) as service:
        yield service


@pytest.fixture(scope="session")
def running_service(starter_home: Path) -> Iterator[RunningService]:
    """`namesake serve` over the starter KB, in a process of its own, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
    env |= {
        "NAMESAKE_HOME": str(starter_home),
        "NAMESAKE_PORT": str(port),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "namesake"), "serve"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    service = RunningService(f"http://127.0.0.1:{port}", env, process)
    try:
        _wait_until_ready(service)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def _wait_until_ready(service: RunningService) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if service.process.poll() is not None:
            raise RuntimeError(f"the server stopped: {service.process.stderr and service.process.stderr.read()}")
        try:
            with urllib.request.urlopen(f"{service.base_url}/readyz", timeout=10):  # noqa: S310
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise TimeoutError("the server did not become ready")
