"""What the baseline `ned-base` learns from: mentions as the frozen encoder reads them, and their candidates.

Nothing of it changes in training, so it is computed once: a folder with a file for each block of documents. A block is
there whole or not at all, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.adapter import VIEWS
from model.candidates import MAX_CANDIDATES
from model.encoder_weights import HIDDEN_SIZE
from model.evaluation.corpus import LabelledDocument, stable_hash
from model.fitting.examples import gold_ordinals, with_links
from model.linker import Linker, given_spans
from model.mention_vectors import mention_vectors, mention_views
from model.protocols import HalfArray, IntArray
from model.training.documents import page_name, page_number

BLOCK = 128  # documents in a file


@dataclass(frozen=True, slots=True)
class StoredMentions:
    """Mentions whose right entity is one of at least two candidates; the others leave nothing to choose.

    Attributes:
        views: what the text says of each (mentions x VIEWS x 384), see `model.mention_vectors.mention_views`.
        candidates: ordinals (mentions x 30), -1 where there are fewer.
        gold: which of its candidates is right.
        page: the number of its page (`model.training.documents.page_number`).
        source: the hash of its source's name.
    """

    views: HalfArray
    candidates: IntArray
    gold: IntArray
    page: npt.NDArray[np.uint64]
    source: npt.NDArray[np.uint64]


def choose_documents(
    documents: Iterable[LabelledDocument], rates: Mapping[str, float], seed: int
) -> list[LabelledDocument]:
    """Return the documents that are shown at all, shuffled: of a source with a rate below 1, always the same share."""
    chosen: list[tuple[float, LabelledDocument]] = []
    for document in documents:
        rate = min(rates.get(document.source, 1.0), 1.0)
        drawn = int.from_bytes(stable_hash(seed, "shown", document.id), "big") / 2**64
        if document.mentions and drawn < rate:
            chosen.append((drawn / rate, document))
    return [document for _, document in sorted(chosen, key=lambda pair: pair[0])]


def fingerprint(linker: Linker, documents: Sequence[LabelledDocument]) -> str:
    """Name what `store_mentions` makes of documents: another encoder, KB or text gives another name."""
    digest = hashlib.blake2b(f"{linker.encoder.version} {linker.source.kb_version}".encode(), digest_size=16)
    for document in documents:
        digest.update(repr((document.id, document.text, document.mentions)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def store_mentions(
    linker: Linker, documents: Sequence[LabelledDocument], folder: Path, progress: Callable[[int], None]
) -> None:
    """Read the mentions of documents and look for their candidates; blocks that are there are left as they are.

    Args:
        progress: told how many documents are done.

    Raises:
        OSError: the disk is full; what was stored before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(documents), BLOCK):
        path = folder / f"{start:08}.npz"
        if not path.exists():
            partial = folder / "partial.npz"
            np.savez(partial, allow_pickle=False, **_block(linker, documents[start : start + BLOCK]))
            partial.replace(path)
        progress(min(start + BLOCK, len(documents)))


def load_mentions(folder: Path) -> StoredMentions:
    """Read all that was stored."""
    blocks = [dict(np.load(path)) for path in sorted(folder.glob("[0-9]*.npz"))]
    return StoredMentions(*(np.concatenate([block[name] for block in blocks]) for name in StoredMentions.__slots__))


def source_number(source: str) -> int:
    """Return a number for the name of a source."""
    return int.from_bytes(stable_hash(0, source), "big")


def _block(linker: Linker, documents: Sequence[LabelledDocument]) -> dict[str, npt.NDArray[Any]]:
    rows: list[tuple[npt.NDArray[Any], ...]] = [
        (
            np.zeros((0, VIEWS, HIDDEN_SIZE), np.float16),
            np.zeros((0, MAX_CANDIDATES), np.int32),
            np.zeros(0, np.int32),
            np.zeros(0, np.uint64),
            np.zeros(0, np.uint64),
        )
    ]
    plain = [with_links(document) for document in documents]
    for labelled, document, encoded in zip(documents, plain, linker.encode(plain), strict=True):
        if encoded is None or not document.mentions:
            continue
        spans, order = given_spans(document)
        starts, ends = spans.starts.tolist(), spans.ends.tolist()
        vectors = mention_vectors(encoded, starts, ends, linker.query_head)
        surfaces = [document.text[start:end] for start, end in zip(starts, ends, strict=True)]
        table = linker.generator.generate(surfaces, spans.rows, vectors.query)
        gold = gold_ordinals(labelled, order, linker.store)
        bounds = np.searchsorted(table.mention, np.arange(table.mentions + 1))
        candidates = np.full((table.mentions, MAX_CANDIDATES), -1, dtype=np.int32)
        candidates[table.mention, np.arange(len(table.mention)) - bounds[table.mention]] = table.ordinal
        right = (candidates == gold[:, None]) & (gold[:, None] >= 0)
        kept = np.flatnonzero(right.any(axis=1) & (np.diff(bounds) > 1))
        rows.append(
            (
                mention_views(encoded, vectors)[kept].astype(np.float16),
                candidates[kept],
                right[kept].argmax(axis=1).astype(np.int32),
                np.full(len(kept), page_number(page_name(labelled)), np.uint64),
                np.full(len(kept), source_number(labelled.source), np.uint64),
            )
        )
    return dict(zip(StoredMentions.__slots__, map(np.concatenate, zip(*rows, strict=True)), strict=True))
