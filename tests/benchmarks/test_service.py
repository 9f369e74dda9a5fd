"""How a server process starts, what it weighs, and how fast it searches."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import httpx2
import pytest
from results import Results, percentile, timed
from server import Server, serving
from texts import Sample, lines, starter_entities, typed_prefixes

DOCUMENTS = 200
NAMES = 60


def test_start(home: Path, kb: str, benchmark: Any, results: Results) -> None:
    """Start, wait until ready, stop; the embedded Postgres starts and stops with it unless others use it."""
    seconds: list[float] = []

    def start() -> None:
        with serving(home) as server:
            seconds.append(server.seconds_to_ready)

    start()  # brings the index's files into the page cache
    seconds.clear()
    benchmark.pedantic(start, rounds=3)
    of = ", ".join(f"{second:.1f}" for second in seconds)
    results.add(f"start to ready, {kb} KB", sorted(seconds)[1], "s", "<= 5", of)


def test_memory(home: Path, samples: list[Sample], kb: str, benchmark: Any, results: Results) -> None:
    texts = [text for sample in samples for text in sample.texts]
    texts = (texts * (DOCUMENTS // len(texts) + 1))[:DOCUMENTS]
    with serving(home) as server:
        before = server.memory()
        benchmark.pedantic(_annotate, args=(server, texts), rounds=1)
        after = server.memory()
    of = f"MiB anonymous {after['anonymous']:,.0f}, PSS {after['pss']:,.0f}; before linking {before['rss']:,.0f}"
    results.add(f"memory after {DOCUMENTS} documents, {kb} KB", after["rss"], "MiB resident", "<= 1536", of)


def test_search(home: Path, kb: str, request: pytest.FixtureRequest, benchmark: Any, results: Results) -> None:
    names = _names(kb, request)
    queries = typed_prefixes(names)
    with serving(home) as server, httpx2.Client(base_url=server.base_url, timeout=60) as client:

        def search(query: str) -> float:
            return timed(lambda: client.get("/v1/entities", params={"q": query}).raise_for_status())

        for query in queries[:20]:
            search(query)
        seconds: list[float] = []
        benchmark.pedantic(lambda: seconds.extend(map(search, queries)), rounds=1)
    milliseconds = [second * 1e3 for second in seconds]
    of = f"{len(queries)} prefixes of {len(names)} names; longest {max(milliseconds):.0f} ms"
    for share, target in ((0.50, ""), (0.95, "<= 20"), (0.99, "")):
        results.add(f"search p{share * 100:.0f}, {kb} KB", percentile(milliseconds, share), "ms", target, of)


def _annotate(server: Server, texts: list[str]) -> None:
    with httpx2.Client(base_url=server.base_url, timeout=120) as client:
        for start in range(0, len(texts), 20):
            documents = [{"text": text} for text in texts[start : start + 20]]
            client.post("/v1/annotate", json={"documents": documents}).raise_for_status()


def _names(kb: str, request: pytest.FixtureRequest) -> list[str]:
    """Return labels of entities that were linked; the often linked ones are as likely to be typed as the others."""
    if kb == "starter":
        return [item["label"] for item in starter_entities()[:NAMES]]
    path = request.getfixturevalue("shared_data") / "wiki-kb/entities.jsonl.gz"
    entities = [(item["popularity"], item["label"]) for item in lines(path)]
    often = [label for popularity, label in entities if popularity >= 50]
    rng = random.Random(1)
    return rng.sample(often, NAMES // 2) + rng.sample([label for _, label in entities], NAMES // 2)
