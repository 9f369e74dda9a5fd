"""Relations in the live index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from copy import copy

import numpy as np

from kb.live.changed import Changes
from kb.live.entities import GONE, HUB, LiveEntities
from kb.snapshot import Snapshot
from kb.sparse import NOTHING, IntArray, Rows, stacked


class LiveGraph:
    """Neighbours in either direction, where they may differ from the snapshot's.

    Rows belong to origins and hold origins, so that nothing has to be done when an entity gets another ordinal.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._entities = LiveEntities(snapshot)
        self._rows: dict[int, IntArray] = {}  # by origin; entities that are not here have their row in the snapshot
        self._stacked: Rows = stacked([])
        self._row_of: IntArray = np.full(len(snapshot), -1, dtype=np.int32)  # by ordinal

    def after(self, changes: Changes, entities: LiveEntities) -> LiveGraph:
        """Return what there is after further changes.

        Args:
            changes: entities as they are at one moment, or all that changed since the snapshot.
            entities: what there is after the changes.
        """
        result = copy(self)
        result._entities = entities
        result._rows = dict(self._rows)
        neighbours: defaultdict[int, list[int]] = defaultdict(list)
        for subject, target in _edges(changes, entities):
            neighbours[subject].append(target)
            neighbours[target].append(subject)
        changed = entities.origins(changes)
        touched: set[int] = set()
        for origin, entity in zip(changed.tolist(), changes.values(), strict=True):
            before = self._row(origin)
            if entity is None and len(before) > HUB:
                continue  # its neighbours lose it all the same; only their degrees still count it
            after = np.array(sorted(neighbours[origin]), dtype=np.int32)
            result._rows[origin] = after
            touched.update(_differing(*(side[~np.isin(side, changed)] for side in (before, after))).tolist())
        for origin in touched:
            before = self._row(origin)
            stay = before[~np.isin(before, changed)]
            result._rows[origin] = np.sort(np.concatenate([stay, np.array(neighbours[origin], dtype=np.int32)]))
        result._stack()
        return result

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        """Return edges as position in `ordinals` and neighbour's ordinal, of entities with at most `limit` of them."""
        live = self._row_of[ordinals]
        old = np.flatnonzero(live < 0).astype(np.int32)
        new = np.flatnonzero(live >= 0).astype(np.int32)
        here, members = self._snapshot.neighbours.spread(ordinals[old], limit)
        there, others = self._stacked.spread(live[new], limit)
        positions, origins = in_order([(old[here], members), (new[there], others)])
        found = self._entities.now[origins]
        return positions[found != GONE], found[found != GONE]

    def degrees(self, ordinals: IntArray) -> IntArray:
        """Return how many neighbours each entity has."""
        live = self._row_of[ordinals]
        result = np.zeros(len(ordinals), dtype=np.int32)
        result[live < 0] = self._snapshot.neighbours.lengths(ordinals[live < 0])
        result[live >= 0] = self._stacked.lengths(live[live >= 0])
        return result

    def _row(self, origin: int) -> IntArray:
        """Return the origins of an entity's neighbours."""
        row = self._rows.get(origin)
        if row is not None:
            return row
        return self._snapshot.neighbours.row(origin) if origin < len(self._snapshot) else NOTHING

    def _stack(self) -> None:
        """Put the rows one after the other, in new arrays."""
        self._stacked = stacked(list(self._rows.values()))
        now = self._entities.now[list(self._rows)]
        self._row_of = np.full(len(self._entities), -1, dtype=np.int32)
        self._row_of[now[now != GONE]] = np.flatnonzero(now != GONE)


def in_order(parts: list[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray]:
    """Join parts of (position, member) so that positions ascend."""
    positions = np.concatenate([part[0] for part in parts])
    members = np.concatenate([part[1] for part in parts])
    order = np.argsort(positions, kind="stable")
    return positions[order], members[order]


def _edges(changes: Changes, entities: LiveEntities) -> Iterator[tuple[int, int]]:
    """Yield the relations of changed entities that exist, as origins of subject and object."""
    for key, entity in changes.items():
        origin = None if entity is None else entities.origin(key)
        if entity is None or origin is None:
            continue
        for name in entity.objects:
            target = entities.origin(name)
            if target is not None and entities.now[target] != GONE:
                yield origin, target
        for name in entity.subjects:
            # A changed subject has told of this relation itself.
            subject = None if name in changes else entities.origin(name)
            if subject is not None and entities.now[subject] != GONE:
                yield subject, origin


def _differing(before: IntArray, after: IntArray) -> IntArray:
    """Return the values that occur in one more often than in the other."""
    values = np.union1d(before, after)
    counts = [
        np.searchsorted(side, values, "right") - np.searchsorted(side, values, "left") for side in (before, after)
    ]
    return np.asarray(values[counts[0] != counts[1]], dtype=np.int32)
