"""Documents on their way to answers: with their mentions, with what they say of them, with candidates and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from model.adapter import QueryHead
from model.candidates import CandidateTable
from model.features import FeatureTable
from model.mention_vectors import MentionVectors, vectors_of_texts
from model.mentions import Spans
from model.protocols import EntityStore
from model.shared_words import DocumentWords, document_words, words_of_texts
from model.types import Document
from model.windows import EncodedText


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A document with its mentions.

    Attributes:
        spans: the mentions in text order.
        order: where each stood among the given ones; None where they were detected.
    """

    document: Document
    encoded: EncodedText
    spans: Spans
    order: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What documents say of their mentions: their words, their vectors, the words around them."""

    surfaces: list[str]
    vectors: MentionVectors
    words: DocumentWords


@dataclass(frozen=True, slots=True)
class Prepared:
    """Documents up to their features; the mentions of one follow those of the one before."""

    documents: Sequence[Mentioned]
    surfaces: list[str]
    table: CandidateTable
    features: FeatureTable


def gather(documents: Sequence[Mentioned], store: EntityStore, head: QueryHead | None) -> Context:
    """Gather what documents say of their mentions; each says the same as alone."""
    places = [(each.spans.starts.tolist(), each.spans.ends.tolist()) for each in documents]
    surfaces = [
        each.document.text[start:end]
        for each, edges in zip(documents, places, strict=True)
        for start, end in zip(*edges, strict=True)
    ]
    texts = [(each.encoded, *edges) for each, edges in zip(documents, places, strict=True)]
    vectors = vectors_of_texts(texts, head)
    windows = list(accumulate((len(each.encoded.window_vectors) for each in documents), initial=0))
    mentions = list(accumulate((len(starts) for starts, _ in places), initial=0))
    words = [
        document_words(each.document.text, each.encoded, vectors.window_of[start:end] - before, *edges, store)
        for each, edges, before, start, end in zip(documents, places, windows, mentions, mentions[1:], strict=False)
    ]
    return Context(surfaces, vectors, words_of_texts(words, windows[:-1]))
