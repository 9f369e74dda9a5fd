"""Waiting for changes: Postgres tells of each commit, and whoever misses one looks again soon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from kb.rows import CHANNEL


class ChangeFeed:
    """A connection that hears of commits."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def wait(self, seconds: float) -> bool:
        """Wait for a change of any namespace, at most so long; tell whether there was one, or several.

        Raises:
            psycopg.OperationalError: the connection is lost.
        """
        heard = any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        for _ in self._connection.notifies(timeout=0):
            pass
        return heard


class Bell:
    """Wakes threads that wait for a change which another thread hears of, so that one connection serves them all."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    def ring(self) -> None:
        """Wake all that wait now, or will wait next."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def listener(self) -> Callable[[float], None]:
        """Return what waits at most so many seconds; not at all if it was rung since the last time, or since now."""
        heard = self._rings

        def wait(seconds: float) -> None:
            nonlocal heard
            with self._condition:
                self._condition.wait_for(lambda: self._rings != heard, seconds)
                heard = self._rings

        return wait


@contextmanager
def open_feed(engine: Engine) -> Iterator[ChangeFeed]:
    """Listen as long as the block lasts.

    Raises:
        sqlalchemy.exc.OperationalError: the server does not answer.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"LISTEN {CHANNEL}"))
        try:
            yield ChangeFeed(cast("psycopg.Connection[Any]", connection.connection.driver_connection))
        finally:
            connection.invalidate()  # never back into the pool: it would go on listening


def unapplied(session: Session, namespace: str, version: int) -> tuple[int, float]:
    """Return how many changes came after a version, and for how many seconds the oldest of them has been waiting."""
    statement = text(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM change"
        " WHERE namespace = :namespace AND version > :version"
    )
    count, seconds = session.execute(statement, {"namespace": namespace, "version": version}).one()
    return int(count), float(seconds)
