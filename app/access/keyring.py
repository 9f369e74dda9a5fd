"""Keys as requests need them: looked up in the database, and remembered for a moment so that reading stays fast."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

import anyio
import anyio.to_thread
import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from kb import keys
from kb.keys import KeyRecord

log = structlog.get_logger(__name__)

# How long a key that was revoked still works in a process that has just seen it. Every process asks again by itself:
# a notification can be lost with the connection that listens for it, and then a revoked key would work for ever.
FRESH_SECONDS = 0.5
MOST_REMEMBERED = 10_000
OFTEN = timedelta(minutes=1)  # how exact `last_used_at` is
THREADS = 4  # of their own: slow searches may have all of the usual ones


@dataclass(slots=True)
class _Remembered:
    until: float
    lookup: asyncio.Task[KeyRecord | None]


class KeyRing:
    """The keys that were asked for within the last half second, of one process. Used by one event loop."""

    def __init__(self) -> None:
        self._remembered: dict[bytes, _Remembered] = {}
        self._noted: dict[int, float] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self._threads = anyio.CapacityLimiter(THREADS)

    async def find(self, engine: Engine, secret: str) -> KeyRecord | None:
        """Return what is known of a key, good or not; None for one that does not exist.

        Requests that come together share one look-up. One that fails is not remembered.
        """
        hashed, now = keys.digest(secret), time.monotonic()
        known = self._remembered.get(hashed)
        if known is None or known.until <= now:
            self._make_room(now)
            known = _Remembered(now + FRESH_SECONDS, asyncio.create_task(self._look_up(engine, hashed)))
            self._remembered[hashed] = known
        try:
            # Shielded: a caller who goes away must not take the answer from the others that wait for it.
            found = await asyncio.shield(known.lookup)
        except Exception:
            if self._remembered.get(hashed) is known:
                del self._remembered[hashed]
            raise
        if found is not None and found.status == "good":
            self._note_use(engine, found.id, now)
        return found

    async def close(self) -> None:
        """Wait until every use is written down."""
        await asyncio.gather(*self._notes)

    async def _look_up(self, engine: Engine, hashed: bytes) -> KeyRecord | None:
        def look() -> KeyRecord | None:
            with Session(engine) as session:
                return keys.find_key(session, hashed)

        return await anyio.to_thread.run_sync(look, limiter=self._threads)

    def _make_room(self, now: float) -> None:
        if len(self._remembered) < MOST_REMEMBERED:
            return
        kept = {hashed: item for hashed, item in self._remembered.items() if item.until > now}
        # Whoever sends so many keys at once is guessing, and shall not fill the memory.
        self._remembered = kept if len(kept) < MOST_REMEMBERED else {}

    def _note_use(self, engine: Engine, key_id: int, now: float) -> None:
        """Write the use of a key down, beside the request that uses it."""
        if now - self._noted.get(key_id, -OFTEN.total_seconds()) < OFTEN.total_seconds():
            return
        self._noted[key_id] = now
        note = asyncio.create_task(self._write(engine, key_id))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _write(self, engine: Engine, key_id: int) -> None:
        def write() -> None:
            with Session(engine) as session, session.begin():
                keys.touch_key(session, key_id, OFTEN)

        try:
            await anyio.to_thread.run_sync(write, limiter=self._threads)
        except Exception as error:  # the request has its answer; that a date is missing is no reason to fail
            log.warning("the last use of a key could not be written", key=key_id, error=str(error))
