"""What the live index holds of an entity that changed since the snapshot was built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kb.records import EntityRecord
from kb.words import HashArray

HalfArray = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class ChangedEntity:
    """An entity as it is now.

    Attributes:
        record: the entity; its description is what the description channel reads.
        names: its normalised names, with how often each named it.
        title: the unit vector (384) of its title channel.
        description: that of its description channel, None without one.
        usage: the mean vector of its links, None where none was encoded.
        usage_links: how many links that is the mean of.
        words: its words, those of its types' and its objects' names included.
        objects: the entities that its relations lead to and that exist, once for each relation.
        subjects: the entities whose relations lead to it, once for each relation.
    """

    record: EntityRecord
    names: Mapping[str, int]
    title: HalfArray
    description: HalfArray | None
    usage: HalfArray | None
    usage_links: int
    words: HashArray
    objects: tuple[str, ...]
    subjects: tuple[str, ...]


Changes = Mapping[str, ChangedEntity | None]
"""Changed entities by id; None for those that were deleted."""
