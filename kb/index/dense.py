"""The dense part of a snapshot: a FAISS index (Douze et al., 2024) over one retrieval vector an entity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from kb.halves import singles

HalfArray = npt.NDArray[np.float16]
IntArray = npt.NDArray[np.int32]

FLAT_LIMIT = 20_000
LIST_LENGTH = 1500  # entities of an inverted list, on average
PROBES = 96  # inverted lists that a query visits
CODE_DIMENSIONS = 4  # that one of 16 centroids stands for
TRAINING_VECTORS = 80_000
TRAINING_VECTORS_OF_A_LIST = 40
BLOCK = 50_000


def write_dense(path: Path, titles: HalfArray, descriptions: HalfArray, description_rows: IntArray) -> None:
    """Index every entity by the mean of its title and description vectors (or its title's alone).

    Up to 20,000 entities, all are looked at, 8 bits a dimension. Above, codes of 48 bytes are (product quantisation:
    Jégou et al., 2011; scanned in registers: André et al., 2015), all of them while there are no more than 96 inverted
    lists (145,000 entities), and then those of the 96 lists nearest to the query, so that a search costs no more in a
    larger KB. Whoever searches compares what is found with the entities' vectors. Entities can be left out of both.
    """
    count, dimensions = titles.shape
    index = _empty_index(count, dimensions)
    training = TRAINING_VECTORS
    if isinstance(index, faiss.IndexIVF):
        training = max(training, TRAINING_VECTORS_OF_A_LIST * index.nlist)
    chosen = np.random.default_rng(0).permutation(count)[:training]
    index.train(retrieval_vectors(np.sort(chosen), titles, descriptions, description_rows))
    for start in range(0, count, BLOCK):
        rows = np.arange(start, min(start + BLOCK, count))
        index.add(retrieval_vectors(rows, titles, descriptions, description_rows))
    # FAISS does not notice when what it writes last does not fit on the disk; a file of ours does.
    with path.open("wb") as file:
        writer = faiss.PyCallbackIOWriter(file.write)  # type: ignore[attr-defined] # its stubs leave it out
        faiss.write_index(index, writer)


def _empty_index(count: int, dimensions: int) -> Any:
    """Return the index for so many entities, untrained."""
    if count <= FLAT_LIMIT:
        return faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    # The factory's index owns its quantiser; one put together here would lose it at the end of this function.
    recipe = f"IVF{count // LIST_LENGTH},PQ{dimensions // CODE_DIMENSIONS}x4fs"
    index: Any = faiss.index_factory(dimensions, recipe, faiss.METRIC_INNER_PRODUCT)
    index.nprobe = PROBES
    index.cp.spherical = True
    return index


def retrieval_vectors(
    rows: npt.NDArray[np.int64], titles: HalfArray, descriptions: HalfArray, description_rows: IntArray
) -> npt.NDArray[np.float32]:
    """Return the unit vectors (rows x dimensions) by which these entities are found."""
    vectors = retrieval_sums(rows, titles, descriptions, description_rows)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def retrieval_sums(
    rows: npt.NDArray[np.int64], titles: HalfArray, descriptions: HalfArray, description_rows: IntArray
) -> npt.NDArray[np.float32]:
    """Return what `retrieval_vectors` are before they are made as long as one (rows x dimensions)."""
    vectors = singles(titles[rows])
    where = description_rows[rows]
    present = np.flatnonzero(where >= 0)
    vectors[present] += singles(descriptions[where[present]])
    return vectors
