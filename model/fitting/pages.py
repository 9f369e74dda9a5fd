"""What each page of the training documents taught the KB, so that it can be left out when the page is learned from.

Alias counts contain the training documents themselves: a link seen only on this page would look as if it had been known
before. Subtracting the page's own links (leave-one-out) makes training look as a new page will.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from model.evaluation.corpus import LabelledDocument
from model.fitting.usage import LinkEncoder, placed_links
from model.protocols import CandidateSource, EntityStore, FloatArray, IntArray

COUNTED_KINDS = frozenset({"anchor", "table"})
BLOCK = 500  # documents whose links are encoded together

OwnUsage = dict[int, tuple[FloatArray, int]]
"""By entity the sum of the vectors of a page's links to it, and how many those are."""


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
        self._usage: dict[str, OwnUsage] = {page: {} for page in pages}

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

    def add_usage(
        self, documents: Iterable[LabelledDocument], encoder: LinkEncoder, progress: Callable[[str, int, int], None]
    ) -> None:
        """Encode the links of those documents that belong to the chosen pages and lead to entities with usage."""
        chosen = [document for document in documents if page_of(document.id) in self._usage]
        for start in range(0, len(chosen), BLOCK):
            self._add_usage(chosen[start : start + BLOCK], encoder)
            progress("links", min(start + BLOCK, len(chosen)), len(chosen))

    def _add_usage(self, documents: Sequence[LabelledDocument], encoder: LinkEncoder) -> None:
        every = placed_links(documents)
        entities = sorted({str(link.entity) for _, link in every})
        named = {key: ordinal for key in entities if (ordinal := self._store.ordinal(key)) is not None}
        _, known = self._store.usage(np.array(list(named.values()), dtype=np.int32))
        used = {key: ordinal for (key, ordinal), links in zip(named.items(), known.tolist(), strict=True) if links}
        links = [(number, link) for number, link in every if link.entity in used]
        vectors = encoder.vectors([document.text for document in documents], links).astype(np.float32)
        for (number, link), vector in zip(links, vectors, strict=True):
            own = self._usage[page_of(documents[number].id)]
            total, count = own.get(used[str(link.entity)], (np.zeros_like(vector), 0))
            own[used[str(link.entity)]] = (total + vector, count + 1)

    def without(self, page: str) -> Discounter:
        """Return what the KB would say without this page."""
        return Discounter(self._links[page], self._entities[page], self._usage[page], self._source, self._store)


class Discounter:
    """Takes one page's links off the bearers of aliases; a `model.protocols.LinkStore` without those links."""

    def __init__(
        self,
        links: Counter[tuple[int, int]],
        entities: Counter[int],
        usage: Mapping[int, tuple[FloatArray, int]],
        source: CandidateSource,
        store: EntityStore,
    ) -> None:
        self._links = links
        self._entities = entities
        self._usage = usage
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

    def usage(self, ordinals: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the mean vectors of the entities' links on other pages, and how many those are."""
        means, links = self._store.usage(ordinals)
        for row, ordinal in enumerate(ordinals.tolist()):
            if ordinal in self._usage and links[row] > 0:
                own, count = self._usage[ordinal]
                left = max(int(links[row]) - count, 0)
                means[row] = (means[row] * links[row] - own) / left if left else 0
                links[row] = left
        return means, links
