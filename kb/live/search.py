"""Search in a snapshot and in what changed since, as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from kb.candidates import (
    BoolArray,
    FloatArray,
    SnapshotSearch,
    most_similar,
    type_means,
    with_member,
)
from kb.index.aliases import FUZZY_MIN_LENGTH, Occurrences, fuzzy_keys
from kb.live.changed import Changes
from kb.live.entities import LiveEntities
from kb.live.graph import LiveGraph, in_order
from kb.live.names import LiveNames
from kb.live.vectors import LiveVectors
from kb.live.words import LiveWords
from kb.matching import AliasMatches
from kb.normalise import normalise
from kb.records import EntityRecord
from kb.sparse import IntArray, replaced, stacked
from kb.type_table import TypeTable
from kb.words import placed_word_hashes


class LiveSearch:
    """Candidates and entity data of one kb_version. Nothing in it changes: each further change makes another one.

    Args:
        base: the snapshot; what changed since is told to `after`.

    Attributes:
        types_known: the types that there are now; those of the snapshot stand at the same rows.
        kb_version: sequence number of the last change that is in it.
    """

    def __init__(self, base: SnapshotSearch) -> None:
        self.base = base
        self.snapshot = base.snapshot
        self.types_known = base.types_known
        self.kb_version = base.kb_version
        self._entities = LiveEntities(base.snapshot)
        self._names = LiveNames(base.snapshot)
        self._graph = LiveGraph(base.snapshot)
        self._words = LiveWords(base.snapshot)
        self._vectors = LiveVectors(base.snapshot.title_vectors.shape[1])
        self._type_rows: list[IntArray] = []
        self._types = stacked(self._type_rows)

    def after(
        self, changes: Changes, types: TypeTable, occurrences: Mapping[str, Occurrences], kb_version: int
    ) -> LiveSearch:
        """Return what there is after further changes; it costs about as much as those are, not as all before.

        Args:
            changes: entities as they are at `kb_version`, or all that changed since the snapshot.
            types: the types that there are then; those that there were stand at the same rows.
            occurrences: what a corpus says of names that the snapshot does not have.
            kb_version: sequence number of the last of the changes.
        """
        result = copy(self)
        result.types_known, result.kb_version = types, kb_version
        entities = result._entities = self._entities.after(changes)
        gone = np.setdiff1d(entities.gone, self._entities.gone, assume_unique=True)
        changed = {entities.row(key): entity for key, entity in changes.items()}
        count = len(entities.changed)
        result._names = self._names.after(changed, entities, gone, occurrences)
        result._graph = self._graph.after(changes, entities)
        result._words = self._words.after(changed, count, gone)
        result._vectors = self._vectors.after(changed, count)
        rows = {
            row: np.array([types.rows[name] for name in (entity.record.types if entity else ())], dtype=np.int32)
            for row, entity in changed.items()
        }
        result._type_rows = replaced(self._type_rows, count, rows)
        result._types = stacked(result._type_rows)
        return result

    def __len__(self) -> int:
        """Return how many entities there are."""
        return self._entities.count

    @property
    def unused(self) -> int:
        """How many names and words it holds that nothing has any more: what further changes leave behind."""
        return self._names.unused + self._words.unused

    def match(self, text: str) -> AliasMatches:
        """Find the aliases in a text, from word boundary to word boundary."""
        return self._names.match(text)

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
        found = self.base.alike(name).union(self._names.like(fuzzy_keys(name))).difference(self._names.dead.tolist())
        rows = np.array(sorted(found), dtype=np.int32)
        names = [self._names.name(row) for row in rows.tolist()]
        return most_similar(name, rows, names, self._names.statistics(rows)[:, 0])

    def nearest(self, vectors: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return ordinals and inner products (queries x k) of the nearest entities; -1 where there are fewer."""
        ordinals, scores = self.base.nearest(vectors, k, self._entities.gone)
        changed = np.arange(self._entities.first, len(self._entities), dtype=np.int32)
        ordinals = np.hstack([ordinals, np.tile(changed, (len(vectors), 1))])
        products = np.where(self._vectors.alive, vectors.astype(np.float32) @ self._vectors.retrieval.T, -np.inf)
        scores = np.hstack([scores, products])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(scores, best, axis=1)
        return np.where(np.isneginf(scores), -1, np.take_along_axis(ordinals, best, axis=1)), scores

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
        for position, ordinal in zip(new.tolist(), ordinals[new].tolist(), strict=True):
            changed = self._entities.get(ordinal)
            labels[position] = "" if changed is None else changed.record.label
        return [labels[position] for position in range(len(ordinals))]

    def names(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the names of entities as position in `ordinals` and alias row."""
        old, new = self._split(ordinals)
        here, rows = self.base.names(ordinals[old])
        there, others = self._names.of_changed.spread(self._rows(ordinals[new]))
        return in_order([(old[here], rows), (new[there], others)])

    def popularity(self, ordinals: IntArray) -> IntArray:
        """Return how often each entity was linked."""
        return self._filled(ordinals, np.int32, self.base.popularity, lambda rows: self._vectors.popularity[rows])

    def titles(self, ordinals: IntArray) -> FloatArray:
        """Return unit title vectors (ordinals x 384)."""
        return self._filled(
            ordinals, np.float32, self.base.titles, lambda rows: self._vectors.titles[rows], self._vectors.width
        )

    def descriptions(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit description vectors (ordinals x 384), and which entities have one."""
        old, new = self._split(ordinals)
        vectors = np.zeros((len(ordinals), self._vectors.width), dtype=np.float32)
        present = np.zeros(len(ordinals), dtype=np.bool_)
        vectors[old], present[old] = self.base.descriptions(ordinals[old])
        rows = self._rows(ordinals[new])
        vectors[new], present[new] = self._vectors.descriptions[rows], self._vectors.described[rows]
        return vectors, present

    def usage(self, ordinals: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the mean vectors of entities' links (ordinals x 384), and how many links those are."""
        old, new = self._split(ordinals)
        vectors = np.zeros((len(ordinals), self._vectors.width), dtype=np.float32)
        links = np.zeros(len(ordinals), dtype=np.int32)
        vectors[old], links[old] = self.base.usage(ordinals[old])
        rows = self._rows(ordinals[new])
        vectors[new], links[new] = self._vectors.usage[rows], self._vectors.usage_links[rows]
        return vectors, links

    def types(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit mean vectors (ordinals x 384) of type names, and which entities have any type."""
        old, new = self._split(ordinals)
        vectors = np.zeros((len(ordinals), self._vectors.width), dtype=np.float32)
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
        kept = self._words.telling(rows)
        return rows[kept], starts[kept]

    def words(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the words of entities as position in `ordinals` and word."""
        old, new = self._split(ordinals)
        here, members = self.snapshot.words.spread(ordinals[old])
        there, others = self._words.rows.spread(self._rows(ordinals[new]))
        positions, every = in_order([(old[here], members), (new[there], others)])
        kept = self._words.telling(every)
        return positions[kept], every[kept]

    def word_weights(self, words: IntArray) -> FloatArray:
        """Return how much each word tells (inverse document frequency)."""
        return self._words.weights(words)

    def record(self, entity: str) -> EntityRecord | None:
        """Return what an answer shows of the entity with this id, None where there is none."""
        ordinal = self.ordinal(entity)
        if ordinal is None:
            return None
        changed = self._entities.get(ordinal)
        return self.base.record(entity) if changed is None else changed.record

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
