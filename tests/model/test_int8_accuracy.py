"""Linking with int8 is as good as with full precision, on documents enough to see a difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_kb import linker_over, read_sample

from model.encoder import Backend, Encoder
from model.types import Document, Span

TIMES = 8  # 320 documents, 2,171 mentions; of half as many, chance alone can make more than the points below
# Points of accuracy. Measured: 1,946 right with torch, 1,944 with int8, which is 0.1 points.
MOST_POINTS = 0.3


@pytest.mark.shared
@pytest.mark.slow
def test_int8_is_as_accurate_as_torch(
    shared_data: Path, encoders: dict[Backend, Encoder], starter_home: Path, tmp_path: Path
) -> None:
    sample = read_sample(shared_data, TIMES)
    known = {entity.id for entity in sample.source.entities}
    documents = [Document(d.id, d.text, tuple(Span(m.start, m.end) for m in d.mentions)) for d in sample.documents]
    gold = [mention.entity for document in sample.documents for mention in document.mentions]
    counting = sum(entity in known for entity in gold)
    assert counting > 2_000
    right: dict[str, int] = {}
    backends: tuple[Backend, ...] = ("torch", "onnx-int8")
    for backend in backends:
        encodings = starter_home / "cache" / "encodings"  # which the next run finds, where the cache is kept
        linker = linker_over(sample.source, encoders[backend], tmp_path, encodings)
        links = [link.entity for answer in linker.link(documents) for link in answer.links]
        right[backend] = sum(
            found == entity for found, entity in zip(links, gold, strict=True) if entity is not None and entity in known
        )
    points = 100 * abs(right["torch"] - right["onnx-int8"]) / counting
    assert points <= MOST_POINTS, right
