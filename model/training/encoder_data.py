"""What the encoder is trained on: wordpieces of entities and of documents' windows, in flat arrays that fit on a GPU.

It is made once from a KB and documents, and training needs neither afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model.encoder import Wordpieces
from model.entity_encoder import MAX_TOKENS
from model.evaluation.corpus import LabelledDocument
from model.substitution import Names, substitute
from model.training.documents import page_name, page_number
from model.training.ragged import Ragged, ragged
from model.training.split import Split
from model.training.tags import wordpiece_marks_of, wordpiece_tags
from model.windows import Window, split

BEARERS = 8  # of a mention's alias, to tell the right one from
TOKENISED = 2000  # texts at a time

IntArray = npt.NDArray[np.int32]


class WordpieceSplitter(Protocol):
    """What is needed of an encoder."""

    def wordpieces(self, texts: Sequence[str]) -> list[Wordpieces]:
        """Split texts into wordpieces."""
        ...


@dataclass(frozen=True, slots=True)
class KnownEntity:
    """What the KB says of an entity.

    Attributes:
        title, description: the texts of these channels; no description is None.
        types: ids.
        names: aliases with their counts.
    """

    id: str
    title: str
    description: str | None
    types: tuple[str, ...]
    names: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class EntityTexts:
    """The entities' side: wordpieces of titles, descriptions (empty where there is none) and types' names.

    Attributes:
        types: for each entity the rows of its types in `type_names`.
        popularity: how often each was linked.
        held_out: which are never the right answer in training.
    """

    titles: Ragged
    descriptions: Ragged
    type_names: Ragged
    types: Ragged
    popularity: IntArray
    held_out: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DocumentWindows:
    """The documents' side, window by window.

    Attributes:
        pieces: wordpieces; `marks` and `tags` have a number for each (see `model.training.tags`).
        source: which of `sources` each window is from.
        page: the number of its page (`model.training.documents.page_number`).
        exhaustive: whether every mention is marked in it.
        mention_window: for each mention its window (ascending).
        first, last: the wordpieces of the window that it is, end exclusive.
        gold: the entity's ordinal.
        bearers: entities that its alias also names, most frequent first (mentions x 8), -1 where fewer.
    """

    pieces: Ragged
    marks: npt.NDArray[np.uint8]
    tags: npt.NDArray[np.int8]
    source: IntArray
    page: npt.NDArray[np.uint64]
    exhaustive: npt.NDArray[np.bool_]
    mention_window: IntArray
    first: IntArray
    last: IntArray
    gold: IntArray
    bearers: IntArray


@dataclass(frozen=True, slots=True)
class EncoderData:
    """Both sides; `sources` are the names of the documents' sources."""

    entities: EntityTexts
    windows: DocumentWindows
    sources: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of what is learned."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.windows.pieces.values, self.windows.gold, self.entities.titles.values):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


class Packer:
    """Turns a KB and documents into `EncoderData`."""

    def __init__(self, splitter: WordpieceSplitter, division: Split, substitution: float = 0.0) -> None:
        """Take what holds pages and entities out, and the share of full names that give way to ambiguous ones."""
        self._splitter = splitter
        self._division = division
        self._substitution = substitution
        self._names = Names()
        self._entities: EntityTexts | None = None

    def add_entities(self, entities: Iterable[KnownEntity], types: Sequence[tuple[str, str]]) -> None:
        """Take the KB's entities, and its types as (id, label)."""
        type_rows = {key: row for row, (key, _) in enumerate(types)}
        titles: list[str] = []
        descriptions: list[str] = []
        typed: list[list[int]] = []
        popularity: list[int] = []
        for entity in entities:
            titles.append(entity.title)
            descriptions.append(entity.description or "")
            typed.append([type_rows[name] for name in entity.types if name in type_rows])
            popularity.append(sum(count for _, count in entity.names))
            self._names.add(entity.id, entity.title, entity.names)
        self._entities = EntityTexts(
            titles=ragged(self._pieces(titles), np.uint16),
            descriptions=ragged(self._pieces(descriptions), np.uint16),
            type_names=ragged(self._pieces([label for _, label in types]), np.uint16),
            types=ragged(typed, np.int32),
            popularity=np.array(popularity, dtype=np.int32),
            held_out=np.array([self._division.entity_held_out(key) for key in self._names.ordinals], dtype=np.bool_),
        )

    def _pieces(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for start in range(0, len(texts), TOKENISED):
            for pieces in self._splitter.wordpieces(texts[start : start + TOKENISED]):
                yield pieces.ids[: MAX_TOKENS - 2]

    def pack(self, documents: Iterable[tuple[LabelledDocument, bool]]) -> EncoderData:
        """Take documents, each with whether every mention is marked in it, and return everything.

        A page's links to itself are left out: what the KB says of it may be the very text.
        """
        if self._entities is None:
            raise ValueError("add_entities comes first")
        rows = _WindowRows()
        for document, exhaustive in documents:
            self._add(document if exhaustive else self._substituted(document), exhaustive, rows)
        return EncoderData(self._entities, rows.arrays(), tuple(rows.sources))

    def _substituted(self, document: LabelledDocument) -> LabelledDocument:
        """Make names of a document ambiguous, unless it is held out: what is measured are texts as they are."""
        if not self._substitution or self._division.page_held_out(page_number(page_name(document))):
            return document
        return substitute(document, self._names, self._substitution, self._division.seed)

    def _add(self, document: LabelledDocument, exhaustive: bool, rows: _WindowRows) -> None:
        pieces = self._splitter.wordpieces([document.text])[0]
        starts = np.array([start for start, _ in pieces.offsets], dtype=np.int64)
        ends = np.array([end for _, end in pieces.offsets], dtype=np.int64)
        marks = wordpiece_marks_of(document.text, starts.tolist())
        tags = wordpiece_tags(document, starts, ends, exhaustive)
        mentions = sorted(document.counting(), key=lambda mention: mention.start)
        page = page_name(document).replace(" ", "_")
        source = rows.sources.setdefault(document.source, len(rows.sources))
        number = page_number(page)
        for window in split(document.text, pieces):
            row = rows.add(pieces.ids, marks, tags, window, source, number, exhaustive)
            for mention in mentions:
                first = int(np.searchsorted(ends, mention.start, side="right"))
                last = min(max(int(np.searchsorted(starts, mention.end, side="left")), first + 1), window.end)
                gold = self._names.ordinals.get(mention.entity or "")
                if window.core_start <= first < window.core_end and gold is not None and mention.entity != page:
                    surface = document.text[mention.start : mention.end]
                    others = self._others(surface, gold)
                    rows.mentions.append((row, first - window.start, last - window.start, gold, *others))

    def _others(self, surface: str, gold: int) -> list[int]:
        others = self._names.others(surface, gold, BEARERS)
        return others + [-1] * (BEARERS - len(others))


class _WindowRows:
    """Windows and mentions as they come."""

    def __init__(self) -> None:
        self.sources: dict[str, int] = {}
        self.mentions: list[tuple[int, ...]] = []
        self._parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]] = []
        self._about: list[tuple[int, int, bool]] = []

    def add(
        self,
        ids: list[int],
        marks: npt.NDArray[np.uint8],
        tags: npt.NDArray[np.int8],
        window: Window,
        source: int,
        page: int,
        exhaustive: bool,
    ) -> int:
        """Add a window; return its row."""
        part = slice(window.start, window.end)
        self._parts.append((np.array(ids[part], dtype=np.uint16), marks[part], tags[part]))
        self._about.append((source, page, exhaustive))
        return len(self._about) - 1

    def arrays(self) -> DocumentWindows:
        """Return all of them."""
        mentions = np.array(self.mentions, dtype=np.int32).reshape(-1, 4 + BEARERS)
        empty = np.zeros(0, np.uint8)
        return DocumentWindows(
            pieces=ragged([pieces for pieces, _, _ in self._parts], np.uint16),
            marks=np.concatenate([empty, *(marks for _, marks, _ in self._parts)]),
            tags=np.concatenate([empty.astype(np.int8), *(tags for _, _, tags in self._parts)]),
            source=np.array([source for source, _, _ in self._about], dtype=np.int32),
            page=np.array([page for _, page, _ in self._about], dtype=np.uint64),
            exhaustive=np.array([exhaustive for _, _, exhaustive in self._about], dtype=np.bool_),
            mention_window=mentions[:, 0],
            first=mentions[:, 1],
            last=mentions[:, 2],
            gold=mentions[:, 3],
            bearers=mentions[:, 4:],
        )
