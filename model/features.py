"""The interpretable features of candidates, and those of the answer "none of them" (NIL)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.process import cpdist

from model.candidates import DENSE, FUZZY, CandidateTable
from model.coherence import coherence_features
from model.encoder import unit
from model.mention_vectors import MentionVectors, cosine
from model.protocols import EntityStore, FloatArray, IntArray, LinkStore
from model.shared_words import DocumentWords, shared_word_features
from model.short_forms import LONGEST_ACRONYM

CANDIDATE_FEATURES = (
    "log_prior",
    "prior",
    "never_linked_so",
    "log_popularity",
    "description_window",
    "description_local",
    "no_description",
    "title_mention",
    "title_window",
    "type_local",
    "type_mention",
    "type_predicted",
    "no_types",
    "relations",
    "related",
    "shared_neighbours",
    "alias_similarity",
    "same_letters",
    "coherence",
    "meaning",
    "similar_name",
    "only_by_meaning",
    "short_form",
    "title_words",
    "shared_words",
    "shared_words_near",
    "words_known",
    "usage",
    "usage_window",
    "usage_known",
)
NIL_FEATURES = (
    "nil",
    "nil_best_prior",
    "nil_alias_count",
    "nil_best_title",
    "nil_best_description",
    "nil_no_alias",
    "nil_no_candidates",
    "nil_best_similarity",
    "nil_best_coherence",
    "nil_best_popularity",
    "nil_best_meaning",
    "nil_best_usage",
)
FEATURES = CANDIDATE_FEATURES + NIL_FEATURES

SMOOTHING = 0.1
BLOCK = 4096  # candidates whose features are computed at a time


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Feature values of candidates (candidates x CANDIDATE_FEATURES) and of NIL (mentions x NIL_FEATURES)."""

    candidates: FloatArray
    nil: FloatArray


def compute(
    surfaces: Sequence[str],
    words: DocumentWords,
    table: CandidateTable,
    vectors: MentionVectors,
    store: EntityStore,
    links: LinkStore | None = None,
) -> FeatureTable:
    """Compute all features of documents' candidates.

    Args:
        words: the words of the texts around the mentions.
        links: what links say of entities, where that is not what the store says (in training).
    """
    links = store if links is None else links
    values = np.zeros((len(table.ordinal), len(CANDIDATE_FEATURES)), dtype=np.float32)
    for first, last in _blocks(table, vectors.window_of):
        part = table.of_mentions(first, last)
        rows = slice(*np.searchsorted(table.mention, [first, last]))
        column = {name: values[rows, index] for index, name in enumerate(CANDIDATE_FEATURES)}
        _name_features(column, surfaces[first:last], part, store, links)
        part_vectors = vectors.of_mentions(first, last)
        # Read once: of all that is computed here, the vectors of so many entities take longest to come by.
        titles, (descriptions, described) = store.titles(part.ordinal), store.descriptions(part.ordinal)
        column["no_description"][:] = ~described
        _meaning_features(column, part, part_vectors, titles, descriptions)
        _usage_features(column, part, part_vectors, links)
        _type_features(column, part, part_vectors, store)
        shared_word_features(column, part, words.of_mentions(first, last), store)
        coherence_features(column, part, part_vectors, unit(titles + descriptions), store)
    return FeatureTable(values, _nil_features(values, table))


def _blocks(table: CandidateTable, window_of: IntArray) -> Iterator[tuple[int, int]]:
    """Yield runs of mentions, whole windows each: mentions of two windows do not look at each other.

    Taken one after the other they keep a long text's candidates, 384 numbers each many times over, out of memory.
    """
    changes = np.flatnonzero(window_of[1:] != window_of[:-1]) + 1
    borders = [*changes.tolist(), table.mentions]
    candidates = np.searchsorted(table.mention, borders).tolist()  # how many there are before each border
    start = before = 0
    for border, next_border, here, there in zip(borders, borders[1:], candidates, candidates[1:], strict=False):
        if there - before > BLOCK and next_border > border:
            yield start, border
            start, before = border, here
    if candidates[-1] > before:
        yield start, table.mentions


def _name_features(
    column: dict[str, FloatArray],
    surfaces: Sequence[str],
    table: CandidateTable,
    store: EntityStore,
    links: LinkStore,
) -> None:
    totals = table.totals[table.mention]
    sizes = np.bincount(table.mention, minlength=table.mentions)[table.mention]
    prior = (table.count + SMOOTHING) / (totals + SMOOTHING * sizes)
    column["log_prior"][:] = np.log(np.minimum(prior, 1.0))
    column["prior"][:] = table.count / np.maximum(totals, 1.0)
    column["never_linked_so"][:] = table.count == 0
    column["log_popularity"][:] = np.log1p(links.popularity(table.ordinal))
    labels = store.labels(table.ordinal)
    mentions = table.mention.tolist()
    # A label is written in capitals for a headline's sake, unless these could be an acronym.
    headline = [len(surface) > LONGEST_ACRONYM and surface.isupper() for surface in surfaces]
    column["same_letters"][:] = [
        surfaces[index] == (label.upper() if headline[index] else label)
        for index, label in zip(mentions, labels, strict=True)
    ]
    lowered = [surface.lower() for surface in surfaces]
    names = [lowered[index] for index in mentions], [label.lower() for label in labels]
    column["alias_similarity"][:] = cpdist(*names, scorer=fuzz.ratio) / 100
    column["title_words"][:] = cpdist(*names, scorer=fuzz.token_set_ratio) / 100
    column["similar_name"][:] = ((table.found & FUZZY) > 0) & (table.short_form == 0)
    column["only_by_meaning"][:] = table.found == DENSE
    column["short_form"][:] = table.short_form


def _meaning_features(
    column: dict[str, FloatArray],
    table: CandidateTable,
    vectors: MentionVectors,
    titles: FloatArray,
    descriptions: FloatArray,
) -> None:
    own, local, window = (part[table.mention] for part in (vectors.own, vectors.local, vectors.window))
    column["title_mention"][:] = cosine(titles, own)
    column["title_window"][:] = cosine(titles, window)
    column["description_window"][:] = cosine(descriptions, window)
    column["description_local"][:] = cosine(descriptions, local)


def _usage_features(
    column: dict[str, FloatArray], table: CandidateTable, vectors: MentionVectors, links: LinkStore
) -> None:
    """Agreement with the texts that link to the candidate (FitzGerald et al., 2021)."""
    usage, count = links.usage(table.ordinal)
    lengths = np.maximum(np.sqrt(cosine(usage, usage)), np.float32(1e-12))
    column["usage"][:] = cosine(usage, vectors.query[table.mention]) / lengths
    column["usage_window"][:] = cosine(usage, vectors.window[table.mention]) / lengths
    column["usage_known"][:] = count > 0


def _type_features(
    column: dict[str, FloatArray], table: CandidateTable, vectors: MentionVectors, store: EntityStore
) -> None:
    own, local = vectors.own[table.mention], vectors.local[table.mention]
    types, typed = store.types(table.ordinal)
    column["type_local"][:] = cosine(types, local)
    column["type_mention"][:] = cosine(types, own)
    column["type_predicted"][:] = cosine(types, vectors.typed[table.mention])
    column["no_types"][:] = ~typed


def _nil_features(values: FloatArray, table: CandidateTable) -> FloatArray:
    result = np.zeros((table.mentions, len(NIL_FEATURES)), dtype=np.float32)
    result[:, 0] = 1.0
    result[:, 2] = np.log1p(table.totals)
    result[:, 5] = table.rows < 0
    result[:, 6] = np.bincount(table.mention, minlength=table.mentions) == 0
    for target, name in (
        (1, "prior"),
        (3, "title_mention"),
        (4, "description_window"),
        (7, "alias_similarity"),
        (8, "coherence"),
        (9, "log_popularity"),
        (10, "meaning"),
        (11, "usage"),
    ):
        np.maximum.at(result[:, target], table.mention, values[:, CANDIDATE_FEATURES.index(name)])
    return result
