"""Cutting a text into windows that the encoder can take, and putting the encoded windows together again."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.encoder import FloatArray, Wordpieces

WINDOW = 254  # wordpieces, special tokens not counted
CONTEXT = 24  # wordpieces of the neighbouring windows that a window sees on either side
SENTENCE_END = re.compile(r"""[.!?…]["'”’)\]]*\s+|\n+""")

IntArray = npt.NDArray[np.int32]


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
    """

    starts: IntArray
    ends: IntArray
    hidden: FloatArray
    window_of: IntArray
    window_vectors: FloatArray


def split(text: str, pieces: Wordpieces) -> list[Window]:
    """Cut a text into windows at sentence ends where it can be; every wordpiece is in exactly one core.

    A text that fits is one window. Otherwise cores are as long as leaves room for context on both sides, and end with
    the last sentence that fits, so that where a window ends depends on the text before it only.
    """
    count = len(pieces.ids)
    if count <= WINDOW:
        return [Window(0, count, 0, count)] if count else []
    breaks = _sentence_starts(text, pieces)
    windows: list[Window] = []
    core = WINDOW - 2 * CONTEXT
    start = 0
    while start < count:
        end = min(start + core, count)
        if end < count:
            at = int(np.searchsorted(breaks, end, side="right")) - 1
            if at >= 0 and breaks[at] > start + core // 2:
                end = int(breaks[at])
        windows.append(Window(max(0, start - CONTEXT), min(count, end + CONTEXT), start, end))
        start = end
    return windows


def _sentence_starts(text: str, pieces: Wordpieces) -> IntArray:
    """Return the wordpieces with which sentences or lines start."""
    ends = np.array([match.end() for match in SENTENCE_END.finditer(text)], dtype=np.int64)
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
    )
