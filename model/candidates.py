"""Which entities each mention of a document may mean: by alias, by a similar or shortened name, by meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model.protocols import CandidateSource, FloatArray, IntArray
from model.types import FoundBy

MAX_CANDIDATES = 30
DENSE_RESULTS = 10
INHERITED = 5  # candidates taken over from one longer name
LONGER_NAMES = 3  # the latest ones say best who is meant; more of them would crowd out the alias's own bearers
MOST_WORDS = 6  # of a short form
LONGEST_ACRONYM = 6
ALIAS, FUZZY, DENSE = 1, 2, 4
FOUND_BY: tuple[tuple[int, FoundBy], ...] = ((ALIAS, "alias"), (FUZZY, "fuzzy"), (DENSE, "dense"))

# Takes an alias row, ordinals and counts, and gives those to use instead: training leaves out what a page itself
# taught.
Discount = Callable[[int, IntArray, IntArray], tuple[IntArray, IntArray]]


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """The candidates of all mentions of one document, mention by mention.

    Attributes:
        mention: for each candidate, the position of its mention (ascending).
        ordinal: the entity.
        count: how often the mention's alias named the entity.
        found: bits ALIAS, FUZZY, DENSE.
        short_form: 1 where the candidate was taken over from a longer name earlier in the document.
        dense: inner product in the search by meaning; 0 where it did not find the candidate.
        totals: for each mention, the sum of its alias's counts; of the similar ones', where it is no alias.
        rows: for each mention, the alias that it is, or -1.
    """

    mention: IntArray
    ordinal: IntArray
    count: FloatArray
    found: IntArray
    short_form: FloatArray
    dense: FloatArray
    totals: FloatArray
    rows: IntArray

    @property
    def mentions(self) -> int:
        """The number of mentions, those without candidates included."""
        return len(self.totals)

    def of_mentions(self, first: int, last: int) -> CandidateTable:
        """Return the candidates of a run of mentions, which are then counted from 0."""
        rows = slice(*np.searchsorted(self.mention, [first, last]))
        return CandidateTable(
            mention=self.mention[rows] - first,
            ordinal=self.ordinal[rows],
            count=self.count[rows],
            found=self.found[rows],
            short_form=self.short_form[rows],
            dense=self.dense[rows],
            totals=self.totals[first:last],
            rows=self.rows[first:last],
        )


def found_by(bits: int) -> tuple[FoundBy, ...]:
    """Return in words where a candidate was found."""
    return tuple(name for bit, name in FOUND_BY if bits & bit)


class _Entry:
    """A candidate under construction."""

    __slots__ = ("count", "dense", "found", "short_form")

    def __init__(self) -> None:
        self.count = 0.0
        self.found = 0
        self.short_form = 0.0
        self.dense = 0.0


class _Absent:
    """A `Discount` that leaves out entities, on top of another one."""

    def __init__(self, absent: Collection[int], also: Discount | None) -> None:
        self._absent = list(absent)
        self._also = also

    def __call__(self, row: int, ordinals: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
        if self._also is not None:
            ordinals, counts = self._also(row, ordinals, counts)
        there = ~np.isin(ordinals, self._absent)
        return ordinals[there], counts[there]


class CandidateGenerator:
    """Finds candidates in a `CandidateSource`."""

    def __init__(self, source: CandidateSource) -> None:
        self._source = source

    def generate(
        self,
        surfaces: Sequence[str],
        rows: IntArray,
        queries: FloatArray,
        discount: Discount | None = None,
        absent: Collection[int] = (),
    ) -> CandidateTable:
        """Find at most 30 candidates for each mention of one document.

        Args:
            surfaces: the mentions' words, in text order.
            rows: the alias that each is where that is known, else -1.
            queries: unit vectors (mentions x 384) for the search by meaning.
            discount: see `Discount`.
            absent: entities to be treated as if the KB did not have them: from them NIL is learned.
        """
        if absent:
            discount = _Absent(absent, discount)
        entries: list[dict[int, _Entry]] = []
        totals = np.zeros(len(surfaces), dtype=np.float32)
        found_rows = np.full(len(surfaces), -1, dtype=np.int32)
        for index, surface in enumerate(surfaces):
            found: dict[int, _Entry] = {}
            for row, bit in self._rows_of(surface, int(rows[index])):
                total = self._add_bearers(found, row, bit, discount)
                if found:
                    found_rows[index], totals[index] = row, total
                    break
            else:
                if is_word(surface):
                    for row in self._source.similar_aliases(surface):
                        totals[index] += self._add_bearers(found, row, FUZZY, discount)
            entries.append(found)
        self._inherit(surfaces, entries)
        self._add_dense(surfaces, entries, queries, absent)
        return _table(entries, totals, found_rows)

    def _rows_of(self, surface: str, known: int) -> Iterator[tuple[int, int]]:
        """Yield the rows of the alias that a surface is, then of its plain variants, and how each was found."""
        row = known if known >= 0 else self._source.alias_row(surface)
        if row >= 0:
            yield row, ALIAS
        if not is_word(surface):
            return
        for variant in _variants(surface):
            row = self._source.alias_row(variant)
            if row >= 0:
                yield row, FUZZY

    def _add_bearers(self, found: dict[int, _Entry], row: int, bit: int, discount: Discount | None) -> float:
        ordinals, counts = self._source.bearers(row)
        if discount is not None:
            ordinals, counts = discount(row, ordinals, counts)
        for ordinal, count in zip(ordinals[:MAX_CANDIDATES].tolist(), counts[:MAX_CANDIDATES].tolist(), strict=True):
            entry = found.setdefault(ordinal, _Entry())
            entry.count += count
            entry.found |= bit
        return float(counts.sum())

    def _inherit(self, surfaces: Sequence[str], entries: list[dict[int, _Entry]]) -> None:
        """Give short forms the candidates of the longer names before them: "Merkel" after "Angela Merkel"."""
        longer: dict[str, list[str]] = {}  # short form to the longer names before, the latest last
        heirs: dict[str, list[int]] = {}  # longer name to its best candidates
        for index, surface in enumerate(surfaces):
            names = {name: None for form in (surface, surface.replace(".", "")) for name in longer.get(form, ())}
            for name in [name for name in names if is_short_form(surface, name)][-LONGER_NAMES:]:
                for ordinal in heirs[name]:
                    entry = entries[index].setdefault(ordinal, _Entry())
                    entry.found |= FUZZY
                    entry.short_form = 1.0
            if " " in surface and surface[:1].isupper() and entries[index]:
                best = sorted(entries[index].items(), key=lambda item: -item[1].count)[:INHERITED]
                heirs[surface] = [ordinal for ordinal, _ in best]
                for form in _short_forms(surface):
                    known = longer.setdefault(form, [])
                    if surface in known:
                        known.remove(surface)
                    known.append(surface)
                    del known[:-LONGER_NAMES]

    def _add_dense(
        self,
        surfaces: Sequence[str],
        entries: list[dict[int, _Entry]],
        queries: FloatArray,
        absent: Collection[int],
    ) -> None:
        words = [index for index, surface in enumerate(surfaces) if is_word(surface)]
        if not words:
            return
        ordinals, scores = self._source.nearest(queries[words], DENSE_RESULTS + len(absent))
        for index, near, inner in zip(words, ordinals.tolist(), scores.tolist(), strict=True):
            there = [pair for pair in zip(near, inner, strict=True) if pair[0] >= 0 and pair[0] not in absent]
            for ordinal, score in there[:DENSE_RESULTS]:
                entry = entries[index].setdefault(ordinal, _Entry())
                entry.found |= DENSE
                entry.dense = score


def is_word(surface: str) -> bool:
    """Tell whether a surface holds a letter or digit; a space or a dash names something only if it is an alias."""
    return any(character.isalnum() for character in surface)


def is_short_form(surface: str, longer: str) -> bool:
    """Tell whether `surface` can be a shorter name for what `longer` names.

    That is its first or last words ("Merkel", "Angela" for "Angela Merkel"), or its initials.
    """
    if len(surface) >= len(longer) or not surface[:1].isupper():
        return False
    if longer.endswith(" " + surface) or longer.startswith(surface + " "):
        return True
    letters = surface.replace(".", "")
    return 2 <= len(letters) <= LONGEST_ACRONYM and letters.isupper() and letters == _initials(longer)


def _short_forms(longer: str) -> list[str]:
    """Return what `is_short_form` holds for, initials without full stops; of long names only the outer words."""
    spaces = [index for index, character in enumerate(longer) if character == " "]
    outer = dict.fromkeys(spaces[:MOST_WORDS] + spaces[-MOST_WORDS:])
    forms = [form for space in outer for form in (longer[:space], longer[space + 1 :])]
    return list(dict.fromkeys([*forms, _initials(longer)]))


def _initials(name: str) -> str:
    return "".join(word[0] for word in re.findall(r"\w+", name) if word[0].isupper())


def _variants(surface: str) -> list[str]:
    """Return spellings to try for a surface that is no alias: without possessive, article, full stops or hyphens."""
    plain = re.sub(r"['’]s?$", "", surface)
    without_article = re.sub(r"^(?:the|a|an)\s+", "", plain, flags=re.IGNORECASE)
    bare = without_article.strip("\"'“”‘’()[].,;:!?- ")
    variants = [
        plain,
        without_article,
        bare,
        bare.replace(".", ""),
        bare.replace("-", " "),
        bare.replace("–", "-"),
        f"the {bare}",
        bare.removesuffix("s"),
        re.sub(r"\s*\([^)]*\)$", "", bare),
        re.sub(r"\s*,.*$", "", bare),
    ]
    return [variant for variant in dict.fromkeys(variants) if variant and variant != surface]


def _table(entries: list[dict[int, _Entry]], totals: FloatArray, rows: IntArray) -> CandidateTable:
    kept: list[tuple[int, int, _Entry]] = []
    for index, found in enumerate(entries):
        # Of a name that many share, the rarest bearers give way to what is near in meaning: rare ones are among it.
        near = sum(bool(entry.found & DENSE) for entry in found.values())
        ranked = sorted(found.items(), key=lambda item: (-item[1].short_form, item[1].found == DENSE, -item[1].count))
        places = MAX_CANDIDATES - near
        for ordinal, entry in ranked:
            if not entry.found & DENSE:
                places -= 1
            if entry.found & DENSE or places >= 0:
                kept.append((index, ordinal, entry))
    return CandidateTable(
        mention=np.array([index for index, _, _ in kept], dtype=np.int32),
        ordinal=np.array([ordinal for _, ordinal, _ in kept], dtype=np.int32),
        count=np.array([entry.count for _, _, entry in kept], dtype=np.float32),
        found=np.array([entry.found for _, _, entry in kept], dtype=np.int32),
        short_form=np.array([entry.short_form for _, _, entry in kept], dtype=np.float32),
        dense=np.array([entry.dense for _, _, entry in kept], dtype=np.float32),
        totals=totals,
        rows=rows,
    )
