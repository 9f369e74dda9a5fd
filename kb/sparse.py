"""Compressed sparse rows: for each row a run of members, all runs one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]


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


def stacked(rows: Sequence[Sequence[int] | IntArray]) -> Rows:
    """Return rows as one."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(row) for row in rows])
    parts = [np.asarray(row, dtype=np.int32) for row in rows if len(row)]
    return Rows(offsets, np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32))
