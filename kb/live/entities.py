"""Numbers for changed entities: the snapshot's stay, changed ones get new ones behind those."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kb.live.changed import ChangedEntity, Changes
from kb.snapshot import Snapshot
from kb.sparse import IntArray

GONE = -1
HUB = 2000
"""Of an entity with more relations than this, what its neighbours know of it waits for the next build."""


class LiveEntities:
    """Which entities there are now, and their ordinals.

    A changed entity has an ordinal behind those of the snapshot, and the one that it had there means nothing any more.

    Attributes:
        changed: the changed entities that exist, in the order of their ids.
        first: the ordinal of the first of them.
        gone: ordinals in the snapshot of entities that were changed or deleted, ascending.
        now: for each ordinal in the snapshot the one that the entity has now, GONE where it was deleted.
    """

    def __init__(self, snapshot: Snapshot, changes: Changes) -> None:
        self.snapshot = snapshot
        self.first = len(snapshot)
        self.changed: list[ChangedEntity] = [entity for _, entity in sorted(changes.items()) if entity is not None]
        self._ordinals = dict.fromkeys(changes, GONE)
        for ordinal, entity in enumerate(self.changed, start=self.first):
            self._ordinals[entity.record.id] = ordinal
        self.now: IntArray = np.arange(self.first, dtype=np.int32)
        former = {number: key for key in changes if (number := snapshot.ordinal(key)) is not None}
        for number, key in former.items():
            self.now[number] = self._ordinals[key]
        self.gone: IntArray = np.array(sorted(former), dtype=np.int32)

    def __len__(self) -> int:
        return self.first + len(self.changed)

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        found = self._ordinals.get(entity)
        if found is None:
            return self.snapshot.ordinal(entity)
        return None if found == GONE else found

    def is_changed(self, entity: str) -> bool:
        """Tell whether the entity changed since the snapshot; then the snapshot's word on it does not count."""
        return entity in self._ordinals

    def get(self, ordinal: int) -> ChangedEntity | None:
        """Return the changed entity with this ordinal, None for one of the snapshot."""
        return None if ordinal < self.first else self.changed[ordinal - self.first]

    @cached_property
    def is_gone(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each ordinal in the snapshot, whether it means nothing any more."""
        result = np.zeros(self.first, dtype=np.bool_)
        result[self.gone] = True
        return result
