"""Which words belong to which entity, and how much each tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kb.index.writer import SnapshotWriter
from kb.words import HashArray

TOO_COMMON = 0.05  # words that more than this share of the described entities have tell nothing


def write_words(writer: SnapshotWriter, entity_words: Sequence[HashArray]) -> None:
    """Write the words' hashes with their weights, and for each entity the rows of its words.

    A word's weight is its inverse document frequency: log(entities / entities with the word) (Spärck Jones, 1972).
    """
    lengths = np.array([len(words) for words in entity_words], dtype=np.int64)
    every = np.concatenate([np.zeros(0, dtype=np.uint32), *entity_words])
    hashes, rows, counts = np.unique(every, return_inverse=True, return_counts=True)
    described = max(int((lengths > 0).sum()), 1)
    kept = counts <= max(TOO_COMMON * described, 1)
    members = kept[rows]
    owners = np.repeat(np.arange(len(lengths)), lengths)[members]
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum(np.bincount(owners, minlength=len(lengths)))
    renumbered = (np.cumsum(kept) - 1).astype(np.int32)
    writer.array("word_hashes", hashes[kept])
    writer.array("word_weights", np.log(described / counts[kept]).astype(np.float32))
    writer.array("word_offsets", offsets)
    writer.array("words", renumbered[rows[members]])
