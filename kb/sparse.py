"""Compressed sparse rows: for each row a run of members, all runs one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]
NOTHING: IntArray = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Rows:
    """`members[offsets[row]:offsets[row + 1]]` are those of a row."""

    offsets: npt.NDArray[Any]
    members: IntArray

    def row(self, row: int) -> IntArray:
        """Return the members of one row."""
        return self.members[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self, rows: IntArray) -> IntArray:
        """Return how many members each of `rows` has."""
        return np.asarray(self.offsets[rows + 1] - self.offsets[rows], dtype=np.int32)

    def spread(self, rows: IntArray, limit: int | None = None) -> tuple[IntArray, IntArray]:
        """Return for each member of `rows` its row's position there, ascending, and the member.

        Rows with more than `limit` members are left out.
        """
        starts = self.offsets[rows].astype(np.int64)
        lengths = self.offsets[np.asarray(rows) + 1] - starts
        if limit is not None:
            lengths = np.where(lengths > limit, 0, lengths)
        positions = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        ends = np.cumsum(lengths)
        within = np.arange(len(positions)) - np.repeat(ends - lengths, lengths)
        return positions, self.members[np.repeat(starts, lengths) + within]


def stacked(rows: Sequence[IntArray]) -> Rows:
    """Return rows as one."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)))
    return Rows(offsets, np.concatenate([NOTHING, *rows]))


def replaced(rows: Sequence[IntArray], count: int, others: Mapping[int, IntArray]) -> list[IntArray]:
    """Return `count` rows: those of `others`, for the rest those of `rows`, and empty ones where there is neither."""
    result = [*rows, *[NOTHING] * (count - len(rows))]
    for row, members in others.items():
        result[row] = members
    return result
