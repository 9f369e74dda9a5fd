"""Search in a snapshot: by exact name, by a similar name, by meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from kb.dense import DenseSearch
from kb.dense_gpu import empty_gpu_index
from kb.halves import singles
from kb.index.aliases import FUZZY_MIN_LENGTH, fuzzy_keys
from kb.index.words import telling, weights
from kb.matching import AliasMatches, match_aliases
from kb.normalise import normalise
from kb.records import EntityRecord
from kb.snapshot import Snapshot
from kb.sparse import IntArray, Rows
from kb.type_table import snapshot_types
from kb.words import found_rows, placed_word_hashes

HalfArray = npt.NDArray[np.float16]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

FUZZY_BUCKET = 3000
FUZZY_RESULTS = 5


class SnapshotSearch:
    """Candidates and entity data of one snapshot.

    Attributes:
        types_known: the types, by row.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._dense = DenseSearch(
            snapshot.folder / "dense.faiss",
            snapshot.title_vectors,
            snapshot.description_vectors,
            snapshot.description_rows,
            empty_gpu_index(snapshot.title_vectors.shape[1]),
        )
        self.types_known = snapshot_types(snapshot)
        self._word_weights = weights(snapshot.described, snapshot.word_counts)
        self._telling = telling(snapshot.described, snapshot.word_counts)

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change in the snapshot."""
        return self.snapshot.manifest.kb_version

    def match(self, text: str) -> AliasMatches:
        """Find the aliases in a text, from word boundary to word boundary."""
        return match_aliases([(self.snapshot.aliases, 0)], text)

    def alias_row(self, surface: str) -> int:
        """Return the row of the alias that `surface` is, or -1."""
        row = self.snapshot.aliases.get(normalise(surface))
        return -1 if row is None else int(row)

    def bearers(self, row: int) -> tuple[IntArray, IntArray]:
        """Return ordinals and counts of the entities that bear an alias, most frequent first."""
        start, end = self.snapshot.alias_offsets[row], self.snapshot.alias_offsets[row + 1]
        return self.snapshot.alias_entities[start:end], self.snapshot.alias_counts[start:end]

    def alias_statistics(self, rows: IntArray) -> IntArray:
        """Return the sum of counts and the four occurrence numbers of aliases (rows x 5)."""
        totals = self.snapshot.alias_totals[rows]
        return np.column_stack([totals, self.snapshot.alias_occurrences[rows].reshape(-1, 4)])

    def similar_aliases(self, surface: str) -> list[int]:
        """Return rows of aliases one slip away (two from 9 characters on), most similar first."""
        name = normalise(surface)
        rows = np.array(sorted(self.alike(name)), dtype=np.int32)
        names = [self.snapshot.aliases.restore_key(row) for row in rows.tolist()]
        return most_similar(name, rows, names, self.snapshot.alias_totals[rows])

    def alike(self, name: str) -> set[int]:
        """Return the rows of aliases that share a fuzzy key with a normalised name."""
        rows: set[int] = set()
        if len(name) >= FUZZY_MIN_LENGTH:
            # Keys of the array's own type: with another one numpy would convert the whole array first.
            keys = np.array(sorted(fuzzy_keys(name)), dtype=np.uint32)
            starts = np.searchsorted(self.snapshot.fuzzy_hashes, keys, side="left").tolist()
            ends = np.searchsorted(self.snapshot.fuzzy_hashes, keys, side="right").tolist()
            for start, end in zip(starts, ends, strict=True):
                if end - start <= FUZZY_BUCKET:
                    rows.update(self.snapshot.fuzzy_aliases[start:end].tolist())
        return rows

    def nearest(self, vectors: FloatArray, k: int, without: IntArray | None = None) -> tuple[IntArray, FloatArray]:
        """Return ordinals and inner products (queries x k) of the nearest entities; -1 where there are fewer.

        Args:
            without: ordinals of entities that are not to be found.
        """
        return self._dense.nearest(vectors, k, without)

    def entity_id(self, ordinal: int) -> str:
        """Return the entity's id."""
        return self.snapshot.entity_id(ordinal)

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        return self.snapshot.ordinal(entity)

    def record(self, entity: str) -> EntityRecord | None:
        """Return what an answer shows of the entity with this id, None where there is none."""
        ordinal = self.snapshot.ordinal(entity)
        return None if ordinal is None else self.snapshot.entity(ordinal)

    def labels(self, ordinals: IntArray) -> list[str]:
        """Return labels."""
        return self.snapshot.labels(ordinals)

    def names(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the names of entities as position in `ordinals` and alias row."""
        return self.snapshot.names.spread(ordinals)

    def popularity(self, ordinals: IntArray) -> IntArray:
        """Return how often each entity was linked."""
        return self.snapshot.popularity[ordinals]

    def titles(self, ordinals: IntArray) -> FloatArray:
        """Return unit title vectors (ordinals x 384)."""
        return singles(self.snapshot.title_vectors[ordinals])

    def descriptions(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit description vectors (ordinals x 384), and which entities have one."""
        rows = self.snapshot.description_rows[ordinals]
        present = rows >= 0
        vectors = np.zeros((len(ordinals), self.snapshot.title_vectors.shape[1]), dtype=np.float32)
        vectors[present] = singles(self.snapshot.description_vectors[rows[present]])
        return vectors, present

    def usage(self, ordinals: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the mean vectors of entities' links (ordinals x 384), and how many links those are."""
        rows = self.snapshot.usage_rows[ordinals]
        present = np.flatnonzero(rows >= 0)
        vectors = np.zeros((len(ordinals), self.snapshot.usage_vectors.shape[1]), dtype=np.float32)
        links = np.zeros(len(ordinals), dtype=np.int32)
        vectors[present] = singles(self.snapshot.usage_vectors[rows[present]])
        links[present] = self.snapshot.usage_links[rows[present]]
        return vectors, links

    def types(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit mean vectors (ordinals x 384) of type names, and which entities have any type."""
        return type_means(self.snapshot.entity_types, self.types_known.vectors, ordinals)

    def type_rows(self, types: Sequence[str]) -> set[int]:
        """Return the rows of these types and of all types below them."""
        return self.types_known.below(types)

    def has_type(self, ordinals: IntArray, rows: set[int]) -> BoolArray:
        """Tell which entities have one of the types in `rows`."""
        return with_member(self.snapshot.entity_types, ordinals, rows)

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        """Return edges as position in `ordinals` and neighbour's ordinal, for entities with at most `limit` of them."""
        return self.snapshot.neighbours.spread(ordinals, limit)

    def degrees(self, ordinals: IntArray) -> IntArray:
        """Return how many neighbours each entity has."""
        return self.snapshot.neighbours.lengths(ordinals)

    def word_rows(self, text: str) -> tuple[IntArray, IntArray]:
        """Return the words of a text that the index knows, in its order, and the code points at which they start."""
        hashes, starts = placed_word_hashes(text)
        rows = found_rows(self.snapshot.word_hashes, hashes)
        kept = telling_words(rows, self._telling)
        return rows[kept], starts[kept]

    def words(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the words of entities as position in `ordinals` and word."""
        positions, members = self.snapshot.words.spread(ordinals)
        kept = self._telling[members]
        return positions[kept], members[kept]

    def word_weights(self, words: IntArray) -> FloatArray:
        """Return how much each word tells (inverse document frequency)."""
        return self._word_weights[words]


def most_similar(name: str, rows: IntArray, names: Sequence[str], totals: IntArray) -> list[int]:
    """Return those of `rows` whose names are a slip or two from `name`, most similar first, then most frequent."""
    allowed = 1 if len(name) < 9 else 2
    distances = cpdist([name] * len(names), names, scorer=OSA.distance, score_cutoff=allowed)
    order = sorted(
        np.flatnonzero(distances <= allowed).tolist(), key=lambda at: (distances[at], -totals[at], names[at])
    )
    return [int(rows[at]) for at in order[:FUZZY_RESULTS]]


def telling_words(rows: IntArray, telling: BoolArray) -> BoolArray:
    """Tell which of a text's words an index knows (rows from 0 on) and are worth looking at."""
    return np.asarray((rows >= 0) & telling[rows]) if len(telling) else rows >= 0


def type_means(entity_types: Rows, type_vectors: HalfArray, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return unit mean vectors (ordinals x 384) of entities' types, and which have any."""
    positions, members = entity_types.spread(ordinals)
    vectors = np.zeros((len(ordinals), type_vectors.shape[1]), dtype=np.float32)
    present = np.zeros(len(ordinals), dtype=np.bool_)
    if len(positions):
        present[positions] = True
        # Positions come sorted, so each entity's types are one run.
        firsts = np.flatnonzero(np.r_[True, positions[1:] != positions[:-1]])
        sums = np.add.reduceat(singles(type_vectors[members]), firsts, axis=0)
        vectors[positions[firsts]] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return vectors, present


def with_member(lists: Rows, rows: IntArray, wanted: set[int]) -> BoolArray:
    """Tell which of `rows` have one of `wanted` as a member."""
    positions, members = lists.spread(rows)
    result = np.zeros(len(rows), dtype=np.bool_)
    result[positions[np.isin(members, list(wanted))]] = True
    return result
