"""Mention detection: which stretches of a text name an entity.

Candidates are the aliases that occur in the text, and runs of capitalised words that are no alias (an entity that the
KB may not know). Each gets a probability from a logistic model over cheap cues, link probability above all: how often
an alias is a link in the documents in which it occurs (keyphraseness: Mihalcea and Csomai, 2007). Of overlapping spans
the best set is kept.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log1p

import numpy as np
import numpy.typing as npt

from model.protocols import AliasMatches, CandidateSource, FloatArray, IntArray
from model.span_cues import SPAN_CUES, SpanReading, unread

FEATURES = (
    "bias",
    "link_log_odds",
    "seen",
    "log_count",
    "capitalised",
    "capitalised_in_sentence",
    "all_capitals",
    "lower",
    "words",
    "single_word",
    "starts_sentence",
    "number",
    "common_word",
    "part_of_name",
    "no_alias",
    "unseen_lower",
    "function_word",
    "article",
    *SPAN_CUES,
)
# A run of capitalised words, joined by the small words that names contain. It may go over one line break. A full stop
# ends it unless it belongs to an abbreviation ("St. Paul", "J. R. R. Tolkien").
_UPPER = "[A-ZÀ-ÖØ-Þ]"
_WORD = rf"(?:(?:{_UPPER}\w?\.|(?:{_UPPER}\.){{2,}})(?=[^\S\n])|{_UPPER}(?:[\w'’&-]|\.(?=\w))*)"
_GAP = r"(?:[^\S\n]+(?:\n[^\S\n]*)?|\n[^\S\n]*)"
NAME = re.compile(rf"\b{_WORD}(?:{_GAP}(?:(?:of|the|de|la|van|von|der|and|&){_GAP})?{_WORD})*")
WORD = re.compile(r"\w+")
ARTICLE = re.compile(r"(?:the|a|an)\s+", re.IGNORECASE)
SENTENCE_START = re.compile(r"(?:(?:^|\n)\W*|[.!?…:]['\"”’)\]]*\s+['\"“‘«(\[]*|[-–—•*]\s+)$")
PARAGRAPH_BREAK = re.compile(r"\n\s*\n")
# fmt: off
FUNCTION_WORDS = frozenset([
    "a", "an", "the", "of", "in", "on", "at", "by", "for", "to", "from", "with", "and", "or", "but", "as", "is",
    "are", "was", "were", "be", "been", "being", "he", "she", "it", "they", "we", "you", "i", "his", "her", "its",
    "their", "our", "your", "my", "me", "him", "them", "us", "this", "that", "these", "those", "there", "here", "who",
    "whom", "whose", "which", "what", "when", "where", "why", "how", "not", "no", "nor", "so", "if", "then", "than",
    "too", "very", "can", "will", "just", "should", "would", "could", "may", "might", "must", "do", "does", "did",
    "has", "have", "had", "more", "most", "some", "any", "all", "both", "each", "few", "other", "such", "only", "own",
    "same", "also", "into", "over", "under", "after", "before", "between", "during", "about", "against", "out", "up",
    "down", "off", "again", "further", "once", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "first", "second", "third", "new", "old",
])
# fmt: on


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of one text.

    Attributes:
        starts, ends: code point offsets.
        rows: the alias that each is, or -1.
        scores: probability that each is a mention.
    """

    starts: IntArray
    ends: IntArray
    rows: IntArray
    scores: FloatArray

    def take(self, chosen: Sequence[int] | IntArray) -> Spans:
        """Return some of the spans."""
        index = np.asarray(chosen, dtype=np.int64)
        return Spans(self.starts[index], self.ends[index], self.rows[index], self.scores[index])


def propose(text: str, source: CandidateSource, reading: SpanReading | None = None) -> Spans:
    """Find the spans that may be mentions; their scores are still zero."""
    matches = source.match(text)
    if PARAGRAPH_BREAK.search(text):
        matches = _inside_paragraphs(text, matches)
    known = set(zip(matches.starts.tolist(), matches.ends.tolist(), strict=True))
    names = [match.span() for match in NAME.finditer(text)]
    read = [] if reading is None else [span for span in reading.marked() if _is_one_name(text, *span)]
    trimmed = dict.fromkeys((start, _trim(text, start, end)) for start, end in names + read)
    extra = [span for span in trimmed if span not in known]
    starts = np.concatenate([matches.starts, np.array([start for start, _ in extra], dtype=np.int32)])
    ends = np.concatenate([matches.ends, np.array([end for _, end in extra], dtype=np.int32)])
    rows = np.concatenate([matches.rows, np.full(len(extra), -1, dtype=np.int32)])
    return Spans(starts, ends, rows, np.zeros(len(rows), dtype=np.float32))


def _inside_paragraphs(text: str, matches: AliasMatches) -> Spans:
    """Leave out the matches that begin in one paragraph and end in the next."""
    spans = Spans(matches.starts, matches.ends, matches.rows, np.zeros(len(matches.rows), dtype=np.float32))
    pairs = zip(matches.starts.tolist(), matches.ends.tolist(), strict=True)
    return spans.take([at for at, (start, end) in enumerate(pairs) if not PARAGRAPH_BREAK.search(text, start, end)])


def _is_one_name(text: str, start: int, end: int) -> bool:
    """Tell whether a stretch begins and ends as a name does: with a word that is no lower-case one."""
    words = WORD.findall(text, start, end)
    return (
        bool(words)
        and not (words[0][0].islower() or words[-1][0].islower())
        and not PARAGRAPH_BREAK.search(text, start, end)
    )


def _trim(text: str, start: int, end: int) -> int:
    """Return the end of a name without a possessive or full stop at its end."""
    name = text[start:end]
    for ending in ("'s", "’s", "'", "’", ".", "-"):
        if name.endswith(ending) and len(name) > len(ending):
            return end - len(ending)
    return end


def features(
    text: str,
    spans: Spans,
    source: CandidateSource,
    word_ranks: dict[str, int],
    own: IntArray | None = None,
    reading: SpanReading | None = None,
) -> FloatArray:
    """Return the cues of spans (spans x FEATURES).

    Args:
        own: what this very text added to the aliases' statistics (spans x 5), to be left out when it is learned from.
        reading: what the span head says of the text, where there is one.
        word_ranks: lower-case words of the encoder's vocabulary with their rank; it is ordered by frequency.
    """
    count = len(spans.rows)
    result = np.zeros((count, len(FEATURES)), dtype=np.float32)
    if not count:
        return result
    known = spans.rows >= 0
    statistics = np.zeros((count, 5), dtype=np.int64)
    statistics[known] = source.alias_statistics(spans.rows[known])
    if own is not None:
        statistics = np.maximum(statistics - own, 0)
    names = [match.span() for match in NAME.finditer(text)]
    name_starts = [start for start, _ in names]
    starts_sentence: dict[int, bool] = {}
    cues: list[list[float]] = []
    pairs = zip(spans.starts.tolist(), spans.ends.tolist(), statistics.tolist(), strict=True)
    for start, end, numbers in pairs:
        if start not in starts_sentence:
            starts_sentence[start] = bool(SENTENCE_START.search(text, max(0, start - 8), start))
        at = bisect_right(name_starts, start) - 1
        inside = at >= 0 and end <= names[at][1] and (end - start) < 0.9 * (names[at][1] - names[at][0])
        cues.append(_cues(text[start:end], starts_sentence[start], inside, numbers, word_ranks))
    result[:, : -len(SPAN_CUES)] = cues
    aliases = set(zip(spans.starts[known].tolist(), spans.ends[known].tolist(), strict=True))
    result[:, -len(SPAN_CUES) :] = (
        unread(count) if reading is None else reading.cues(text, spans.starts, spans.ends, aliases)
    )
    result[:, FEATURES.index("no_alias")] = ~known
    return result


def common_words(cues: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which spans are common words in lower case that no document is known to have linked: they name nothing."""
    names = ("unseen_lower", "single_word", "common_word")
    return np.asarray(np.all([cues[:, FEATURES.index(name)] > 0 for name in names], axis=0))


def _cues(
    surface: str, starts_sentence: bool, inside: bool, statistics: list[int], word_ranks: dict[str, int]
) -> list[float]:
    total, upper_seen, upper_links, lower_seen, lower_links = statistics
    lowered = surface.lower()
    upper = surface != lowered
    seen, links = (upper_seen, upper_links) if upper else (lower_seen, lower_links)
    words = WORD.findall(lowered)
    first_upper = surface[:1].isupper()
    rank = word_ranks.get(lowered) if len(words) == 1 else None
    number = not any(map(str.isalpha, surface))
    return [
        1.0,
        log((links + 0.2) / (max(seen - links, 0) + 2.0)) if seen else 0.0,
        seen > 0,
        log1p(total),
        first_upper,
        first_upper and not starts_sentence,
        upper and len(surface) > 1 and surface.isupper(),
        not upper and not number,
        log1p(len(words)),
        len(words) == 1,
        starts_sentence,
        number,
        0.0 if rank is None else log(30522 / (rank - 990)) if rank > 996 else 3.0,
        inside,
        0.0,
        not upper and not seen and not number,
        all(word in FUNCTION_WORDS for word in words),
        ARTICLE.match(surface) is not None,
    ]


def best_disjoint(spans: Spans, weights: FloatArray) -> list[int]:
    """Return the positions of non-overlapping spans whose weights have the largest sum, in text order.

    Spans with a weight of zero or less are never chosen. (Weighted interval scheduling.)
    """
    order = [index for index in np.argsort(spans.ends, kind="stable").tolist() if weights[index] > 0]
    ends = spans.ends[order]
    before = np.searchsorted(ends, spans.starts[order], side="right")
    best = [0.0] * (len(order) + 1)
    for position, index in enumerate(order):
        best[position + 1] = max(best[position], best[int(before[position])] + float(weights[index]))
    chosen: list[int] = []
    position = len(order)
    while position > 0:
        index = order[position - 1]
        if best[position] == best[position - 1]:
            position -= 1
        else:
            chosen.append(index)
            position = int(before[position - 1])
    return chosen[::-1]
