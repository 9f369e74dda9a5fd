"""Training examples from labelled documents: candidates with features, and which of them is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model import features
from model.candidates import CandidateGenerator, CandidateTable
from model.evaluation.corpus import NEUTRAL_KINDS, GoldMention, LabelledDocument
from model.fitting.lacking import NIL_SHARE, Lacking, Without, some
from model.fitting.pages import PageCounts, page_of
from model.linker import Linker, given_spans
from model.protocols import EntityStore, IntArray
from model.types import Document, Span


@dataclass(frozen=True, slots=True)
class Example:
    """One document's mentions.

    Attributes:
        gold: for each mention the position of the right candidate in the table, or -1 for NIL.
        counts: which mentions are to be learned from; the others are there for what they say of these.
    """

    document: str
    table: CandidateTable
    values: features.FeatureTable
    gold: IntArray
    counts: npt.NDArray[np.bool_]


# Tells of each mention of a document whether it is to be learned from.
Unseen = Callable[[LabelledDocument], Sequence[bool]]


def every_mention(document: LabelledDocument) -> list[bool]:
    """Learn from all mentions."""
    return [True] * len(document.mentions)


def examples(
    linker: Linker,
    documents: Sequence[LabelledDocument],
    pages: PageCounts,
    seed: int,
    unseen: Unseen = every_mention,
    nil_share: float = NIL_SHARE,
) -> Iterator[Example]:
    """Yield an example a document, leaving its page out of the counts, with some right candidates hidden.

    Args:
        nil_share: share of a document's entities that are treated as if the KB did not have them.
    """
    random = np.random.default_rng(seed)
    plain = [with_links(document) for document in documents]
    for labelled, document, encoded in zip(documents, plain, linker.encode(plain), strict=True):
        if encoded is None or not document.mentions:
            continue
        spans, order = given_spans(document)
        gold = gold_ordinals(labelled, order, linker.store)
        context = linker.context(document.text, encoded, spans)
        without = pages.without(page_of(labelled.id))
        absent = some(gold, nil_share, random)
        generator = CandidateGenerator(Lacking(linker.source, Without(without, absent)))
        table = generator.generate(context.surfaces, spans.rows, context.vectors.query)
        values = features.compute(context.surfaces, context.words, table, context.vectors, linker.store, without)
        flags = [flag for flag, m in zip(unseen(labelled), labelled.mentions, strict=True) if _teaches(m)]
        counts = np.array([flags[at] for at in order], dtype=np.bool_)
        yield Example(labelled.id, table, values, _positions(table, gold), counts)


def with_links(labelled: LabelledDocument) -> Document:
    """Return a document whose mentions are those of a labelled one that can be learned from."""
    return Document(labelled.id, labelled.text, tuple(Span(m.start, m.end) for m in labelled.mentions if _teaches(m)))


def _teaches(mention: GoldMention) -> bool:
    """Say whether a mention can be learned from: it has an entity, or it is known that the KB lacks it."""
    return mention.entity is not None or mention.kind not in NEUTRAL_KINDS


def gold_ordinals(labelled: LabelledDocument, order: Sequence[int], store: EntityStore) -> IntArray:
    """Return the ordinals of the mentions' entities, -1 for those that the KB does not have.

    Args:
        order: for each mention in text order its place among those of the document; see `model.linker.given_spans`.
    """
    named = [store.ordinal(m.entity) if m.entity else None for m in labelled.mentions if _teaches(m)]
    return np.array([-1 if named[at] is None else named[at] for at in order], dtype=np.int32)


def _positions(table: CandidateTable, gold: IntArray) -> IntArray:
    result = np.full(table.mentions, -1, dtype=np.int32)
    right = np.flatnonzero(table.ordinal == gold[table.mention]) if len(table.mention) else np.zeros(0, np.int64)
    result[table.mention[right]] = right
    return result
