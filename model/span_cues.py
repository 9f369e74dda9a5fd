"""What the span head says of the stretches of a text that may be mentions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from model.protocols import FloatArray, IntArray
from model.span_head import SpanHead, span_log_probabilities, tagged_stretches, wordpiece_marks
from model.windows import EncodedText

SPAN_CUES = (
    "unread",
    "span_log_odds",
    "repeated_log_odds",
    "tagged",
    "inside_tagged",
    "inside_unknown",
    "across_tagged",
)
MOST = 8.0  # log odds: surer than this, the head is not to be trusted


@dataclass(frozen=True, slots=True)
class SpanReading:
    """The span head's reading of one text.

    Attributes:
        starts, ends: code point offsets of the wordpieces.
        logs: log probabilities of their tags (wordpieces x 3).
        stretches: wordpieces [first, last) of each stretch that the likeliest tags mark as a mention.
    """

    starts: IntArray
    ends: IntArray
    logs: FloatArray
    stretches: list[tuple[int, int]]

    def marked(self) -> list[tuple[int, int]]:
        """Return the code points [start, end) of the stretches."""
        return [(int(self.starts[first]), int(self.ends[last - 1])) for first, last in self.stretches]

    def cues(self, text: str, starts: IntArray, ends: IntArray, known: Collection[tuple[int, int]]) -> FloatArray:
        """Return what is said of spans (spans x SPAN_CUES).

        Args:
            known: the spans that are aliases. A name inside a marked stretch that is none ("warship Vasa") may be one.
        """
        result = np.zeros((len(starts), len(SPAN_CUES)), dtype=np.float32)
        first = np.minimum(np.searchsorted(self.ends, starts, side="right"), len(self.ends) - 1)
        last = np.maximum(np.searchsorted(self.starts, ends, side="left"), first + 1)
        logs = span_log_probabilities(self.logs, first.astype(np.int32), last.astype(np.int32)).astype(np.float64)
        odds = logs - np.log(np.maximum(-np.expm1(np.minimum(logs, -1e-9)), 1e-9))
        result[:, 1] = np.clip(odds, -MOST, MOST)
        result[:, 2] = _best_of_same(text, starts, ends, result[:, 1])
        stretch = np.full(len(self.starts) + 1, -1)
        for number, (begin, end) in enumerate(self.stretches):
            stretch[begin:end] = number
        marked = np.concatenate([[0], np.cumsum(stretch >= 0)])
        borders = set(self.stretches)
        same = np.array([pair in borders for pair in zip(first.tolist(), last.tolist(), strict=True)], dtype=np.bool_)
        inside = (stretch[first] >= 0) & (stretch[first] == stretch[last - 1]) & ~same
        unknown = np.array([span not in known for span in self.marked()], dtype=np.bool_)
        result[:, 3] = same
        result[:, 4] = inside
        result[inside, 5] = unknown[stretch[first[inside]]]
        result[:, 6] = (marked[last] > marked[first]) & ~same & ~inside
        return result


def read_spans(text: str, encoded: EncodedText, head: SpanHead) -> SpanReading:
    """Read a text."""
    logs = head.log_probabilities(encoded.hidden, wordpiece_marks(text, encoded.starts.tolist()))
    return SpanReading(encoded.starts, encoded.ends, logs, tagged_stretches(logs))


def unread(spans: int) -> FloatArray:
    """Return the cues where no head read the text (spans x SPAN_CUES)."""
    result = np.zeros((spans, len(SPAN_CUES)), dtype=np.float32)
    result[:, 0] = 1
    return result


def _best_of_same(text: str, starts: IntArray, ends: IntArray, odds: FloatArray) -> FloatArray:
    """Return for each span the best log odds among all with the same words: a name that stands alone once repeats."""
    surfaces = [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    best: dict[str, float] = {}
    for surface, value in zip(surfaces, odds.tolist(), strict=True):
        best[surface] = max(best.get(surface, -MOST), value)
    return np.array([best[surface] for surface in surfaces], dtype=np.float32)
