"""Names in the live index: which aliases there are now, who bears them, and how often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import marisa_trie
import numpy as np

from kb.index.aliases import FUZZY_MIN_LENGTH, Occurrences, fuzzy_keys
from kb.limits import LARGEST_COUNT
from kb.live.entities import LiveEntities
from kb.sparse import IntArray

UNSEEN: Occurrences = (0, 0, 0, 0)
# The same names come again with each further change.
_keys_of = lru_cache(maxsize=20_000)(fuzzy_keys)


@dataclass(frozen=True, slots=True)
class Bearers:
    """The entities that bear a name, most frequent first, how often each did, and the sum."""

    ordinals: IntArray
    counts: IntArray
    total: int


class LiveNames:
    """Names that changed entities bear or bore.

    Names of the snapshot keep their rows; new ones get rows behind those.

    Attributes:
        first: the row of the first new name.
        trie: the new names; a name's row is its number there, behind `first`.
    """

    def __init__(self, entities: LiveEntities, occurrences: Mapping[str, Occurrences]) -> None:
        self._entities = entities
        self._snapshot = entities.snapshot
        self._occurrences = occurrences
        self.first = self._snapshot.manifest.aliases
        borne: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for ordinal, entity in enumerate(entities.changed, start=entities.first):
            for name, count in entity.names.items():
                borne[name].append((ordinal, count))
        aliases = self._snapshot.aliases
        self.trie = marisa_trie.Trie([name for name in borne if name not in aliases])
        self._bearers: dict[int, Bearers] = {}
        for name, bearers in borne.items():
            row = aliases.get(name)
            self._bearers[self.first + self.trie[name] if row is None else row] = self._merged(row, bearers)
        for row in self._former_rows():
            if row not in self._bearers:
                self._bearers[row] = self._merged(row, [])
        self.dead: IntArray = np.array(
            sorted(row for row, bearers in self._bearers.items() if not len(bearers.ordinals)), dtype=np.int32
        )
        self._fuzzy: defaultdict[int, list[int]] = defaultdict(list)
        for name, row in self.trie.items():
            if len(name) >= FUZZY_MIN_LENGTH:
                for key in _keys_of(name):
                    self._fuzzy[key].append(self.first + row)

    def __len__(self) -> int:
        return self.first + len(self.trie)

    def row(self, name: str) -> int:
        """Return the row of a normalised name, or -1 where nobody bears it."""
        row = self._snapshot.aliases.get(name)
        if row is None:
            row = self.trie.get(name)
            return -1 if row is None else self.first + int(row)
        bearers = self._bearers.get(row)
        return int(row) if bearers is None or len(bearers.ordinals) else -1

    def name(self, row: int) -> str:
        """Return the normalised name of a row."""
        trie, number = (self._snapshot.aliases, row) if row < self.first else (self.trie, row - self.first)
        name: str = trie.restore_key(number)
        return name

    def bearers(self, row: int) -> Bearers | None:
        """Return who bears a name that changed, None for one of which the snapshot knows all."""
        return self._bearers.get(row)

    def like(self, keys: set[int]) -> Iterator[int]:
        """Yield the rows of new names that have one of these fuzzy keys."""
        for key in keys:
            yield from self._fuzzy.get(key, ())

    def statistics(self, rows: IntArray) -> IntArray:
        """Return the sum of counts and the four occurrence numbers of names (rows x 5)."""
        result = np.zeros((len(rows), 5), dtype=np.int32)
        old = rows < self.first
        result[old, 0] = self._snapshot.alias_totals[rows[old]]
        result[old, 1:] = self._snapshot.alias_occurrences[rows[old]].reshape(-1, 4)
        for position, row in enumerate(rows.tolist()):
            bearers = self._bearers.get(row)
            if bearers is not None:
                result[position, 0] = bearers.total
            if row >= self.first:
                result[position, 1:] = self._occurrences.get(self.name(row), UNSEEN)
        return result

    def _former_rows(self) -> set[int]:
        rows = self._snapshot.names.spread(self._entities.gone)[1]
        return set(rows.tolist())

    def _merged(self, row: int | None, changed: list[tuple[int, int]]) -> Bearers:
        """Put the changed bearers of a name among those of the snapshot, in a snapshot's order."""
        if row is None and len(changed) == 1:
            ((ordinal, count),) = changed
            count = min(count, LARGEST_COUNT)
            return Bearers(np.array([ordinal], dtype=np.int32), np.array([count], dtype=np.int32), count)
        pairs = [
            (ordinal, count, entity.record.popularity, entity.record.id)
            for ordinal, count in changed
            if (entity := self._entities.get(ordinal)) is not None
        ]
        if row is not None:
            start, end = self._snapshot.alias_offsets[row], self._snapshot.alias_offsets[row + 1]
            ordinals = self._snapshot.alias_entities[start:end]
            stay = ~self._entities.is_gone[ordinals]
            popularity = self._snapshot.popularity[ordinals]
            counts = self._snapshot.alias_counts[start:end]
            pairs += [
                (ordinal, count, popular, self._snapshot.entity_id(ordinal))
                for ordinal, count, popular in zip(
                    ordinals[stay].tolist(), counts[stay].tolist(), popularity[stay].tolist(), strict=True
                )
            ]
        pairs.sort(key=lambda pair: (-pair[1], -pair[2], pair[3]))
        return Bearers(
            np.array([ordinal for ordinal, _, _, _ in pairs], dtype=np.int32),
            np.array([min(count, LARGEST_COUNT) for _, count, _, _ in pairs], dtype=np.int32),
            min(sum(count for _, count, _, _ in pairs), LARGEST_COUNT),
        )
