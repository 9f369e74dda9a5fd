"""How often an alias is a link where it occurs, counted in documents whose links are known.

This is the keyphraseness of Mihalcea and Csomai (2007): of the documents in which a form occurs, the share in which it
is a link. Documents are the unit since pages link a name once, at its first occurrence. Occurrences with and without
an upper-case letter are counted apart: "May" and "may" are different words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kb.matching import match_aliases

Occurrences = tuple[int, int, int, int]


def count_occurrences(trie: Any, documents: Iterable[tuple[str, set[tuple[int, int]]]]) -> dict[str, Occurrences]:
    """Count the documents in which each alias occurs, and is a link.

    Args:
        trie: a `marisa_trie.Trie` of normalised aliases.
        documents: texts with the code point spans of their links.

    Returns:
        By normalised alias: documents with an upper-case occurrence, of those with a link; the same for lower case.
    """
    counts: dict[int, list[int]] = {}
    for text, links in documents:
        seen: dict[tuple[int, bool], bool] = {}
        matches = match_aliases([(trie, 0)], text)
        for start, end, row in zip(matches.starts.tolist(), matches.ends.tolist(), matches.rows.tolist(), strict=True):
            surface = text[start:end]
            form = (row, surface != surface.lower())
            seen[form] = seen.get(form, False) or (start, end) in links
        for (row, upper), linked in seen.items():
            numbers = counts.setdefault(row, [0, 0, 0, 0])
            numbers[0 if upper else 2] += 1
            numbers[1 if upper else 3] += linked
    return {trie.restore_key(row): (a, b, c, d) for row, (a, b, c, d) in counts.items()}
