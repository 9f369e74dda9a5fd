"""The linker: text in, links out.

text -> windows -> token encoder -> mentions -> candidates -> features -> scorer -> calibration -> links
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from model import features, mentions, windows
from model.answers import Answers
from model.candidates import CandidateGenerator, CandidateTable
from model.encoder import Encoder
from model.mentions import Spans
from model.prepared import Context, Mentioned, Prepared, gather
from model.protocols import CandidateSource, EntityStore
from model.scorer import Scorer
from model.span_cues import SpanReading, read_spans
from model.types import Document, Link, LinkedDocument, LinkOptions

DEFAULT_OPTIONS = LinkOptions()
BATCH_CHARACTERS = 8_000  # documents encoded together: enough to keep every core busy, small enough to stay in memory
LIKELY = 0.25  # spans less likely than this to be mentions are not looked at further
UNKNOWN = 0.4  # weight of a name that is no alias beside those inside it: nothing speaks for its ends but their case


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
        for batch, encoded in self._encoded_batches(documents):
            answers = self._link_batch(batch, encoded, options, proceed or _go_on)
            linked.extend(
                LinkedDocument(document.id, links, self.source.kb_version, self.version)
                for document, links in zip(batch, answers, strict=True)
            )
        return linked

    def _encoded_batches(
        self, documents: Sequence[Document]
    ) -> Iterator[tuple[list[Document], list[windows.EncodedText | None]]]:
        """Yield batches of documents with their vectors; the next batch is encoded while one is being linked."""
        batches = list(windows.in_batches(documents, lambda document: len(document.text), BATCH_CHARACTERS))
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
        """Encode documents; see `model.windows.encode`."""
        return windows.encode(self.encoder, [document.text for document in documents])

    def read_spans(self, text: str, encoded: windows.EncodedText) -> SpanReading | None:
        """Let the span head, where there is one, read a text."""
        return None if self.span_head is None else read_spans(text, encoded, self.span_head)

    def detect(self, text: str, encoded: windows.EncodedText) -> Spans:
        """Find the mentions of a text: non-overlapping spans, each with the probability that it is one and its cues."""
        reading = self.read_spans(text, encoded)
        spans = mentions.propose(text, self.source, reading)
        cues = mentions.features(text, spans, self.source, self.word_ranks, reading=reading)
        scores = np.where(mentions.common_words(cues), 0, self.scorer.mention_scores(cues)).astype(np.float32)
        spans = Spans(spans.starts, spans.ends, spans.rows, scores, cues)
        # Longer names win over the shorter ones inside them, one or several, unless they are less likely.
        weights = scores * (spans.ends - spans.starts) * np.where(spans.rows < 0, UNKNOWN, 1.0)
        weights = np.where(scores >= LIKELY, weights, 0.0).astype(np.float32)
        return spans.take(mentions.best_disjoint(spans, weights))

    def context(self, text: str, encoded: windows.EncodedText, spans: Spans) -> Context:
        """Gather what a text says of spans (in text order); training and answering share it."""
        return gather([Mentioned(Document("", text), encoded, spans)], self.store, self.query_head)

    def prepare(self, documents: Sequence[Mentioned]) -> Prepared:
        """Generate candidates for the mentions of documents, and compute their features.

        Many documents at once cost less than one after the other; each gets the same as alone.
        """
        context = gather(documents, self.store, self.query_head)
        table = self.candidates(documents, context)
        computed = features.compute(context.surfaces, context.words, table, context.vectors, self.store)
        return Prepared(documents, context.surfaces, table, computed)

    def candidates(self, documents: Sequence[Mentioned], context: Context) -> CandidateTable:
        """Generate candidates for the mentions of documents."""
        rows = np.concatenate([each.spans.rows for each in documents])
        owners = [number for number, each in enumerate(documents) for _ in range(len(each.spans.rows))]
        return self.generator.generate(context.surfaces, rows, context.vectors.query, documents=owners)

    def _link_batch(
        self,
        documents: Sequence[Document],
        encoded: Sequence[windows.EncodedText | None],
        options: LinkOptions,
        proceed: Callable[[], None],
    ) -> list[tuple[Link, ...]]:
        answers: list[tuple[Link, ...]] = [()] * len(documents)
        mentioned: dict[int, Mentioned] = {}
        for index, (document, vectors) in enumerate(zip(documents, encoded, strict=True)):
            proceed()
            if vectors is None:
                answers[index] = tuple(_empty_links(document))
            elif len((found := self._mentioned(document, vectors)).spans.starts):
                mentioned[index] = found
        if mentioned:
            proceed()
            prepared = self.prepare(list(mentioned.values()))
            scores = self.scorer.score(prepared.table, prepared.features)
            links_of = Answers(prepared, scores, options, self.scorer, self.store).of_documents()
            for index, links in zip(mentioned, links_of, strict=True):
                answers[index] = links
        return answers

    def _mentioned(self, document: Document, encoded: windows.EncodedText) -> Mentioned:
        if document.mentions is None:
            return Mentioned(document, encoded, self.detect(document.text, encoded))
        return Mentioned(document, encoded, *given_spans(document))


def _go_on() -> None:
    """Let the work go on."""


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
