"""Search in a snapshot and in what changed since, as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kb.candidates import (
    BoolArray,
    FloatArray,
    HalfArray,
    SnapshotSearch,
    most_similar,
    telling_words,
    type_means,
    with_member,
)
from kb.index.aliases import FUZZY_MIN_LENGTH, Occurrences, fuzzy_keys
from kb.index.dense import retrieval_vectors
from kb.live.changed import Changes
from kb.live.entities import LiveEntities
from kb.live.graph import LiveGraph, in_order
from kb.live.names import LiveNames
from kb.live.words import LiveWords
from kb.matching import AliasMatches, match_aliases
from kb.normalise import normalise
from kb.records import EntityRecord
from kb.sparse import IntArray, stacked
from kb.type_table import TypeTable
from kb.words import placed_word_hashes


class LiveSearch:
    """Candidates and entity data of one kb_version. Nothing in it changes: each further change makes another one.

    Args:
        base: the snapshot.
        changes: the entities that changed since.
        types: the types that there are now; those of the snapshot stand at the same rows.
        occurrences: what a corpus says of names that the snapshot does not have.
        kb_version: sequence number of the last change that is in it.
    """

    def __init__(
        self,
        base: SnapshotSearch,
        changes: Changes,
        types: TypeTable,
        occurrences: Mapping[str, Occurrences],
        kb_version: int,
    ) -> None:
        self.base = base
        self.snapshot = base.snapshot
        self.types_known = types
        self.kb_version = kb_version
        self.delta_size = len(changes)
        self._entities = LiveEntities(base.snapshot, changes)
        self._names = LiveNames(self._entities, occurrences)
        self._named = stacked([[self._names.row(name) for name in entity.names] for entity in self._entities.changed])
        self._graph = LiveGraph(self._entities)
        self._words = LiveWords(self._entities)
        changed = self._entities.changed
        self._popularity = np.array([entity.record.popularity for entity in changed], dtype=np.int32)
        self._types = stacked([[types.rows[name] for name in entity.record.types] for entity in changed])
        width = base.snapshot.title_vectors.shape[1]
        self._titles = _stack([entity.title for entity in changed], width)
        self._descriptions = _stack([e.description for e in changed if e.description is not None], width)
        described = np.array([entity.description is not None for entity in changed], dtype=np.bool_)
        self._description_rows = np.where(described, np.cumsum(described) - 1, -1).astype(np.int32)
        everyone = np.arange(len(changed))
        self._retrieval = retrieval_vectors(everyone, self._titles, self._descriptions, self._description_rows)

    def __len__(self) -> int:
        """Return how many entities there are."""
        return len(self._entities) - len(self._entities.gone)

    def match(self, text: str) -> AliasMatches:
        """Find the aliases in a text, from word boundary to word boundary."""
        found = match_aliases([(self.snapshot.aliases, 0), (self._names.trie, self._names.first)], text)
        if not len(self._names.dead):
            return found
        alive = ~np.isin(found.rows, self._names.dead)
        return AliasMatches(found.starts[alive], found.ends[alive], found.rows[alive])

    def alias_row(self, surface: str) -> int:
        """Return the row of the alias that `surface` is, or -1."""
        return self._names.row(normalise(surface))

    def bearers(self, row: int) -> tuple[IntArray, IntArray]:
        """Return ordinals and counts of the entities that bear an alias, most frequent first."""
        bearers = self._names.bearers(row)
        return self.base.bearers(row) if bearers is None else (bearers.ordinals, bearers.counts)

    def alias_statistics(self, rows: IntArray) -> IntArray:
        """Return the sum of counts and the four occurrence numbers of aliases (rows x 5)."""
        return self._names.statistics(rows)

    def similar_aliases(self, surface: str) -> list[int]:
        """Return rows of aliases one slip away (two from 9 characters on), most similar first."""
        name = normalise(surface)
        if len(name) < FUZZY_MIN_LENGTH:
            return []
        found = self.base.alike(name).difference(self._names.dead.tolist()).union(self._names.like(fuzzy_keys(name)))
        rows = np.array(sorted(found), dtype=np.int32)
        names = [self._names.name(row) for row in rows.tolist()]
        return most_similar(name, rows, names, self._names.statistics(rows)[:, 0])

    def nearest(self, vectors: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return ordinals and inner products (queries x k) of the nearest entities; -1 where there are fewer."""
        ordinals, scores = self.base.nearest(vectors, k, self._entities.gone)
        scores = np.where(ordinals < 0, -np.inf, scores)
        changed = np.arange(self._entities.first, len(self._entities), dtype=np.int32)
        ordinals = np.hstack([ordinals, np.tile(changed, (len(vectors), 1))])
        scores = np.hstack([scores, vectors.astype(np.float32) @ self._retrieval.T])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(ordinals, best, axis=1), np.take_along_axis(scores, best, axis=1)

    def entity_id(self, ordinal: int) -> str:
        """Return the entity's id."""
        changed = self._entities.get(ordinal)
        return self.snapshot.entity_id(ordinal) if changed is None else changed.record.id

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        return self._entities.ordinal(entity)

    def labels(self, ordinals: IntArray) -> list[str]:
        """Return labels."""
        old, new = self._split(ordinals)
        labels = dict(zip(old.tolist(), self.snapshot.labels(ordinals[old]), strict=True))
        for position, row in zip(new.tolist(), self._rows(ordinals[new]).tolist(), strict=True):
            labels[position] = self._entities.changed[row].record.label
        return [labels[position] for position in range(len(ordinals))]

    def names(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the names of entities as position in `ordinals` and alias row."""
        old, new = self._split(ordinals)
        here, rows = self.base.names(ordinals[old])
        there, others = self._named.spread(self._rows(ordinals[new]))
        return in_order([(old[here], rows), (new[there], others)])

    def popularity(self, ordinals: IntArray) -> IntArray:
        """Return how often each entity was linked."""
        return self._filled(ordinals, np.int32, self.base.popularity, lambda rows: self._popularity[rows])

    def titles(self, ordinals: IntArray) -> FloatArray:
        """Return unit title vectors (ordinals x 384)."""
        return self._filled(ordinals, np.float32, self.base.titles, lambda rows: self._titles[rows], self._width)

    def descriptions(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit description vectors (ordinals x 384), and which entities have one."""
        old, new = self._split(ordinals)
        vectors = np.zeros((len(ordinals), self._width), dtype=np.float32)
        present = np.zeros(len(ordinals), dtype=np.bool_)
        vectors[old], present[old] = self.base.descriptions(ordinals[old])
        rows = self._description_rows[self._rows(ordinals[new])]
        present[new] = rows >= 0
        vectors[new[rows >= 0]] = self._descriptions[rows[rows >= 0]]
        return vectors, present

    def types(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit mean vectors (ordinals x 384) of type names, and which entities have any type."""
        old, new = self._split(ordinals)
        vectors = np.zeros((len(ordinals), self._width), dtype=np.float32)
        present = np.zeros(len(ordinals), dtype=np.bool_)
        known = self.types_known.vectors
        vectors[old], present[old] = type_means(self.snapshot.entity_types, known, ordinals[old])
        vectors[new], present[new] = type_means(self._types, known, self._rows(ordinals[new]))
        return vectors, present

    def type_rows(self, types: Sequence[str]) -> set[int]:
        """Return the rows of these types and of all types below them."""
        return self.types_known.below(types)

    def has_type(self, ordinals: IntArray, rows: set[int]) -> BoolArray:
        """Tell which entities have one of the types in `rows`."""
        return self._filled(
            ordinals,
            np.bool_,
            lambda old: with_member(self.snapshot.entity_types, old, rows),
            lambda new: with_member(self._types, new, rows),
        )

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        """Return edges as position in `ordinals` and neighbour's ordinal, for entities with at most `limit` of them."""
        return self._graph.neighbours(ordinals, limit)

    def degrees(self, ordinals: IntArray) -> IntArray:
        """Return how many neighbours each entity has."""
        return self._graph.degrees(ordinals)

    def word_rows(self, text: str) -> tuple[IntArray, IntArray]:
        """Return the words of a text that the index knows, in its order, and the code points at which they start."""
        hashes, starts = placed_word_hashes(text)
        rows = self._words.row_numbers(hashes)
        kept = telling_words(rows, self._words.telling)
        return rows[kept], starts[kept]

    def words(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the words of entities as position in `ordinals` and word."""
        old, new = self._split(ordinals)
        here, members = self.snapshot.words.spread(ordinals[old])
        there, others = self._words.rows.spread(self._rows(ordinals[new]))
        positions, every = in_order([(old[here], members), (new[there], others)])
        kept = self._words.telling[every]
        return positions[kept], every[kept]

    def word_weights(self, words: IntArray) -> FloatArray:
        """Return how much each word tells (inverse document frequency)."""
        return self._words.weights[words]

    def record(self, entity: str) -> EntityRecord | None:
        """Return what an answer shows of the entity with this id, None where there is none."""
        ordinal = self.ordinal(entity)
        if ordinal is None:
            return None
        changed = self._entities.get(ordinal)
        return self.base.record(entity) if changed is None else changed.record

    @property
    def _width(self) -> int:
        return int(self._titles.shape[1])

    def _split(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the positions of the snapshot's entities and of changed ones."""
        old = ordinals < self._entities.first
        return np.flatnonzero(old).astype(np.int32), np.flatnonzero(~old).astype(np.int32)

    def _rows(self, ordinals: IntArray) -> IntArray:
        """Return the rows, among changed entities, of ordinals of such."""
        return ordinals - self._entities.first

    def _filled(
        self,
        ordinals: IntArray,
        kind: type[np.generic],
        of_old: Callable[[IntArray], npt.NDArray[Any]],
        of_new: Callable[[IntArray], npt.NDArray[Any]],
        width: int | None = None,
    ) -> npt.NDArray[Any]:
        """Return the values of the snapshot's entities and those of changed ones, each at its position."""
        old, new = self._split(ordinals)
        result = np.zeros(len(ordinals) if width is None else (len(ordinals), width), dtype=kind)
        result[old] = of_old(ordinals[old])
        result[new] = of_new(self._rows(ordinals[new]))
        return result


def _stack(vectors: Sequence[HalfArray], width: int) -> HalfArray:
    return np.stack(vectors) if vectors else np.zeros((0, width), dtype=np.float16)
