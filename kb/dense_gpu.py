"""Search by meaning on a GPU: it compares a query with every entity in the time that the CPU takes for a few lists."""

from __future__ import annotations

from threading import Lock
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from kb.index.dense import BLOCK, HalfArray, IntArray, retrieval_vectors

FloatArray = npt.NDArray[np.float32]
NumberArray = npt.NDArray[np.int64]

MOST = 2048  # entities a query: FAISS's own limit on a GPU
SPARE = 10  # entities that half precision may put before the nearest ones


def empty_gpu_index(dimensions: int) -> Any | None:
    """Return an empty index in the memory of the first GPU (two bytes a number), or None where FAISS has no GPU."""
    if not faiss.get_num_gpus():
        return None
    config = faiss.GpuIndexFlatConfig()
    config.useFloat16 = True
    return faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), dimensions, config)


class WholeSearch:
    """Finds the nearest of all entities.

    Args:
        index: an empty flat index, which is filled.
        titles, descriptions, description_rows: as `kb.index.dense.write_dense` takes them.
    """

    def __init__(self, index: Any, titles: HalfArray, descriptions: HalfArray, description_rows: IntArray) -> None:
        self._index = index
        self._one_at_a_time = Lock()  # FAISS's indexes on a GPU do not bear two threads
        for start in range(0, len(titles), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(titles)))
            index.add(retrieval_vectors(rows, titles, descriptions, description_rows))

    def serves(self, k: int, without: IntArray | None) -> bool:
        """Tell whether so many can be found: those that are left out take places, too."""
        return k + SPARE + (0 if without is None else len(without)) <= MOST

    def found(self, queries: FloatArray, k: int, without: IntArray | None = None) -> NumberArray:
        """Return ordinals (queries x at least k) that hold the nearest k entities; -1 in places that are left empty."""
        left_out = 0 if without is None else len(without)
        wanted = min(k + SPARE + left_out, self._index.ntotal)
        with self._one_at_a_time:
            _, ordinals = self._index.search(queries, max(wanted, k))
        if without is not None and left_out:
            ordinals[np.isin(ordinals, without)] = -1
        return np.asarray(ordinals, dtype=np.int64)
