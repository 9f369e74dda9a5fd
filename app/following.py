"""Keeping a linker up to date with its knowledge base, and the delta beside its snapshot small.

One thread follows the changes: it hears of each commit, takes it in, and puts the new state in place of the old one
between two requests. When the delta has grown large, a process of its own builds a new snapshot (compaction); whoever
built it, each follower notices it, opens it and goes on from there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import structlog
from filelock import FileLock, Timeout
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.assembly import snapshot_folders
from app.live import LiveLinker
from app.service import Service
from app.settings import Settings
from kb.database import snapshot_session
from kb.live.feed import ChangeFeed, open_feed
from kb.live.index import DeltaFull
from kb.snapshot import SnapshotError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5  # how long a change whose notification was lost, or a new snapshot, goes unnoticed
FULL_SECONDS = 5.0  # how long a new snapshot goes unnoticed while more has changed than fits beside the old one
AGAIN_SECONDS = 1.0  # after the database was away
REST_SECONDS = 30.0  # after a build that failed


class Follower:
    """Keeps one linker up to date until it is stopped.

    Args:
        told: called with the kb_version whenever answers know a newer one.
    """

    def __init__(self, settings: Settings, engine: Engine, linker: LiveLinker, told: Callable[[int], None]) -> None:
        self.failure: str | None = None
        self._settings = settings
        self._engine = engine
        self._linker = linker
        self._told = told
        self._folders = snapshot_folders(settings)
        self._compaction = Compaction(settings)
        self._seen = linker.snapshot_path.name  # the newest snapshot that was tried
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def compacting(self) -> bool:
        """Whether this process has a new snapshot built at the moment."""
        return self._compaction.running

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End it, and a build that is under way: what it did so far is not used."""
        self._stopping.set()
        self._thread.join()
        self._compaction.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with open_feed(self._engine) as feed:
                    self._follow(feed)
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                self._note(f"{type(error).__name__}: {str(error).splitlines()[0]}")
                self._stopping.wait(AGAIN_SECONDS)
            except Exception as error:  # a follower that ended would leave answers old for good
                log.exception("cannot follow the knowledge base")
                self._note(f"{type(error).__name__}: {error}")
                self._stopping.wait(AGAIN_SECONDS)

    def _follow(self, feed: ChangeFeed) -> None:
        while not self._stopping.is_set():
            full = self._take_in()
            self._note(None)
            self._compaction.reap()
            index = self._linker.index
            limit = self._settings.compact_after
            if limit and (full or index.outdated or index.delta_size >= limit):
                self._compaction.start(self._seen)
            if full:
                self._stopping.wait(FULL_SECONDS)  # reading what does not fit again and again would slow answers down
            else:
                feed.wait(LOOK_SECONDS)

    def _take_in(self) -> bool:
        """Bring answers up to date; tell whether more has changed than fits beside the snapshot."""
        before = self._linker.kb_version
        try:
            if not self._take_snapshot():
                with snapshot_session(self._engine) as session:
                    self._linker.refresh(session)
        except DeltaFull:
            return True
        finally:
            if self._linker.kb_version != before:
                self._told(self._linker.kb_version)
        return False

    def _take_snapshot(self) -> bool:
        """Go over to a new snapshot if there is one, with all that changed since it was built."""
        current = self._folders.current()
        if current is None or current.name == self._seen:
            return False
        self._seen = current.name
        try:
            snapshot = self._folders.open_current(self._linker.snapshot.manifest.model_version)
        except SnapshotError as error:
            log.warning("a new index cannot be used", reason=str(error))
            return False
        self._seen = snapshot.folder.name
        index = self._linker.opened(snapshot)
        try:
            with snapshot_session(self._engine) as session:
                index.refresh(session)
        finally:
            if index.kb_version >= self._linker.kb_version:
                self._linker.serve(index)
                log.info("serving a new index", kb_version=index.kb_version, snapshot=snapshot.folder.name)
        return True

    def _note(self, failure: str | None) -> None:
        if failure is not None and failure != self.failure:
            log.warning("answers may be old: the knowledge base cannot be followed", reason=failure)
        self.failure = failure


@contextmanager
def following(service: Service, told: Callable[[int], None]) -> Iterator[Follower]:
    """Keep a service's linker up to date as long as the block lasts; see `Follower`."""
    follower = Follower(service.settings, service.engine, service.linker, told)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


class Compaction:
    """Has a new snapshot built by another process; one at a time for all processes that share the home folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folders = snapshot_folders(settings)
        self._lock = FileLock(self._folders.root / "compaction.lock", thread_local=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    @property
    def running(self) -> bool:
        """Whether this process started a build that has not ended."""
        return self._process is not None

    def start(self, newest: str) -> None:
        """Start a build, unless one is under way or there is a newer snapshot than the one of this name."""
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
        gently = ["nice", "-n", "10"] if shutil.which("nice") else []
        self._process = subprocess.Popen(
            [*gently, sys.executable, "-P", "-m", "app", "index", "build"],
            env=os.environ | self._settings.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End a build that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._end()

    def reap(self) -> None:
        """Let go of a build that has ended, so that other processes may start one."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return
        if code:
            log.error("building a new index failed", exit_code=code, remedy="run `namesake index build` to see why")
            self._not_before = time.monotonic() + REST_SECONDS
        self._end()

    def _end(self) -> None:
        self._process = None
        with suppress(OSError):
            self._lock.release()
