"""How much of the bare encoder's speed is left when the index's texts are encoded, and when documents are linked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bare import BareEncoder, feeds, sequences_of
from results import Results, measure_turns, take_turns
from texts import Sample, lines, starter_entities

from app.service import Service
from model.encoder import Encoder
from model.entity_encoder import MAX_TOKENS, EntityEncoder
from model.types import Document, LinkOptions

TARGET = ">= 0.60"
ENTITIES = 2000
ROUNDS = 9  # of linking: two threads take turns with one, so that a ratio varies by a fifth from round to round


def test_entities_starter(
    starter_home: Path, encoder: Encoder, tmp_path: Path, benchmark: Any, results: Results
) -> None:
    _encode(starter_entities()[:ENTITIES], "starter KB", starter_home, encoder, tmp_path, benchmark, results)


@pytest.mark.shared
def test_entities_shared(
    shared_data: Path, starter_home: Path, encoder: Encoder, tmp_path: Path, benchmark: Any, results: Results
) -> None:
    entities = random.Random(1).sample(list(lines(shared_data / "wiki-kb/entities.jsonl.gz")), ENTITIES)
    _encode(entities, "development KB", starter_home, encoder, tmp_path, benchmark, results)


def _encode(
    entities: Sequence[dict[str, Any]],
    name: str,
    home: Path,
    encoder: Encoder,
    folder: Path,
    benchmark: Any,
    results: Results,
) -> None:
    """Encode titles and descriptions into an empty cache, as a first `namesake index build` does."""
    bare = BareEncoder(home, encoder)
    titles = [EntityEncoder(encoder, folder / "titles").title_text(item["id"], item["label"]) for item in entities]
    strings = list(dict.fromkeys(titles + [item["description"] for item in entities if item["description"]]))
    pieces = [piece.ids[: MAX_TOKENS - 2] for piece in encoder.wordpieces(strings)]
    inputs = feeds(pieces)
    caches = (folder / str(number) for number in range(100))

    def encode() -> None:
        EntityEncoder(encoder, next(caches)).encode(strings, lambda _: None)

    rounds = take_turns(benchmark, lambda: bare.run(inputs), encode, rounds=3)
    _add(results, f"encoding for the index, {name}", sum(map(len, pieces)), rounds)


def test_linking(
    service: Service, home: Path, samples: list[Sample], kb: str, benchmark: Any, results: Results
) -> None:
    """Link each sample; the table has a line for each, the benchmark's own times are those of all together."""
    from app.assembly import open_encoder

    encoder = open_encoder(service.settings)
    bare = BareEncoder(home, encoder)
    options = LinkOptions()
    per_sample = []
    for sample in samples:
        sequences = sequences_of(encoder, sample.texts)
        documents = [Document(str(number), text) for number, text in enumerate(sample.texts)]
        per_sample.append((sample.name, sum(map(len, sequences)), feeds(sequences), documents))
    everything = [feed for _, _, inputs, _ in per_sample for feed in inputs]
    documents = [document for _, _, _, some in per_sample for document in some]
    rounds = take_turns(
        benchmark, lambda: bare.run(everything), lambda: service.linker.link(documents, options), rounds=ROUNDS
    )
    _add(results, f"linking, {kb} KB, all", sum(count for _, count, _, _ in per_sample), rounds)
    if len(per_sample) > 1:
        for name, count, inputs, some in per_sample:
            rounds = measure_turns(lambda i=inputs: bare.run(i), lambda d=some: service.linker.link(d, options), ROUNDS)
            _add(results, f"linking, {kb} KB, {name}", count, rounds)


def _add(results: Results, what: str, wordpieces: int, rounds: Any) -> None:
    mine, theirs = wordpieces / min(rounds.subject), wordpieces / min(rounds.reference)
    of = f"{mine:,.0f} of {theirs:,.0f} wordpieces/s ({wordpieces:,} a round)"
    results.add(what, 1 / rounds.ratio, "of the bare encoder's wordpieces/s", TARGET, of)
