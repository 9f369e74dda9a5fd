"""Search for entities by name, as a person types it.

An entity is found by its best match: a name that is the query (or its id), a name that starts with it, a name that is
similar. Within a kind of match the more similar comes first, then the more popular, then the smaller id.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.normalise import normalise
from kb.queries import Parameters

FEW_NAMES = 2500  # up to so many names with a prefix, or entities of a type, are looked at one by one
SIMILAR_NAMES = 3000
SHORTEST_SIMILAR = 3
LEAST_SIMILARITY = 0.45  # share of three-letter pieces in common; one slip in a name of 7 letters leaves 0.5 of them
EXACT, PREFIX, SIMILAR = range(3)
MATCHES = ("exact", "prefix", "similar")
LARGEST_COUNT = 2**62
LAST_CHARACTER = "\U0010ffff"


class BadCursor(ValueError):  # noqa: N818
    """The cursor is none that a search returned: leave it out to begin with the first page."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An entity that was found; `match` is exact, prefix or similar."""

    id: str
    label: str
    description: str | None
    types: tuple[str, ...]
    popularity: int
    match: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Some of the entities that were found, best first; `cursor` asks for the next ones, None if these are the last."""

    hits: list[SearchHit]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entity stands in the results; a smaller distance and a larger popularity come first."""

    tier: int
    distance: float
    popularity: int
    id: str


_START = _Place(EXACT, -1.0, LARGEST_COUNT, "")

# All statements give the same columns. Postgres cannot know which way is short (few names with the prefix: look at
# each; many: go down the list of popular entities until enough of them have one), so each statement leaves it one way
# only: MATERIALIZED and LATERAL … LIMIT 1 are what holds it to that.
_COLUMNS = "SELECT e.id, e.label, e.description, e.popularity"
_ENTITY = "JOIN entity e ON e.namespace = :namespace AND e.id = f.entity_id AND e.deleted_at IS NULL"
_TYPED = (
    "(CAST(:types AS text[]) IS NULL OR EXISTS (SELECT 1 FROM entity_type t"
    " WHERE t.namespace = :namespace AND t.entity_id = e.id AND t.type_id = ANY(:types)))"
)
_NEXT = "(-e.popularity, e.id) > (-CAST(:popularity AS bigint), CAST(:id AS text))"
_ORDER = "ORDER BY e.popularity DESC, e.id LIMIT :limit"
_STARTS = "a.namespace = :namespace AND a.normalised > :name AND a.normalised < :end"
_HAS_NAME = f"(SELECT 1 FROM alias a WHERE {_STARTS} AND a.entity_id = e.id LIMIT 1)"
_NOT_EXACT = (
    "NOT EXISTS (SELECT 1 FROM alias x WHERE x.namespace = :namespace AND x.entity_id = e.id AND x.normalised = :name)"
    " AND e.id <> :query"
)

_EXACT_SQL = text(f"""
    WITH f AS MATERIALIZED (
        SELECT a.entity_id FROM alias a WHERE a.namespace = :namespace AND a.normalised = :name
        UNION SELECT id FROM entity WHERE namespace = :namespace AND id = :query)
    {_COLUMNS}, 0 AS distance FROM f {_ENTITY} WHERE {_TYPED} AND {_NEXT} {_ORDER}
""")
_PREFIX_FEW_SQL = text(f"""
    WITH f AS MATERIALIZED (SELECT DISTINCT a.entity_id FROM alias a WHERE {_STARTS})
    {_COLUMNS}, 0 AS distance FROM f {_ENTITY} WHERE {_TYPED} AND {_NEXT} AND {_NOT_EXACT} {_ORDER}
""")
_PREFIX_MANY_SQL = text(f"""
    {_COLUMNS}, 0 AS distance
    FROM (SELECT * FROM entity WHERE namespace = :namespace AND deleted_at IS NULL AND popularity <= :popularity
          ORDER BY popularity DESC, id) e, LATERAL {_HAS_NAME} a
    WHERE {_TYPED} AND {_NEXT} AND {_NOT_EXACT} LIMIT :limit
""")
_PREFIX_OF_TYPE_SQL = text(f"""
    WITH f AS MATERIALIZED (
        SELECT DISTINCT t.entity_id FROM entity_type t WHERE t.namespace = :namespace AND t.type_id = ANY(:types))
    {_COLUMNS}, 0 AS distance FROM f {_ENTITY}, LATERAL {_HAS_NAME} a WHERE {_NEXT} AND {_NOT_EXACT} {_ORDER}
""")
_SIMILAR_SQL = text(f"""
    WITH near AS MATERIALIZED (
        SELECT a.entity_id, a.normalised FROM alias a
        WHERE a.namespace = :namespace AND :name <% a.normalised LIMIT {SIMILAR_NAMES}),
    f AS MATERIALIZED (
        SELECT entity_id, round((1 - max(similarity(normalised, :name)))::numeric, 4)::float8 AS distance
        FROM near GROUP BY entity_id)
    {_COLUMNS}, f.distance FROM f {_ENTITY} WHERE {_TYPED}
    AND (f.distance, -e.popularity, e.id) > (:distance, -CAST(:popularity AS bigint), CAST(:id AS text))
    AND NOT EXISTS {_HAS_NAME}
    ORDER BY f.distance, e.popularity DESC, e.id LIMIT :limit
""")
_THRESHOLD_SQL = text("SELECT set_config('pg_trgm.word_similarity_threshold', :threshold, true)")
_NAMES_SQL = text(f"SELECT count(*) FROM (SELECT 1 FROM alias a WHERE {_STARTS} LIMIT {FEW_NAMES + 1}) x")
_MEMBERS_SQL = text(f"""
    SELECT count(*) FROM (
        SELECT 1 FROM entity_type WHERE namespace = :namespace AND type_id = ANY(:types) LIMIT {FEW_NAMES + 1}) x
""")
_BELOW_SQL = text("""
    WITH RECURSIVE below(id) AS (
        SELECT CAST(:type AS text) COLLATE "C" UNION
        SELECT t.id FROM type t JOIN below b ON t.parent_id = b.id WHERE t.namespace = :namespace)
    SELECT id FROM below
""")


def search_entities(
    session: Session, namespace: str, q: str, type_id: str | None = None, limit: int = 20, cursor: str | None = None
) -> SearchPage:
    """Find entities by what was typed so far.

    Names that are only similar are looked for where no name is the query itself.

    Args:
        session: reads the namespace.
        namespace: the knowledge base.
        q: what was typed: a name, the start of one, or an id.
        type_id: of a type; only entities that have it, or a type below it, are found.
        limit: most hits of the page.
        cursor: of the page before; None for the first page.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    name = normalise(q)
    place = _START if cursor is None else _decode(cursor)
    if not name:
        return SearchPage([], None)
    parameters: Parameters = {"namespace": namespace, "name": name, "query": q, "end": name + LAST_CHARACTER}
    parameters["types"] = None if type_id is None else _types_below(session, namespace, type_id)
    found: list[tuple[int, Any]] = []
    for tier in range(place.tier, SIMILAR + 1):
        start = place if tier == place.tier else _START
        wanted = limit + 1 - len(found)
        after = {"popularity": start.popularity, "id": start.id, "distance": start.distance}
        values = parameters | after | {"limit": wanted}
        found += [(tier, row) for row in _tier(session, tier, values)]
        if len(found) > limit or (tier == PREFIX and found):
            break
    page = found[:limit]
    more = len(found) > limit
    return SearchPage(_hits(session, parameters, page), _encode(*page[-1]) if more else None)


def _tier(session: Session, tier: int, values: Parameters) -> list[Any]:
    """Return the rows of one kind of match, after the place that `values` name."""
    if tier == EXACT:
        return list(session.execute(_EXACT_SQL, values))
    if tier == SIMILAR:
        return _similar(session, values) if len(values["name"]) >= SHORTEST_SIMILAR else []
    if session.execute(_NAMES_SQL, values).scalar_one() <= FEW_NAMES:
        return list(session.execute(_PREFIX_FEW_SQL, values))
    if values["types"] is not None and session.execute(_MEMBERS_SQL, values).scalar_one() <= FEW_NAMES:
        return list(session.execute(_PREFIX_OF_TYPE_SQL, values))
    return list(session.execute(_PREFIX_MANY_SQL, values))


def _similar(session: Session, values: Parameters) -> list[Any]:
    session.execute(_THRESHOLD_SQL, {"threshold": str(LEAST_SIMILARITY)})
    return list(session.execute(_SIMILAR_SQL, values))


def _types_below(session: Session, namespace: str, type_id: str) -> list[str]:
    rows = session.execute(_BELOW_SQL, {"namespace": namespace, "type": type_id})
    return [row.id for row in rows]


def _hits(session: Session, parameters: Parameters, page: list[tuple[int, Any]]) -> list[SearchHit]:
    types: dict[str, list[str]] = {}
    statement = text(
        "SELECT entity_id, type_id FROM entity_type"
        " WHERE namespace = :namespace AND entity_id = ANY(:ids) ORDER BY type_id"
    )
    ids = [row.id for _, row in page]
    for row in session.execute(statement, {"namespace": parameters["namespace"], "ids": ids}):
        types.setdefault(row.entity_id, []).append(row.type_id)
    return [
        SearchHit(row.id, row.label, row.description, tuple(types.get(row.id, ())), row.popularity, MATCHES[tier])
        for tier, row in page
    ]


def _encode(tier: int, row: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([tier, row.distance, row.popularity, row.id])).decode()


def _decode(cursor: str) -> _Place:
    try:
        tier, distance, popularity, entity_id = orjson.loads(base64.urlsafe_b64decode(cursor))
        place = _Place(int(tier), float(distance), int(popularity), str(entity_id))
    except (binascii.Error, orjson.JSONDecodeError, OverflowError, TypeError, ValueError):
        raise BadCursor from None
    if place.tier not in range(3) or not 0 <= place.popularity <= LARGEST_COUNT or "\0" in place.id:
        raise BadCursor
    return place
