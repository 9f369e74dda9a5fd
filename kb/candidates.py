"""Search in a snapshot: by exact name, by a similar name, by meaning."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from kb.index.aliases import FUZZY_MIN_LENGTH, fuzzy_keys
from kb.index.dense import PROBES
from kb.matching import AliasMatches, match_aliases
from kb.normalise import normalise
from kb.snapshot import IntArray, Snapshot
from kb.words import placed_word_hashes

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

FUZZY_BUCKET = 3000
FUZZY_RESULTS = 5


class SnapshotSearch:
    """Candidates and entity data of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._dense = faiss.read_index(str(snapshot.folder / "dense.faiss"), faiss.IO_FLAG_MMAP)
        if isinstance(self._dense, faiss.IndexIVF):
            self._dense.nprobe = PROBES
        self._type_index = {name: row for row, name in enumerate(snapshot.types)}

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change in the snapshot."""
        return self.snapshot.manifest.kb_version

    def match(self, text: str) -> AliasMatches:
        """Find the aliases in a text, from word boundary to word boundary."""
        return match_aliases(self.snapshot.aliases, text)

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
        if len(name) < FUZZY_MIN_LENGTH:
            return []
        allowed = 1 if len(name) < 9 else 2
        rows: set[int] = set()
        for key in fuzzy_keys(name):
            # A key of the array's own type: with another one numpy would convert the whole array first.
            start = np.searchsorted(self.snapshot.fuzzy_hashes, np.uint32(key), side="left")
            end = np.searchsorted(self.snapshot.fuzzy_hashes, np.uint32(key), side="right")
            if end - start <= FUZZY_BUCKET:
                rows.update(self.snapshot.fuzzy_aliases[start:end].tolist())
        found = np.array(sorted(rows), dtype=np.int32)
        aliases = [self.snapshot.aliases.restore_key(row) for row in found.tolist()]
        distances = cpdist([name] * len(aliases), aliases, scorer=OSA.distance, score_cutoff=allowed)
        order = np.lexsort((found, -self.snapshot.alias_totals[found], distances))
        return [int(found[at]) for at in order[:FUZZY_RESULTS] if distances[at] <= allowed]

    def nearest(self, vectors: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return ordinals and inner products (queries x k) of the nearest entities; -1 where there are fewer."""
        # A few queries are not worth more threads: those would wait busily for the next ones, on the cores that the
        # encoder wants. The setting is that of the calling thread.
        faiss.omp_set_num_threads(1)
        scores, ordinals = self._dense.search(np.ascontiguousarray(vectors, dtype=np.float32), k)
        return ordinals.astype(np.int32), scores

    def entity_id(self, ordinal: int) -> str:
        """Return the entity's id."""
        return self.snapshot.entity_id(ordinal)

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        return self.snapshot.ordinal(entity)

    def labels(self, ordinals: IntArray) -> list[str]:
        """Return labels."""
        return self.snapshot.labels(ordinals)

    def popularity(self, ordinals: IntArray) -> IntArray:
        """Return how often each entity was linked."""
        return self.snapshot.popularity[ordinals]

    def titles(self, ordinals: IntArray) -> FloatArray:
        """Return unit title vectors (ordinals x 384)."""
        return self.snapshot.title_vectors[ordinals].astype(np.float32)

    def descriptions(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit description vectors (ordinals x 384), and which entities have one."""
        rows = self.snapshot.description_rows[ordinals]
        present = rows >= 0
        vectors = np.zeros((len(ordinals), self.snapshot.title_vectors.shape[1]), dtype=np.float32)
        vectors[present] = self.snapshot.description_vectors[rows[present]]
        return vectors, present

    def types(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit mean vectors (ordinals x 384) of type names, and which entities have any type."""
        positions, members = _spread(self.snapshot.type_offsets, self.snapshot.type_rows, ordinals)
        vectors = np.zeros((len(ordinals), self.snapshot.title_vectors.shape[1]), dtype=np.float32)
        present = np.zeros(len(ordinals), dtype=np.bool_)
        if len(positions):
            present[positions] = True
            # Positions come sorted, so each entity's types are one run.
            firsts = np.flatnonzero(np.r_[True, positions[1:] != positions[:-1]])
            sums = np.add.reduceat(self.snapshot.type_vectors[members].astype(np.float32), firsts, axis=0)
            vectors[positions[firsts]] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        return vectors, present

    def type_rows(self, types: Sequence[str]) -> set[int]:
        """Return the rows of these types and of all types below them."""
        return {self._type_index[name] for name in self.snapshot.types_below(types) if name in self._type_index}

    def has_type(self, ordinals: IntArray, rows: set[int]) -> BoolArray:
        """Tell which entities have one of the types in `rows`."""
        positions, members = _spread(self.snapshot.type_offsets, self.snapshot.type_rows, ordinals)
        result = np.zeros(len(ordinals), dtype=np.bool_)
        result[positions[np.isin(members, list(rows))]] = True
        return result

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        """Return edges as position in `ordinals` and neighbour's ordinal, for entities with at most `limit` of them."""
        return _spread(self.snapshot.neighbour_offsets, self.snapshot.neighbours, ordinals, limit)

    def degrees(self, ordinals: IntArray) -> IntArray:
        """Return how many neighbours each entity has."""
        offsets = self.snapshot.neighbour_offsets
        return np.asarray(offsets[ordinals + 1] - offsets[ordinals], dtype=np.int32)

    def word_rows(self, text: str) -> tuple[IntArray, IntArray]:
        """Return the words of a text that the index knows, in its order, and the code points at which they start."""
        hashes, starts = placed_word_hashes(text)
        known = self.snapshot.word_hashes
        if not len(known):
            return starts[:0], starts[:0]
        rows = np.minimum(np.searchsorted(known, hashes), len(known) - 1).astype(np.int32)
        found = known[rows] == hashes
        return rows[found], starts[found]

    def words(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the words of entities as position in `ordinals` and word."""
        return _spread(self.snapshot.word_offsets, self.snapshot.words, ordinals)

    def word_weights(self, words: IntArray) -> FloatArray:
        """Return how much each word tells (inverse document frequency)."""
        return self.snapshot.word_weights[words]


def _spread(
    offsets: IntArray | npt.NDArray[np.int64], members: IntArray, rows: IntArray, limit: int | None = None
) -> tuple[IntArray, IntArray]:
    """Read rows of a compressed sparse matrix: for each member, its row's position in `rows`, and the member."""
    starts = offsets[rows].astype(np.int64)
    lengths = offsets[np.asarray(rows) + 1] - starts
    if limit is not None:
        lengths = np.where(lengths > limit, 0, lengths)
    total = int(lengths.sum())
    positions = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
    ends = np.cumsum(lengths)
    within = np.arange(total) - np.repeat(ends - lengths, lengths)
    return positions, members[np.repeat(starts, lengths) + within]
