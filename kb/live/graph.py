"""Relations in the live index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from kb.live.entities import GONE, HUB, LiveEntities
from kb.sparse import IntArray, Rows, stacked


class LiveGraph:
    """Neighbours in either direction, where they may differ from the snapshot's.

    An entity of the snapshot whose relations stayed keeps its row there; only the ordinals of its neighbours may be
    other ones now.
    """

    def __init__(self, entities: LiveEntities) -> None:
        self._entities = entities
        self._snapshot = entities.snapshot
        edges = list(self._edges())
        neighbours: defaultdict[int, list[int]] = defaultdict(list)
        for subject, target in edges:
            neighbours[subject].append(target)
            neighbours[target].append(subject)
        rows = {ordinal: neighbours[ordinal] for ordinal in range(entities.first, len(entities))}
        rows |= {ordinal: self._now(ordinal, neighbours[ordinal]) for ordinal in self._touched(neighbours)}
        self._rows: Rows = stacked([sorted(row) for row in rows.values()])
        self._row_of: IntArray = np.full(len(entities), -1, dtype=np.int32)
        self._row_of[list(rows)] = np.arange(len(rows), dtype=np.int32)

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        """Return edges as position in `ordinals` and neighbour's ordinal, of entities with at most `limit` of them."""
        live = self._row_of[ordinals]
        old = np.flatnonzero(live < 0).astype(np.int32)
        new = np.flatnonzero(live >= 0).astype(np.int32)
        here, members = self._snapshot.neighbours.spread(ordinals[old], limit)
        members = self._entities.now[members]
        there, others = self._rows.spread(live[new], limit)
        return in_order([(old[here][members != GONE], members[members != GONE]), (new[there], others)])

    def degrees(self, ordinals: IntArray) -> IntArray:
        """Return how many neighbours each entity has."""
        live = self._row_of[ordinals]
        result = np.zeros(len(ordinals), dtype=np.int32)
        result[live < 0] = self._snapshot.neighbours.lengths(ordinals[live < 0])
        result[live >= 0] = self._rows.lengths(live[live >= 0])
        return result

    def _edges(self) -> Iterator[tuple[int, int]]:
        """Yield the relations of changed entities as ordinals of subject and object."""
        for subject, entity in enumerate(self._entities.changed, start=self._entities.first):
            for name in entity.objects:
                target = self._entities.ordinal(name)
                if target is not None:
                    yield subject, target
            for name in entity.subjects:
                # A changed subject has told of this relation itself.
                ordinal = None if self._entities.is_changed(name) else self._snapshot.ordinal(name)
                if ordinal is not None:
                    yield ordinal, subject

    def _touched(self, neighbours: dict[int, list[int]]) -> Iterable[int]:
        """Return the unchanged entities that have other relations to changed ones than in the snapshot."""
        touched: set[int] = set()
        for former in self._entities.gone.tolist():
            now = int(self._entities.now[former])
            before = self._snapshot.neighbours.row(former)
            if now == GONE and len(before) > HUB:
                continue  # its neighbours lose it all the same; only their degrees still count it
            before = before[~self._entities.is_gone[before]]
            after = np.array(neighbours.get(now, ()), dtype=np.int32) if now != GONE else before[:0]
            after = np.sort(after[after < self._entities.first])
            if not np.array_equal(before, after):
                touched.update(_differing(before, after).tolist())
        created = (
            ordinal
            for ordinal, entity in enumerate(self._entities.changed, start=self._entities.first)
            if self._snapshot.ordinal(entity.record.id) is None
        )
        for ordinal in created:
            touched.update(other for other in neighbours.get(ordinal, ()) if other < self._entities.first)
        return touched

    def _now(self, ordinal: int, changed: list[int]) -> list[int]:
        """Return all neighbours of an unchanged entity, given those that changed."""
        before = self._snapshot.neighbours.row(ordinal)
        return [*before[~self._entities.is_gone[before]].tolist(), *(other for other in changed)]


def in_order(parts: list[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray]:
    """Join parts of (position, member) so that positions ascend."""
    positions = np.concatenate([part[0] for part in parts])
    members = np.concatenate([part[1] for part in parts])
    order = np.argsort(positions, kind="stable")
    return positions[order], members[order]


def _differing(before: IntArray, after: IntArray) -> IntArray:
    """Return the values that occur in one more often than in the other."""
    values = np.union1d(before, after)
    counts = [
        np.searchsorted(side, values, "right") - np.searchsorted(side, values, "left") for side in (before, after)
    ]
    return np.asarray(values[counts[0] != counts[1]], dtype=np.int32)
