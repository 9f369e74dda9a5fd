"""The knowledge base as it would be without one page's links, without some entities, or without counts of occurrences.

A page whose links are in the counts would look as if all its names had been known before, one whose entities are all
there never shows what is not, and who learns from counts alone knows nothing where nobody counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model.fitting.pages import Discounter
from model.mentions import Spans
from model.protocols import AliasMatches, CandidateSource, FloatArray, IntArray

# Of a document's entities, how many are treated as if the KB did not have them, so that NIL is learned: as many as it
# lacks of the names in GUM's training documents (Zeldes, 2017).
NIL_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Without:
    """What is to be left out.

    Attributes:
        page: whose links are taken off the counts.
        absent: entities that are not there.
        own: what the page's document added to the statistics of alias rows; see `CandidateSource.alias_statistics`.
        counted: whether the occurrences of aliases in a corpus are known.
    """

    page: Discounter | None = None
    absent: frozenset[int] = frozenset()
    own: Mapping[int, IntArray] = field(default_factory=dict)
    counted: bool = True


class Lacking:
    """A `model.protocols.CandidateSource` that is another one without something."""

    def __init__(self, source: CandidateSource, without: Without) -> None:
        self._source = source
        self._without = without
        self._absent = np.array(sorted(without.absent), dtype=np.int32)

    @property
    def kb_version(self) -> int:
        """As of the whole one."""
        return self._source.kb_version

    def match(self, text: str) -> AliasMatches:
        """Find the aliases that still name something."""
        matches = self._source.match(text)
        named = {row: self._names_something(row) for row in set(matches.rows.tolist())}
        kept = np.array([named[row] for row in matches.rows.tolist()], dtype=np.bool_)
        return Spans(matches.starts[kept], matches.ends[kept], matches.rows[kept], np.zeros(kept.sum(), np.float32))

    def alias_row(self, surface: str) -> int:
        """Return the row of an alias that still names something, or -1."""
        row = self._source.alias_row(surface)
        return row if row >= 0 and self._names_something(row) else -1

    def bearers(self, row: int) -> tuple[IntArray, IntArray]:
        """Return the entities that are left, and their counts."""
        ordinals, counts = self._source.bearers(row)
        if self._without.page is not None:
            ordinals, counts = self._without.page(row, ordinals, counts)
        left = ~np.isin(ordinals, self._absent)
        return ordinals[left], counts[left]

    def alias_statistics(self, rows: IntArray) -> IntArray:
        """Return the statistics of aliases without what the document added."""
        statistics = self._source.alias_statistics(rows).copy()
        for index, row in enumerate(rows.tolist()):
            if row in self._without.own:
                statistics[index] = np.maximum(statistics[index] - self._without.own[row], 0)
            statistics[index, 0] = self.bearers(row)[1].sum()
        if not self._without.counted:
            statistics[:, 1:] = 0
        return statistics

    def similar_aliases(self, surface: str) -> list[int]:
        """Return the rows of similar aliases that still name something."""
        return [row for row in self._source.similar_aliases(surface) if self._names_something(row)]

    def nearest(self, vectors: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return the nearest entities that are there."""
        ordinals, products = self._source.nearest(vectors, k + len(self._absent))
        ordinals = np.where(np.isin(ordinals, self._absent), -1, ordinals)
        order = np.argsort(ordinals < 0, axis=1, kind="stable")[:, :k]
        found: tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]] = (
            np.take_along_axis(ordinals, order, axis=1),
            np.take_along_axis(products, order, axis=1),
        )
        return found

    def _names_something(self, row: int) -> bool:
        return len(self.bearers(row)[0]) > 0


def some(gold: IntArray, share: float, random: np.random.Generator) -> frozenset[int]:
    """Draw entities of a document that are to be treated as if the KB did not have them."""
    entities = np.unique(gold[gold >= 0])
    return frozenset(entities[random.random(len(entities)) < share].tolist())
