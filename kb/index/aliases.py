"""The alias part of a snapshot: trie, alias to entity counts, occurrences, and the table for misspelt names."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

import marisa_trie
import numpy as np

from kb.index.writer import SnapshotWriter
from kb.limits import LARGEST_COUNT
from kb.normalise import normalise
from kb.sparse import IntArray

FUZZY_PREFIX = 7
FUZZY_MIN_LENGTH = 5

Occurrences = tuple[int, int, int, int]


def entity_names(label: str, title: str, aliases: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the normalised names of an entity, with how often each named it: its label, its title, its aliases."""
    names: dict[str, int] = {}
    for text, count in ((label, 0), (title, 0), *aliases):
        name = normalise(text)
        names[name] = names.get(name, 0) + count
    return names


class AliasCollector:
    """Gathers which entities bear which alias, and how often."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}

    def add(self, entity: int, names: Mapping[str, int]) -> None:
        """Note the names of an entity."""
        for name, count in names.items():
            self._counts.setdefault(name, {})[entity] = count

    def write(
        self,
        writer: SnapshotWriter,
        occurrences: Mapping[str, Occurrences],
        ids: Sequence[str],
        popularity: Sequence[int],
    ) -> int:
        """Write the alias files and return the number of distinct aliases.

        Bearers of an alias stand by falling count, then by falling popularity, then by id.
        """
        trie = marisa_trie.Trie(self._counts.keys())
        size = len(trie)
        by_row: list[str] = [""] * size
        for alias in self._counts:
            by_row[trie.key_id(alias)] = alias
        offsets = np.zeros(size + 1, dtype=np.int32)
        totals = np.zeros(size, dtype=np.int32)
        entities: list[int] = []
        counts: list[int] = []
        seen = np.zeros((size, 4), dtype=np.int32)
        for row, alias in enumerate(by_row):
            bearers = sorted(
                self._counts[alias].items(), key=lambda item: (-item[1], -popularity[item[0]], ids[item[0]])
            )
            entities.extend(entity for entity, _ in bearers)
            counts.extend(min(count, LARGEST_COUNT) for _, count in bearers)
            offsets[row + 1] = len(entities)
            totals[row] = min(sum(count for _, count in bearers), LARGEST_COUNT)
            seen[row] = occurrences.get(alias, (0, 0, 0, 0))
        writer.trie("aliases", trie)
        writer.array("alias_offsets", offsets)
        writer.array("alias_entities", np.array(entities, dtype=np.int32))
        _write_names(writer, np.array(entities, dtype=np.int32), np.diff(offsets), len(ids))
        writer.array("alias_counts", np.array(counts, dtype=np.int32))
        writer.array("alias_totals", totals)
        writer.array("alias_occurrences", seen)
        _write_fuzzy(writer, by_row)
        return size


def _write_names(writer: SnapshotWriter, entities: IntArray, bearers: IntArray, count: int) -> None:
    """Write, for each entity, the rows of its names."""
    offsets = np.zeros(count + 1, dtype=np.int64)
    offsets[1:] = np.cumsum(np.bincount(entities, minlength=count))
    writer.array("name_offsets", offsets)
    rows = np.repeat(np.arange(len(bearers), dtype=np.int32), bearers)
    writer.array("names", rows[np.argsort(entities, kind="stable")])


def fuzzy_keys(alias: str) -> set[int]:
    """Return the hashes under which a name is found in spite of one wrong letter among its first ones.

    The prefix and the prefix less one character (symmetric deletes: Garbe, 2012).
    """
    prefix = alias[:FUZZY_PREFIX]
    variants = {prefix} | {prefix[:index] + prefix[index + 1 :] for index in range(len(prefix))}
    return {zlib.crc32(variant.encode()) for variant in variants}


def _write_fuzzy(writer: SnapshotWriter, by_row: Iterable[str]) -> None:
    hashes: list[int] = []
    rows: list[int] = []
    for row, alias in enumerate(by_row):
        if len(alias) >= FUZZY_MIN_LENGTH:
            keys = fuzzy_keys(alias)
            hashes.extend(keys)
            rows.extend([row] * len(keys))
    hash_array = np.array(hashes, dtype=np.uint32)
    order = np.argsort(hash_array, kind="stable")
    writer.array("fuzzy_hashes", hash_array[order])
    writer.array("fuzzy_aliases", np.array(rows, dtype=np.int32)[order])
