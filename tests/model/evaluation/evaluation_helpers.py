"""Small things that the evaluation tests build on: documents, knowledge bases and linkers that live in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model.evaluation import GoldMention, KnowledgeBase, LabelledDocument
from model.evaluation.judging import Judgement, judge
from model.types import Candidate, Document, Link, LinkedDocument, LinkOptions, Span

LETTERS = "abcdefghijklmnopqrstuvwxyz" * 8


@dataclass(frozen=True)
class DictionaryKB:
    """Entities with their training counts."""

    counts: Mapping[str, int] = field(default_factory=lambda: {"A": 0, "B": 5, "C": 500, "D": 5000})

    def contains(self, entity: str) -> bool:
        return entity in self.counts

    def training_count(self, entity: str) -> int:
        return self.counts[entity]


KB = DictionaryKB()


def gold(start: int, end: int, entity: str | None, kind: str = "gold") -> GoldMention:
    return GoldMention(start, end, entity, kind)


def labelled(
    *mentions: GoldMention, name: str = "d", source: str = "s", area: tuple[int, int] | None = None, text: str = LETTERS
) -> LabelledDocument:
    return LabelledDocument(name, source, text, mentions, Span(*area) if area else None)


def link(
    start: int, end: int, entity: str | None, confidence: float = 0.9, candidates: Sequence[str] | None = None
) -> Link:
    """A link whose candidates are the entity alone, unless they are given."""
    names = candidates if candidates is not None else [entity] if entity else []
    found = tuple(Candidate(name, -float(rank), 0.5, ("alias",)) for rank, name in enumerate(names))
    return Link(start, end, "", 1.0, entity, confidence, 0.0, found)


def judged(document: LabelledDocument, *links: Link) -> Judgement:
    return judge(document, links, KB.contains, KB.training_count)


@dataclass
class DictionaryLinker:
    """Links words that it knows: the longest first, each to its first entity; an unknown given mention is NIL."""

    names: Mapping[str, Sequence[str]]
    confidence: Mapping[str, float] = field(default_factory=dict)

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        return [LinkedDocument(d.id, tuple(self._links(d, options)), 7, "dictionary") for d in documents]

    def _links(self, document: Document, options: LinkOptions) -> list[Link]:
        spans = document.mentions if document.mentions is not None else self._detect(document.text)
        return [self._answer(span, document.text[span.start : span.end], options) for span in spans]

    def _detect(self, text: str) -> list[Span]:
        found: list[Span] = []
        for name in sorted(self.names, key=lambda name: (-len(name), name)):
            start = text.find(name)
            while start >= 0:
                end = start + len(name)
                if not any(span.start < end and start < span.end for span in found):
                    found.append(Span(start, end))
                start = text.find(name, end)
        return sorted(found, key=lambda span: span.start)

    def _answer(self, span: Span, text: str, options: LinkOptions) -> Link:
        entities = self.names.get(text, ())
        confidence = self.confidence.get(text, 0.9)
        candidates = tuple(
            Candidate(entity, -float(rank), confidence, ("alias",)) for rank, entity in enumerate(entities)
        )
        entity = entities[0] if entities else None
        return Link(span.start, span.end, text, 1.0, entity, confidence, 0.0, candidates[: options.max_candidates])


@dataclass
class ScriptedLinker:
    """Answers each document with the links written down for it."""

    links: Mapping[str, Sequence[Link]]
    kb_version: int = 7

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        assert options.max_candidates == 30  # what the harness promises to ask for
        return [LinkedDocument(d.id, tuple(self.links.get(d.id, ())), self.kb_version, "script") for d in documents]


def perfect(documents: Sequence[LabelledDocument], kb: KnowledgeBase = KB) -> ScriptedLinker:
    """Answer every counting gold rightly, NIL where the KB does not have it."""
    return ScriptedLinker(
        {
            d.id: [
                link(m.start, m.end, m.entity if m.entity is not None and kb.contains(m.entity) else None, 1.0)
                for m in d.counting()
            ]
            for d in documents
        }
    )
