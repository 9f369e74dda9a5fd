"""Changes as server-sent events: one for each change, as soon as it is there.

The database is asked twice a second for each listener, so that a lost notification loses nothing. A stream ends after
a while, and its client goes on where it was by itself: it sends the id of the last event that it saw.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

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
    read = _reader(service)
    ends, spoken = time.monotonic() + STREAM_SECONDS, time.monotonic()
    yield "retry: 1000\n\n"
    while time.monotonic() < ends:
        try:
            found = await run_in_threadpool(read, since)
        except OperationalError:
            return  # the client comes again, and gets the problem as an answer
        for item in found:
            since = item.version
            yield f"id: {item.version}\nevent: change\ndata: {shown_change(item).model_dump_json()}\n\n"
        if found:
            spoken = time.monotonic()
            continue
        if time.monotonic() - spoken > SILENCE_SECONDS:
            spoken = time.monotonic()
            yield ": nothing new\n\n"
        await asyncio.sleep(PAUSE_SECONDS)


def _reader(service: Service) -> Callable[[int], list[ChangeRecord]]:
    def read(since: int) -> list[ChangeRecord]:
        with Session(service.engine) as session:
            return queries.changes_since(session, service.settings.namespace, since, AT_ONCE)

    return read
