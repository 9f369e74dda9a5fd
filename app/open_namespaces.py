"""Knowledge bases beside the served one: opened by the first request that links in them, closed to make room.

Encoder and scorer are the served one's. Each has a snapshot, a linker and a follower of its own. All that is said here
of slots happens in the event loop; opening and closing happen in threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from anyio.to_thread import run_sync
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from app.expected import is_expected, message_of
from app.metrics import Metrics
from app.service import Service
from kb import queries
from kb.conflicts import NamespaceMissing
from kb.index.build import EmptyKbError
from kb.live.feed import Bell
from kb.namespaces import get_namespace

if TYPE_CHECKING:
    from app.following import Follower

log = structlog.get_logger(__name__)

WAIT_SECONDS = 10.0  # how long a request waits until its knowledge base is open
OPENED_AT_ONCE = 8  # each may need a connection to the database as long
REST_SECONDS = 5.0  # after one that could not be opened
FEW_ENTITIES = 1000  # an index of them is built sooner here than a process that builds it starts
ASKED_AGAIN = (NamespaceMissing, EmptyKbError, OperationalError, InterfaceError)  # the next request looks anew


@dataclass(frozen=True, slots=True)
class OpenKb:
    """A knowledge base that texts are linked to.

    Attributes:
        service: its linker and settings.
        follower: what keeps the linker up to date.
    """

    service: Service
    follower: Follower | None


class StillOpening(Exception):  # noqa: N818
    """It takes longer than a request waits; it goes on meanwhile."""


class AllInUse(Exception):  # noqa: N818
    """As many knowledge bases are open as may be, and none of them can be closed now."""


class OpeningFailed(Exception):  # noqa: N818
    """The knowledge base could not be opened; the message says why."""


class _Slot:
    """The place of one knowledge base: what opens it, and how many requests want it."""

    def __init__(self, opening: asyncio.Future[OpenKb]) -> None:
        self.opening = opening
        self.users = 0

    @contextmanager
    def wanted(self) -> Iterator[None]:
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1


class OpenNamespaces:
    """Those that are open.

    Args:
        most: how many may be open.
        metrics: told how many are.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # the least recently used first
        self._closing: set[asyncio.Future[None]] = set()
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(min(most, OPENED_AT_ONCE), thread_name_prefix="namespaces")

    @asynccontextmanager
    async def using(self, served: Service, bell: Bell, name: str) -> AsyncIterator[OpenKb]:
        """Give a knowledge base, and keep it open as long as the block lasts.

        Args:
            served: whose model and database it shares.
            bell: rung at each change of the database.
            name: the knowledge base.

        Raises:
            NamespaceMissing: there is none of this name.
            EmptyKbError: it has no entities.
            StillOpening: it takes too long; the next request may find it open.
            AllInUse: too many others are in use.
            OpeningFailed: it cannot be opened.
        """
        while True:
            known = slot = self._slots.get(name)
            if slot is None:
                # Looked for before others make room for it, and by others meanwhile.
                entities = await run_sync(_count_entities, served.engine, name)
                slot = self._slots.get(name) or self._begin(served, bell, name, entities)
            with slot.wanted():
                opened = await self._opened(slot)
                if slot is not known or await run_sync(_is_there, opened):
                    if self._slots.get(name) is slot:
                        self._slots.move_to_end(name)
                    yield opened
                    return
            self._discard(name, slot)

    async def close(self) -> None:
        """Close all."""
        self._stopping.set()
        for name, slot in list(self._slots.items()):
            await asyncio.wait([slot.opening])
            self._discard(name, slot)
        await asyncio.gather(*self._closing)
        self._threads.shutdown()

    def _begin(self, served: Service, bell: Bell, name: str, entities: int) -> _Slot:
        self._make_room()
        loop = asyncio.get_running_loop()

        def replaced() -> None:
            # Its follower may say so before it is known here that it is open.
            loop.call_soon_threadsafe(lambda: slot.opening.add_done_callback(lambda _: self._discard(name, slot)))

        work = partial(_open, served, name, entities, bell, replaced, self._stopping)
        slot = _Slot(loop.run_in_executor(self._threads, work))
        slot.opening.add_done_callback(lambda opening: self._note(name, slot, opening.exception()))
        self._slots[name] = slot
        self._metrics.open_namespaces.set(len(self._slots))
        return slot

    def _make_room(self) -> None:
        if len(self._slots) < self._most:
            return
        for name, slot in self._slots.items():
            if not slot.users and slot.opening.done():
                self._discard(name, slot)
                return
        raise AllInUse

    async def _opened(self, slot: _Slot) -> OpenKb:
        await asyncio.wait([slot.opening], timeout=WAIT_SECONDS)
        if not slot.opening.done():
            raise StillOpening
        error = slot.opening.exception()
        if error is not None and not isinstance(error, ASKED_AGAIN):
            raise OpeningFailed(message_of(error)) from error
        return slot.opening.result()

    def _note(self, name: str, slot: _Slot, error: BaseException | None) -> None:
        """Let go of what could not be opened: at once, or after a while where trying again may cost much."""
        if error is None:
            log.info("knowledge base opened", namespace=name, kb_version=slot.opening.result().service.kb_version)
        elif isinstance(error, ASKED_AGAIN):
            self._discard(name, slot)
        else:
            log.error(
                "cannot open a knowledge base",
                namespace=name,
                reason=message_of(error),
                exc_info=None if is_expected(error) else error,
            )
            asyncio.get_running_loop().call_later(REST_SECONDS, self._discard, name, slot)

    def _discard(self, name: str, slot: _Slot) -> None:
        """Close it; requests that are under way are finished all the same."""
        if self._slots.get(name) is not slot:
            return
        del self._slots[name]
        self._metrics.open_namespaces.set(len(self._slots))
        follower = None if slot.opening.exception() else slot.opening.result().follower
        if follower is not None:
            stopped = asyncio.get_running_loop().run_in_executor(None, follower.stop)
            self._closing.add(stopped)
            stopped.add_done_callback(self._closing.discard)
            log.info("knowledge base closed", namespace=name)


def _is_there(opened: OpenKb) -> bool:
    """Say whether the database still has the knowledge base that was opened, not another one of its name or none."""
    service = opened.service
    try:
        with Session(service.engine) as session:
            return queries.has_change(session, service.settings.namespace, service.kb_version)
    except (OperationalError, InterfaceError):
        return True  # while the database is away, linking goes on with what it knows


def _count_entities(engine: Engine, name: str) -> int:
    with Session(engine) as session:
        entities = get_namespace(session, name).entities
    if not entities:
        raise EmptyKbError(name)
    return entities


def _open(
    served: Service, name: str, entities: int, bell: Bell, replaced: Callable[[], None], stopping: threading.Event
) -> OpenKb:
    from app.assembly import link_with  # these import the encoder's libraries, which are loaded by now
    from app.following import Follower
    from kb.live.index import KbReplaced
    from kb.snapshot import SnapshotError

    settings, engine, model = served.settings.model_copy(update={"namespace": name}), served.engine, served.linker.model
    try:
        linker, _ = link_with(settings, engine, model)
    except (SnapshotError, KbReplaced) as error:
        log.info("building an index first", namespace=name, entities=entities, reason=str(error))
        _build(Service(settings, engine, served.linker), entities, stopping)
        linker, _ = link_with(settings, engine, model)
    follower = Follower(settings, engine, linker, lambda _: None, bell, replaced)
    follower.start()
    return OpenKb(Service(settings, engine, linker), follower)


def _build(service: Service, entities: int, stopping: threading.Event) -> None:
    """Build the first index of a knowledge base: a small one here, a large one where it slows no answers down."""
    from app.assembly import build_index
    from app.compaction import build_apart

    if entities > FEW_ENTITIES:
        build_apart(service.settings, stopping)
    else:
        build_index(service.settings, service.engine, service.linker.model.encoder, lambda *_: None)
