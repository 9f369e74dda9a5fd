"""Finding aliases in running text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kb.folding import boundaries, fold
from kb.snapshot import IntArray

LONGEST_ALIAS = 120  # folded characters looked at from each word on


@dataclass(frozen=True, slots=True)
class AliasMatches:
    """Every stretch of a text that is an alias: code point offsets and alias rows."""

    starts: IntArray
    ends: IntArray
    rows: IntArray


def match_aliases(trie: Any, text: str) -> AliasMatches:
    """Find the aliases of a `marisa_trie.Trie` of normalised names in a text, from word boundary to word boundary."""
    folded = fold(text)
    starts: list[int] = []
    ends: list[int] = []
    rows: list[int] = []
    may_start, may_end = boundaries(folded.text)
    for start in may_start:
        for alias, row in trie.iter_prefixes_with_ids(folded.text[start : start + LONGEST_ALIAS]):
            end = start + len(alias)
            if may_end[end]:
                first, last = folded.original(start, end)
                if folded.cuts(start) or folded.cuts(end):
                    continue
                starts.append(first)
                ends.append(last)
                rows.append(row)
    return AliasMatches(*(np.array(values, dtype=np.int32) for values in (starts, ends, rows)))
