"""Many clients at once on `POST /v1/annotate`, and more of them than can be served."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from bare import BareEncoder, feeds, sequences_of
from results import Results, percentile, timed
from server import serving
from texts import Sample

if TYPE_CHECKING:
    from app.service import Service

CLIENTS = 64
SECONDS = float(os.environ.get("NAMESAKE_BENCH_SECONDS", "60"))
WARM_SECONDS = 5.0
MAX_WAITING = 128  # two for each client: a queue of a few seconds
OK, BUSY = 200, 503


@dataclass
class Answered:
    """What clients got.

    Attributes:
        latencies: seconds of the answers, without those of 503.
        pieces: wordpieces of the texts that were answered.
        shed: how many were turned away.
        failed: what else was answered.
        seconds: how long it took.
    """

    latencies: list[float] = field(default_factory=list)
    pieces: int = 0
    shed: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Wordpieces a second that were answered."""
        return self.pieces / self.seconds


class Crowd:
    """Clients that send texts, each with its count of wordpieces."""

    def __init__(self, url: str, texts: Sequence[tuple[str, int]]) -> None:
        self._url = url
        self._texts = itertools.cycle(texts)

    def take_turns(self, clients: int, seconds: float) -> Answered:
        """Let clients send one text after the other."""
        return asyncio.run(self._measured(lambda client, end, got: self._closed(client, end, got, clients), seconds))

    def arrive(self, a_second: float, seconds: float) -> Answered:
        """Let so many texts a second arrive, whether those before are answered or not."""
        return asyncio.run(self._measured(lambda client, end, got: self._open(client, end, got, a_second), seconds))

    async def _measured(self, load: Any, seconds: float) -> Answered:
        got, started = Answered(), time.monotonic()
        limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)
        async with httpx2.AsyncClient(base_url=self._url, timeout=120, limits=limits) as client:
            await load(client, started + seconds, got)
        got.seconds = time.monotonic() - started
        return got

    async def _closed(self, client: httpx2.AsyncClient, end: float, got: Answered, clients: int) -> None:
        async def again_and_again() -> None:
            while time.monotonic() < end:
                await self._send(client, got)

        await asyncio.gather(*(again_and_again() for _ in range(clients)))

    async def _open(self, client: httpx2.AsyncClient, end: float, got: Answered, a_second: float) -> None:
        sent = set()
        while time.monotonic() < end:
            task = asyncio.create_task(self._send(client, got))
            sent.add(task)
            task.add_done_callback(sent.discard)
            await asyncio.sleep(1 / a_second)
        await asyncio.gather(*sent)

    async def _send(self, client: httpx2.AsyncClient, got: Answered) -> None:
        text, pieces = next(self._texts)
        started = time.monotonic()
        answer = await client.post("/v1/annotate", json={"text": text})
        if answer.status_code == OK:
            got.latencies.append(time.monotonic() - started)
            got.pieces += pieces
        elif answer.status_code == BUSY and "retry-after" in answer.headers:
            got.shed += 1
        else:
            got.failed.append(answer.text)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_crowd(
    service: Service,
    home: Path,
    kb: str,
    samples: list[Sample],
    processes: int,
    benchmark: Any,
    results: Results,
) -> None:
    encoder = service.linker.model.encoder
    texts = [text for sample in samples for text in sample.texts]
    counted = [(text, len(piece.ids)) for text, piece in zip(texts, encoder.wordpieces(texts), strict=True)]
    bare = BareEncoder(home, encoder)
    prepared = feeds(sequences_of(encoder, texts))
    pieces = sum(count for _, count in counted)
    settings = {"NAMESAKE_WORKERS": str(processes), "NAMESAKE_MAX_WAITING": str(MAX_WAITING // processes)}
    if processes > 1:
        settings["NAMESAKE_THREADS"] = "1"
    before = pieces / timed(lambda: bare.run(prepared))
    with serving(home, **settings) as server:
        crowd = Crowd(server.base_url, counted)
        crowd.take_turns(CLIENTS, WARM_SECONDS)
        got = benchmark.pedantic(lambda: crowd.take_turns(CLIENTS, SECONDS), rounds=1)
        sustained = len(got.latencies) / got.seconds
        twice = crowd.arrive(2 * sustained, SECONDS)
    after = pieces / timed(lambda: bare.run(prepared))
    assert not got.failed + twice.failed, (got.failed + twice.failed)[:3]
    report(
        results, f"{CLIENTS} clients, {processes} process{'es' * (processes > 1)}, {kb} KB", got, twice, before, after
    )


def report(results: Results, what: str, got: Answered, twice: Answered, before: float, after: float) -> None:
    """Put what was seen into the table."""
    reference = (before + after) / 2
    of = f"{got.rate:,.0f} of {reference:,.0f} wordpieces/s; {len(got.latencies) / got.seconds:.1f} requests/s"
    results.add(what, got.rate / reference, "of the bare encoder's wordpieces/s", ">= 0.70", of)
    p50, p99 = (percentile(got.latencies, share) for share in (0.50, 0.99))
    results.add(f"{what}: p99", p99 / p50, "of p50", "<= 5", f"{p99:.2f} s of {p50:.2f} s; {got.shed} turned away")
    late = percentile(twice.latencies, 0.99)
    answered = f"{len(twice.latencies):,} answered, p99 {late:.2f} s"
    of = f"{twice.rate:,.0f} wordpieces/s; {twice.shed:,} turned away, {answered}"
    results.add(f"{what}: twice the load", twice.rate / got.rate, "of the throughput", ">= 0.95", of)
