"""Rate limits that hold for all processes together, without asking the database for every request.

The buckets are in Postgres (`kb.buckets`). A process takes tokens out of one a batch at a time, and answers as many
requests before it asks again. What it holds and has not used is all that it can be wrong by: see docs/security.md.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.settings import Settings
from kb import buckets
from kb.buckets import Taken

log = structlog.get_logger(__name__)

BATCHES_A_SECOND = 10  # at the full rate, a bucket is asked so often
OUTAGE_SECONDS = 5.0
TIDY_SECONDS = 600.0
MOST_HELD = 10_000
THREADS = 4


def batch_size(rate: float, burst: int) -> int:
    """Return how many tokens a process takes at once: a tenth of a second's, and never most of a burst."""
    return max(1, int(min(rate / BATCHES_A_SECOND, burst / 4)))


@dataclass(slots=True)
class _Held:
    """What this process has of one bucket."""

    tokens: int = 0
    empty_until: float = 0.0
    used_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """The tokens that one process holds. Used by one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.rate = settings.rate_limit
        self.burst = settings.rate_burst
        self.batch = batch_size(self.rate, self.burst)
        # Who got less than a batch found the bucket empty, and asks again when it can hold one: asking for every drop
        # would be a round trip for every request, just when there are most of them.
        self.pause = min(self.batch / self.rate, 1 / BATCHES_A_SECOND) if self.rate else 0.0
        self._held: dict[str, _Held] = {}
        self._threads = anyio.CapacityLimiter(THREADS)
        self._outage_until = 0.0
        self._tidy_at = time.monotonic() + TIDY_SECONDS

    async def wait_seconds(self, engine: Engine, bucket: str) -> float:
        """Take a token, and return 0; or return how long to wait for one."""
        now = time.monotonic()
        held = self._held.get(bucket)
        if held is None:
            self._make_room(now)
            held = self._held[bucket] = _Held()
        held.used_at = now
        if held.tokens == 0:
            # Requests that come together wait for the first one to ask.
            async with held.lock:
                if held.tokens == 0 and not await self._refill(engine, bucket, held):
                    return max(0.001, held.empty_until - time.monotonic())
        held.tokens = max(0, held.tokens - 1)  # there may be none while the database does not answer
        return 0.0

    async def _refill(self, engine: Engine, bucket: str, held: _Held) -> bool:
        """Ask the database for a batch, and say whether a request may be answered."""
        now = time.monotonic()
        if now < held.empty_until:
            return False
        if now < self._outage_until:
            return True
        try:
            taken = await anyio.to_thread.run_sync(self._take, engine, bucket, limiter=self._threads)
        except SQLAlchemyError as error:
            # Linking needs no database, and goes on without limits rather than not at all.
            log.warning("rate limits are off while the database does not answer", error=str(error))
            self._outage_until = time.monotonic() + OUTAGE_SECONDS
            return True
        held.tokens = taken.tokens
        if taken.tokens < self.batch:
            held.empty_until = time.monotonic() + max(self.pause, taken.seconds)
        return taken.tokens > 0

    def _take(self, engine: Engine, bucket: str) -> Taken:
        tidy = time.monotonic() >= self._tidy_at
        if tidy:
            self._tidy_at = time.monotonic() + TIDY_SECONDS
        with Session(engine) as session, session.begin():
            if tidy:
                buckets.forget_full_buckets(session, self.rate, self.burst)
            return buckets.take_tokens(session, bucket, self.batch, self.rate, self.burst)

    def _make_room(self, now: float) -> None:
        """Let go of buckets that are full again, and of all where that is not enough."""
        if len(self._held) < MOST_HELD:
            return
        full = now - self.burst / self.rate
        kept = {name: held for name, held in self._held.items() if held.used_at > full}
        self._held = kept if len(kept) < MOST_HELD else {}


def retry_after(seconds: float) -> str:
    """Return what the header Retry-After says: whole seconds."""
    return str(max(1, math.ceil(seconds)))
