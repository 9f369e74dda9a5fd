"""Words that the KB uses of a candidate and that stand around the mention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.candidates import CandidateTable
from model.protocols import EntityStore, FloatArray, IntArray
from model.windows import EncodedText

NEAR = 100  # code points on either side of a mention

KeyArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DocumentWords:
    """The words of texts that the KB knows, in text order, and where mentions stand among them.

    Attributes:
        rows: which word each is.
        window_of: the window in which each is; those of several texts are counted through.
        own: first and last word of each mention (mentions x 2), the last not included.
        near: the same for the mention with its surroundings.
        mention_window: the window of each mention.
    """

    rows: IntArray
    window_of: IntArray
    own: IntArray
    near: IntArray
    mention_window: IntArray

    def of_mentions(self, first: int, last: int) -> DocumentWords:
        """Return the words with a run of mentions only."""
        return DocumentWords(
            self.rows, self.window_of, self.own[first:last], self.near[first:last], self.mention_window[first:last]
        )


def document_words(
    text: str,
    encoded: EncodedText,
    mention_window: IntArray,
    starts: Sequence[int],
    ends: Sequence[int],
    store: EntityStore,
) -> DocumentWords:
    """Look up the words of a text.

    Args:
        mention_window: the window of each mention.
        starts, ends: code point offsets of the mentions.
    """
    rows, places = store.word_rows(text)
    piece = np.clip(np.searchsorted(encoded.starts, places, side="right") - 1, 0, None)
    edges = np.array([starts, ends], dtype=np.int64).T
    around = np.array([-NEAR, NEAR])
    return DocumentWords(
        rows=rows,
        window_of=encoded.window_of[piece],
        own=np.searchsorted(places, edges).astype(np.int32),
        near=np.searchsorted(places, edges + around).astype(np.int32),
        mention_window=mention_window,
    )


def words_of_texts(parts: Sequence[DocumentWords], windows: Sequence[int]) -> DocumentWords:
    """Put the words of texts together.

    Args:
        parts: the words of each text, with its windows counted from 0 on.
        windows: how many windows there are before each text.
    """
    before = np.cumsum([0, *(len(part.rows) for part in parts)]).tolist()
    return DocumentWords(
        rows=np.concatenate([part.rows for part in parts]),
        window_of=np.concatenate([part.window_of + first for part, first in zip(parts, windows, strict=True)]),
        own=np.concatenate([part.own + words for part, words in zip(parts, before, strict=False)]),
        near=np.concatenate([part.near + words for part, words in zip(parts, before, strict=False)]),
        mention_window=np.concatenate(
            [part.mention_window + first for part, first in zip(parts, windows, strict=True)]
        ),
    )


def shared_word_features(
    column: dict[str, FloatArray], table: CandidateTable, words: DocumentWords, store: EntityStore
) -> None:
    """Weigh the words that candidates share with their window, the mention's own left out."""
    positions, members = store.words(table.ordinal)
    mention = table.mention[positions].astype(np.int64)
    by_mention, by_window = (mention << 32) + members, (words.mention_window[mention].astype(np.int64) << 32) + members
    windows = np.unique(words.mention_window)
    inside = np.isin(words.window_of, windows)
    told = store.word_weights(members) * _among(
        by_window, (words.window_of[inside].astype(np.int64) << 32) + words.rows[inside]
    )
    told[_among(by_mention, _keys(words, words.own))] = 0

    def total(weights: FloatArray) -> FloatArray:
        return np.log1p(np.bincount(positions, weights, minlength=len(table.ordinal))).astype(np.float32)

    column["shared_words"][:] = total(told)
    column["shared_words_near"][:] = total(told * _among(by_mention, _keys(words, words.near)))
    column["words_known"][:] = np.log1p(np.bincount(positions, minlength=len(table.ordinal)))


def _among(keys: KeyArray, few: KeyArray) -> npt.NDArray[np.bool_]:
    """Say which keys are among a few others; `np.isin` would sort them all."""
    if not len(few):
        return np.zeros(len(keys), dtype=np.bool_)
    few = np.sort(few)
    return np.asarray(few[np.minimum(np.searchsorted(few, keys), len(few) - 1)] == keys)


def _keys(words: DocumentWords, spans: IntArray) -> KeyArray:
    """Return (mention, word) of the words in each mention's span, as one number each."""
    lengths = spans[:, 1] - spans[:, 0]
    mention = np.repeat(np.arange(len(spans), dtype=np.int64), lengths)
    ends = np.cumsum(lengths)
    places = np.arange(int(lengths.sum())) - np.repeat(ends - lengths - spans[:, 0], lengths)
    inside = words.window_of[places] == words.mention_window[mention]
    return np.asarray((mention[inside] << 32) + words.rows[places[inside]], dtype=np.int64)
