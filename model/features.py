"""The interpretable features of candidates, and those of the answer "none of them" (NIL)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz

from model.candidates import DENSE, FUZZY, CandidateTable
from model.encoder import unit
from model.protocols import EntityStore, FloatArray, IntArray
from model.windows import EncodedText

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
    "no_types",
    "relations",
    "related",
    "alias_similarity",
    "same_letters",
    "coherence",
    "meaning",
    "similar_name",
    "only_by_meaning",
    "short_form",
    "title_words",
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
)
FEATURES = CANDIDATE_FEATURES + NIL_FEATURES

LOCAL = 16  # wordpieces on either side of a mention
SMOOTHING = 0.1
TOP_FOR_CONTEXT = 3  # candidates by which a mention speaks for the others' coherence
MAX_NEIGHBOURS = 400


@dataclass(frozen=True, slots=True)
class MentionVectors:
    """Unit vectors (mentions x 384): of the mention's own wordpieces, of its surroundings, of its window."""

    own: FloatArray
    local: FloatArray
    window: FloatArray
    window_of: IntArray

    def queries(self) -> FloatArray:
        """Return the unit vectors by which a mention looks for entities near to it in meaning."""
        return unit(self.own + 0.5 * self.local + 0.5 * self.window)


def mention_vectors(encoded: EncodedText, starts: Sequence[int], ends: Sequence[int]) -> MentionVectors:
    """Compute the vectors of mentions from a text's contextual vectors."""
    first = np.clip(np.searchsorted(encoded.ends, starts, side="right"), 0, len(encoded.ends) - 1)
    last = np.clip(np.searchsorted(encoded.starts, ends, side="left"), first + 1, len(encoded.ends))
    sums = np.concatenate([np.zeros((1, encoded.hidden.shape[1]), np.float32), np.cumsum(encoded.hidden, axis=0)])
    before = np.maximum(first - LOCAL, 0)
    after = np.minimum(last + LOCAL, len(encoded.ends))
    window_of = encoded.window_of[first]
    return MentionVectors(
        own=unit(sums[last] - sums[first]),
        local=unit(sums[after] - sums[before]),
        window=unit(encoded.window_vectors)[window_of],
        window_of=window_of,
    )


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Feature values of candidates (candidates x CANDIDATE_FEATURES) and of NIL (mentions x NIL_FEATURES)."""

    candidates: FloatArray
    nil: FloatArray


def compute(
    surfaces: Sequence[str],
    table: CandidateTable,
    vectors: MentionVectors,
    store: EntityStore,
    popularity: IntArray | None = None,
) -> FeatureTable:
    """Compute all features of a document's candidates.

    Args:
        popularity: how often each candidate was linked, where that is not what the store says (in training).
    """
    values = np.zeros((len(table.ordinal), len(CANDIDATE_FEATURES)), dtype=np.float32)
    if len(table.ordinal):
        column = {name: values[:, index] for index, name in enumerate(CANDIDATE_FEATURES)}
        _name_features(column, surfaces, table, store, popularity)
        _meaning_features(column, table, vectors, store)
        _document_features(column, table, vectors, store)
    return FeatureTable(values, _nil_features(values, table))


def _name_features(
    column: dict[str, FloatArray],
    surfaces: Sequence[str],
    table: CandidateTable,
    store: EntityStore,
    popularity: IntArray | None,
) -> None:
    totals = table.totals[table.mention]
    sizes = np.bincount(table.mention, minlength=table.mentions)[table.mention]
    prior = (table.count + SMOOTHING) / (totals + SMOOTHING * sizes)
    column["log_prior"][:] = np.log(np.minimum(prior, 1.0))
    column["prior"][:] = table.count / np.maximum(totals, 1.0)
    column["never_linked_so"][:] = table.count == 0
    column["log_popularity"][:] = np.log1p(store.popularity(table.ordinal) if popularity is None else popularity)
    labels = store.labels(table.ordinal)
    mentions = [surfaces[index] for index in table.mention]
    pairs = list(zip(mentions, labels, strict=True))
    column["alias_similarity"][:] = [fuzz.ratio(mention.lower(), label.lower()) / 100 for mention, label in pairs]
    column["same_letters"][:] = [mention == label for mention, label in pairs]
    column["title_words"][:] = [fuzz.token_set_ratio(mention.lower(), label.lower()) / 100 for mention, label in pairs]
    column["similar_name"][:] = ((table.found & FUZZY) > 0) & (table.short_form == 0)
    column["only_by_meaning"][:] = table.found == DENSE
    column["short_form"][:] = table.short_form


def _meaning_features(
    column: dict[str, FloatArray], table: CandidateTable, vectors: MentionVectors, store: EntityStore
) -> None:
    own, local, window = (part[table.mention] for part in (vectors.own, vectors.local, vectors.window))
    titles = store.titles(table.ordinal)
    column["title_mention"][:] = _cosine(titles, own)
    column["title_window"][:] = _cosine(titles, window)
    descriptions, described = store.descriptions(table.ordinal)
    column["description_window"][:] = _cosine(descriptions, window)
    column["description_local"][:] = _cosine(descriptions, local)
    column["no_description"][:] = ~described
    types, typed = store.types(table.ordinal)
    column["type_local"][:] = _cosine(types, local)
    column["type_mention"][:] = _cosine(types, own)
    column["no_types"][:] = ~typed


def _document_features(
    column: dict[str, FloatArray], table: CandidateTable, vectors: MentionVectors, store: EntityStore
) -> None:
    """Agreement with the other mentions of the window: relations in the KB, and nearness of meaning."""
    windows = vectors.window_of[table.mention]
    weight = column["prior"] * (_rank_within(table.mention, column["log_prior"]) < TOP_FOR_CONTEXT)
    entity_vectors = store.titles(table.ordinal)
    descriptions, described = store.descriptions(table.ordinal)
    entity_vectors[described] += descriptions[described]
    entity_vectors = unit(entity_vectors)
    by_mention = np.zeros((table.mentions, entity_vectors.shape[1]), dtype=np.float32)
    np.add.at(by_mention, table.mention, entity_vectors * weight[:, None])
    by_window = np.zeros((int(vectors.window_of.max()) + 1, entity_vectors.shape[1]), dtype=np.float32)
    np.add.at(by_window, vectors.window_of, by_mention)
    others = unit(by_window[windows] - by_mention[table.mention])
    column["coherence"][:] = _cosine(entity_vectors, others)
    column["meaning"][:] = _cosine(entity_vectors, vectors.queries()[table.mention])
    strength = _relation_strength(table, windows, weight, store)
    column["relations"][:] = np.log1p(strength)
    column["related"][:] = strength > 0.1


def _relation_strength(table: CandidateTable, windows: IntArray, weight: FloatArray, store: EntityStore) -> FloatArray:
    """Sum, for each candidate, the priors of other mentions' candidates that the KB relates it to."""
    strength = np.zeros(len(table.ordinal), dtype=np.float32)
    positions, neighbours = store.neighbours(table.ordinal, MAX_NEIGHBOURS)
    order = np.argsort(table.ordinal, kind="stable")
    ordered = table.ordinal[order]
    first = np.searchsorted(ordered, neighbours, side="left")
    last = np.searchsorted(ordered, neighbours, side="right")
    for edge in np.flatnonzero(last > first).tolist():
        here = int(positions[edge])
        for there in order[first[edge] : last[edge]].tolist():
            if windows[there] == windows[here] and table.mention[there] != table.mention[here]:
                strength[here] += weight[there]
                strength[there] += weight[here]
    return strength


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
    ):
        np.maximum.at(result[:, target], table.mention, values[:, CANDIDATE_FEATURES.index(name)])
    return result


def _cosine(left: FloatArray, right: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ij,ij->i", left, right), dtype=np.float32)


def _rank_within(groups: IntArray, keys: FloatArray) -> IntArray:
    """Return each element's rank (0 is the largest key) within its group; groups come ascending."""
    order = np.lexsort((-keys, groups))
    starts = np.searchsorted(groups, groups[order], side="left")
    ranks = np.empty(len(groups), dtype=np.int32)
    ranks[order] = np.arange(len(groups)) - starts
    return ranks
