"""Finding aliases in running text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kb.folding import FoldedText, boundaries, fold
from kb.sparse import IntArray

LONGEST_ALIAS = 120  # folded characters looked at from each word on


@dataclass(frozen=True, slots=True)
class AliasMatches:
    """Every stretch of a text that is an alias: code point offsets and alias rows."""

    starts: IntArray
    ends: IntArray
    rows: IntArray


def match_aliases(tries: Sequence[tuple[Any, int]], text: str) -> AliasMatches:
    """Find aliases in a text, from word boundary to word boundary, in the order of their starts and ends.

    Args:
        tries: each a `marisa_trie.Trie` of normalised names, and what is added to its numbers to make rows of them; no
            name is in two of them.
        text: the text.
    """
    folded = fold(text)
    starts: list[int] = []
    ends: list[int] = []
    rows: list[int] = []
    may_start, may_end = boundaries(folded.text)
    beginning_with = _beginnings(tries)
    for start in may_start:
        for name, row in beginning_with(folded.text[start : start + LONGEST_ALIAS]):
            end = start + len(name)
            if may_end[end]:
                starts.append(start)
                ends.append(end)
                rows.append(row)
    return _unfolded(folded, *(np.array(values, dtype=np.int32) for values in (starts, ends, rows)))


def _beginnings(tries: Sequence[tuple[Any, int]]) -> Callable[[str], Iterable[tuple[str, int]]]:
    """Return what gives the names, with their rows, that a text begins with, shorter ones first."""
    if len(tries) == 1 and tries[0][1] == 0:
        search: Callable[[str], Iterable[tuple[str, int]]] = tries[0][0].iter_prefixes_with_ids
        return search

    def search_all(text: str) -> Iterable[tuple[str, int]]:
        return sorted((name, first + row) for trie, first in tries for name, row in trie.iter_prefixes_with_ids(text))

    return search_all


def _unfolded(folded: FoldedText, starts: IntArray, ends: IntArray, rows: IntArray) -> AliasMatches:
    """Return matches in a folded text as such in the original, without those that cut what one character became."""
    if isinstance(folded.starts, range):  # each folded character is one of the original
        return AliasMatches(starts, ends, rows)
    firsts, lasts = (np.array(places, dtype=np.int32) for places in (folded.starts, folded.ends))
    cut = np.zeros(len(firsts) + 1, dtype=np.bool_)
    cut[1:-1] = firsts[1:] == firsts[:-1]
    whole = ~(cut[starts] | cut[ends])
    return AliasMatches(firsts[starts[whole]], lasts[ends[whole] - 1], rows[whole])
