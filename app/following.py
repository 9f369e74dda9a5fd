"""Keeping a linker up to date with its knowledge base, and the delta beside its snapshot small.

One thread follows the changes: it hears of each commit, takes it in, and puts the new state in place of the old one
between two requests. When the delta has grown large, a process of its own builds a new snapshot (compaction); whoever
built it, each follower notices it, opens it and goes on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.assembly import snapshot_folders
from app.compaction import Compaction
from app.live import LiveLinker
from app.service import Service
from app.settings import Settings
from kb.database import snapshot_session
from kb.live.feed import Bell, ChangeFeed, open_feed
from kb.live.index import DeltaFull, KbReplaced, LiveIndex
from kb.snapshot import SnapshotError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5  # how long a change whose notification was lost, or a new snapshot, goes unnoticed
FULL_SECONDS = 5.0  # how long a new snapshot goes unnoticed while more has changed than fits beside the old one
AGAIN_SECONDS = 1.0  # after the database was away
# Between two refreshes there is so many times as long as the first of them took of the processor, within a limit:
# however many edits come, requests have nearly all of it, and what comes meanwhile is taken in together.
REST, LONGEST_REST = 40, 0.4


class Follower:
    """Keeps one linker up to date until it is stopped.

    Args:
        told: called with the kb_version whenever answers know a newer one.
        bell: rung by another follower at each change; without it, this one hears of changes by itself.
        replaced: called once where the knowledge base is gone, or another one has its name; then this ends. Without it,
            a new snapshot is built.

    Attributes:
        failure: why changes cannot be followed at the moment; None where they can.
        bell: rung at each change that this one hears of.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        linker: LiveLinker,
        told: Callable[[int], None],
        bell: Bell | None = None,
        replaced: Callable[[], None] | None = None,
    ) -> None:
        self.failure: str | None = None
        self.bell = bell or Bell()
        self._listens = bell is None
        self._replaced = replaced
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
        if not self._listens:
            self.bell.ring()
        self._thread.join()
        self._compaction.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._listens:
                    with open_feed(self._engine) as feed:
                        self._follow(lambda seconds: self._hear(feed, seconds))
                else:
                    self._follow(self.bell.listener())
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                self._note(f"{type(error).__name__}: {str(error).splitlines()[0]}")
                self._stopping.wait(AGAIN_SECONDS)
            except Exception as error:  # a follower that ended would leave answers old for good
                log.exception("cannot follow the knowledge base")
                self._note(f"{type(error).__name__}: {error}")
                self._stopping.wait(AGAIN_SECONDS)

    def _hear(self, feed: ChangeFeed, seconds: float) -> None:
        if feed.wait(seconds):
            self.bell.ring()

    def _follow(self, wait: Callable[[float], None]) -> None:
        while not self._stopping.is_set():
            before, started = self._linker.kb_version, time.thread_time()
            try:
                full, failure = self._take_in(), None
            except KbReplaced as error:
                if self._replaced is not None:
                    self._stopping.set()
                    self._replaced()
                    return
                full, failure = True, str(error)
            self._note(failure)
            self._compaction.reap()
            index = self._linker.index
            limit = self._settings.compact_after
            if limit and (full or index.outdated or index.delta_size >= limit):
                self._compaction.start(self._seen, urgent=full)
            if full:
                self._stopping.wait(FULL_SECONDS)  # reading what does not fit again and again would slow answers down
                continue
            if self._linker.kb_version != before:
                self._stopping.wait(min(REST * (time.thread_time() - started), LONGEST_REST))
            wait(LOOK_SECONDS)

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
        except KbReplaced as error:  # its build began before
            log.warning("a new index cannot be used", reason=str(error))
            return False
        except Exception:
            if index.kb_version >= self._linker.kb_version:
                self._serve(index)
            raise
        self._serve(index)
        return True

    def _serve(self, index: LiveIndex) -> None:
        self._linker.serve(index)
        log.info("serving a new index", kb_version=index.kb_version, snapshot=self._seen)

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
