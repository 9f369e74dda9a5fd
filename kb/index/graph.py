"""Types and relations as compressed sparse rows over entity ordinals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kb.index.writer import SnapshotWriter


def write_types(writer: SnapshotWriter, entity_types: Sequence[Sequence[int]]) -> None:
    """Write, for each entity, the rows of its types."""
    offsets = np.zeros(len(entity_types) + 1, dtype=np.int32)
    offsets[1:] = np.cumsum([len(types) for types in entity_types])
    writer.array("type_offsets", offsets)
    writer.array("type_rows", np.array([row for types in entity_types for row in types], dtype=np.int32))


def write_neighbours(writer: SnapshotWriter, count: int, edges: Sequence[tuple[int, int, int]]) -> None:
    """Write, for each entity, its neighbours in either direction, sorted, with the predicate of the edge.

    Args:
        count: the number of entities.
        edges: (subject ordinal, predicate row, object ordinal).
    """
    triples = np.array(edges, dtype=np.int32).reshape(-1, 3)
    sources = np.concatenate([triples[:, 0], triples[:, 2]])
    targets = np.concatenate([triples[:, 2], triples[:, 0]])
    predicates = np.concatenate([triples[:, 1], triples[:, 1]])
    order = np.lexsort((targets, sources))
    offsets = np.zeros(count + 1, dtype=np.int32)
    offsets[1:] = np.cumsum(np.bincount(sources, minlength=count))
    writer.array("neighbour_offsets", offsets)
    writer.array("neighbours", targets[order])
    writer.array("neighbour_predicates", predicates[order])
