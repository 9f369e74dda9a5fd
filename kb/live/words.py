"""Words in the live index: those of changed entities, and how much each word tells now."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np
import numpy.typing as npt

from kb.candidates import BoolArray, FloatArray
from kb.index.words import telling, weights
from kb.live.changed import ChangedEntity
from kb.snapshot import Snapshot
from kb.sparse import IntArray, Rows, replaced, stacked
from kb.words import HashArray, found_rows


class LiveWords:
    """Words that the snapshot knows keep their rows; new ones get rows behind those.

    Attributes:
        rows: the words of changed entities, by row.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._new: HashArray = np.zeros(0, dtype=np.uint32)  # ascending
        self._new_rows: IntArray = np.zeros(0, dtype=np.int32)
        self._counts: npt.NDArray[np.int32] = np.array(snapshot.word_counts, dtype=np.int32)
        self._described = snapshot.described
        self._words: list[IntArray] = []
        self.rows: Rows = stacked(self._words)

    def after(self, changed: Mapping[int, ChangedEntity | None], count: int, gone: IntArray) -> LiveWords:
        """Return what there is after further changes.

        Args:
            changed: entities by row; None for those that are deleted.
            count: rows in all.
            gone: ordinals of the snapshot that mean nothing any more, but did before.
        """
        result = copy(self)
        hashes = {row: entity.words for row, entity in changed.items() if entity is not None}
        result._learn(np.concatenate([self._new[:0], *hashes.values()]))
        fresh = {row: result.row_numbers(hashes[row]) if row in hashes else self._new_rows[:0] for row in changed}
        result._words = replaced(self._words, count, fresh)
        result.rows = stacked(result._words)
        former = [self._words[row] for row in changed if row < len(self._words)]
        former += [self._snapshot.words.row(ordinal) for ordinal in gone.tolist()]
        for words, sign in [*((words, -1) for words in former), *((words, 1) for words in fresh.values())]:
            result._counts[words] += sign  # no word is twice among those of one entity
            result._described += sign * (len(words) > 0)
        return result

    def row_numbers(self, hashes: HashArray) -> IntArray:
        """Return the row of each word, -1 for those that no entity has or had."""
        rows = found_rows(self._snapshot.word_hashes, hashes)
        places = found_rows(self._new, hashes)
        rows[places >= 0] = self._new_rows[places[places >= 0]]
        return rows

    def weights(self, words: IntArray) -> FloatArray:
        """Return how much each word tells."""
        return weights(self._described, self._counts[words])

    def telling(self, words: IntArray) -> BoolArray:
        """Tell which words are worth looking at; -1 is none."""
        result = words >= 0
        result[result] = telling(self._described, self._counts[words[result]])
        return result

    @property
    def unused(self) -> int:
        """How many rows are of words that no entity has any more and that the snapshot never had."""
        return int((self._counts[len(self._snapshot.word_hashes) :] == 0).sum())

    def _learn(self, hashes: HashArray) -> None:
        """Give rows to words that have none, in new arrays."""
        unknown = np.unique(hashes[self.row_numbers(hashes) < 0])
        rows = np.arange(len(self._counts), len(self._counts) + len(unknown), dtype=np.int32)
        self._counts = np.concatenate([self._counts, np.zeros(len(unknown), dtype=np.int32)])
        places = np.searchsorted(self._new, unknown)
        self._new = np.insert(self._new, places, unknown)
        self._new_rows = np.insert(self._new_rows, places, rows)
