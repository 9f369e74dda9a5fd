"""Building a snapshot by a process of its own, at low priority, while this one answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

import structlog
from filelock import FileLock, Timeout

from app.assembly import snapshot_folders
from app.settings import Settings

log = structlog.get_logger(__name__)

REST_SECONDS = 30.0  # after a build that failed
LOOK_SECONDS = 0.2
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NAMESAKE_THREADS": "1"}


class BuildFailed(RuntimeError):  # noqa: N818
    """An index could not be built; `namesake index build` says why."""


class Compaction:
    """Has a new snapshot built by another process; one at a time for all processes that share the home folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folders = snapshot_folders(settings)
        self._lock = FileLock(self._folders.root / "compaction.lock", thread_local=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._urgent = False
        self._not_before = 0.0

    @property
    def running(self) -> bool:
        """Whether this process started a build that has not ended."""
        return self._process is not None

    def start(self, newest: str, *, urgent: bool = False) -> None:
        """Start a build, unless one is under way or there is a newer snapshot than the one of this name.

        Unless it is urgent, the build takes one core at most, and that only while nothing else wants it. One like that
        makes room for an urgent one, which finds what was encoded so far.
        """
        if urgent and not self._urgent:
            self.stop()
        if self.running or time.monotonic() < self._not_before:
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return
        current = self._folders.current()
        if current is not None and current.name != newest:
            self._lock.release()
            return
        log.info("building a new index")
        self._urgent = urgent
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app", "index", "build"],
            env=os.environ | self._settings.environment() | ({} if urgent else ONE_THREAD),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if not urgent:
            _make_way(self._process.pid)

    def stop(self) -> None:
        """End a build that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._end()

    def reap(self) -> bool:
        """Let go of a build that has ended, so that other processes may start one; tell whether it failed."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return False
        if code:
            log.error("building a new index failed", exit_code=code, remedy="run `namesake index build` to see why")
            self._not_before = time.monotonic() + REST_SECONDS
        self._end()
        return code != 0

    def _end(self) -> None:
        self._process = None
        with suppress(OSError):
            self._lock.release()


def _make_way(process: int) -> None:
    """Let a process, and what it starts, run only while no other one wants the processor."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, 19)
        if sys.platform == "linux":  # there, a niced process keeps the processor for some milliseconds yet
            os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))


def build_apart(settings: Settings, stopping: threading.Event) -> None:
    """Have a snapshot built in place of the current one, if there is one, and wait until it is there.

    Args:
        settings: name the knowledge base.
        stopping: once set, the build ends, and what it did so far is not used.

    Raises:
        BuildFailed: it could not be built, or was stopped.
    """
    folders, compaction = snapshot_folders(settings), Compaction(settings)
    before = folders.current()
    newest = "" if before is None else before.name
    try:
        while compaction.running or folders.current() == before:  # another process may be the one that builds
            compaction.start(newest)
            if compaction.reap() or stopping.wait(LOOK_SECONDS):
                raise BuildFailed(f"The index of {settings.namespace} could not be built: see `namesake index build`")
    finally:
        compaction.stop()
