"""What the text says of a mention: the contextual vectors of its words and of those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
        window_of: its window; those of several texts are counted through.
        first, last: its first wordpiece, and the one after its last, in its text.
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
    return vectors_of_texts([(encoded, starts, ends)], head)


def vectors_of_texts(
    texts: Sequence[tuple[EncodedText, Sequence[int], Sequence[int]]], head: QueryHead | None = None
) -> MentionVectors:
    """Compute the vectors of all mentions of some texts at once; a text's mentions get the same ones as alone.

    Args:
        texts: contextual vectors, and where the mentions start and end.
    """
    seen = _Seen(*map(np.concatenate, zip(*(_seen(*text) for text in texts), strict=True)))
    windows = np.cumsum([0, *(len(encoded.window_vectors) for encoded, _, _ in texts)])
    before = np.repeat(windows[:-1], [len(starts) for _, starts, _ in texts])
    own, local = unit(seen.own), unit(seen.local)
    query, typed = unit(own + 0.5 * local + 0.5 * seen.window), np.zeros_like(own)
    if head is not None:
        query, typed = head.read(np.stack([own, local, seen.window, seen.opening, seen.closing], axis=1), query)
    window_of = (seen.window_of + before).astype(np.int32)
    return MentionVectors(own, local, seen.window, query, typed, window_of, seen.first, seen.last)


class _Seen(NamedTuple):
    """What is seen of mentions.

    Attributes:
        own, local: sums of the vectors of its wordpieces, and of those around (mentions x 384).
        window: the unit vector of its window.
        opening, closing: the vectors of its first and of its last wordpiece.
        first, last, window_of: as in `MentionVectors`, the windows of each text counted from 0 on.
    """

    own: FloatArray
    local: FloatArray
    window: FloatArray
    opening: FloatArray
    closing: FloatArray
    first: IntArray
    last: IntArray
    window_of: IntArray


def _seen(encoded: EncodedText, starts: Sequence[int], ends: Sequence[int]) -> _Seen:
    count = len(encoded.ends)
    first = np.clip(np.searchsorted(encoded.ends, starts, side="right"), 0, count - 1)
    last = np.clip(np.searchsorted(encoded.starts, ends, side="left"), first + 1, np.minimum(first + WINDOW, count))
    window_of = encoded.window_of[first]
    before = np.maximum(first - LOCAL, encoded.seen_from[window_of])
    after = np.minimum(last + LOCAL, encoded.seen_to[encoded.window_of[last - 1]])
    return _Seen(
        _sums(encoded.hidden, first, last),
        _sums(encoded.hidden, before, after),
        unit(encoded.window_vectors)[window_of],
        encoded.hidden[first],
        encoded.hidden[last - 1],
        first.astype(np.int32),
        last.astype(np.int32),
        window_of,
    )


def mention_views(encoded: EncodedText, vectors: MentionVectors) -> FloatArray:
    """Return all that is known of mentions by their places in the text (mentions x 5 x 384)."""
    edges = encoded.hidden[vectors.first], encoded.hidden[vectors.last - 1]
    return np.stack([vectors.own, vectors.local, vectors.window, *edges], axis=1)


def _sums(hidden: FloatArray, first: npt.NDArray[np.intp], last: npt.NDArray[np.intp]) -> FloatArray:
    """Add up stretches of rows; differences of running sums would lose the last digits of a long text's vectors."""
    stretches = zip(first.tolist(), last.tolist(), strict=True)
    return np.array([hidden[start:end].sum(axis=0) for start, end in stretches], dtype=np.float32).reshape(
        -1, hidden.shape[1]
    )


def cosine(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the inner products of rows, which are their cosines where both have unit length or are zero."""
    return np.asarray(np.einsum("ij,ij->i", left, right), dtype=np.float32)
