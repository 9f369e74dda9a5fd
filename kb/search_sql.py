"""The statements of `kb.search`.

All give the same columns: id, label, description, popularity, types, distance. An entity's popularity stands in its
rows of `alias`, too, so that the best of many names are found before a single entity is looked up; MATERIALIZED holds
Postgres to that order, since it cannot know which way is short.
"""

from __future__ import annotations

from sqlalchemy import text

from kb.tables import POPULAR

SIMILAR_NAMES = 3000
LEVELS = (*POPULAR, 0)

_COLUMNS = (
    "SELECT e.id, e.label, e.description, e.popularity, ARRAY(SELECT t.type_id FROM entity_type t"
    " WHERE t.namespace = :namespace AND t.entity_id = e.id ORDER BY t.type_id) AS types"
)
_ENTITY = "JOIN entity e ON e.namespace = :namespace AND e.id = f.entity_id AND e.deleted_at IS NULL"
_ORDER = "ORDER BY e.popularity DESC, e.id LIMIT :limit"
_STARTS = "a.namespace = :namespace AND a.normalised > :name AND a.normalised < :end"
# Not as a range, for which Postgres might take the index of names and look through all of them for each entity.
_HAS_NAME = (
    "EXISTS (SELECT 1 FROM alias a WHERE a.namespace = :namespace AND a.entity_id = f.entity_id"
    " AND left(a.normalised, length(:name)) = :name AND a.normalised <> :name)"
)


def _typed(entity_id: str) -> str:
    return (
        "(CAST(:types AS text[]) IS NULL OR EXISTS (SELECT 1 FROM entity_type t WHERE t.namespace = :namespace"
        f" AND t.entity_id = {entity_id} AND t.type_id = ANY(:types)))"
    )


def _not_exact(entity_id: str) -> str:
    """Return what leaves out entities that have the query as a name or id; those names are looked up once."""
    return (
        f"{entity_id} <> :query AND {entity_id} NOT IN"
        " (SELECT x.entity_id FROM alias x WHERE x.namespace = :namespace AND x.normalised = :name)"
    )


def _next(row: str, entity_id: str) -> str:
    return f"(-{row}.popularity, {row}.{entity_id}) > (-CAST(:popularity AS bigint), CAST(:id AS text))"


def _best_of(names: str, condition: str = "true") -> str:
    """Return the first statement of those that find entities by many names."""
    return f"""
        SELECT DISTINCT a.popularity, a.entity_id FROM {names} a
        WHERE {condition} AND {_next("a", "entity_id")} AND {_typed("a.entity_id")} AND {_not_exact("a.entity_id")}
        ORDER BY a.popularity DESC, a.entity_id LIMIT :limit
    """


def _level(least: int, below: int | None) -> str:
    condition = f"{_STARTS} AND a.popularity >= {least}" + ("" if below is None else f" AND a.popularity < {below}")
    return (
        f"WITH f AS MATERIALIZED ({_best_of('alias', condition)}) {_COLUMNS}, 0 AS distance FROM f {_ENTITY} {_ORDER}"
    )


EXACT = text(f"""
    WITH f AS MATERIALIZED (
        SELECT a.entity_id FROM alias a WHERE a.namespace = :namespace AND a.normalised = :name
        UNION SELECT id FROM entity WHERE namespace = :namespace AND id = :query)
    {_COLUMNS}, 0 AS distance FROM f {_ENTITY} WHERE {_typed("e.id")} AND {_next("e", "id")} {_ORDER}
""")
# Gives at least one row: `names` says how many there are. Only if they are few, the other columns name their entities.
PREFIX_OF_FEW = text(f"""
    WITH names AS MATERIALIZED (SELECT a.entity_id, a.popularity FROM alias a WHERE {_STARTS} LIMIT :few + 1),
    f AS MATERIALIZED ({_best_of("names", "(SELECT count(*) FROM names) <= :few")})
    SELECT n.names, b.* FROM (SELECT count(*) AS names FROM names) n
    LEFT JOIN ({_COLUMNS}, 0 AS distance FROM f {_ENTITY}) b ON true ORDER BY b.popularity DESC, b.id
""")
PREFIX_OF_LEVEL = {least: text(_level(least, below)) for least, below in zip(LEVELS, (None, *LEVELS[:-1]), strict=True)}
PREFIX_OF_TYPE = text(f"""
    WITH f AS MATERIALIZED (
        SELECT DISTINCT t.entity_id FROM entity_type t WHERE t.namespace = :namespace AND t.type_id = ANY(:types))
    {_COLUMNS}, 0 AS distance FROM f {_ENTITY}
    WHERE {_next("e", "id")} AND {_not_exact("e.id")} AND {_HAS_NAME} {_ORDER}
""")
SIMILAR = text(f"""
    WITH near AS MATERIALIZED (
        SELECT a.entity_id, a.popularity, a.normalised FROM alias a
        WHERE a.namespace = :namespace AND :name <% a.normalised LIMIT {SIMILAR_NAMES}),
    ranked AS MATERIALIZED (
        SELECT entity_id, popularity, round((1 - max(similarity(normalised, :name)))::numeric, 4)::float8 AS distance
        FROM near GROUP BY entity_id, popularity),
    f AS MATERIALIZED (
        SELECT r.entity_id, r.distance FROM ranked r
        WHERE (r.distance, -r.popularity, r.entity_id)
            > (:distance, -CAST(:popularity AS bigint), CAST(:id AS text)) AND {_typed("r.entity_id")}
        ORDER BY r.distance, r.popularity DESC, r.entity_id LIMIT :limit)
    {_COLUMNS}, f.distance FROM f {_ENTITY} ORDER BY f.distance, e.popularity DESC, e.id
""")
# A slip changes up to four of a name's three-letter pieces and brings as many others. The share that is asked for lets
# Postgres leave the pieces that most names have unread. Gives 0 for text without letters, which has no pieces.
THRESHOLD = text("""
    SELECT CASE WHEN pieces > 0 THEN CAST(set_config('pg_trgm.word_similarity_threshold', CAST(
        greatest(:least, (pieces - :changed) / (pieces + :changed)) AS text), true) AS float8) ELSE 0 END
    FROM (SELECT CAST(cardinality(show_trgm(:name)) AS float8) AS pieces) p
""")
MEMBERS = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM entity_type WHERE namespace = :namespace AND type_id = ANY(:types) LIMIT :few + 1) x
""")
TYPES_BELOW = text("""
    WITH RECURSIVE below(id) AS (
        SELECT CAST(:type AS text) COLLATE "C" UNION
        SELECT t.id FROM type t JOIN below b ON t.parent_id = b.id WHERE t.namespace = :namespace)
    SELECT id FROM below
""")
TIME_LIMIT = text("SELECT set_config('statement_timeout', :milliseconds, true)")
