"""What each page of the training documents taught the KB, so that it can be left out when the page is learned from.

Alias counts contain the training documents themselves: a link seen only on this page would look as if it had been known
before. Subtracting the page's own links (leave-one-out) makes training look as a new page will.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from model.evaluation.corpus import LabelledDocument
from model.protocols import CandidateSource, EntityStore, IntArray

COUNTED_KINDS = frozenset({"anchor", "table"})


def page_of(document_id: str) -> str:
    """Return the page of a document: its id without the source before the first `/` and the part after the last `#`."""
    return document_id.partition("/")[2].rpartition("#")[0] or document_id


class PageCounts:
    """Links of chosen pages: how often each alias row named each entity there, and each entity was linked there."""

    def __init__(self, source: CandidateSource, store: EntityStore, pages: set[str]) -> None:
        self._source = source
        self._store = store
        self._links: dict[str, Counter[tuple[int, int]]] = {page: Counter() for page in pages}
        self._entities: dict[str, Counter[int]] = {page: Counter() for page in pages}

    def add(self, documents: Iterable[LabelledDocument]) -> None:
        """Count the links of those documents that belong to the chosen pages."""
        for document in documents:
            page = page_of(document.id)
            if page not in self._links:
                continue
            for mention in document.mentions:
                if mention.entity is None or mention.kind not in COUNTED_KINDS:
                    continue
                ordinal = self._store.ordinal(mention.entity)
                if ordinal is not None:
                    row = self._source.alias_row(document.text[mention.start : mention.end])
                    self._links[page][row, ordinal] += 1
                    self._entities[page][ordinal] += 1

    def without(self, page: str) -> Discounter:
        """Return what the KB would say without this page."""
        return Discounter(self._links[page], self._entities[page], self._source, self._store)


class Discounter:
    """A `model.candidates.Discount` for one page, and the entities' popularity without it."""

    def __init__(
        self,
        links: Counter[tuple[int, int]],
        entities: Counter[int],
        source: CandidateSource,
        store: EntityStore,
    ) -> None:
        self._links = links
        self._entities = entities
        self._source = source
        self._store = store

    def __call__(self, row: int, ordinals: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
        """Subtract the page's links of an alias; entities that only this page called so are no bearers any more."""
        own = [self._links.get((row, ordinal), 0) for ordinal in ordinals.tolist()]
        if not any(own):
            return ordinals, counts
        left = np.maximum(counts - np.array(own, dtype=np.int32), 0)
        keep = (left > 0) | (counts == 0)
        for position in np.flatnonzero(~keep).tolist():
            # The label is a name of the entity whether or not anybody linked it so.
            label = self._store.labels(ordinals[position : position + 1])[0]
            keep[position] = self._source.alias_row(label) == row
        order = np.argsort(-left[keep], kind="stable")
        return ordinals[keep][order], left[keep][order]

    def popularity(self, ordinals: IntArray) -> IntArray:
        """Return how often each entity was linked on other pages."""
        own = np.array([self._entities.get(ordinal, 0) for ordinal in ordinals.tolist()], dtype=np.int32)
        return np.asarray(np.maximum(self._store.popularity(ordinals) - own, 0), dtype=np.int32)
