"""Agreement of a candidate with those of the other mentions of its window: in the KB's relations, and in meaning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.candidates import CandidateTable
from model.encoder import unit
from model.mention_vectors import MentionVectors, cosine
from model.protocols import EntityStore, FloatArray, IntArray

TOP_FOR_CONTEXT = 3  # candidates by which a mention speaks for the others' coherence
MAX_NEIGHBOURS = 400


def coherence_features(
    column: dict[str, FloatArray],
    table: CandidateTable,
    vectors: MentionVectors,
    entity_vectors: FloatArray,
    store: EntityStore,
) -> None:
    """Agreement with the other mentions of the window: relations in the KB, and nearness of meaning.

    Args:
        entity_vectors: unit vectors (candidates x 384) of title and description together.
    """
    window_of = vectors.window_of - vectors.window_of[0]
    windows = window_of[table.mention]
    weight = column["prior"] * (_rank_within(table.mention, column["log_prior"]) < TOP_FOR_CONTEXT)
    by_mention = sums_by_group(entity_vectors * weight[:, None], table.mention, table.mentions)
    by_window = sums_by_group(by_mention, window_of, int(window_of[-1]) + 1)
    others = unit(by_window[windows] - by_mention[table.mention])
    column["coherence"][:] = cosine(entity_vectors, others)
    column["meaning"][:] = cosine(entity_vectors, vectors.query[table.mention])
    positions, neighbours = store.neighbours(table.ordinal, MAX_NEIGHBOURS)
    strength = _relation_strength(table, windows, weight, positions, neighbours)
    column["relations"][:] = np.log1p(strength)
    column["related"][:] = strength > 0.1
    column["shared_neighbours"][:] = np.log1p(_shared(table, windows, weight, positions, neighbours, store))


def _relation_strength(
    table: CandidateTable, windows: IntArray, weight: FloatArray, positions: IntArray, neighbours: IntArray
) -> FloatArray:
    """Sum, for each candidate, the priors of other mentions' candidates that the KB relates it to."""
    strength = np.zeros(len(table.ordinal), dtype=np.float32)
    order = np.argsort(table.ordinal, kind="stable")
    ordered = table.ordinal[order]
    first = np.searchsorted(ordered, neighbours, side="left")
    last = np.searchsorted(ordered, neighbours, side="right")
    counts = last - first
    here = np.repeat(positions, counts).astype(np.int64)
    before = np.cumsum(counts) - counts
    there = order[np.arange(len(here)) - np.repeat(before - first, counts)]
    seen = (windows[there] == windows[here]) & (table.mention[there] != table.mention[here])
    here, there = here[seen], there[seen]
    # An edge is seen from both ends, or from one where the other has too many.
    pairs = np.unique((np.minimum(here, there) << 32) + np.maximum(here, there))
    low, high = pairs >> 32, pairs & 0xFFFFFFFF
    np.add.at(strength, np.column_stack([low, high]).ravel(), weight[np.column_stack([high, low]).ravel()])
    return strength


def _shared(
    table: CandidateTable,
    windows: IntArray,
    weight: FloatArray,
    positions: IntArray,
    neighbours: IntArray,
    store: EntityStore,
) -> FloatArray:
    """Sum, for each candidate, the priors of other mentions' candidates that have a neighbour in common with it.

    A neighbour counts the less the more neighbours it has itself: two cities of one country have little in common
    (Adamic and Adar, 2003).
    """
    told = weight[positions] / np.log(2.0 + store.degrees(neighbours))
    by_window = _group_sums((windows[positions].astype(np.int64) << 32) + neighbours, told)
    by_mention = _group_sums((table.mention[positions].astype(np.int64) << 32) + neighbours, told)
    return np.bincount(positions, by_window - by_mention, minlength=len(table.ordinal)).clip(0).astype(np.float32)


def sums_by_group(rows: FloatArray, groups: IntArray, count: int) -> FloatArray:
    """Add up the rows of each group (count x columns); `groups` ascend, so that each group is one run of rows."""
    sums = np.zeros((count, rows.shape[1]), dtype=np.float32)
    if len(groups):
        firsts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        sums[groups[firsts]] = np.add.reduceat(rows, firsts, axis=0)
    return sums


def _group_sums(keys: npt.NDArray[np.int64], values: FloatArray) -> FloatArray:
    """Return for each element the sum of the values of all elements that have its key."""
    _, groups = np.unique(keys, return_inverse=True)
    return np.asarray(np.bincount(groups, values)[groups] if len(values) else values, dtype=np.float32)


def _rank_within(groups: IntArray, keys: FloatArray) -> IntArray:
    """Return each element's rank (0 is the largest key) within its group; groups come ascending."""
    order = np.lexsort((-keys, groups))
    starts = np.searchsorted(groups, groups[order], side="left")
    ranks = np.empty(len(groups), dtype=np.int32)
    ranks[order] = np.arange(len(groups)) - starts
    return ranks
