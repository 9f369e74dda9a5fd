"""What the fusion network reads of one window of a text: arrays, the same in training and in answering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.candidates import CandidateTable
from model.coherence import MAX_NEIGHBOURS
from model.encoder_weights import HIDDEN_SIZE
from model.features import FeatureTable
from model.mention_vectors import MentionVectors, mention_views
from model.protocols import EntityStore, FloatArray, IntArray
from model.windows import EncodedText

CHANNELS = 3  # of an entity: title, description, types
EDGES = 2  # between candidates: a relation in the KB, neighbours in common
DISTANCES = 9  # buckets: 0 inside the mention, then 1, 2, 3-4, 5-8 ... wordpieces away
MOST_SHARING = 40  # candidates that have a neighbour in common: what more of them share says little

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """One window with M mentions, C candidates and T wordpieces.

    Attributes:
        first_mention, candidates: where its mentions start and which rows its candidates are in the document's table.
        mentions: M x VIEWS x 384.
        wordpieces: T x 384.
        distances: M x T, buckets.
        owner: for each candidate its mention, from 0.
        features: C x candidate features.
        nil: M x NIL features.
        channels: C x CHANNELS x 384, zero where absent; `present` (C x CHANNELS) says which are there.
        edges: C x C x EDGES.
    """

    first_mention: int
    candidates: slice
    mentions: FloatArray
    wordpieces: FloatArray
    distances: IntArray
    owner: IntArray
    features: FloatArray
    nil: FloatArray
    channels: FloatArray
    present: BoolArray
    edges: FloatArray


def window_inputs(
    encoded: EncodedText, vectors: MentionVectors, table: CandidateTable, values: FeatureTable, store: EntityStore
) -> Iterator[WindowInputs]:
    """Yield the inputs of each window of a document that has mentions, in text order."""
    views = mention_views(encoded, vectors)
    borders = np.r_[0, np.flatnonzero(np.diff(vectors.window_of)) + 1, len(vectors.window_of)]
    for first, last in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        rows = slice(*np.searchsorted(table.mention, [first, last]).tolist())
        pieces = np.flatnonzero(encoded.window_of == vectors.window_of[first])
        ordinals, owner = table.ordinal[rows], table.mention[rows] - first
        channels, present = entity_channels(ordinals, store)
        yield WindowInputs(
            first_mention=first,
            candidates=rows,
            mentions=views[first:last],
            wordpieces=encoded.hidden[pieces],
            distances=_distances(pieces, vectors.first[first:last], vectors.last[first:last]),
            owner=owner,
            features=values.candidates[rows],
            nil=values.nil[first:last],
            channels=channels,
            present=present,
            edges=candidate_edges(ordinals, owner, store),
        )


def entity_channels(ordinals: IntArray, store: EntityStore) -> tuple[FloatArray, BoolArray]:
    """Return the channel vectors of entities (ordinals x CHANNELS x 384), and which are there."""
    channels = np.zeros((len(ordinals), CHANNELS, HIDDEN_SIZE), dtype=np.float32)
    present = np.ones((len(ordinals), CHANNELS), dtype=np.bool_)
    channels[:, 0] = store.titles(ordinals)
    channels[:, 1], present[:, 1] = store.descriptions(ordinals)
    channels[:, 2], present[:, 2] = store.types(ordinals)
    return channels, present


def _distances(pieces: npt.NDArray[np.intp], first: IntArray, last: IntArray) -> IntArray:
    """Return how far each wordpiece is from each mention, as buckets (mentions x wordpieces)."""
    away = np.maximum(first[:, None] - pieces, pieces - last[:, None] + 1).clip(0)
    return np.asarray(np.ceil(np.log2(away + 1)).clip(0, DISTANCES - 1), dtype=np.int32)


def candidate_edges(ordinals: IntArray, owner: IntArray, store: EntityStore) -> FloatArray:
    """Return what the KB says of pairs of candidates of different mentions (candidates x candidates x EDGES).

    The first number is 1 where they are related; the second weighs the neighbours that they have in common, each the
    less the more neighbours it has itself (Adamic and Adar, 2003).
    """
    count = len(ordinals)
    edges = np.zeros((count, count, EDGES), dtype=np.float32)
    positions, neighbours = store.neighbours(ordinals, MAX_NEIGHBOURS)
    order = np.argsort(ordinals, kind="stable")
    first = np.searchsorted(ordinals[order], neighbours, side="left")
    counts = np.searchsorted(ordinals[order], neighbours, side="right") - first
    here = np.repeat(positions, counts)
    there = order[np.arange(len(here)) - np.repeat(np.cumsum(counts) - counts - first, counts)]
    edges[here, there, 0] = edges[there, here, 0] = 1
    _, column, shared = np.unique(neighbours, return_inverse=True, return_counts=True)
    telling = (shared[column] > 1) & (shared[column] <= MOST_SHARING)
    _, column = np.unique(column[telling], return_inverse=True)
    has = np.zeros((count, column.max(initial=-1) + 1), dtype=np.float32)
    has[positions[telling], column] = np.log(2.0 + store.degrees(neighbours[telling])) ** -0.5
    edges[..., 1] = np.log1p(has @ has.T)
    edges[owner[:, None] == owner[None, :]] = 0
    return edges
