"""Numbers for changed entities: the snapshot's stay, changed ones get new ones behind those."""

from __future__ import annotations

from copy import copy

import numpy as np

from kb.live.changed import ChangedEntity, Changes
from kb.snapshot import Snapshot
from kb.sparse import IntArray

GONE = -1
HUB = 2000
"""Of an entity with more relations than this, what its neighbours know of it waits for the next build."""


class LiveEntities:
    """Which entities there are now, and their ordinals.

    A changed entity has an ordinal behind those of the snapshot, which it keeps through further changes; the one that
    it had in the snapshot means nothing any more. Its *origin* never changes: its ordinal in the snapshot, or the one
    behind those where the snapshot does not have it.

    Attributes:
        changed: the changed entities by row, in the order of their first changes; None for those that are deleted.
        first: the ordinal of the first of them.
        gone: ordinals in the snapshot of entities that were changed or deleted, ascending.
        now: for each origin the ordinal that the entity has now, GONE where it is deleted.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.first = len(snapshot)
        self.changed: list[ChangedEntity | None] = []
        self.gone: IntArray = np.zeros(0, dtype=np.int32)
        self.now: IntArray = np.arange(self.first, dtype=np.int32)
        self._rows: dict[str, int] = {}

    def after(self, changes: Changes) -> LiveEntities:
        """Return what there is after further changes."""
        result = copy(self)
        result._rows = self._rows | {
            key: row for row, key in enumerate((key for key in changes if key not in self._rows), len(self._rows))
        }
        result.changed = [*self.changed, *[None] * (len(result._rows) - len(self._rows))]
        for key, entity in changes.items():
            result.changed[result._rows[key]] = entity
        behind = np.arange(len(self), len(result), dtype=np.int32)
        result.now = np.concatenate([self.now, behind])
        origins = result.origins(changes)
        result.now[origins] = [
            GONE if entity is None else self.first + result._rows[key] for key, entity in changes.items()
        ]
        result.gone = np.union1d(self.gone, origins[origins < self.first])
        return result

    def __len__(self) -> int:
        return self.first + len(self.changed)

    @property
    def count(self) -> int:
        """How many entities there are."""
        return self.first - len(self.gone) + len(self.changed) - self.changed.count(None)

    def row(self, entity: str) -> int:
        """Return the row of a changed entity."""
        return self._rows[entity]

    def origin(self, entity: str) -> int | None:
        """Return the origin of the entity with this id, None where there never was one."""
        found = self.snapshot.ordinal(entity)
        if found is not None:
            return found
        row = self._rows.get(entity)
        return None if row is None else self.first + row

    def origins(self, changes: Changes) -> IntArray:
        """Return the origins of changed entities."""
        return np.array([self.origin(key) for key in changes], dtype=np.int32)

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        row = self._rows.get(entity)
        if row is None:
            return self.snapshot.ordinal(entity)
        return None if self.changed[row] is None else self.first + row

    def get(self, ordinal: int) -> ChangedEntity | None:
        """Return the changed entity with this ordinal, None for one of the snapshot."""
        return None if ordinal < self.first else self.changed[ordinal - self.first]

    def stays(self, ordinals: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell which ordinals in the snapshot still mean what they did."""
        return np.asarray(self.now[ordinals] == ordinals)
