"""Mentions without an entity are kept with what stands around them, to propose new entities."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.metrics import Metrics
from app.service import Service
from kb import feedback, proposals
from kb.conflicts import NamespaceMissing
from model.types import Document, LinkedDocument

log = structlog.get_logger(__name__)

Place = tuple[str, int, int]
"""A text, and the code points at which a mention starts and ends."""

MOST_WAITING = 1000  # answers come first: what does not fit is dropped, and counted
MOST_AT_ONCE = 32


def store_nil(service: Service, places: Sequence[Place], feedback_id: int | None = None) -> int:
    """Store mentions whose entity is not in the knowledge base, and return how many were new.

    Args:
        service: its encoder says which mean the same.
        places: where the mentions are.
        feedback_id: the feedback that says so; None for the service's own answers.

    Raises:
        NamespaceMissing: the knowledge base was deleted meanwhile.
    """
    mentions = [proposals.cut(*place) for place in places if "\0" not in place[0]]
    if not mentions:
        return 0
    vectors = service.linker.embed([mention.around for mention in mentions])
    settings, version = service.settings, service.linker.encoder_version
    with Session(service.engine) as session, session.begin():
        return proposals.add_mentions(
            session, settings.namespace, mentions, vectors, version, settings.proposal_similarity, feedback_id
        )


class NilCollector:
    """Stores NIL answers in a thread of its own, where `NAMESAKE_COLLECT_NIL` is on: no answer waits for it."""

    def __init__(self, metrics: Metrics) -> None:
        self._waiting: queue.Queue[tuple[Service, Place] | None] = queue.Queue(MOST_WAITING)
        self._metrics = metrics
        self._thread = threading.Thread(target=self._work, name="nil-mentions", daemon=True)
        self._started = False

    def add(self, service: Service, documents: Sequence[Document], linked: Sequence[LinkedDocument]) -> None:
        """Note the mentions that were answered with NIL; returns at once."""
        if not service.settings.collect_nil:
            return
        if not self._started:
            self._started = True
            self._thread.start()
        for place in _nil_places(documents, linked):
            try:
                self._waiting.put_nowait((service, place))
            except queue.Full:
                self._metrics.nil_dropped.inc()

    def close(self) -> None:
        """Store what waits, and end."""
        if self._started:
            self._waiting.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            batch = [item]
            while len(batch) < MOST_AT_ONCE and (following := self._peek()) is not None:
                batch.append(following)
            by_namespace: dict[str, tuple[Service, list[Place]]] = {}
            for service, place in batch:
                by_namespace.setdefault(service.settings.namespace, (service, []))[1].append(place)
            for service, places in by_namespace.values():
                self._store(service, places)

    def _peek(self) -> tuple[Service, Place] | None:
        """Return the next one that waits, if there is one."""
        try:
            item = self._waiting.get_nowait()
        except queue.Empty:
            return None
        if item is None:  # the end, which the loop must see
            self._waiting.put(None)
        return item

    def _store(self, service: Service, places: list[Place]) -> None:
        settings = service.settings
        try:
            store_nil(service, places)
            if settings.feedback_days:
                with Session(service.engine) as session, session.begin():
                    feedback.prune(session, settings.namespace, timedelta(days=settings.feedback_days))
        except NamespaceMissing:
            log.info("mentions of a knowledge base that was deleted are left out", mentions=len(places))
        except SQLAlchemyError as error:
            self._metrics.nil_dropped.inc(len(places))
            log.warning("mentions without an entity were not stored", mentions=len(places), error=str(error))


def _nil_places(documents: Sequence[Document], linked: Sequence[LinkedDocument]) -> Iterable[Place]:
    for document, found in zip(documents, linked, strict=True):
        for link in found.links:
            if link.entity is None and link.text.strip():
                # No more of the text than is needed, so that what waits stays small.
                mention = proposals.cut(document.text, link.start, link.end)
                yield mention.context, mention.start, mention.end
