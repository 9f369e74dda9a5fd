"""Which words belong to which entity, and how much each tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kb.index.writer import SnapshotWriter
from kb.records import EntityRecord
from kb.words import HashArray, word_hashes

BoolArray = npt.NDArray[np.bool_]

TOO_COMMON = 0.05  # words that more than this share of the described entities have tell nothing


def own_words(entity: EntityRecord) -> HashArray:
    """Return the words of an entity's own texts, sorted."""
    return word_hashes(f"{entity.id} {entity.label} {entity.description or ''} {entity.text or ''}")


def with_words_of(words: HashArray, names: Sequence[str]) -> HashArray:
    """Return an entity's words with those of the names of its types and of the entities that it relates to."""
    return np.union1d(words, word_hashes(" ".join(names))) if names else words


def telling(described: int, counts: npt.NDArray[np.integer[Any]]) -> BoolArray:
    """Tell which words tell anything: those that entities have, but not too many of them; arguments as `weights`."""
    return np.asarray((counts > 0) & (counts <= max(TOO_COMMON * described, 1)))


def weights(described: int, counts: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
    """Return words' inverse document frequencies (Spärck Jones, 1972).

    Args:
        described: how many entities have words.
        counts: how many of them have each word.
    """
    return np.asarray(np.log(max(described, 1) / np.maximum(counts, 1)), dtype=np.float32)


def write_words(writer: SnapshotWriter, entity_words: Sequence[HashArray]) -> None:
    """Write the words' hashes, how many entities have each, and for each entity the rows of its words."""
    lengths = np.array([len(words) for words in entity_words], dtype=np.int64)
    every = np.concatenate([np.zeros(0, dtype=np.uint32), *entity_words])
    hashes, rows, counts = np.unique(every, return_inverse=True, return_counts=True)
    described = int((lengths > 0).sum())
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum(lengths)
    writer.array("word_hashes", hashes)
    writer.array("word_counts", counts.astype(np.int32))
    writer.json("words", {"described": described})
    writer.array("word_offsets", offsets)
    writer.array("words", rows.astype(np.int32))
