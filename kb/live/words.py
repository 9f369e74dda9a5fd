"""Words in the live index: those of changed entities, and how much each word tells now."""

from __future__ import annotations

import numpy as np

from kb.index.words import telling, weights
from kb.live.entities import LiveEntities
from kb.sparse import IntArray, Rows
from kb.words import HashArray, found_rows


class LiveWords:
    """Words that the snapshot knows keep their rows; new ones get rows behind those.

    Attributes:
        weights: how much each word tells, by row.
        telling: which words are worth looking at.
    """

    def __init__(self, entities: LiveEntities) -> None:
        snapshot = entities.snapshot
        self._known: HashArray = snapshot.word_hashes
        lengths = np.array([len(entity.words) for entity in entities.changed], dtype=np.int64)
        words = np.concatenate([np.zeros(0, dtype=np.uint32), *(entity.words for entity in entities.changed)])
        every = np.unique(words)
        self._new: HashArray = every[found_rows(self._known, every) < 0]
        self.rows: Rows = Rows(np.concatenate([[0], np.cumsum(lengths)]), self.row_numbers(words))
        former = snapshot.words.spread(entities.gone)[1]
        counts = np.zeros(len(self._known) + len(self._new), dtype=np.int64)
        counts[: len(self._known)] = snapshot.word_counts
        counts -= np.bincount(former, minlength=len(counts))
        counts += np.bincount(self.rows.members, minlength=len(counts))
        described = snapshot.described - int((snapshot.words.lengths(entities.gone) > 0).sum())
        described += int((lengths > 0).sum())
        self.weights = weights(described, counts)
        self.telling = telling(described, counts)

    def row_numbers(self, hashes: HashArray) -> IntArray:
        """Return the row of each word, -1 for those that no entity has."""
        rows = found_rows(self._known, hashes)
        new = found_rows(self._new, hashes)
        return np.where(new < 0, rows, new + len(self._known)).astype(np.int32)
