"""Vectors and numbers of changed entities, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from kb.index.dense import HalfArray, retrieval_vectors
from kb.live.changed import ChangedEntity
from kb.sparse import IntArray


class LiveVectors:
    """Rows of deleted entities hold zeros.

    Attributes:
        titles: unit title vectors (rows x width).
        descriptions: unit description vectors (rows x width), zeros where there is none.
        described: which entities have a description.
        retrieval: the vectors by which entities are found (rows x width, float32).
        usage: mean vectors of their links (rows x width), zeros where none was encoded.
        usage_links: how many links each is the mean of.
        popularity: how often each entity was linked.
        alive: which entities are not deleted.
    """

    def __init__(self, width: int) -> None:
        self.titles: HalfArray = np.zeros((0, width), dtype=np.float16)
        self.descriptions: HalfArray = np.zeros((0, width), dtype=np.float16)
        self.described: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self.retrieval: npt.NDArray[np.float32] = np.zeros((0, width), dtype=np.float32)
        self.usage: HalfArray = np.zeros((0, width), dtype=np.float16)
        self.usage_links: IntArray = np.zeros(0, dtype=np.int32)
        self.popularity: IntArray = np.zeros(0, dtype=np.int32)
        self.alive: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    @property
    def width(self) -> int:
        """How many dimensions the vectors have."""
        return int(self.titles.shape[1])

    def after(self, changed: Mapping[int, ChangedEntity | None], count: int) -> LiveVectors:
        """Return what there is after further changes.

        Args:
            changed: entities by row; None for those that are deleted.
            count: rows in all.
        """
        none = np.zeros(self.width, dtype=np.float16)
        entities = list(changed.values())
        vectors = [None if entity is None else entity.description for entity in entities]
        titles = _stack([none if entity is None else entity.title for entity in entities], self.width)
        descriptions = _stack([none if vector is None else vector for vector in vectors], self.width)
        described = np.array([vector is not None for vector in vectors], dtype=np.bool_)
        numbers = np.arange(len(entities))
        retrieval = retrieval_vectors(numbers, titles, descriptions, np.where(described, numbers, -1).astype(np.int32))
        rows = list(changed)
        result = copy(self)
        result.titles = _replaced(self.titles, count, rows, titles)
        result.descriptions = _replaced(self.descriptions, count, rows, descriptions)
        result.described = _replaced(self.described, count, rows, described)
        result.retrieval = _replaced(self.retrieval, count, rows, retrieval)
        usage = [none if entity is None or entity.usage is None else entity.usage for entity in entities]
        result.usage = _replaced(self.usage, count, rows, _stack(usage, self.width))
        links = [0 if entity is None else entity.usage_links for entity in entities]
        result.usage_links = _replaced(self.usage_links, count, rows, links)
        popularity = [0 if entity is None else entity.record.popularity for entity in entities]
        result.popularity = _replaced(self.popularity, count, rows, popularity)
        result.alive = _replaced(self.alive, count, rows, [entity is not None for entity in entities])
        return result


def _stack(vectors: list[HalfArray], width: int) -> HalfArray:
    return np.array(vectors, dtype=np.float16).reshape(-1, width)


def _replaced(array: npt.NDArray[Any], count: int, rows: list[int], values: Any) -> npt.NDArray[Any]:
    """Return a copy with so many rows, some of which have other values."""
    result = np.zeros((count, *array.shape[1:]), dtype=array.dtype)
    result[: len(array)] = array
    result[rows] = values
    return result
