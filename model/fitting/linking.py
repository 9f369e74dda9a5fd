"""Fitting when to answer: from which evidence on a found mention is linked to its best candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.candidates import CandidateTable
from model.evaluation.corpus import LabelledDocument, stable_hash
from model.fitting.detection import gold_spans, unmarked
from model.fitting.logit import Array, fit_binary
from model.link_evidence import LINK_FEATURES, LinkEvidence
from model.linker import Linker
from model.prepared import Mentioned
from model.protocols import FloatArray, IntArray
from model.scorer import probabilities
from model.types import Document
from model.writing import writing_of

RIDGE = 10.0  # some hundred documents, some ten features
FOLDS = 5
THRESHOLDS = np.arange(0.02, 0.9, 0.01)
NEARLY = 0.01  # of F1


@dataclass(frozen=True, slots=True)
class FittedLinking:
    """Weights of `model.link_evidence.LINK_FEATURES`, the least confidence of a link, and the F1 that it gave."""

    weights: Array
    threshold: float
    f1: float


@dataclass(frozen=True, slots=True)
class _Found:
    """What a document's found mentions teach: evidence (mentions x LINK_FEATURES), and which best candidates are right.

    Attributes:
        to_find: how many entities of the KB the document names.
    """

    document: str
    values: FloatArray
    right: FloatArray
    to_find: int


def fit_linking(
    linker: Linker, exhaustive: Sequence[LabelledDocument], seed: int, without: Sequence[int] = ()
) -> FittedLinking:
    """Fit a logistic regression, and choose a threshold by strong-match F1.

    The threshold is chosen on answers to documents that the weights were not fitted on (cross-validation by document).
    F1 hardly changes over a wide stretch: of the thresholds that are nearly as good as the best, it is the lowest, for
    who wants fewer answers asks for a minimum confidence, and who misses some cannot ask for more. Where nobody marked
    a name, nobody knows whether its link is right: those are left out.

    Args:
        linker: with everything else fitted.
        exhaustive: documents in which every mention is marked.
        without: columns of LINK_FEATURES that get a weight of zero.
    """
    found = [each for document in exhaustive if (each := _found(linker, document)) is not None]
    values = np.concatenate([each.values for each in found]).astype(np.float64)
    values[:, list(without)] = 0
    right = np.concatenate([each.right for each in found]).astype(np.float64)
    order = sorted(range(len(found)), key=lambda at: stable_hash(seed, "fold", found[at].document))
    fold_of = {at: place % FOLDS for place, at in enumerate(order)}
    folds = np.repeat([fold_of[at] for at in range(len(found))], [len(each.right) for each in found])
    confidence = np.zeros(len(right))
    for fold in np.unique(folds):
        others = folds != fold
        if others.any():
            weights = fit_binary(values[others], right[others], np.ones(int(others.sum())), RIDGE)
            confidence[~others] = 1 / (1 + np.exp(-values[~others] @ weights))
    to_find = sum(each.to_find for each in found)
    f1 = np.array([2 * right[confidence >= t].sum() / max((confidence >= t).sum() + to_find, 1) for t in THRESHOLDS])
    best = int(np.flatnonzero(f1 >= f1.max() - NEARLY)[0])
    weights = fit_binary(values, right, np.ones_like(right), RIDGE)
    return FittedLinking(weights, round(float(THRESHOLDS[best]), 2), float(f1[best]))


def _found(linker: Linker, document: LabelledDocument) -> _Found | None:
    """Find and link the mentions of a document; None where nothing is found."""
    plain = Document(document.id, document.text)
    (encoded,) = linker.encode([plain])
    if encoded is None:
        return None
    spans = linker.detect(document.text, encoded)
    gold = gold_spans(document)
    to_find = sum(entity is not None and linker.store.ordinal(entity) is not None for entity in gold.values())
    if not len(spans.starts):
        return _Found(document.id, np.zeros((0, len(LINK_FEATURES)), np.float32), np.zeros(0, np.float32), to_find)
    prepared = linker.prepare([Mentioned(plain, encoded, spans)])
    scores = linker.scorer.score(prepared.table, prepared.features)
    probability, nil = probabilities(prepared.table.mention, scores)
    mention, best = _best(prepared.table, scores.raw)
    values = LinkEvidence.of(prepared, mention, best, linker.scorer.calibrate(probability), nil).values()
    pairs = list(zip(spans.starts[mention].tolist(), spans.ends[mention].tolist(), strict=True))
    answers = [linker.store.entity_id(ordinal) for ordinal in prepared.table.ordinal[best].tolist()]
    right = np.array([gold.get(pair) == answer for pair, answer in zip(pairs, answers, strict=True)], dtype=np.float32)
    named = np.array([writing_of(document.text[start:end]).upper for start, end in pairs], dtype=np.bool_)
    known = ~(unmarked(document.text, pairs, gold, linker.source) & named)
    return _Found(document.id, values[known], right[known], to_find)


def _best(table: CandidateTable, raw: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the mentions that have candidates, and the best candidate of each."""
    ranked = np.lexsort((-raw, table.mention))
    mention, first = np.unique(table.mention[ranked], return_index=True)
    return mention, ranked[first].astype(np.int32)
