"""Mention detection: which stretches of a text name an entity.

Candidates are the aliases that occur in the text, and runs of capitalised words that are no alias (an entity that the
KB may not know). Each gets a probability from a logistic model over cheap cues, link probability above all: how often
an alias is a link in the documents in which it occurs (keyphraseness: Mihalcea and Csomai, 2007). Of overlapping spans
the best set is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.protocols import AliasMatches, CandidateSource, FloatArray, IntArray
from model.span_cues import SPAN_CUES, SpanReading, unread
from model.writing import WORD, Writing, writing_of

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
_WORD = rf"(?:(?:{_UPPER}\.){{2,}}(?!\w)|{_UPPER}\w?\.(?=[^\S\n])|{_UPPER}(?:[\w'’&-]|\.(?=\w))*)"
_GAP = r"(?:[^\S\n]+(?:\n[^\S\n]*)?|\n[^\S\n]*)"
_NAME_WORD = re.compile(_WORD)
NAME = re.compile(rf"\b{_WORD}(?:{_GAP}(?:(?:of|the|de|la|van|von|der|and|&){_GAP})?{_WORD})*")
SENTENCE_START = re.compile(r"(?:(?:^|\n)\W*|[.!?…:]['\"”’)\]]*\s+['\"“‘«(\[]*|[-–—•*]\s+)$")
PARAGRAPH_BREAK = re.compile(r"\n\s*\n")
_INITIALS = re.compile(r"\b(?:\w\.){2,}$")
VOCABULARY = 30522  # of the encoder; its words come by falling frequency
FIRST_WORD = 996  # what stands before are signs and letters
UNRANKED = -1


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of one text.

    Attributes:
        starts, ends: code point offsets.
        rows: the alias that each is, or -1.
        scores: probability that each is a mention.
        cues: what speaks for each being one (spans x FEATURES); None where that was not asked.
    """

    starts: IntArray
    ends: IntArray
    rows: IntArray
    scores: FloatArray
    cues: FloatArray | None = None

    def take(self, chosen: Sequence[int] | IntArray) -> Spans:
        """Return some of the spans."""
        index = np.asarray(chosen, dtype=np.int64)
        cues = None if self.cues is None else self.cues[index]
        return Spans(self.starts[index], self.ends[index], self.rows[index], self.scores[index], cues)


def propose(text: str, source: CandidateSource, reading: SpanReading | None = None) -> Spans:
    """Find the spans that may be mentions; their scores are still zero."""
    matches = source.match(text)
    if PARAGRAPH_BREAK.search(text):
        matches = _inside_paragraphs(text, matches)
    known = set(zip(matches.starts.tolist(), matches.ends.tolist(), strict=True))
    names = list(names_in(text))
    read = [] if reading is None else [span for span in reading.marked() if _is_one_name(text, *span)]
    trimmed = dict.fromkeys((start, _trim(text, start, end)) for start, end in names + read)
    extra = [span for span in trimmed if span not in known]
    starts = np.concatenate([matches.starts, np.array([start for start, _ in extra], dtype=np.int32)])
    ends = np.concatenate([matches.ends, np.array([end for _, end in extra], dtype=np.int32)])
    rows = np.concatenate([matches.rows, np.full(len(extra), -1, dtype=np.int32)])
    return Spans(starts, ends, rows, np.zeros(len(rows), dtype=np.float32))


def names_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield the runs of capitalised words [start, end).

    A line that is nothing but a name is a heading: what follows it is another name. So is what says a word of the
    run again, its first or the one before ("Jeanne Moreau Jeanne Moreau Moreau was born").
    """
    for run in NAME.finditer(text):
        words: list[re.Match[str]] = []
        for word in _NAME_WORD.finditer(text, *run.span()):
            again = len(words) > 1 and word[0] in (words[0][0], words[-1][0]) and not word[0].endswith(".")
            if again or (words and _is_heading(text, words[0].start(), words[-1].end(), word.start())):
                yield words[0].start(), words[-1].end()
                words = []
            words.append(word)
        yield words[0].start(), run.end()


def _is_heading(text: str, start: int, end: int, following: int) -> bool:
    """Tell whether a stretch is all that stands in its line, if a line ends before what follows."""
    if "\n" not in text[end:following]:
        return False
    return not any(character.isalnum() for character in text[text.rfind("\n", 0, start) + 1 : start])


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
    """Return the end of a name without a possessive or full stop at its end; that of initials ("U.N.") stays."""
    name = text[start:end]
    if _INITIALS.search(name):
        return end
    for ending in ("'s", "’s", "'", "’", ".", "-"):
        if name.endswith(ending) and len(name) > len(ending):
            return end - len(ending)
    return end


def features(
    text: str,
    spans: Spans,
    source: CandidateSource,
    word_ranks: dict[str, int],
    reading: SpanReading | None = None,
) -> FloatArray:
    """Return the cues of spans (spans x FEATURES).

    Args:
        reading: what the span head says of the text, where there is one.
        word_ranks: lower-case words of the encoder's vocabulary with their rank; it is ordered by frequency.
    """
    count = len(spans.rows)
    result = np.zeros((count, len(FEATURES)), dtype=np.float32)
    if not count:
        return result
    column = {name: result[:, index] for index, name in enumerate(FEATURES)}
    known = spans.rows >= 0
    statistics = np.zeros((count, 5), dtype=np.int64)
    statistics[known] = source.alias_statistics(spans.rows[known])
    edges = list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
    _written(column, [writing_of(text[start:end]) for start, end in edges], statistics, word_ranks)
    at_start = {start: starts_sentence(text, start) for start in set(spans.starts.tolist())}
    column["bias"][:] = 1
    column["starts_sentence"][:] = [at_start[start] for start, _ in edges]
    column["capitalised_in_sentence"][:] = column["capitalised"] * (1 - column["starts_sentence"])
    column["part_of_name"][:] = _inside_names(text, spans)
    column["no_alias"][:] = ~known
    aliases = {span for span, is_alias in zip(edges, known.tolist(), strict=True) if is_alias}
    result[:, -len(SPAN_CUES) :] = (
        unread(count) if reading is None else reading.cues(text, spans.starts, spans.ends, aliases)
    )
    return result


def _written(
    column: dict[str, FloatArray], writings: Sequence[Writing], statistics: npt.NDArray[Any], word_ranks: dict[str, int]
) -> None:
    """Fill in what the spans' characters say, and the counts of spans written so."""
    words, *cues = zip(*writings, strict=True)
    written = dict(zip(Writing._fields[1:], np.array(cues, dtype=np.float32), strict=True))
    upper = written.pop("upper") > 0
    for name, values in written.items():
        column[name][:] = values
    seen = np.where(upper, statistics[:, 1], statistics[:, 3])
    links = np.where(upper, statistics[:, 2], statistics[:, 4])
    odds = np.log((links + 0.2) / (np.maximum(seen - links, 0) + 2.0))
    column["link_log_odds"][:] = np.where(seen > 0, odds, 0.0)
    column["seen"][:] = seen > 0
    column["log_count"][:] = np.log1p(statistics[:, 0])
    column["unseen_lower"][:] = written["lower"] * (seen == 0)
    ranks = np.array([word_ranks.get(word, UNRANKED) for word in words], dtype=np.int64)
    frequent = np.where(ranks > FIRST_WORD, np.log(VOCABULARY / (np.maximum(ranks, FIRST_WORD + 1) - 990)), 3.0)
    column["common_word"][:] = np.where(ranks == UNRANKED, 0.0, frequent)


def starts_sentence(text: str, start: int) -> bool:
    """Tell whether a sentence starts at a word, as far as what stands before it shows."""
    if text[start - 1 : start] == " " and text[start - 2 : start - 1].isalnum():
        return False  # of most words this is known without a look at the rest
    return SENTENCE_START.search(text, max(0, start - 8), start) is not None


def _inside_names(text: str, spans: Spans) -> npt.NDArray[np.bool_]:
    """Tell which spans are only a piece of a longer capitalised name."""
    names = np.array([(0, 0), *names_in(text)], dtype=np.int64)
    start, end = names[np.searchsorted(names[1:, 0], spans.starts, side="right")].T
    return np.asarray((spans.ends <= end) & (spans.ends - spans.starts < 0.9 * (end - start)))


def common_words(cues: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which spans are common words in lower case that no document is known to have linked: they name nothing."""
    names = ("unseen_lower", "single_word", "common_word")
    return np.asarray(np.all([cues[:, FEATURES.index(name)] > 0 for name in names], axis=0))


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
