"""The learned part of mention detection: for each wordpiece, whether a mention begins at it, goes on, or neither.

A small network reads the encoder's vectors, which know nothing of upper and lower case, beside the shapes of the words
(BIO tagging: Ramshaw and Marcus, 1995).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model.encoder_weights import HIDDEN_SIZE
from model.protocols import FloatArray, IntArray

OUTSIDE, BEGIN, INSIDE = range(3)
OTHER, LOWER, CAPITALISED, CAPITALS, MIXED, NUMBER = range(6)  # what a word looks like
SHAPES = 6
MARKS = SHAPES + 2  # of a wordpiece: its word's shape, whether it begins the word, whether it begins a sentence
SPAN_HIDDEN = 128
SPAN_SHAPES = {
    "span.inner.weight": (SPAN_HIDDEN, HIDDEN_SIZE + 3 * MARKS),
    "span.inner.bias": (SPAN_HIDDEN,),
    "span.outer.weight": (3, SPAN_HIDDEN),
    "span.outer.bias": (3,),
}
_WORD = re.compile(r"\w+")
_BREAK = re.compile(r"[.!?…:]['\"”’)\]]*\s+\W*$|\n\W*$|^\W*$")


def wordpiece_marks(text: str, starts: Sequence[int]) -> FloatArray:
    """Return what the text's writing says of each wordpiece and its two neighbours (wordpieces x 3 MARKS).

    Args:
        starts: code points at which the wordpieces start, ascending.
    """
    own = np.zeros((len(starts) + 2, MARKS), dtype=np.float32)  # a row of zeros before the first and after the last
    places = np.asarray(starts, dtype=np.int64)
    # One more word behind the text, for wordpieces that are behind all words.
    begins, ends, shapes, breaks = np.array([*_words(text), (len(text), len(text) + 1, OTHER, False)]).T
    word = np.searchsorted(ends[:-1], places, side="right")
    inside = np.flatnonzero(begins[word] <= places)
    word, rows = word[inside], inside + 1
    own[1:-1, OTHER] = 1
    own[rows, OTHER] = 0
    own[rows, shapes[word]] = 1
    own[rows, SHAPES] = begins[word] == places[inside]
    own[rows, SHAPES + 1] = breaks[word]
    return np.concatenate([own[:-2], own[1:-1], own[2:]], axis=1)


def _words(text: str) -> Iterator[tuple[int, int, int, bool]]:
    """Yield where each word starts and ends, its shape, and whether a sentence or line begins with it."""
    before = 0
    for match in _WORD.finditer(text):
        start, end = match.span()
        # A space alone is what most words come after.
        begins = (start != before + 1 or text[before] != " ") and _BREAK.search(text, before, start) is not None
        yield start, end, _shape(match[0]), begins or before == 0
        before = end


@lru_cache(maxsize=65536)
def _shape(word: str) -> int:
    if word.islower():
        return LOWER
    if any(map(str.isdigit, word)):
        return NUMBER
    if word[:1].isupper():
        rest = word[1:]
        return CAPITALISED if not rest or rest.islower() else CAPITALS if word.isupper() else MIXED
    return MIXED if word.lower() != word else OTHER


@dataclass(frozen=True, slots=True)
class SpanHead:
    """The network, by the names in `SPAN_SHAPES`."""

    weights: Mapping[str, FloatArray]

    def log_probabilities(self, hidden: FloatArray, marks: FloatArray) -> FloatArray:
        """Return log probabilities (wordpieces x OUTSIDE, BEGIN, INSIDE).

        Args:
            hidden: the encoder's vectors (wordpieces x 384).
            marks: see `wordpiece_marks`.
        """
        inner = np.concatenate([hidden, marks], axis=1) @ self.weights["span.inner.weight"].T
        inner = np.maximum(inner + self.weights["span.inner.bias"], 0)
        logits = inner @ self.weights["span.outer.weight"].T + self.weights["span.outer.bias"]
        logits -= logits.max(axis=1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), dtype=np.float32)


def span_log_probabilities(logs: FloatArray, first: IntArray, last: IntArray) -> FloatArray:
    """Return the log probability that each stretch of wordpieces [first, last) is a mention, from that of its parts.

    Args:
        logs: wordpieces x (OUTSIDE, BEGIN, INSIDE).
    """
    inside = np.concatenate([[0.0], np.cumsum(logs[:, INSIDE], dtype=np.float64)])
    ends = np.log(np.maximum(-np.expm1(np.append(logs[:, INSIDE], -np.inf).astype(np.float64)), 1e-9))
    result = logs[first, BEGIN] + inside[last] - inside[first + 1] + ends[last]
    return np.asarray(result, dtype=np.float32)


def tagged_stretches(logs: FloatArray) -> list[tuple[int, int]]:
    """Return the stretches of wordpieces [first, last) that the likeliest tags mark as mentions."""
    tags = logs.argmax(axis=1).tolist()
    stretches: list[tuple[int, int]] = []
    start: int | None = None
    for row, tag in enumerate([*tags, OUTSIDE]):
        if tag != INSIDE and start is not None:
            stretches.append((start, row))
            start = None
        if tag == BEGIN:
            start = row
    return stretches
