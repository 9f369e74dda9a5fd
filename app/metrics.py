"""What `/metrics` tells Prometheus."""

from __future__ import annotations

import os
import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # set by `namesake serve` for several workers, before this module is imported


class Metrics:
    """The counters of one application; each has its own registry, so that two applications can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "namesake_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "namesake_request_seconds", "Time to answer.", ["method", "route"], buckets=SECONDS, registry=self.registry
        )
        self.texts = self._counter("texts", "Texts linked.")
        self.wordpieces = self._counter("wordpieces", "Wordpieces encoded.")
        self.mentions = self._counter("mentions", "Mentions answered.")
        self.links = self._counter("links", "Mentions linked to an entity.")
        self.nil = self._counter("nil", "Mentions answered as NIL.")
        self.nil_dropped = self._counter("nil_dropped", "Mentions answered as NIL that could not be collected.")
        self.waiting = self._gauge("waiting_requests", "Requests that wait for their turn to be linked.", "livesum")
        self.ready = self._gauge("ready", "1 where requests can be answered, else 0.", "livemin")
        self.open_namespaces = self._gauge(
            "open_namespaces", "Knowledge bases beside the served one that are open for linking.", "livesum"
        )
        self._seen_wordpieces = 0
        self._lock = threading.Lock()
        self.kb_version = self._gauge("kb_version", "Last change of the knowledge base that answers know.", "livemin")

    def count_linked(self, texts: int, mentions: int, links: int, wordpieces: int) -> None:
        """Count what was linked.

        Args:
            texts: how many texts.
            mentions: how many mentions were answered.
            links: how many of them with an entity.
            wordpieces: all that the encoder has encoded since the start.
        """
        self.texts.inc(texts)
        self.mentions.inc(mentions)
        self.links.inc(links)
        self.nil.inc(mentions - links)
        with self._lock:
            self.wordpieces.inc(max(0, wordpieces - self._seen_wordpieces))
            self._seen_wordpieces = max(wordpieces, self._seen_wordpieces)

    def _counter(self, name: str, help_text: str) -> Counter:
        return Counter(f"namesake_{name}", help_text, registry=self.registry)

    def _gauge(self, name: str, help_text: str, mode: str) -> Gauge:
        # The mode says what several workers' values become in one scrape.
        return Gauge(f"namesake_{name}", help_text, registry=self.registry, multiprocess_mode=mode)  # type: ignore[arg-type]

    def render(self) -> bytes:
        """Return all values in Prometheus' text format, over all workers where there are several."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
