"""Fitting mention detection: which of the proposed spans are mentions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model import mentions
from model.evaluation.corpus import LabelledDocument
from model.fitting.lacking import NIL_SHARE, Lacking, Without, some
from model.fitting.pages import PageCounts, page_of
from model.fitting.regression import Regression, fit_regression
from model.linker import Linker
from model.protocols import AliasMatches, CandidateSource, FloatArray, IntArray
from model.span_cues import SpanReading
from model.types import Document
from model.writing import ARTICLE, writing_of

Pair = tuple[int, int]
BoolArray = npt.NDArray[np.bool_]

PARTIAL = 0.05  # weight of a span where only some mentions are marked
# Of that weight, what a capitalised span has that is not marked: it may well be a name. Where every mention is marked,
# that holds too: of 60 such spans in GUM (Zeldes, 2017), drawn at random, 54 name something.
UNMARKED_NAME = 0.1
UNLINKED_NAME = 0.005
UNCOUNTED = 0.5  # weight of a document as it would look where nobody counted how often aliases occur
POSSESSOR = re.compile(r"['’]s?\s")
BLOCK = 32  # documents encoded together


def fit_detection(
    linker: Linker,
    exhaustive: Sequence[LabelledDocument],
    partial: Sequence[LabelledDocument],
    pages: PageCounts,
    seed: int,
) -> Regression:
    """Fit a regression over the cues of `model.mentions.FEATURES`.

    Args:
        exhaustive: documents in which every mention is marked.
        partial: documents in which only some are, and which the aliases' statistics were counted in: they are learned
            from as if they were new, and a third of their entities unknown.
        pages: what each page taught the KB.
    """
    random = np.random.default_rng(seed)
    parts: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for document, reading in readings(linker, exhaustive):
        parts.extend(_lessons(linker, document, reading, Without()))
    for document, reading in readings(linker, partial):
        parts.extend(_lessons(linker, document, reading, as_new(linker, document, pages, random), whole=False))
    values, labels, weights = (np.concatenate(column).astype(np.float64) for column in zip(*parts, strict=True))
    return fit_regression(values, labels, weights, seed)


def _lessons(
    linker: Linker, document: LabelledDocument, reading: SpanReading | None, without: Without, whole: bool = True
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Yield cues of a document's spans, which are mentions, and how much each counts: as it is, and if nobody counted.

    Args:
        without: what the KB is taken to lack.
        whole: whether every mention is marked.
    """
    spans = mentions.propose(document.text, Lacking(linker.source, without), reading)
    gold = gold_spans(document)
    found = list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
    right = np.array([span in gold for span in found], dtype=np.float32)
    weights = np.full(len(found), 1.0 if whole else PARTIAL, dtype=np.float32)
    named = np.array([writing_of(document.text[start:end]).capitalised for start, end in found], dtype=np.bool_)
    unsure = named & (right == 0) & unmarked(document.text, found, gold, linker.source)
    weights[unsure] *= UNMARKED_NAME if whole else UNLINKED_NAME
    weights[repeats(document.text, found, gold)] = 0.0
    for counted, share in ((True, 1.0), (False, UNCOUNTED)):
        source = Lacking(linker.source, replace(without, counted=counted))
        yield mentions.features(document.text, spans, source, linker.word_ranks, reading), right, weights * share


def as_new(linker: Linker, document: LabelledDocument, pages: PageCounts, random: np.random.Generator) -> Without:
    """Return what a KB lacks to which a document is new: its page's links, and some of its entities altogether."""
    gold = gold_spans(document)
    ordinals = [linker.store.ordinal(entity) for entity in gold.values() if entity is not None]
    known = np.array([ordinal for ordinal in ordinals if ordinal is not None], dtype=np.int32)
    return Without(
        page=pages.without(page_of(document.id)),
        absent=some(known, NIL_SHARE, random),
        own=own_statistics(document.text, linker.source.match(document.text), gold),
    )


def repeats(text: str, found: Sequence[Pair], gold: Collection[Pair]) -> BoolArray:
    """Tell which spans repeat the words of a mention elsewhere: annotators often mark only the first."""
    surfaces = {text[start:end] for start, end in gold}
    same = np.array([text[start:end] in surfaces for start, end in found], dtype=np.bool_)
    return same & ~overlapping(found, gold)


def unmarked(text: str, found: Sequence[Pair], gold: Collection[Pair], source: CandidateSource) -> BoolArray:
    """Tell of which spans the annotation says nothing: those apart from all mentions, and those inside of one that is
    a whole noun phrase ("Facebook creator Mark Zuckerberg") rather than a name ("Harford County Council").
    """
    surfaces = {span: text[span[0] : span[1]] for span in gold}
    names = {span for span, words in surfaces.items() if source.alias_row(words) >= 0 or _is_nothing_but_name(words)}
    phrases = sorted(set(gold) - names)
    inside = [any(start <= a and b <= end for start, end in phrases) for a, b in found]
    apart = ~overlapping(found, gold)
    return np.asarray(apart | (np.array(inside, dtype=np.bool_) & ~overlapping(found, names)))


def _is_nothing_but_name(words: str) -> bool:
    """Tell whether words are a run of capitalised ones, none of them a possessor ("Jean Cocteau's Antigone")."""
    return mentions.NAME.fullmatch(words) is not None and POSSESSOR.search(words) is None


def overlapping(found: Sequence[Pair], gold: Collection[Pair]) -> BoolArray:
    """Tell which spans overlap one of the gold ones."""
    starts, ends = np.sort(np.array(list(gold), dtype=np.int64).reshape(-1, 2), axis=0).T
    first, last = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return np.asarray(np.searchsorted(starts, last, side="left") > np.searchsorted(ends, first, side="right"))


def readings(
    linker: Linker, documents: Sequence[LabelledDocument]
) -> Iterator[tuple[LabelledDocument, SpanReading | None]]:
    """Yield documents with what the span head says of each."""
    for start in range(0, len(documents), BLOCK):
        block = documents[start : start + BLOCK]
        plain = [Document(document.id, document.text) for document in block]
        for document, encoded in zip(block, linker.encode(plain), strict=True):
            yield document, None if encoded is None else linker.read_spans(document.text, encoded)


def gold_spans(document: LabelledDocument) -> dict[tuple[int, int], str | None]:
    """Return a document's mentions, with an article before the name left out, and their entities."""
    return {(_without_article(document.text, m.start), m.end): m.entity for m in document.mentions}


def _without_article(text: str, start: int) -> int:
    article = ARTICLE.match(text, start)
    return article.end() if article else start


def own_statistics(text: str, matches: AliasMatches, gold: Collection[Pair]) -> dict[int, IntArray]:
    """Return what counting a document added to the statistics of each alias row in it.

    See `model.protocols.CandidateSource.alias_statistics`.
    """
    own: dict[int, IntArray] = {}
    for start, end, row in zip(matches.starts.tolist(), matches.ends.tolist(), matches.rows.tolist(), strict=True):
        if row < 0:
            continue
        added = own.setdefault(row, np.zeros(5, dtype=np.int32))
        column = 1 if writing_of(text[start:end]).upper else 3
        added[column] = 1
        added[column + 1] |= (start, end) in gold
    return own
