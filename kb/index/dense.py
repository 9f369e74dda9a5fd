"""The dense part of a snapshot: a FAISS index (Douze et al., 2024) over one retrieval vector an entity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

HalfArray = npt.NDArray[np.float16]
IntArray = npt.NDArray[np.int32]

FLAT_LIMIT = 300_000
TRAINING_VECTORS = 80_000
BLOCK = 50_000
PROBES = 4


def write_dense(path: Path, titles: HalfArray, descriptions: HalfArray, description_rows: IntArray) -> None:
    """Index every entity by the mean of its title and description vectors (or its title's alone), 8 bits a dimension.

    Exact search up to 300,000 entities; above, inverted lists of which a query visits 4 (those can be memory-mapped,
    and entities can be deleted from them).
    """
    count, dimensions = titles.shape
    if count <= FLAT_LIMIT:
        index: Any = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    else:
        lists = int(4 * np.sqrt(count) / 2)
        quantiser = faiss.IndexFlatIP(dimensions)
        index = faiss.IndexIVFScalarQuantizer(
            quantiser, dimensions, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.nprobe = PROBES
        index.cp.niter = 10
    chosen = np.random.default_rng(0).permutation(count)[:TRAINING_VECTORS]
    index.train(retrieval_vectors(np.sort(chosen), titles, descriptions, description_rows))
    for start in range(0, count, BLOCK):
        rows = np.arange(start, min(start + BLOCK, count))
        index.add(retrieval_vectors(rows, titles, descriptions, description_rows))
    # FAISS does not notice when what it writes last does not fit on the disk; a file of ours does.
    with path.open("wb") as file:
        writer = faiss.PyCallbackIOWriter(file.write)  # type: ignore[attr-defined] # its stubs leave it out
        faiss.write_index(index, writer)


def retrieval_vectors(
    rows: npt.NDArray[np.int64], titles: HalfArray, descriptions: HalfArray, description_rows: IntArray
) -> npt.NDArray[np.float32]:
    """Return the unit vectors (rows x dimensions) by which these entities are found."""
    vectors = titles[rows].astype(np.float32)
    where = description_rows[rows]
    present = where >= 0
    vectors[present] += descriptions[where[present]].astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
