"""What each wordpiece of a labelled document teaches mention detection, and what its writing looks like.

Where not every mention is marked, a word teaches that it is none only where that is safe: words in lower case, function
words at the start of a sentence, and the words beside a mention. Everything else that is not marked teaches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from model.evaluation.corpus import NEUTRAL_KINDS, LabelledDocument
from model.span_head import BEGIN, INSIDE, MARKS, OUTSIDE, SHAPES, wordpiece_marks
from model.writing import ARTICLE, FUNCTION_WORDS

UNKNOWN = -1
_WORD = re.compile(r"\w+")
_TABLES = "wiki-table"  # of its cells only those that are links are marked, capitalised or not


def wordpiece_marks_of(text: str, starts: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return `wordpiece_marks` of each wordpiece alone, in one number: shape + 8 x word start + 16 x sentence start."""
    own = wordpiece_marks(text, starts)[:, MARKS : 2 * MARKS]
    packed = own[:, :SHAPES].argmax(axis=1) + 8 * own[:, SHAPES] + 16 * own[:, SHAPES + 1]
    return np.asarray(packed, dtype=np.uint8)


def wordpiece_tags(
    document: LabelledDocument, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], exhaustive: bool
) -> npt.NDArray[np.int8]:
    """Return OUTSIDE, BEGIN, INSIDE or UNKNOWN for each wordpiece."""
    tags = np.full(len(starts), OUTSIDE, dtype=np.int8)
    if not exhaustive:
        if document.source == _TABLES:
            tags[:] = UNKNOWN
            return tags
        for word in _WORD.finditer(document.text):
            if not word[0].islower() and word[0].lower() not in FUNCTION_WORDS:
                tags[_stretch(starts, ends, word.start(), word.end())] = UNKNOWN
    for start, end in _repeats(document):
        tags[_stretch(starts, ends, start, end)] = UNKNOWN
    for mention in document.mentions:
        article = ARTICLE.match(document.text, mention.start, mention.end)
        part = _stretch(starts, ends, article.end() if article else mention.start, mention.end)
        named = exhaustive or not document.text[mention.start : mention.end].islower()
        if not named or mention.kind in NEUTRAL_KINDS or not document.covers(mention.start, mention.end):
            tags[part] = UNKNOWN
            continue
        beside = [row for row in (part.start - 1, part.stop) if 0 <= row < len(tags) and tags[row] == UNKNOWN]
        tags[beside] = OUTSIDE
        tags[part] = INSIDE
        tags[part.start] = BEGIN
    return tags


def _repeats(document: LabelledDocument) -> Iterator[tuple[int, int]]:
    """Yield where the words of a mention stand again: annotators pass over some repeats."""
    for surface in {document.text[mention.start : mention.end] for mention in document.mentions}:
        name = ARTICLE.sub("", surface)
        for match in re.finditer(rf"\b{re.escape(name)}\b", document.text):
            yield match.span()


def _stretch(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], start: int, end: int) -> slice:
    first = int(np.searchsorted(ends, start, side="right"))
    last = int(np.searchsorted(starts, end, side="left"))
    return slice(min(first, len(starts) - 1), max(last, first + 1))
