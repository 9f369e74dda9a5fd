"""Which entities each mention of a document may mean: by alias, by a similar or shortened name, by meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.protocols import CandidateSource, FloatArray, IntArray
from model.short_forms import is_short_form, short_forms, variants
from model.types import FoundBy

MAX_CANDIDATES = 30
DENSE_RESULTS = 10
INHERITED = 5  # candidates taken over from one longer name
LONGER_NAMES = 3  # the latest ones say best who is meant; more of them would crowd out the alias's own bearers
ALIAS, FUZZY, DENSE = 1, 2, 4
NOTHING: IntArray = np.zeros(0, dtype=np.int32)
FOUND_BY: tuple[tuple[int, FoundBy], ...] = ((ALIAS, "alias"), (FUZZY, "fuzzy"), (DENSE, "dense"))


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """The candidates of all mentions of some documents, mention by mention.

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


@dataclass(frozen=True, slots=True)
class _Named:
    """The candidates that a mention's words lead to.

    Attributes:
        row: the alias that named them, or -1.
        total: the sum of its counts.
        ordinals, counts: the entities and how often they were named so; one may be there twice.
        bit: where they were found.
    """

    row: int
    total: float
    ordinals: IntArray
    counts: IntArray
    bit: int

    def best(self, inherited: Sequence[int]) -> list[int]:
        """Return the most frequent candidates, those inherited among them."""
        counts: dict[int, int] = {}
        for ordinal, count in zip(self.ordinals.tolist(), self.counts.tolist(), strict=True):
            counts[ordinal] = counts.get(ordinal, 0) + count
        for ordinal in inherited:
            counts.setdefault(ordinal, 0)
        return sorted(counts, key=lambda ordinal: -counts[ordinal])[:INHERITED]


class CandidateGenerator:
    """Finds candidates in a `CandidateSource`."""

    def __init__(self, source: CandidateSource) -> None:
        self._source = source

    def generate(
        self,
        surfaces: Sequence[str],
        rows: IntArray,
        queries: FloatArray,
        documents: Sequence[int] | None = None,
    ) -> CandidateTable:
        """Find at most 30 candidates for each mention.

        Args:
            surfaces: the mentions' words, in text order.
            rows: the alias that each is where that is known, else -1.
            queries: unit vectors (mentions x 384) for the search by meaning.
            documents: the document that each mention is of, ascending; None if all are of one.
        """
        found: dict[tuple[str, int], _Named] = {}
        named = []
        for key in zip(surfaces, rows.tolist(), strict=True):
            if key not in found:
                found[key] = self._named(*key)
            named.append(found[key])
        inherited = _inherited(surfaces, named, documents or [0] * len(surfaces))
        parts = [_named_part(named), _inherited_part(inherited), self._dense_part(surfaces, queries)]
        totals = np.array([one.total for one in named], dtype=np.float32)
        return _table(parts, totals, np.array([one.row for one in named], dtype=np.int32))

    def _named(self, surface: str, known: int) -> _Named:
        """Return the candidates that a surface leads to, by its alias or by similar names."""
        for row, bit in self._rows_of(surface, known):
            ordinals, counts = self._source.bearers(row)
            if len(ordinals):
                return _Named(row, float(counts.sum()), ordinals[:MAX_CANDIDATES], counts[:MAX_CANDIDATES], bit)
        similar = self._source.similar_aliases(surface) if is_word(surface) else []
        bearers = [self._source.bearers(row) for row in similar]
        ordinals = np.concatenate([NOTHING, *(ordinals[:MAX_CANDIDATES] for ordinals, _ in bearers)])
        counts = np.concatenate([NOTHING, *(counts[:MAX_CANDIDATES] for _, counts in bearers)])
        total = float(sum(counts.sum() for _, counts in bearers))
        return _Named(-1, total, ordinals, counts, FUZZY)

    def _rows_of(self, surface: str, known: int) -> Iterator[tuple[int, int]]:
        """Yield the rows of the alias that a surface is, then of its plain variants, and how each was found."""
        row = known if known >= 0 else self._source.alias_row(surface)
        if row >= 0:
            yield row, ALIAS
        if not is_word(surface):
            return
        for variant in variants(surface):
            row = self._source.alias_row(variant)
            if row >= 0:
                yield row, FUZZY

    def _dense_part(self, surfaces: Sequence[str], queries: FloatArray) -> _Part:
        """Look for entities by meaning."""
        words = np.array([index for index, surface in enumerate(surfaces) if is_word(surface)], dtype=np.int32)
        if not len(words):
            return _part(NOTHING, NOTHING)
        ordinals, products = self._source.nearest(queries[words], DENSE_RESULTS)
        found = ordinals >= 0
        mention = np.repeat(words, found.sum(axis=1))
        return _part(mention, ordinals[found], found=DENSE, dense=products[found])


class _Part(NamedTuple):
    """Candidates that were found in one way, with what `CandidateTable` says of each; `counts` are its `count`."""

    mention: IntArray
    ordinal: IntArray
    counts: npt.NDArray[np.float64]
    found: IntArray
    short_form: FloatArray
    dense: FloatArray


def _part(
    mention: IntArray,
    ordinal: IntArray,
    count: npt.ArrayLike = 0,
    found: npt.ArrayLike = 0,
    short_form: npt.ArrayLike = 0,
    dense: npt.ArrayLike = 0,
) -> _Part:
    numbers = ((count, np.float64), (found, np.int32), (short_form, np.float32), (dense, np.float32))
    columns = (np.broadcast_to(np.asarray(values, dtype=kind), mention.shape) for values, kind in numbers)
    return _Part(mention, ordinal, *columns)


def _named_part(named: Sequence[_Named]) -> _Part:
    sizes = [len(one.ordinals) for one in named]
    return _part(
        np.repeat(np.arange(len(named), dtype=np.int32), sizes),
        np.concatenate([NOTHING, *(one.ordinals for one in named)]),
        count=np.concatenate([NOTHING, *(one.counts for one in named)]),
        found=np.repeat(np.array([one.bit for one in named], dtype=np.int32), sizes),
    )


def _inherited_part(inherited: Sequence[Sequence[int]]) -> _Part:
    mention = np.repeat(np.arange(len(inherited), dtype=np.int32), list(map(len, inherited)))
    ordinal = np.array([ordinal for some in inherited for ordinal in some], dtype=np.int32)
    return _part(mention, ordinal, found=FUZZY, short_form=1)


def _inherited(surfaces: Sequence[str], named: Sequence[_Named], documents: Sequence[int]) -> list[list[int]]:
    """Give short forms the candidates of longer names before them in the document: "Merkel" after "Angela Merkel"."""
    inherited: list[list[int]] = []
    longer: dict[str, list[str]] = {}  # short form to the longer names before, the latest last
    heirs: dict[str, int] = {}  # longer name to the last mention of it
    for index, surface in enumerate(surfaces):
        if index and documents[index] != documents[index - 1]:
            longer, heirs = {}, {}
        names = {name: None for form in (surface, surface.replace(".", "")) for name in longer.get(form, ())}
        latest = [name for name in names if is_short_form(surface, name)][-LONGER_NAMES:]
        inherited.append([ordinal for name in latest for ordinal in named[heirs[name]].best(inherited[heirs[name]])])
        if " " in surface and surface[:1].isupper() and (len(named[index].ordinals) or inherited[index]):
            heirs[surface] = index
            for form in short_forms(surface):
                known = longer.setdefault(form, [])
                if surface in known:
                    known.remove(surface)
                known.append(surface)
                del known[:-LONGER_NAMES]
    return inherited


def is_word(surface: str) -> bool:
    """Tell whether a surface holds a letter or digit; a space or a dash names something only if it is an alias."""
    return any(character.isalnum() for character in surface)


def _table(parts: Sequence[_Part], totals: FloatArray, rows: IntArray) -> CandidateTable:
    """Make one candidate of what was found several times, and keep the best of each mention."""
    mention, ordinal, count, found, short_form, dense = map(np.concatenate, zip(*parts, strict=True))
    keys = (mention.astype(np.int64) << 32) + ordinal
    order = np.argsort(keys, kind="stable")
    firsts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    position = order[firsts]
    mention, ordinal = mention[position], ordinal[position]
    if len(position):
        count, dense = (np.add.reduceat(values[order], firsts) for values in (count, dense))
        found = np.bitwise_or.reduceat(found[order], firsts)
        short_form = np.maximum.reduceat(short_form[order], firsts)
    ranked = np.lexsort((position, -count, found == DENSE, -short_form, mention))
    # Of a name that many share, the rarest bearers give way to what is near in meaning: rare ones are among it.
    near = (found[ranked] & DENSE) > 0
    others = np.cumsum(~near)
    owner = mention[ranked]
    before = np.concatenate([[0], others])[np.searchsorted(owner, owner)]
    places = MAX_CANDIDATES - np.bincount(owner[near], minlength=len(totals))
    kept = ranked[near | (others - before <= places[owner])]
    return CandidateTable(
        mention=mention[kept],
        ordinal=ordinal[kept],
        count=count[kept].astype(np.float32),
        found=found[kept],
        short_form=short_form[kept],
        dense=dense[kept],
        totals=totals,
        rows=rows,
    )
