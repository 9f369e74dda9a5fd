"""Labelled documents: what a benchmark file says, and which of its mentions count.

A corpus file is JSON Lines (`.jsonl` or `.jsonl.gz`), one document a line:
`{"id", "source", "page", "text", "evaluation_span": [start, end], "mentions": [{"start", "end", "entity", "kind"}]}`.
Offsets are Unicode code points, end exclusive. `entity` is null where the gold entity is not in the KB.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.evaluation.corpus_lines import CorpusError, check_row, decode_line, open_lines
from model.types import Span
from model.writing import writing_of

# Neither finding nor missing these says anything: they lie inside another mention, or were left to taste.
NEUTRAL_KINDS = frozenset({"nested", "optional", "coref"})
# Where people (or rules) marked only some of the names, a link without gold may be right.
PARTIAL_KINDS = frozenset({"anchor", "table", "weak"})
KINDS = frozenset({"gold"}) | NEUTRAL_KINDS | PARTIAL_KINDS


@dataclass(frozen=True, slots=True)
class GoldMention:
    """An annotated span; `entity` is None where the annotators know of no entity in the KB."""

    start: int
    end: int
    entity: str | None
    kind: str

    @property
    def key(self) -> tuple[int, int]:
        """The span as a comparable pair."""
        return self.start, self.end


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """A document with its gold mentions.

    Attributes:
        evaluation_span: the part of the text that is labelled; None where all of it is.
        page: the page that the text is from, where the file says so.
    """

    id: str
    source: str
    text: str
    mentions: tuple[GoldMention, ...]
    evaluation_span: Span | None = None
    page: str | None = None

    def covers(self, start: int, end: int) -> bool:
        """Say whether a span lies wholly inside the labelled part."""
        area = self.evaluation_span
        return area is None or (area.start <= start and end <= area.end)

    def counting(self) -> tuple[GoldMention, ...]:
        """Return the gold that is scored: not neutral, and wholly inside the labelled part; in text order."""
        found = [m for m in self.mentions if m.kind not in NEUTRAL_KINDS and self.covers(m.start, m.end)]
        return tuple(sorted(found, key=lambda mention: mention.key))

    def neutral(self) -> tuple[GoldMention, ...]:
        """Return the gold that counts neither way: neutral kinds, and what crosses an edge of the labelled part."""
        return tuple(
            m
            for m in self.mentions
            if self._touches(m) and (m.kind in NEUTRAL_KINDS or not self.covers(m.start, m.end))
        )

    def _touches(self, mention: GoldMention) -> bool:
        area = self.evaluation_span
        return area is None or (mention.start < area.end and area.start < mention.end)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents of each file are evaluated.

    Attributes:
        sources: only documents of these sources; empty means all.
        limit: only the first so many of them.
        sample: only so many of them, drawn at random by `seed`. A larger sample contains a smaller one of the same
            seed, so a quick look and a longer one share their documents.
        named: gold without a capital letter ("football") counts neither way, as where named entities alone are scored.
    """

    sources: tuple[str, ...] = ()
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    named: bool = False


@dataclass(frozen=True, slots=True)
class CorpusSummary:
    """What a pass over the whole selection found."""

    documents: int
    mentions: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Benchmark files and what is taken of them; every iteration streams the files anew."""

    files: tuple[Path, ...]
    selection: Selection = Selection()

    def __iter__(self) -> Iterator[LabelledDocument]:
        seen: dict[str, int] = {}
        for order, path in enumerate(self.files):
            for document in _select(read_documents(path), self.selection):
                # The same file twice would count its documents double.
                if seen.setdefault(document.id, order) != order:
                    other = self.files[seen[document.id]].name
                    detail = f"{path.name}: document id {document.id!r} is also in {other}"
                    raise CorpusError(detail, "give each file once, and ids that are unique across files")
                yield document

    def check(self) -> CorpusSummary:
        """Read everything once, so that a mistake in the last line is told before hours of linking, not after.

        Raises:
            CorpusError: a file is not as it should be, or nothing is selected.
        """
        documents = mentions = 0
        sources: dict[str, None] = {}
        for document in self:
            documents += 1
            mentions += len(document.mentions)
            sources[document.source] = None
        if not documents:
            wanted = f" with source {', '.join(sorted(self.selection.sources))}" if self.selection.sources else ""
            detail = f"no documents{wanted} in {', '.join(path.name for path in self.files)}"
            raise CorpusError(detail, "check the file and the names of its sources")
        return CorpusSummary(documents, mentions, tuple(sources))


def read_documents(path: Path) -> Iterator[LabelledDocument]:
    """Stream a corpus file.

    Raises:
        CorpusError: names the file, the line, the field and what to do.
    """
    for _, document in read_rows(path):
        yield document


def read_rows(path: Path) -> Iterator[tuple[dict[str, Any], LabelledDocument]]:
    """Stream a corpus file: each line as it is, whatever fields it has, and the document that it describes.

    Raises:
        CorpusError: names the file, the line, the field and what to do.
    """
    seen: set[str] = set()
    for number, line in open_lines(path):
        where = f"{path.name}, line {number}"
        decoded = decode_line(line, where)
        row = check_row(decoded, where, KINDS)
        if row.id in seen:
            raise CorpusError(f"{where}: field id: {row.id!r} was used before", "make ids unique")
        seen.add(row.id)
        mentions = tuple(GoldMention(m.start, m.end, m.entity, m.kind) for m in row.mentions)
        area = Span(*row.evaluation_span) if row.evaluation_span else None
        document = LabelledDocument(row.id, row.source or _stem(path), row.text, mentions, area, row.page)
        _refuse_doubles(document, where)
        yield decoded, document


def _refuse_doubles(document: LabelledDocument, where: str) -> None:
    """A span has one right answer: alternatives belong in a neutral kind."""
    seen: set[tuple[int, int]] = set()
    for mention in document.counting():
        if mention.key in seen:
            detail = f"{where}: field mentions: span [{mention.start}, {mention.end}) is annotated twice"
            raise CorpusError(detail, 'keep one, and give the others kind "nested" or "optional"')
        seen.add(mention.key)


def _select(documents: Iterable[LabelledDocument], selection: Selection) -> Iterator[LabelledDocument]:
    wanted = (d for d in documents if not selection.sources or d.source in selection.sources)
    if selection.named:
        wanted = (_named_only(document) for document in wanted)
    if selection.sample is not None:
        yield from _sample(wanted, selection.sample, selection.seed)
        return
    for taken, document in enumerate(wanted):
        if selection.limit is not None and taken >= selection.limit:
            return
        yield document


def _named_only(document: LabelledDocument) -> LabelledDocument:
    """Let gold that has no capital letter count neither way."""
    mentions = tuple(
        replace(m, kind=m.kind if writing_of(document.text[m.start : m.end]).upper else "optional")
        for m in document.mentions
    )
    return replace(document, mentions=mentions)


def _sample(documents: Iterable[LabelledDocument], size: int, seed: int) -> list[LabelledDocument]:
    """Keep the documents with the smallest hashes: random, stable under additions, and nested by size."""
    ranked = ((stable_hash(seed, document.id), order, document) for order, document in enumerate(documents))
    kept = heapq.nsmallest(size, ranked, key=lambda item: item[:2])
    return [document for _, _, document in sorted(kept, key=lambda item: item[1])]


def stable_hash(seed: int, *parts: object) -> bytes:
    """Return a pseudo-random key that is the same in every process and on every machine."""
    return hashlib.blake2b(repr((seed, *parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")
