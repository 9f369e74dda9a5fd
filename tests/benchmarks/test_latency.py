"""How long one short text takes, beside the encoder pass that it needs."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from bare import BareEncoder, Feed, feeds, sequences_of
from results import Results, timed
from server import serving

from app.service import Service
from model.encoder import load_encoder
from model.types import Document, LinkOptions

TARGET = "<= 3"
ROUNDS = 5


def test_in_process(
    service: Service, home: Path, short_texts: list[str], kb: str, benchmark: Any, results: Results
) -> None:
    def link(text: str) -> None:
        service.linker.link([Document("short", text)], LinkOptions())

    _latency(home, short_texts, link, f"30 words, {kb} KB, in process", benchmark, results)


def test_over_http(home: Path, short_texts: list[str], kb: str, benchmark: Any, results: Results) -> None:
    with serving(home) as server, httpx2.Client(base_url=server.base_url) as client:

        def annotate(text: str) -> None:
            client.post("/v1/annotate", json={"text": text}).raise_for_status()

        _latency(home, short_texts, annotate, f"30 words, {kb} KB, over HTTP", benchmark, results)


def _latency(
    home: Path, texts: list[str], answer: Callable[[str], None], what: str, benchmark: Any, results: Results
) -> None:
    """Let the bare encoder and `answer` take turns, text by text."""
    encoder = load_encoder(home / "cache" / "encoder")
    bare = BareEncoder(home, encoder)
    inputs = feeds(sequences_of(encoder, texts))
    theirs: list[float] = []
    mine: list[float] = []

    def once(text: str, feed: Feed) -> None:
        theirs.append(timed(lambda: bare.run_one(feed)))
        mine.append(timed(lambda: answer(text)))

    for text, feed in zip(texts, inputs, strict=True):
        once(text, feed)
    theirs.clear()
    mine.clear()
    benchmark.pedantic(lambda: [once(*pair) for pair in zip(texts, inputs, strict=True)], rounds=ROUNDS)
    ratio = statistics.median(m / t for t, m in zip(theirs, mine, strict=True))
    middle = statistics.median(mine), statistics.median(theirs)
    of = f"median {middle[0] * 1e3:.1f} ms, encoder pass {middle[1] * 1e3:.1f} ms, {len(mine)} measurements"
    results.add(what, ratio, "encoder passes", TARGET, of)
