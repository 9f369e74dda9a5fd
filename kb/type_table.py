"""The types that there are now, and which entities have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kb.records import TypeRecord
from kb.snapshot import Snapshot

HalfArray = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class TypeTable:
    """Types by row; those of a snapshot stand at the rows that they have there.

    Attributes:
        records: the types.
        vectors: the unit vector (types x 384) of each type's name.
        rows: the row of each id.
    """

    records: list[TypeRecord]
    vectors: HalfArray
    rows: dict[str, int]

    def below(self, types: Sequence[str]) -> set[int]:
        """Return the rows of these types and of all types below them; ids that are no type are left out."""
        children: dict[str, list[str]] = {}
        for record in self.records:
            if record.parent is not None:
                children.setdefault(record.parent, []).append(record.id)
        found: set[str] = set()
        queue = list(types)
        while queue:
            current = queue.pop()
            if current not in found:
                found.add(current)
                queue.extend(children.get(current, ()))
        return {self.rows[name] for name in found if name in self.rows}


def snapshot_types(snapshot: Snapshot) -> TypeTable:
    """Return the types of a snapshot."""
    records = [TypeRecord(name, snapshot.type_labels[name], snapshot.type_parents[name]) for name in snapshot.types]
    return TypeTable(records, snapshot.type_vectors, {record.id: row for row, record in enumerate(records)})
