"""How well the shipped weights link where the knowledge base lacks a part of what it says.

    python tests/benchmarks/poorer_kb.py dev.jsonl.gz --json numbers.json

The index stays as it is; what reads it finds no types, no relations or no descriptions. Without descriptions, entities
are searched for by their titles alone, and their words are those of their names, types and relations. Without types or
without relations, the words that came from those stay, for the index does not say where a word came from; and how much
a word tells is always counted over the whole knowledge base.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import faiss
import numpy as np
import numpy.typing as npt
import typer

from app.assembly import open_encoder, snapshot_folders
from app.commands.evaluate import SYSTEM, publish, run
from app.live import LiveLinker, Model
from app.settings import load_settings
from kb.candidates import SnapshotSearch
from kb.snapshot import Snapshot
from model.entity_encoder import EntityEncoder, payload_version
from model.evaluation import Corpus, Selection, Settings
from model.linker import Linker
from model.scorer import load_scorer

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


class NoTypes(SnapshotSearch):
    """Finds no types."""

    def types(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        vectors, present = super().types(ordinals)
        return np.zeros_like(vectors), np.zeros_like(present)


class NoRelations(SnapshotSearch):
    """Finds no relations."""

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        return super().neighbours(ordinals[:0], limit)

    def degrees(self, ordinals: IntArray) -> IntArray:
        return np.zeros(len(ordinals), dtype=np.int32)


class NoDescriptions(SnapshotSearch):
    """Finds no descriptions and no texts."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot)
        self._titles = faiss.IndexFlatIP(snapshot.title_vectors.shape[1])
        self._titles.add(np.ascontiguousarray(snapshot.title_vectors, dtype=np.float32))

    def descriptions(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        vectors, present = super().descriptions(ordinals)
        return np.zeros_like(vectors), np.zeros_like(present)

    def nearest(self, vectors: FloatArray, k: int, without: IntArray | None = None) -> tuple[IntArray, FloatArray]:
        assert without is None
        scores, ordinals = self._titles.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
        return ordinals.astype(np.int32), scores

    def words(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        rows = [np.unique(self.word_rows(self._names(ordinal))[0]) for ordinal in ordinals.tolist()]
        positions = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) for row in rows])
        return positions, np.concatenate([np.zeros(0, dtype=np.int32), *rows]).astype(np.int32)

    def _names(self, ordinal: int) -> str:
        """Return an entity's id and label, and the names of its types and of those that it is related to."""
        types = [self.types_known.records[row].label for row in self.snapshot.entity_types.row(ordinal).tolist()]
        related = self.snapshot.labels(self.snapshot.neighbours.row(ordinal))
        return " ".join([self.entity_id(ordinal), *self.snapshot.labels(np.array([ordinal])), *types, *related])


POORER = {"no types": NoTypes, "no relations": NoRelations, "no descriptions": NoDescriptions}


def main(
    benchmark: Annotated[list[Path], typer.Argument(help="Labelled documents.")],
    source: Annotated[list[str] | None, typer.Option(help="Only documents of this source.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only N random documents of each file.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers here.")] = None,
) -> None:
    """Evaluate the shipped weights over the knowledge base as it is, and without each part."""
    settings = load_settings()
    corpus = Corpus(tuple(benchmark), Selection(tuple(source or ()), sample=sample))
    documents = corpus.check().documents
    encoder, scorer = open_encoder(settings), load_scorer()
    snapshot = snapshot_folders(settings).open_current(payload_version(encoder))
    whole = LiveLinker(Model(encoder, EntityEncoder(encoder, settings.home / "unused"), scorer), snapshot)
    systems = {SYSTEM: whole.pipeline}
    for name, search in ((name, kind(snapshot)) for name, kind in POORER.items()):
        systems[name] = Linker(encoder, search, search, scorer)
    publish(run(corpus, documents, systems, whole, "d2kb", Settings()), json, None)


if __name__ == "__main__":
    typer.run(main)
