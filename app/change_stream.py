"""Server-sent events: of changes, one for each as soon as it is there, and of whatever else is asked for again.

The database is asked twice a second for each listener, so that a lost notification loses nothing. A stream ends after
a while, and its client goes on where it was by itself: it sends the id of the last event that it saw.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.schemas.history import Change
from app.service import Service
from kb import queries
from kb.queries import ChangeRecord

MEDIA_TYPE = "text/event-stream"
AT_ONCE = 500
PAUSE_SECONDS = 0.5
SILENCE_SECONDS = 15.0  # proxies close connections on which nothing comes for a minute or so
STREAM_SECONDS = 600.0
EXAMPLE = (
    'id: 4722\nevent: change\ndata: {"version":4722,"kind":"entity","entity":"AC/DC","item":null,'
    '"created_at":"2026-11-25T09:12:03.527104Z"}\n\n'
)


def wants_events(request: Request) -> bool:
    """Say whether a client asks for events rather than for one answer."""
    accepted = (item.partition(";")[0].strip().lower() for item in request.headers.get("accept", "").split(","))
    return MEDIA_TYPE in accepted


def shown_change(item: ChangeRecord) -> Change:
    """Return what the API shows of a change."""
    return Change(
        version=item.version, kind=item.kind, entity=item.entity_id, item=item.item_id, created_at=item.created_at
    )


async def events(service: Service, since: int) -> AsyncIterator[str]:
    """Yield the changes after a version as events, and go on with those that come.

    Args:
        service: names the knowledge base.
        since: changes after this version.
    """

    def read() -> News:
        nonlocal since
        with Session(service.engine) as session:
            found = queries.changes_since(session, service.settings.namespace, since, AT_ONCE)
        since = found[-1].version if found else since
        lines = [
            f"id: {item.version}\nevent: change\ndata: {shown_change(item).model_dump_json()}\n\n" for item in found
        ]
        return News(lines)

    async for event in stream(read):
        yield event


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell.

    Attributes:
        events: the events, as they are sent.
        last: whether none will follow.
    """

    events: list[str]
    last: bool = False


async def stream(read: Callable[[], News]) -> AsyncIterator[str]:
    """Yield the events that `read` returns, asking it twice a second in a thread."""
    ends, spoken = time.monotonic() + STREAM_SECONDS, time.monotonic()
    yield "retry: 1000\n\n"
    while time.monotonic() < ends:
        try:
            news = await run_in_threadpool(read)
        except OperationalError:
            return  # the client comes again, and gets the problem as an answer
        for event in news.events:
            yield event
        if news.last:
            return
        if news.events:
            spoken = time.monotonic()
            continue
        if time.monotonic() - spoken > SILENCE_SECONDS:
            spoken = time.monotonic()
            yield ": nothing new\n\n"
        await asyncio.sleep(PAUSE_SECONDS)
