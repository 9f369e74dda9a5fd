"""Names in the live index: which aliases there are now, who bears them, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import marisa_trie
import numpy as np

from kb.index.aliases import FUZZY_MIN_LENGTH, Occurrences, fuzzy_keys
from kb.limits import LARGEST_COUNT
from kb.live.changed import ChangedEntity
from kb.live.entities import LiveEntities
from kb.matching import AliasMatches, match_aliases
from kb.snapshot import Snapshot
from kb.sparse import IntArray, Rows, replaced, stacked

UNSEEN: Occurrences = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Bearers:
    """The entities that bear a name, most frequent first, how often each did, and the sum."""

    ordinals: IntArray
    counts: IntArray
    total: int


class LiveNames:
    """Names that changed entities bear or bore.

    Names of the snapshot keep their rows; new ones get rows behind those, and keep them when nobody bears them any
    more.

    Attributes:
        first: the row of the first new name.
        dead: rows of names that nobody bears, ascending.
        of_changed: the names of changed entities, by row of the entity.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.first = snapshot.manifest.aliases
        self.dead: IntArray = np.zeros(0, dtype=np.int32)
        self._occurrences: Mapping[str, Occurrences] = {}
        self._new: dict[str, int] = {}  # rows by name, in their order
        self._names: list[str] = []
        self._trie: Any = marisa_trie.Trie()
        self._trie_rows: IntArray = np.zeros(0, dtype=np.int32)  # by the trie's numbers, which each new name changes
        self._fuzzy: dict[int, tuple[int, ...]] = {}
        self._changed: dict[int, dict[int, int]] = {}  # by row: changed bearers, with counts
        self._bearers: dict[int, Bearers] = {}
        self._rows: list[IntArray] = []
        self.of_changed: Rows = stacked(self._rows)

    def after(
        self,
        changed: Mapping[int, ChangedEntity | None],
        entities: LiveEntities,
        gone: IntArray,
        occurrences: Mapping[str, Occurrences],
    ) -> LiveNames:
        """Return what there is after further changes.

        Args:
            changed: entities by row; None for those that are deleted.
            entities: what there is after the changes.
            gone: ordinals of the snapshot that mean nothing any more, but did before.
            occurrences: what a corpus says of names that the snapshot does not have.
        """
        result = copy(self)
        result._occurrences = occurrences
        names = {row: {} if entity is None else entity.names for row, entity in changed.items()}
        result._learn([name for some in names.values() for name in some])
        rows = {row: np.array([result._known(name) for name in some], dtype=np.int32) for row, some in names.items()}
        result._rows = replaced(self._rows, len(entities.changed), rows)
        result.of_changed = stacked(result._rows)
        touched = set(self._snapshot.names.spread(gone)[1].tolist())
        result._changed = dict(self._changed)
        for row, some in names.items():
            ordinal = entities.first + row
            former = self._rows[row].tolist() if row < len(self._rows) else ()
            for name in former:
                others = result._changed[name]
                result._changed[name] = {other: count for other, count in others.items() if other != ordinal}
            for name, count in zip(rows[row].tolist(), some.values(), strict=True):
                result._changed[name] = result._changed.get(name, {}) | {ordinal: count}
            touched.update(former, rows[row].tolist())
        fresh = {row: result._merged(row, entities) for row in touched}
        result._bearers = self._bearers | fresh
        dead = {row for row, bearers in fresh.items() if not len(bearers.ordinals)}
        result.dead = np.array(sorted(dead.union(self.dead.tolist()) - (fresh.keys() - dead)), dtype=np.int32)
        return result

    def __len__(self) -> int:
        return self.first + len(self._names)

    @property
    def unused(self) -> int:
        """How many rows are of new names that nobody bears any more."""
        return int((self.dead >= self.first).sum())

    def match(self, text: str) -> AliasMatches:
        """Find the names of snapshot and changed entities in a text, from word boundary to word boundary."""
        found = match_aliases([(self._snapshot.aliases, 0), (self._trie, self.first)], text)
        new = found.rows >= self.first
        found.rows[new] = self._trie_rows[found.rows[new] - self.first]
        alive = ~np.isin(found.rows, self.dead)
        return AliasMatches(found.starts[alive], found.ends[alive], found.rows[alive])

    def row(self, name: str) -> int:
        """Return the row of a normalised name, or -1 where nobody bears it."""
        row = self._known(name)
        bearers = self._bearers.get(row)
        return row if bearers is None or len(bearers.ordinals) else -1

    def name(self, row: int) -> str:
        """Return the normalised name of a row."""
        name: str = self._snapshot.aliases.restore_key(row) if row < self.first else self._names[row - self.first]
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

    def _known(self, name: str) -> int:
        """Return the row of a normalised name, whether anybody bears it or not; -1 where there is none."""
        row = self._snapshot.aliases.get(name)
        return self._new.get(name, -1) if row is None else int(row)

    def _learn(self, names: list[str]) -> None:
        """Give rows to names that have none, in new containers."""
        unknown = [name for name in dict.fromkeys(names) if self._known(name) < 0]
        if not unknown:
            return
        rows = range(len(self), len(self) + len(unknown))
        self._new = self._new | dict(zip(unknown, rows, strict=True))
        self._names = [*self._names, *unknown]
        self._trie = marisa_trie.Trie(self._names)
        self._trie_rows = np.zeros(len(self._names), dtype=np.int32)
        for name, number in self._trie.items():
            self._trie_rows[number] = self._new[name]
        self._fuzzy = dict(self._fuzzy)
        for name, row in zip(unknown, rows, strict=True):
            for key in fuzzy_keys(name) if len(name) >= FUZZY_MIN_LENGTH else ():
                self._fuzzy[key] = (*self._fuzzy.get(key, ()), row)

    def _merged(self, row: int, entities: LiveEntities) -> Bearers:
        """Put the changed bearers of a name among those of the snapshot, in a snapshot's order."""
        changed = self._changed.get(row, {})
        if row >= self.first and len(changed) == 1:
            ((ordinal, count),) = changed.items()
            count = min(count, LARGEST_COUNT)
            return Bearers(np.array([ordinal], dtype=np.int32), np.array([count], dtype=np.int32), count)
        pairs = [
            (ordinal, count, entity.record.popularity, entity.record.id)
            for ordinal, count in changed.items()
            if (entity := entities.get(ordinal)) is not None
        ]
        if row < self.first:
            start, end = self._snapshot.alias_offsets[row], self._snapshot.alias_offsets[row + 1]
            ordinals = self._snapshot.alias_entities[start:end]
            stay = entities.stays(ordinals)
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
