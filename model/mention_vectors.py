"""What the text says of a mention: the contextual vectors of its words and of those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.adapter import QueryHead
from model.encoder import unit
from model.protocols import FloatArray, IntArray
from model.windows import WINDOW, EncodedText

LOCAL = 16  # wordpieces on either side of a mention


@dataclass(frozen=True, slots=True)
class MentionVectors:
    """What the text says of each mention.

    Attributes:
        own, local, window: unit vectors (mentions x 384) of its wordpieces, of its surroundings, of its window.
        query: unit vectors to look for the entities by.
        typed: unit vectors near to the names of the entities' types; zero where nothing was trained for it.
        window_of: its window.
        first, last: its first wordpiece, and the one after its last.
    """

    own: FloatArray
    local: FloatArray
    window: FloatArray
    query: FloatArray
    typed: FloatArray
    window_of: IntArray
    first: IntArray
    last: IntArray

    def of_mentions(self, first: int, last: int) -> MentionVectors:
        """Return the vectors of a run of mentions."""
        return MentionVectors(*(getattr(self, name)[first:last] for name in self.__slots__))


def mention_vectors(
    encoded: EncodedText, starts: Sequence[int], ends: Sequence[int], head: QueryHead | None = None
) -> MentionVectors:
    """Compute the vectors of mentions from a text's contextual vectors.

    Of a mention that is longer than a window, the first wordpieces speak for the whole. The surroundings end where a
    window sees nothing of the text beyond.
    """
    count = len(encoded.ends)
    first = np.clip(np.searchsorted(encoded.ends, starts, side="right"), 0, count - 1)
    last = np.clip(np.searchsorted(encoded.starts, ends, side="left"), first + 1, np.minimum(first + WINDOW, count))
    window_of = encoded.window_of[first]
    before = np.maximum(first - LOCAL, encoded.seen_from[window_of])
    after = np.minimum(last + LOCAL, encoded.seen_to[encoded.window_of[last - 1]])
    own, local = unit(_sums(encoded.hidden, first, last)), unit(_sums(encoded.hidden, before, after))
    window = unit(encoded.window_vectors)[window_of]
    query, typed = unit(own + 0.5 * local + 0.5 * window), np.zeros_like(own)
    if head is not None:
        query, typed = head.read(_views(encoded, own, local, window, first, last), query)
    return MentionVectors(
        own=own,
        local=local,
        window=window,
        query=query,
        typed=typed,
        window_of=window_of,
        first=first.astype(np.int32),
        last=last.astype(np.int32),
    )


def mention_views(encoded: EncodedText, vectors: MentionVectors) -> FloatArray:
    """Return all that is known of mentions by their places in the text (mentions x 5 x 384)."""
    return _views(encoded, vectors.own, vectors.local, vectors.window, vectors.first, vectors.last)


def _views(
    encoded: EncodedText,
    own: FloatArray,
    local: FloatArray,
    window: FloatArray,
    first: npt.NDArray[Any],
    last: npt.NDArray[Any],
) -> FloatArray:
    return np.stack([own, local, window, encoded.hidden[first], encoded.hidden[last - 1]], axis=1)


def _sums(hidden: FloatArray, first: npt.NDArray[np.intp], last: npt.NDArray[np.intp]) -> FloatArray:
    """Add up stretches of rows; differences of running sums would lose the last digits of a long text's vectors."""
    stretches = zip(first.tolist(), last.tolist(), strict=True)
    return np.array([hidden[start:end].sum(axis=0) for start, end in stretches], dtype=np.float32).reshape(
        -1, hidden.shape[1]
    )


def cosine(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the inner products of rows, which are their cosines where both have unit length or are zero."""
    return np.asarray(np.einsum("ij,ij->i", left, right), dtype=np.float32)
