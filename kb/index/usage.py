"""The part of a snapshot that says how entities are written about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kb.index.writer import SnapshotWriter
from kb.usage import Usage


def write_usage(writer: SnapshotWriter, usage: Usage, ordinals: Mapping[str, int], width: int) -> None:
    """Write the mean vectors of entities' links one after the other, which row is whose, and how many links each has.

    Args:
        ordinals: of the entities that there are; usage of others is left out.
        width: dimensions of a vector.
    """
    there = [row for row, key in enumerate(usage.ids) if key in ordinals]
    rows = np.full(len(ordinals), -1, dtype=np.int32)
    rows[[ordinals[usage.ids[row]] for row in there]] = np.arange(len(there))
    writer.array("usage_vectors", usage.vectors[there] if there else np.zeros((0, width), dtype=np.float16))
    writer.array("usage_rows", rows)
    writer.array("usage_links", usage.links[there])
