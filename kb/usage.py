"""How entities are written about: the mean vector of the links that lead to each (FitzGerald et al., 2021).

An entity that was merged into another one or renamed keeps its row, and is read as a part of what its id leads to.
Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from kb import rows
from kb.redirects import former_ids_by_entity
from kb.sparse import NOTHING, IntArray

HalfArray = npt.NDArray[np.float16]
STORED = np.dtype("<f2")
CHANGE = "entity_usage"


@dataclass(frozen=True, slots=True)
class Usage:
    """How some entities are written about.

    Attributes:
        ids: the entities.
        links: how many links each vector is the mean of.
        vectors: entities x dimensions.
    """

    ids: list[str]
    links: IntArray
    vectors: HalfArray


NO_USAGE = Usage([], NOTHING, np.zeros((0, 0), dtype=np.float16))


def replace_usage(session: Session, namespace: str, model_version: str, usage: Usage) -> None:
    """Put this usage in place of all that was there before; every entity must exist.

    Args:
        model_version: names what made the vectors.
    """
    rows.lock(session, namespace)
    session.execute(text("DELETE FROM entity_usage WHERE namespace = :namespace"), {"namespace": namespace})
    values = zip(usage.ids, usage.links.tolist(), usage.vectors.astype(STORED), strict=True)
    written = ((key, model_version, links, vector.tobytes()) for key, links, vector in values)
    rows.copy_rows(session, namespace, "entity_usage", "entity_id, model_version, links, vector", written)
    rows.copy_rows(session, namespace, "change", "kind", [(CHANGE,)])
    rows.notify(session, namespace)


def read_usage(session: Session, namespace: str, model_version: str) -> Usage:
    """Return how all entities are written about, deleted ones too, as far as this model encoded it."""
    former = former_ids_by_entity(session, namespace)
    ends = {key: end for end, keys in former.items() for key in keys}
    statement = text(
        "SELECT entity_id, links, vector FROM entity_usage"
        " WHERE namespace = :namespace AND model_version = :model_version ORDER BY entity_id"
    )
    parameters = {"namespace": namespace, "model_version": model_version}
    with session.execute(statement, parameters, execution_options={"yield_per": 5000}) as found:
        return _joined((ends.get(row.entity_id, row.entity_id), row) for row in found)


_OF_ENTITIES = text("""
    WITH RECURSIVE former(entity, id) AS (
        SELECT v COLLATE "C", v COLLATE "C" FROM unnest(CAST(:ids AS text[])) v(v)
        UNION SELECT f.entity, r.id FROM former f
        JOIN redirect r ON r.namespace = :namespace AND r.target_id = f.id)
    SELECT f.entity, u.links, u.vector FROM former f
    JOIN entity_usage u ON u.namespace = :namespace AND u.entity_id = f.id AND u.model_version = :model_version
    ORDER BY u.entity_id
""")


def usage_of(session: Session, namespace: str, model_version: str, ids: Sequence[str]) -> Usage:
    """Return how those of the entities are written about of which that is known."""
    parameters = {"namespace": namespace, "model_version": model_version, "ids": list(ids)}
    return _joined((row.entity, row) for row in session.execute(_OF_ENTITIES, parameters))


def other_model(session: Session, namespace: str, model_version: str) -> str | None:
    """Return the version of another model than this one that all usage is of; None where that is not so."""
    statement = text("SELECT DISTINCT model_version FROM entity_usage WHERE namespace = :namespace")
    versions = set(session.execute(statement, {"namespace": namespace}).scalars())
    return None if model_version in versions or not versions else min(versions)


def _joined(found: Iterable[tuple[str, Row[Any]]]) -> Usage:
    """Gather rows by entity; where several lead to one, the mean is that of all their links."""
    places: dict[str, int] = {}
    links: list[int] = []
    vectors: list[HalfArray] = []
    for entity, row in found:
        vector = np.frombuffer(row.vector, dtype=STORED)
        at = places.setdefault(entity, len(vectors))
        if at == len(vectors):
            links.append(row.links)
            vectors.append(vector)
        else:
            total = vectors[at].astype(np.float32) * links[at] + vector.astype(np.float32) * row.links
            links[at] += row.links
            vectors[at] = (total / links[at]).astype(np.float16)
    return Usage(list(places), np.array(links, dtype=np.int32), np.stack(vectors)) if vectors else NO_USAGE
