"""Rows of different lengths in two flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows one after the other.

    Attributes:
        values: all rows' numbers.
        offsets: where each row begins, and where the last one ends (rows + 1).
    """

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        """Return a row."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """How long each row is."""
        return np.diff(self.offsets)


def ragged(rows: Iterable[Sequence[int] | npt.NDArray[Any]], kind: type[np.generic]) -> Ragged:
    """Put rows one after the other."""
    parts = [np.asarray(row, dtype=kind) for row in rows]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return Ragged(np.concatenate([np.zeros(0, kind), *parts]), np.concatenate([[0], np.cumsum(lengths)]))
