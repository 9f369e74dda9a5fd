"""Cutting a text into windows that the encoder can take, and putting the encoded windows together again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from model.encoder import Encoder, FloatArray, Wordpieces

WINDOW = 254  # wordpieces, special tokens not counted
CONTEXT = 24  # wordpieces of the neighbouring windows that a window sees on either side
SHORT = 8  # wordpieces of a paragraph that is read with the next one
# A blank line, or a line break after a full stop: a line that is merely broken to fit a page goes on.
PARAGRAPH_END = re.compile(r"""[.!?…]["'”’)\]]*[^\S\n]*\n\s*|\n\s*\n\s*""")
SENTENCE_END = re.compile(r"""[.!?…]["'”’)\]]*\s+|\n+""")

IntArray = npt.NDArray[np.int32]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Window:
    """A run of wordpieces: `start`:`end` is encoded, `core_start`:`core_end` is what the window answers for."""

    start: int
    end: int
    core_start: int
    core_end: int


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text's contextual vectors.

    Attributes:
        starts, ends: code point offsets of each wordpiece.
        hidden: wordpieces x 384, each from the window that answers for it.
        window_of: which window answers for each wordpiece.
        window_vectors: windows x 384, the mean over each window (not scaled to unit length).
        seen_from, seen_to: for each window, the wordpieces that it sees, its context included.
    """

    starts: IntArray
    ends: IntArray
    hidden: FloatArray
    window_of: IntArray
    window_vectors: FloatArray
    seen_from: IntArray
    seen_to: IntArray


def in_batches(items: Sequence[Item], characters: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """Yield items, in order, in batches of at most so many characters; one with more is a batch by itself."""
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and size + characters(item) > most:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += characters(item)
    if batch:
        yield batch


def encode(encoder: Encoder, texts: Sequence[str]) -> list[EncodedText | None]:
    """Encode texts window by window; None for one without wordpieces."""
    pieces = encoder.wordpieces(texts)
    cuts = [split(text, piece) for text, piece in zip(texts, pieces, strict=True)]
    sequences = [piece.ids[cut.start : cut.end] for piece, parts in zip(pieces, cuts, strict=True) for cut in parts]
    hidden = iter(encoder.hidden(sequences))
    return [
        join(piece, parts, [next(hidden) for _ in parts]) if parts else None
        for piece, parts in zip(pieces, cuts, strict=True)
    ]


def split(text: str, pieces: Wordpieces) -> list[Window]:
    """Cut a text into windows; every wordpiece is in exactly one core.

    A text that fits is one window. Otherwise each paragraph is encoded as if it stood alone, so that what a paragraph
    links to does not depend on those around it; one with fewer than `SHORT` wordpieces (a heading, a number) is read
    with the next. A paragraph that does not fit is cut at sentence ends where it can be, and the windows on both sides
    of such a cut see some wordpieces of each other.
    """
    count = len(pieces.ids)
    if count <= WINDOW:
        return [Window(0, count, 0, count)] if count else []
    sentences = _first_pieces(SENTENCE_END, text, pieces)
    windows: list[Window] = []
    start = 0
    for end in [*_first_pieces(PARAGRAPH_END, text, pieces).tolist(), count]:
        if end - start >= SHORT or end == count:
            windows.extend(_split_paragraph(start, end, sentences))
            start = end
    return windows


def _split_paragraph(start: int, stop: int, sentences: IntArray) -> Iterator[Window]:
    """Yield the windows of a paragraph; where one ends depends on the paragraph before that point only."""
    before = 0
    while start < stop:
        room = WINDOW - before
        if stop - start <= room:
            yield Window(start - before, stop, start, stop)
            return
        end = start + room - CONTEXT
        at = int(np.searchsorted(sentences, end, side="right")) - 1
        if at >= 0 and sentences[at] > start + room // 2:
            end = int(sentences[at])
        yield Window(start - before, min(stop, end + CONTEXT), start, end)
        start, before = end, CONTEXT


def _first_pieces(ending: re.Pattern[str], text: str, pieces: Wordpieces) -> IntArray:
    """Return the wordpieces with which something new starts after each match of `ending`."""
    ends = np.array([match.end() for match in ending.finditer(text)], dtype=np.int64)
    starts = np.array([start for start, _ in pieces.offsets], dtype=np.int64)
    return np.unique(np.searchsorted(starts, ends)).astype(np.int32)


def join(pieces: Wordpieces, windows: list[Window], hidden: list[FloatArray]) -> EncodedText:
    """Put encoded windows together; `hidden` holds (wordpieces + 2) x 384 for each, special tokens first and last."""
    offsets = np.array(pieces.offsets, dtype=np.int32).reshape(-1, 2)
    parts = [
        states[1 + window.core_start - window.start : 1 + window.core_end - window.start]
        for window, states in zip(windows, hidden, strict=True)
    ]
    return EncodedText(
        starts=offsets[:, 0],
        ends=offsets[:, 1],
        hidden=np.concatenate(parts),
        window_of=np.repeat(
            np.arange(len(windows), dtype=np.int32), [window.core_end - window.core_start for window in windows]
        ),
        window_vectors=np.stack([states.mean(axis=0) for states in hidden]),
        seen_from=np.array([window.start for window in windows], dtype=np.int32),
        seen_to=np.array([window.end for window in windows], dtype=np.int32),
    )
