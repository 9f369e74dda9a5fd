"""Search by meaning in a snapshot: FAISS finds what may be near, the entities' own vectors say what is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from kb.dense_gpu import WholeSearch
from kb.index.dense import HalfArray, IntArray, retrieval_sums

FloatArray = npt.NDArray[np.float32]
NumberArray = npt.NDArray[np.int64]

COMPARED = 80  # entities a query that are compared exactly where short codes mix up near neighbours
BLOCK = 64  # queries whose entities' vectors are in memory at a time


class DenseSearch:
    """Finds the entities of a snapshot that are nearest to vectors.

    Args:
        path: what `kb.index.dense.write_dense` wrote.
        titles, descriptions, description_rows: the vectors that it wrote it of.
        on_gpu: an empty index in the memory of a GPU, which then does the finding.
    """

    def __init__(
        self,
        path: Path,
        titles: HalfArray,
        descriptions: HalfArray,
        description_rows: IntArray,
        on_gpu: Any | None = None,
    ) -> None:
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        self._whole = None if on_gpu is None else WholeSearch(on_gpu, titles, descriptions, description_rows)
        self._vectors = titles, descriptions, description_rows

    def nearest(self, vectors: FloatArray, k: int, without: IntArray | None = None) -> tuple[IntArray, FloatArray]:
        """Return ordinals and inner products (queries x k) of the nearest entities; -1 where there are fewer.

        What a query finds does not depend on those beside it.

        Args:
            without: ordinals of entities that are not to be found.
        """
        # A few queries are not worth more threads: those would wait busily for the next ones, on the cores that the
        # encoder wants. The setting is that of the calling thread.
        faiss.omp_set_num_threads(1)
        queries = np.ascontiguousarray(vectors, dtype=np.float32)
        parameters = self._selecting(without)
        compared = max(k, COMPARED) if isinstance(self._index, faiss.IndexIVF) else k
        ordinals = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        for start in range(0, len(queries), BLOCK):
            block = slice(start, start + BLOCK)
            if self._whole is not None and self._whole.serves(k, without):
                found = self._whole.found(queries[block], k, without)
            else:
                _, found = self._index.search(queries[block], compared, params=parameters)
            products = self._products(queries[block], found)
            best = np.argsort(-products, axis=1, kind="stable")[:, :k]
            ordinals[block] = np.take_along_axis(found, best, axis=1)
            scores[block] = np.take_along_axis(products, best, axis=1)
        return ordinals, scores

    def _products(self, queries: FloatArray, found: NumberArray) -> FloatArray:
        """Return the inner products of queries with the entities found for each; minus infinity where there is none."""
        # Mentions of one text find much the same entities.
        rows, where = np.unique(np.maximum(found, 0), return_inverse=True)
        vectors = retrieval_sums(rows, *self._vectors)
        norms = np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), np.float32(1e-12))
        where = where.reshape(found.shape)
        # Each query by itself: one product for all would round it as it happens to suit the others, and so many vectors
        # at a time do not leave the processor's cache.
        products = np.stack([vectors[of_one] @ query for of_one, query in zip(where, queries, strict=True)])
        products /= norms[where]
        return np.asarray(np.where(found < 0, -np.inf, products), dtype=np.float32)

    def _selecting(self, without: IntArray | None) -> Any:
        if without is None or not len(without):
            return None
        selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(without.astype(np.int64)))
        if isinstance(self._index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=selector, nprobe=self._index.nprobe)  # type: ignore[call-arg] # its stubs leave them out
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
