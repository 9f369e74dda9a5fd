"""Weak labels: mentions that nobody linked and that are most likely right all the same.

Pages link a name once, and never link to themselves. Bootleg (Orr et al., 2020) found most of its training mentions in
what that leaves unlinked: a page's own name and alternate names in its own text. Beside those, here are names that only
one entity bears, and further occurrences of words that the document links elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

from model.evaluation.corpus import LabelledDocument
from model.mentions import SENTENCE_START
from model.protocols import CandidateSource, EntityStore
from model.training.documents import page_name
from model.writing import FUNCTION_WORDS, WORD, writing_of

# Links that people made. What is weak itself teaches no further weak labels.
TRUE_KINDS = frozenset({"anchor", "table", "gold"})
SEEN = 2  # links from which on a name that is no label is trusted to mean its only bearer
# Name suffixes that are no surname.
_SUFFIX = re.compile(r"(?:,?\s+(?:Jr|Sr|II|III|IV|V|VI)\.?)+$")
_IN_WORD = re.compile(r"\w\w")
_PAGES = 4096  # pages whose names are kept: parts of a page follow each other in a file


class Rule(Enum):
    """Why words are labelled; of labels that overlap and are of one length, the first rule's is kept."""

    REPEAT = "words linked elsewhere in the document"
    LABEL = "the page's own name"
    ALIAS = "another name of the page"
    SURNAME = "surname of the page's person"
    UNIQUE = "name of one entity alone"


@dataclass(frozen=True, slots=True)
class WeakLabel:
    """A span (code points, end exclusive), the id of the entity that it most likely names, and why."""

    start: int
    end: int
    entity: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page's own names are: rows of aliases, the one of the label, and a surname or nothing."""

    entity: str
    rows: frozenset[int]
    label: int
    surname: str


class WeakLabeller:
    """Finds weak labels in documents.

    Args:
        source: finds names.
        store: finds entities.
        persons: ids of the types that say that an entity is a person; types below them say so, too.
    """

    def __init__(self, source: CandidateSource, store: EntityStore, persons: Sequence[str]) -> None:
        self._source = source
        self._store = store
        self._persons = store.type_rows(persons)
        self._page = lru_cache(_PAGES)(self._read_page)
        self._sole: dict[int, tuple[str | None, str]] = {}

    def knows_page(self, document: LabelledDocument) -> bool:
        """Tell whether the document is from a page about an entity."""
        return self._page(page_name(document)) is not None

    def label(self, document: LabelledDocument) -> list[WeakLabel]:
        """Return the weak labels of a document in text order.

        They overlap no mention of the document and not each other, and none goes over a line break. Words that two
        rules give to different entities get no label.
        """
        words = _Words(document.text)
        found: dict[tuple[int, int], WeakLabel | None] = {}
        for label in (*self._repeats(document), *self._names(document, words)):
            other = found.setdefault((label.start, label.end), label)
            if other is not None and other.entity != label.entity:
                found[label.start, label.end] = None
        taken = [mention.key for mention in document.mentions]
        free = [
            label
            for label in found.values()
            if label and words.stand_alone(label.start, label.end) and not _overlaps(label, taken)
        ]
        return _longest(free)

    def _repeats(self, document: LabelledDocument) -> Iterator[WeakLabel]:
        """Yield the occurrences of words that the document links, always to the same entity."""
        text = document.text
        linked: dict[str, set[str | None]] = {}
        for mention in document.mentions:
            if mention.kind in TRUE_KINDS:
                linked.setdefault(text[mention.start : mention.end], set()).add(mention.entity)
        for surface, entities in linked.items():
            entity = next(iter(entities)) if len(entities) == 1 else None
            if entity is None or "\n" in surface or not _is_telling(surface):
                continue
            for start, end in _occurrences(surface, text):
                yield WeakLabel(start, end, entity, Rule.REPEAT)

    def _names(self, document: LabelledDocument, words: _Words) -> Iterator[WeakLabel]:
        """Yield the page's own names, and names that only one entity bears."""
        text, page = document.text, self._page(page_name(document))
        matches = self._source.match(text)
        for start, end, row in zip(matches.starts.tolist(), matches.ends.tolist(), matches.rows.tolist(), strict=True):
            own = page is not None and row in page.rows
            # Most matches are common words, which are not worth a closer look.
            if text[start].islower() and not own:
                continue
            surface = text[start:end]
            if "\n" in surface:
                continue
            title = " " in surface and is_title(surface)
            if title:
                words.long_names.append((start, end))
            if page is not None and own:
                rule = Rule.LABEL if row == page.label else Rule.ALIAS
                if title or (" " in surface and rule is Rule.LABEL) or words.is_name(start, end):
                    yield WeakLabel(start, end, page.entity, rule)
            elif title and not words.begins_by_chance(start, end):
                entity = self._sole_bearer(row, surface)
                if entity is not None:
                    yield WeakLabel(start, end, entity, Rule.UNIQUE)
        if page is not None and page.surname:
            yield from _surnames(text, page, words)

    def _sole_bearer(self, row: int, surface: str) -> str | None:
        """Return the entity that alone bears a name, if the name is its own as far as can be known.

        A name that is not its label must have named it twice. A label counts as it is written: "Middle School" is a
        part of a name, "middle school" is what the entity is called. And an id that ends with a bracket,
        "Minister_of_Health_(Canada)", says that others are called so, too.
        """
        if row not in self._sole:
            self._sole[row] = self._read_bearer(row)
        entity, label = self._sole[row]
        return None if label and label != surface and label.casefold() == surface.casefold() else entity

    def _read_bearer(self, row: int) -> tuple[str | None, str]:
        """Return the entity that alone bears a name, or None, and the entity's label if it is that."""
        ordinals, counts = self._source.bearers(row)
        if len(ordinals) != 1:
            return None, ""
        entity = self._store.entity_id(int(ordinals[0]))
        label = self._store.labels(ordinals)[0]
        is_label = self._source.alias_row(label) == row
        if entity.endswith(")") or not (is_label or counts[0] >= SEEN):
            return None, ""
        return entity, label if is_label else ""

    def _read_page(self, name: str) -> _Page | None:
        ordinal = self._entity_of(name)
        if ordinal is None:
            return None
        ordinals = np.array([ordinal], dtype=np.int32)
        label = self._store.labels(ordinals)[0]
        rows = frozenset(self._store.names(ordinals)[1].tolist())
        last = _SUFFIX.sub("", label).split()[1:][-1:]
        person = bool(last) and is_title(label) and bool(self._store.has_type(ordinals, self._persons)[0])
        return _Page(self._store.entity_id(ordinal), rows, self._source.alias_row(label), last[0] if person else "")

    def _entity_of(self, page: str) -> int | None:
        """Return the entity whose id a page's name is, or which alone has it as its label."""
        ordinal = self._store.ordinal(page)
        if ordinal is None:
            ordinal = self._store.ordinal(page.replace(" ", "_"))
        if ordinal is not None:
            return ordinal
        label = page.replace("_", " ")
        row = self._source.alias_row(label)
        if row < 0:
            return None
        ordinals, _ = self._source.bearers(row)
        called = [at for at, own in zip(ordinals.tolist(), self._store.labels(ordinals), strict=True) if own == label]
        return called[0] if len(called) == 1 else None


def _surnames(text: str, page: _Page, words: _Words) -> Iterator[WeakLabel]:
    for start, end in _occurrences(page.surname, text):
        if words.is_name(start, end):
            yield WeakLabel(start, end, page.entity, Rule.SURNAME)


def _occurrences(surface: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where words stand in a text, no part of longer words."""
    start = text.find(surface)
    while start >= 0:
        end = start + len(surface)
        if not _IN_WORD.search(text, max(0, start - 1), start + 1) and not _IN_WORD.search(text, end - 1, end + 1):
            yield start, end
        start = text.find(surface, end)


class _Words:
    """What the text around words says of them.

    Attributes:
        long_names: the spans of names of several words that the knowledge base has, whoever bears them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lower: set[str] | None = None
        self.long_names: list[tuple[int, int]] = []

    def begins_by_chance(self, start: int, end: int) -> bool:
        """Tell whether a name begins a sentence with a word that is no part of it as likely as not: "In Rainbows"."""
        first = self._first(start, end)
        return (first in FUNCTION_WORDS or first in self.lower) and self._begins_sentence(start)

    def is_name(self, start: int, end: int) -> bool:
        """Tell whether a single word is written as a name, and not only because it begins a sentence."""
        word = self._text[start:end]
        if " " in word or word == word.lower() or not _is_telling(word):
            return False
        first = self._first(start, end)
        return first not in FUNCTION_WORDS and not (first in self.lower and self._begins_sentence(start))

    def stand_alone(self, start: int, end: int) -> bool:
        """Tell whether words are no part of a longer name, as far as that can be seen."""
        if any(a <= start and end <= b and b - a > end - start for a, b in self.long_names):
            return False
        surface = self._text[start:end]
        if surface == surface.lower():
            return True
        if re.match(r"[ -][^\W\d_]", self._text[end : end + 2]) and self._text[end + 1].isupper():
            return False
        return " " in surface or not self._follows_name(start)

    @property
    def lower(self) -> set[str]:
        """The words that the text has in lower case."""
        if self._lower is None:
            self._lower = {word for word in WORD.findall(self._text) if word.islower()}
        return self._lower

    def _first(self, start: int, end: int) -> str:
        found = WORD.search(self._text, start, end)
        return found.group().lower() if found else ""

    def _begins_sentence(self, start: int) -> bool:
        return bool(SENTENCE_START.search(self._text, max(0, start - 8), start))

    def _follows_name(self, start: int) -> bool:
        """Tell whether the word before is another name, as in "Mary Lincoln"."""
        if start == 0 or self._text[start - 1] not in " -":
            return False
        before = self._text[max(0, start - 40) : start - 1].split("\n")[-1].split(" ")[-1]
        word = before.lstrip("\"'“‘([")
        if not word[:1].isupper() or word.lower() in FUNCTION_WORDS:
            return False
        return word[-1].isalnum() or (word.endswith(".") and len(word) <= 4)


def is_title(surface: str) -> bool:
    """Tell whether words are written as a name: a capital or a digit begins the first and the last.

    "Bank of England" is, "Bank of the river" is not.
    """
    words = WORD.findall(surface)
    ends = words[:1] + words[-1:]
    return bool(ends) and all(word[0].isupper() or word[0].isdigit() for word in ends) and writing_of(surface).upper


def _is_telling(surface: str) -> bool:
    """Tell whether words are more than a number, a letter or a sign."""
    return len(surface) > 1 and any(character.isalpha() for character in surface)


def _overlaps(label: WeakLabel, taken: Iterable[tuple[int, int]]) -> bool:
    return any(start < label.end and label.start < end for start, end in taken)


def _longest(labels: Iterable[WeakLabel]) -> list[WeakLabel]:
    """Return labels that do not overlap, longer ones before shorter ones, in text order."""
    rules = list(Rule)
    chosen: list[WeakLabel] = []
    for label in sorted(labels, key=lambda one: (one.start - one.end, rules.index(one.rule), one.start)):
        if not _overlaps(label, ((other.start, other.end) for other in chosen)):
            chosen.append(label)
    return sorted(chosen, key=lambda label: label.start)


def with_labels(row: dict[str, Any], labels: Sequence[WeakLabel]) -> dict[str, Any]:
    """Return a document's JSON object with weak labels among its mentions, which stay as they are, in text order."""
    added = [{"start": one.start, "end": one.end, "entity": one.entity, "kind": "weak"} for one in labels]
    return row | {
        "mentions": sorted([*row["mentions"], *added], key=lambda mention: (mention["start"], mention["end"]))
    }
