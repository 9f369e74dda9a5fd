"""Fitting when to answer: from which evidence on a found mention is linked to its best candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model import features
from model.candidates import CandidateTable
from model.evaluation.corpus import LabelledDocument, stable_hash
from model.fitting.collecting import Collected
from model.fitting.detection import as_new, gold_spans, overlapping, unmarked
from model.fitting.lacking import Lacking, Without
from model.fitting.logit import Array, fit_binary
from model.fitting.pages import Discounter
from model.link_evidence import LINK_FEATURES, LinkEvidence
from model.linker import Linker
from model.prepared import Mentioned, Prepared, gather
from model.protocols import FloatArray, IntArray
from model.scorer import probabilities
from model.types import Document
from model.writing import writing_of

PARTIAL = 0.5  # weight of a mention where only links are marked
RIDGE = 10.0  # some hundred documents, some ten features
# What agrees with a link never speaks against it. Left to itself, a weight turns against its feature where that stands
# in for another one in the few marked documents, which does not hold over other knowledge bases.
SPEAKS_FOR = (
    "mention_log_odds",
    "confidence_log_odds",
    "link_log_odds",
    "span_log_odds",
    "repeated_log_odds",
    "tagged",
    "log_prior",
    "prior",
    "description_window",
    "description_local",
    "title_mention",
    "title_window",
    "type_local",
    "type_mention",
    "type_predicted",
    "relations",
    "related",
    "shared_neighbours",
    "alias_similarity",
    "same_letters",
    "coherence",
    "meaning",
    "short_form",
    "title_words",
    "shared_words",
    "shared_words_near",
    "usage",
    "usage_window",
)
SPEAKS_AGAINST = ("nil_log_odds", "never_linked_so", "similar_name", "only_by_meaning", "nil_no_alias")
FOLDS = 5
THRESHOLDS = np.arange(0.02, 0.9, 0.01)
NEARLY = 0.01  # of F1


@dataclass(frozen=True, slots=True)
class FittedLinking:
    """Weights of LINK_FEATURES, the least confidence of a link, and the F1 that it gave."""

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


def fit_linking(linker: Linker, collected: Collected, seed: int, without: Sequence[int] = ()) -> FittedLinking:
    """Fit a logistic regression, and choose a threshold by strong-match F1.

    The threshold is chosen on answers to exhaustive documents that the weights were not fitted on (cross-validation by
    document). F1 hardly changes over a wide stretch: of the thresholds that are nearly as good as the best, it is the
    lowest, for who wants fewer answers asks for a minimum confidence, and who misses some cannot ask for more. Where
    nobody marked a name, nobody knows whether its link is right: those are left out.

    Args:
        linker: with everything else fitted.
        without: columns of LINK_FEATURES that get a weight of zero.
    """
    made = (_found(linker, document, Without()) for document in collected.exhaustive)
    found = [each for each in made if each is not None]
    partial = _found_in_partial(linker, collected, seed)
    order = sorted({each.document for each in found}, key=lambda document: stable_hash(seed, "fold", document))
    fold_of = {document: place % FOLDS for place, document in enumerate(order)}
    confidence = np.zeros(sum(len(each.right) for each in found))
    for fold in range(FOLDS if len(order) > 1 else 0):
        others = [each for each in found if fold_of[each.document] != fold]
        inside = np.repeat([fold_of[each.document] == fold for each in found], [len(each.right) for each in found])
        values = np.concatenate([each.values for each in found])[inside].astype(np.float64)
        confidence[inside] = 1 / (1 + np.exp(-values @ _weights(others, partial, without)))
    right = np.concatenate([each.right for each in found])
    to_find = sum(each.to_find for each in found)
    f1 = np.array([2 * right[confidence >= t].sum() / max((confidence >= t).sum() + to_find, 1) for t in THRESHOLDS])
    best = int(np.flatnonzero(f1 >= f1.max() - NEARLY)[0])
    return FittedLinking(_weights(found, partial, without), round(float(THRESHOLDS[best]), 2), float(f1[best]))


def _weights(found: Sequence[_Found], partial: Sequence[_Found], without: Sequence[int]) -> Array:
    """Fit a logistic regression."""
    values = np.concatenate([each.values for each in (*found, *partial)]).astype(np.float64)
    values[:, list(without)] = 0
    right = np.concatenate([each.right for each in (*found, *partial)]).astype(np.float64)
    counts = [np.full(len(each.right), weight) for some, weight in ((found, 1.0), (partial, PARTIAL)) for each in some]
    signs = [[LINK_FEATURES.index(name) for name in names] for names in (SPEAKS_FOR, SPEAKS_AGAINST)]
    return fit_binary(values, right, np.concatenate(counts), RIDGE, *signs)


def _found_in_partial(linker: Linker, collected: Collected, seed: int) -> list[_Found]:
    """Find and link the mentions of documents in which only links are marked, as if their pages were new."""
    random = np.random.default_rng(seed)
    made = (
        _found(linker, document, as_new(linker, document, collected.pages, random)) for document in collected.partial
    )
    return [each for each in made if each is not None]


def _found(linker: Linker, document: LabelledDocument, without: Without) -> _Found | None:
    """Find and link the mentions of a document; None where nothing is found.

    Args:
        without: what the KB is taken to lack. Where that is a page, only links are marked in the document.
    """
    linker = Linker(linker.encoder, Lacking(linker.source, without), linker.store, linker.scorer)
    plain = Document(document.id, document.text)
    (encoded,) = linker.encode([plain])
    if encoded is None:
        return None
    spans = linker.detect(document.text, encoded)
    gold = gold_spans(document)
    ordinals = {pair: linker.store.ordinal(entity) if entity else None for pair, entity in gold.items()}
    ordinals = {pair: None if ordinal in without.absent else ordinal for pair, ordinal in ordinals.items()}
    to_find = sum(ordinal is not None for ordinal in ordinals.values())
    if not len(spans.starts):
        return _Found(document.id, np.zeros((0, len(LINK_FEATURES)), np.float32), np.zeros(0, np.float32), to_find)
    prepared = _prepared(linker, Mentioned(plain, encoded, spans), without.page)
    scores = linker.scorer.score(prepared.table, prepared.features)
    probability, nil = probabilities(prepared.table.mention, scores)
    mention, best = _best(prepared.table, scores.raw)
    values = LinkEvidence.of(prepared, mention, best, linker.scorer.calibrate(probability), nil).values()
    pairs = list(zip(spans.starts[mention].tolist(), spans.ends[mention].tolist(), strict=True))
    answers = prepared.table.ordinal[best].tolist()
    right = np.array([ordinals.get(pair) == answer for pair, answer in zip(pairs, answers, strict=True)], np.float32)
    named = np.array([writing_of(document.text[start:end]).upper for start, end in pairs], dtype=np.bool_)
    if without.page is None:
        known = ~(unmarked(document.text, pairs, gold, linker.source) & named)
    else:
        # Of words in lower case, links would show those alone that are right.
        known = overlapping(pairs, gold) & named
    return _Found(document.id, values[known], right[known], to_find)


def _prepared(linker: Linker, mentioned: Mentioned, page: Discounter | None) -> Prepared:
    if page is None:
        return linker.prepare([mentioned])
    context = gather([mentioned], linker.store, linker.query_head)
    table = linker.candidates([mentioned], context)
    computed = features.compute(context.surfaces, context.words, table, context.vectors, linker.store, page)
    return Prepared([mentioned], context.surfaces, table, computed)


def _best(table: CandidateTable, raw: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the mentions that have candidates, and the best candidate of each."""
    ranked = np.lexsort((-raw, table.mention))
    mention, first = np.unique(table.mention[ranked], return_index=True)
    return mention, ranked[first].astype(np.int32)
