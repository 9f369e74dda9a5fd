"""The search by meaning: how much of what an exact search finds, and how long it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from results import Results
from texts import Sample

from app.service import Service
from kb.candidates import SnapshotSearch
from kb.index.dense import retrieval_vectors
from kb.snapshot import open_snapshot
from model.linker import Linker
from model.mention_vectors import mention_vectors
from model.types import Document

K = 10
MENTIONS = 10  # of a text, searched for together
QUERIES = 1000
BLOCK = 50_000


def test_search(service: Service, samples: list[Sample], kb: str, benchmark: Any, results: Results) -> None:
    linker: Linker = service.linker.pipeline  # type: ignore[attr-defined]
    # In a snapshot of its own, which no edit is put beside.
    search = SnapshotSearch(open_snapshot(linker.source.snapshot.folder))  # type: ignore[attr-defined]
    queries = np.concatenate([_queries(linker, text) for sample in samples for text in sample.texts])
    queries = np.random.default_rng(1).permutation(queries)[:QUERIES]
    parts = [queries[start : start + MENTIONS] for start in range(0, len(queries), MENTIONS)]
    found = benchmark.pedantic(lambda: np.concatenate([search.nearest(part, K)[0] for part in parts]), rounds=5)
    right = _exact(search, queries)
    share = np.mean([len(set(some) & set(all_)) / K for some, all_ in zip(found.tolist(), right.tolist(), strict=True)])
    of = f"{len(queries):,} mentions, {len(search.snapshot):,} entities"
    results.add(f"nearest {K} found, {kb} KB", float(share), "of an exact search's", ">= 0.98", of)
    milliseconds = benchmark.stats.stats.median / len(queries) * 1000
    results.add(f"search by meaning, {kb} KB", milliseconds, "ms a mention", "<= 1.0", f"{MENTIONS} at a time")


def _queries(linker: Linker, text: str) -> npt.NDArray[np.float32]:
    (encoded,) = linker.encode([Document("1", text)])
    if encoded is None:
        return np.zeros((0, 384), dtype=np.float32)
    spans = linker.detect(text, encoded)
    return mention_vectors(encoded, spans.starts.tolist(), spans.ends.tolist(), linker.query_head).query


def _exact(search: SnapshotSearch, queries: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the truly nearest entities of each query."""
    vectors = search.snapshot.title_vectors, search.snapshot.description_vectors, search.snapshot.description_rows
    best = np.zeros((len(queries), 0), dtype=np.int64)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    for start in range(0, len(search.snapshot), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(search.snapshot)))
        scores = np.hstack([scores, queries @ retrieval_vectors(rows, *vectors).T])
        best = np.hstack([best, np.tile(rows, (len(queries), 1))])
        order = np.argsort(-scores, axis=1)[:, :K]
        best, scores = np.take_along_axis(best, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return best
