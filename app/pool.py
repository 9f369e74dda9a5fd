"""Linking happens in threads beside the event loop, a few requests at a time; a crowd is turned away early."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from app.deadlines import Deadline
from app.errors import ProblemError
from app.metrics import Metrics
from app.schemas.problem import FieldProblem
from app.settings import Settings

T = TypeVar("T")


class LinkPool:
    """Runs work in threads: `link_workers` at a time, first come first served, at most `max_waiting` waiting."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.threads = settings.link_workers or len(os.sched_getaffinity(0))
        self._limiter = anyio.CapacityLimiter(self.threads)
        self._max_waiting = settings.max_waiting
        self._metrics = metrics
        self._inside = 0

    def admit(self) -> None:
        """Let one more come in.

        Raises:
            ProblemError: too many requests wait already.
        """
        waiting = self._inside - self.threads
        if waiting >= self._max_waiting:
            detail = f"{waiting} requests wait already"
            remedy = "try again in a second, or raise NAMESAKE_MAX_WAITING on the server"
            error = FieldProblem(field="request", detail=detail, remedy=remedy)
            raise ProblemError("overloaded", [error], headers={"Retry-After": "1"})

    async def run(self, work: Callable[[], T], deadline: Deadline) -> T:
        """Return what the work of a request returns.

        Raises:
            ProblemError: too many requests wait already, or its turn did not come in time.
        """
        self.admit()
        try:
            # Only waiting is cut off: what has begun looks at the deadline itself.
            with anyio.fail_after(deadline.left):
                return await self.run_admitted(work)
        except TimeoutError:
            raise deadline.passed() from None

    async def run_admitted(self, work: Callable[[], T]) -> T:
        """Return what a part of a longer work returns, whose beginning was admitted: it waits as long as it must."""
        self._inside += 1
        self._report()
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
            self._report()

    def _report(self) -> None:
        self._metrics.waiting.set(max(0, self._inside - self.threads))
