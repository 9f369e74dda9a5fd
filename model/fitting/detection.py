"""Fitting mention detection: which of the proposed spans are mentions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from model import mentions
from model.evaluation.corpus import LabelledDocument
from model.fitting.logit import Array, fit_binary
from model.linker import Linker
from model.protocols import CandidateSource, FloatArray, IntArray
from model.span_cues import SpanReading
from model.types import Document
from model.writing import ARTICLE, writing_of

Pair = tuple[int, int]
BoolArray = npt.NDArray[np.bool_]

PARTIAL = 0.1  # weight of a span where only some mentions are marked
# Of that weight, what a capitalised span has that is not marked: it may well be a name. Where every mention is marked,
# that holds too: of 60 such spans in GUM (Zeldes, 2017), drawn at random, 54 name something.
UNMARKED_NAME = 0.1
UNLINKED_NAME = 0.02
POSSESSOR = re.compile(r"['’]s?\s")
BLOCK = 32  # documents encoded together


def fit_detection(linker: Linker, exhaustive: Sequence[LabelledDocument], partial: Sequence[LabelledDocument]) -> Array:
    """Fit one weight a cue of `model.mentions.FEATURES`.

    Args:
        exhaustive: documents in which every mention is marked.
        partial: documents in which only some are, and which the aliases' statistics were counted in: what a document
            itself added to them is left out.
    """
    values: list[FloatArray] = []
    labels: list[FloatArray] = []
    weights: list[FloatArray] = []
    for document, reading in readings(linker, [*exhaustive, *partial]):
        whole = document in exhaustive
        spans = mentions.propose(document.text, linker.source, reading)
        gold = gold_spans(document)
        found = list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
        right = np.array([span in gold for span in found], dtype=np.float32)
        own = None if whole else _own_statistics(document.text, spans, right)
        cues = mentions.features(document.text, spans, linker.source, linker.word_ranks, own, reading)
        named = cues[:, mentions.FEATURES.index("capitalised")] > 0
        unsure = named & (right == 0) & unmarked(document.text, found, gold, linker.source)
        weight = np.where(unsure, UNMARKED_NAME if whole else UNLINKED_NAME, 1.0) * (1.0 if whole else PARTIAL)
        weight[repeats(document.text, found, gold)] = 0.0
        values.append(cues)
        labels.append(right)
        weights.append(weight.astype(np.float32))
    stacked = [np.concatenate(parts).astype(np.float64) for parts in (values, labels, weights)]
    return fit_binary(stacked[0], stacked[1], stacked[2])


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


def _own_statistics(text: str, spans: mentions.Spans, right: FloatArray) -> IntArray:
    """Return what counting this document added: see `model.protocols.CandidateSource.alias_statistics`."""
    own = np.zeros((len(spans.rows), 5), dtype=np.int32)
    upper = np.array([writing_of(text[a:b]).upper for a, b in zip(spans.starts, spans.ends, strict=True)], np.bool_)
    linked = {
        (row, is_upper)
        for row, is_upper, link in zip(spans.rows.tolist(), upper.tolist(), right.tolist(), strict=True)
        if link
    }
    for index, form in enumerate(zip(spans.rows.tolist(), upper.tolist(), strict=True)):
        column = 1 if form[1] else 3
        own[index, column] = 1
        own[index, column + 1] = form in linked
    return own
