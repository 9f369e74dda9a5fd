"""Run linkers over a labelled corpus and score them.

Documents are linked in small batches and judged at once, so a corpus need not fit in memory with its texts. Results do
not depend on the order of documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Protocol

from model.evaluation.collecting import GroupCollector
from model.evaluation.corpus import Corpus, LabelledDocument, Selection
from model.evaluation.judging import judge
from model.evaluation.results import Evaluation, Mode, Settings
from model.types import Document, Link, LinkedDocument, LinkOptions, Span

BATCH = 32  # documents a call: enough to keep the encoder's threads busy, few enough for a lively progress bar


class Linker(Protocol):
    """What is evaluated."""

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        """Answer documents in their order, and given mentions in theirs."""
        ...


class KnowledgeBase(Protocol):
    """What the harness asks about gold entities."""

    def contains(self, entity: str) -> bool:
        """Say whether the KB has an entity of this id."""
        ...

    def training_count(self, entity: str) -> int:
        """Return how often the entity was linked in training (its popularity)."""
        ...


class LinkerContractError(RuntimeError):
    """A linker's answer is not what was asked for, so it cannot be scored."""


def evaluate(
    corpus: Iterable[LabelledDocument],
    systems: Mapping[str, Linker],
    kb: KnowledgeBase,
    mode: Mode,
    progress: Callable[[int], None] | None = None,
    settings: Settings | None = None,
) -> Evaluation:
    """Link a corpus with every system and score the answers.

    Args:
        systems: by name; the first is compared with each of the others.
        mode: `d2kb` gives the counting gold spans to the linkers, `a2kb` has them find mentions themselves.
        progress: called with the number of documents done since the last call, over all systems.

    Raises:
        CorpusError: a document is not as it should be.
        LinkerContractError: a linker left out or invented documents or mentions.
        ValueError: there are no systems or no documents.
    """
    if not systems:
        raise ValueError("no systems to evaluate")
    settings = settings or Settings()
    contains, count = cache(kb.contains), cache(kb.training_count)
    collector = GroupCollector(mode, settings)
    for batch in _batches(corpus):
        for document in batch:
            collector.add_gold(document, contains)
        for system, linker in systems.items():
            for document, answer in zip(batch, _link(linker, system, batch, mode, settings), strict=True):
                collector.add_judgement(system, document, judge(document, answer.links, contains, count))
                collector.add_versions(system, answer.model_version, answer.kb_version)
            if progress:
                progress(len(batch))
    groups = collector.groups()
    if not groups:
        raise ValueError("no documents to evaluate")
    return Evaluation(mode, settings, groups, *_origin(corpus))


def _origin(corpus: Iterable[LabelledDocument]) -> tuple[tuple[str, ...], Selection]:
    """Say which files were evaluated, and what was selected of them; folders are nobody's business."""
    if not isinstance(corpus, Corpus):
        return (), Selection()
    return tuple(path.name for path in corpus.files), corpus.selection


def _batches(corpus: Iterable[LabelledDocument]) -> Iterator[list[LabelledDocument]]:
    documents = iter(corpus)
    while batch := list(islice(documents, BATCH)):
        yield batch


def _link(
    linker: Linker, system: str, batch: Sequence[LabelledDocument], mode: Mode, settings: Settings
) -> list[LinkedDocument]:
    """Have a batch linked, and check that the answer can be scored."""
    asked = [_question(document, mode) for document in batch]
    options = LinkOptions(min_confidence=settings.min_confidence, max_candidates=settings.max_candidates)
    answers = linker.link(asked, options)
    if [answer.id for answer in answers] != [document.id for document in asked]:
        raise LinkerContractError(f"{system} did not answer the documents that it was given, in their order")
    for question, answer in zip(asked, answers, strict=True):
        spans = tuple(Span(link.start, link.end) for link in answer.links)
        if question.mentions is not None and spans != question.mentions:
            raise LinkerContractError(f"{system} did not answer the given mentions of {question.id!r}, in their order")
        for link in answer.links:
            _check(link, question, system)
    return answers


def _question(document: LabelledDocument, mode: Mode) -> Document:
    """Ask about a document; neutral gold is not given, or answering it would have to be ignored again."""
    if mode == "a2kb":
        return Document(document.id, document.text)
    return Document(document.id, document.text, tuple(Span(m.start, m.end) for m in document.counting()))


def _check(link: Link, question: Document, system: str) -> None:
    where = f"{system}: link [{link.start}, {link.end}) in {question.id!r}"
    if not 0 <= link.start < link.end <= len(question.text):
        raise LinkerContractError(f"{where} does not fit a text of {len(question.text)} characters")
    if not 0.0 <= link.confidence <= 1.0:
        raise LinkerContractError(f"{where} has confidence {link.confidence}, which is no probability")
