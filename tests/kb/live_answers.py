"""What an index answers, with ids in place of its numbers, so that two indexes can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kb.candidates import SnapshotSearch
from kb.live.search import LiveSearch

Search = SnapshotSearch | LiveSearch
LIMIT = 50


def entity_facts(search: Search, ids: Sequence[str]) -> dict[str, Any]:
    """Return all that an index says of entities."""
    facts: dict[str, Any] = {}
    for key in ids:
        number = search.ordinal(key)
        if number is None:
            facts[key] = None
            continue
        ordinal = np.array([number], dtype=np.int32)
        words = search.words(ordinal)[1]
        weights = search.word_weights(words)
        facts[key] = {
            "id": search.entity_id(number),
            "labels": search.labels(ordinal),
            "record": search.record(key),
            "names": sorted(_bearers(search, row) for row in search.names(ordinal)[1].tolist()),
            "popularity": search.popularity(ordinal).tolist(),
            "neighbours": sorted(search.entity_id(other) for other in search.neighbours(ordinal, LIMIT)[1].tolist()),
            "degree": search.degrees(ordinal).tolist(),
            "words": sorted(np.round(weights.astype(float), 4).tolist()),
            "title": _rounded(search.titles(ordinal)),
            "description": _rounded(search.descriptions(ordinal)[0]),
            "described": search.descriptions(ordinal)[1].tolist(),
            "usage": _rounded(search.usage(ordinal)[0]),
            "usage_links": search.usage(ordinal)[1].tolist(),
            "types": _rounded(search.types(ordinal)[0]),
            "typed": search.types(ordinal)[1].tolist(),
        }
    return facts


def name_facts(search: Search, names: Sequence[str]) -> dict[str, Any]:
    """Return all that an index says of names."""
    facts: dict[str, Any] = {}
    for name in names:
        row = search.alias_row(name)
        facts[name] = {"alike": [_bearers(search, similar) for similar in search.similar_aliases(name)]}
        if row >= 0:
            facts[name]["bearers"] = _bearers(search, row)
            facts[name]["statistics"] = search.alias_statistics(np.array([row], dtype=np.int32)).tolist()
    return facts


def text_facts(search: Search, texts: Sequence[str]) -> dict[str, Any]:
    """Return where an index finds names and words in texts."""
    facts = {}
    for text in texts:
        found = search.match(text)
        rows, places = search.word_rows(text)
        facts[text] = {
            "spans": list(zip(found.starts.tolist(), found.ends.tolist(), strict=True)),
            "bearers": [_bearers(search, row) for row in found.rows.tolist()],
            "words": list(zip(places.tolist(), np.round(search.word_weights(rows).astype(float), 4), strict=True)),
        }
    return facts


def nearest_facts(search: Search, vectors: np.ndarray[Any, Any], k: int) -> list[set[str]]:
    """Return the nearest entities of each vector."""
    ordinals = search.nearest(vectors, k)[0]
    return [{search.entity_id(ordinal) for ordinal in row if ordinal >= 0} for row in ordinals.tolist()]


def _bearers(search: Search, row: int) -> list[tuple[str, int]]:
    ordinals, counts = search.bearers(row)
    return [
        (search.entity_id(ordinal), count) for ordinal, count in zip(ordinals.tolist(), counts.tolist(), strict=True)
    ]


def _rounded(vectors: np.ndarray[Any, Any]) -> list[float]:
    return [round(float(value), 4) for value in vectors[0, ::37]]
