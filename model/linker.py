"""The linker: text in, links out.

text -> windows -> token encoder -> mentions -> candidates -> features -> scorer -> calibration -> links
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model import features, mentions, windows
from model.candidates import CandidateGenerator, CandidateTable, found_by
from model.encoder import Encoder
from model.mention_vectors import MentionVectors, mention_vectors
from model.mentions import Spans
from model.protocols import CandidateSource, EntityStore, FloatArray
from model.scorer import Scorer, Scores, probabilities
from model.shared_words import DocumentWords, document_words
from model.span_cues import SpanReading, read_spans
from model.types import Candidate, Document, Link, LinkedDocument, LinkOptions

DEFAULT_OPTIONS = LinkOptions()
BATCH_CHARACTERS = 8_000  # documents encoded together: enough to keep every core busy, small enough to stay in memory
LIKELY = 0.05  # spans less likely than this to be mentions are not looked at further
UNKNOWN = 0.4  # weight of a name that is no alias beside those inside it: nothing speaks for its ends but their case


@dataclass(frozen=True, slots=True)
class Context:
    """What a document says of its mentions: their words, their vectors, the words around them."""

    surfaces: list[str]
    vectors: MentionVectors
    words: DocumentWords


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document up to its features."""

    document: Document
    spans: Spans
    surfaces: list[str]
    table: CandidateTable
    features: features.FeatureTable


class Linker:
    """Links documents against one KB with one model."""

    def __init__(self, encoder: Encoder, source: CandidateSource, store: EntityStore, scorer: Scorer) -> None:
        self.encoder = encoder
        self.source = source
        self.store = store
        self.scorer = scorer
        self.generator = CandidateGenerator(source)
        self.word_ranks = encoder.word_ranks
        self.query_head = None if encoder.adapter is None else encoder.adapter.query
        self.span_head = None if encoder.adapter is None else encoder.adapter.span

    @property
    def version(self) -> str:
        """Names scorer and encoder."""
        return f"{self.scorer.version}+{self.encoder.version}"

    def link(
        self,
        documents: Sequence[Document],
        options: LinkOptions = DEFAULT_OPTIONS,
        proceed: Callable[[], None] | None = None,
    ) -> list[LinkedDocument]:
        """Link documents.

        Args:
            documents: the documents.
            options: how to answer.
            proceed: called before each document; whatever it raises ends the work.

        Given mentions are answered one for one, in their order; without given mentions, the answer holds the detected
        ones that mean an entity of the KB, and those that seem to name an entity that the KB does not have.
        """
        linked: list[LinkedDocument] = []
        for batch, encoded_batch in self._encoded_batches(documents):
            for document, encoded in zip(batch, encoded_batch, strict=True):
                if proceed is not None:
                    proceed()
                links = self._link_one(document, encoded, options)
                linked.append(LinkedDocument(document.id, links, self.source.kb_version, self.version))
        return linked

    def _encoded_batches(
        self, documents: Sequence[Document]
    ) -> Iterator[tuple[list[Document], list[windows.EncodedText | None]]]:
        """Yield batches of documents with their vectors; the next batch is encoded while one is being linked."""
        batches = list(_batches(documents))
        if len(batches) < 2:
            for batch in batches:
                yield batch, self.encode(batch)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
            running = ahead.submit(self.encode, batches[0])
            for batch, following in zip(batches, [*batches[1:], None], strict=True):
                encoded = running.result()
                if following is not None:
                    running = ahead.submit(self.encode, following)
                yield batch, encoded

    def encode(self, documents: Sequence[Document]) -> list[windows.EncodedText | None]:
        """Encode documents window by window; None for one without wordpieces."""
        pieces = self.encoder.wordpieces([document.text for document in documents])
        cuts = [windows.split(document.text, piece) for document, piece in zip(documents, pieces, strict=True)]
        hidden = iter(
            self.encoder.hidden(
                [piece.ids[cut.start : cut.end] for piece, parts in zip(pieces, cuts, strict=True) for cut in parts]
            )
        )
        return [
            windows.join(piece, parts, [next(hidden) for _ in parts]) if parts else None
            for piece, parts in zip(pieces, cuts, strict=True)
        ]

    def read_spans(self, text: str, encoded: windows.EncodedText) -> SpanReading | None:
        """Let the span head, where there is one, read a text."""
        return None if self.span_head is None else read_spans(text, encoded, self.span_head)

    def detect(self, text: str, encoded: windows.EncodedText) -> Spans:
        """Find the mentions of a text: non-overlapping spans with the probability that each is one."""
        reading = self.read_spans(text, encoded)
        spans = mentions.propose(text, self.source, reading)
        cues = mentions.features(text, spans, self.source, self.word_ranks, reading=reading)
        scores = np.where(mentions.common_words(cues), 0, self.scorer.mention_scores(cues)).astype(np.float32)
        spans = Spans(spans.starts, spans.ends, spans.rows, scores)
        # Longer names win over the shorter ones inside them, one or several, unless they are less likely.
        # What is less likely than the threshold could not be answered, however sure its entity.
        likely = scores >= max(LIKELY, self.scorer.threshold)
        weights = scores * (spans.ends - spans.starts) * np.where(spans.rows < 0, UNKNOWN, 1.0)
        weights = np.where(likely, weights, 0.0).astype(np.float32)
        return spans.take(mentions.best_disjoint(spans, weights))

    def context(self, text: str, encoded: windows.EncodedText, spans: Spans) -> Context:
        """Gather what a text says of spans (in text order); training and answering share it."""
        starts, ends = spans.starts.tolist(), spans.ends.tolist()
        surfaces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
        vectors = mention_vectors(encoded, starts, ends, self.query_head)
        return Context(surfaces, vectors, document_words(text, encoded, vectors.window_of, starts, ends, self.store))

    def prepare(self, document: Document, encoded: windows.EncodedText, spans: Spans) -> Prepared:
        """Generate candidates for spans (in text order) and compute their features."""
        context = self.context(document.text, encoded, spans)
        table = self.generator.generate(context.surfaces, spans.rows, context.vectors.query)
        computed = features.compute(context.surfaces, context.words, table, context.vectors, self.store)
        return Prepared(document, spans, context.surfaces, table, computed)

    def _link_one(
        self, document: Document, encoded: windows.EncodedText | None, options: LinkOptions
    ) -> tuple[Link, ...]:
        given = document.mentions is not None
        if encoded is None:
            return tuple(_empty_links(document))
        spans, order = given_spans(document) if given else (self.detect(document.text, encoded), None)
        if not len(spans.starts):
            return ()
        prepared = self.prepare(document, encoded, spans)
        scores = self.scorer.score(prepared.table, prepared.features)
        answers = list(self._answers(prepared, scores, options, given))
        if order is None:
            return tuple(link for link in answers if link is not None)
        placed: list[Link | None] = [None] * len(answers)
        for position, link in zip(order, answers, strict=True):
            placed[position] = link
        return tuple(link for link in placed if link is not None)

    def _answers(self, prepared: Prepared, scores: Scores, options: LinkOptions, given: bool) -> Iterator[Link | None]:
        table = prepared.table
        probability, nil = probabilities(table.mention, scores)
        confidence = self.scorer.calibrate(probability)
        kept = np.ones(len(table.ordinal), dtype=np.bool_)
        if options.types:
            kept = self.store.has_type(table.ordinal, self.store.type_rows(sorted(options.types)))
            # What means an entity of another type means none of those that were asked for.
            nil = np.maximum(1 - np.bincount(table.mention, probability * kept, minlength=table.mentions), 0)
        ranked = np.lexsort((-scores.raw, table.mention))
        bounds = np.searchsorted(table.mention, np.arange(table.mentions + 1))
        for index in range(table.mentions):
            rows = ranked[bounds[index] : bounds[index + 1]]
            rows = rows[kept[rows]]
            yield self._answer(prepared, scores, confidence, float(nil[index]), index, rows.tolist(), options, given)

    def _answer(
        self,
        prepared: Prepared,
        scores: Scores,
        confidence: FloatArray,
        nil: float,
        index: int,
        rows: list[int],
        options: LinkOptions,
        given: bool,
    ) -> Link | None:
        spans = prepared.spans
        mention_score = 1.0 if given else float(spans.scores[index])
        sure = 0.0 if not rows else float(confidence[rows[0]])
        nil_wins = not rows or nil > self.scorer.nil_threshold or (bool(options.types) and nil > sure)
        unsure = sure < options.min_confidence or (not given and mention_score * sure < self.scorer.threshold)
        nobody_asked = mention_score < 0.5 or options.min_confidence > 0 or bool(options.types)
        if not given and (nobody_asked if nil_wins else unsure):
            return None
        linked = not nil_wins and not unsure
        return Link(
            start=int(spans.starts[index]),
            end=int(spans.ends[index]),
            text=prepared.surfaces[index],
            mention_score=mention_score,
            entity=self.store.entity_id(int(prepared.table.ordinal[rows[0]])) if linked else None,
            confidence=sure if linked else max(nil, 1.0 - sure),
            nil_probability=nil,
            candidates=tuple(
                self._candidate(prepared, scores, confidence, row) for row in rows[: options.max_candidates]
            ),
        )

    def _candidate(self, prepared: Prepared, scores: Scores, confidence: FloatArray, row: int) -> Candidate:
        contributions = (
            {}
            if scores.contributions is None
            else {
                name: round(float(value), 4)
                for name, value in zip(scores.names, scores.contributions[row], strict=True)
                if value
            }
        )
        table = prepared.table
        return Candidate(
            entity=self.store.entity_id(int(table.ordinal[row])),
            score=float(scores.raw[row]),
            confidence=float(confidence[row]),
            found_by=found_by(int(table.found[row])),
            features=contributions,
        )


def given_spans(document: Document) -> tuple[Spans, list[int]]:
    """Return a document's given mentions in text order, and where each stood in the given order."""
    given = document.mentions or ()
    order = sorted(range(len(given)), key=lambda position: (given[position].start, given[position].end))
    starts = np.array([given[position].start for position in order], dtype=np.int32)
    ends = np.array([given[position].end for position in order], dtype=np.int32)
    return Spans(starts, ends, np.full(len(order), -1, np.int32), np.ones(len(order), np.float32)), order


def _empty_links(document: Document) -> Iterator[Link]:
    """Answer NIL for given mentions of a text in which the encoder finds no wordpiece."""
    for span in document.mentions or ():
        yield Link(span.start, span.end, document.text[span.start : span.end], 1.0, None, 1.0, 1.0)


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        if batch and size + len(document.text) > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.text)
    if batch:
        yield batch
