"""Lists of entities by what they have or lack, sorted by id, page after page.

A page begins after the last id of the page before, so that what others write meanwhile neither repeats an entity nor
leaves one out that was there all the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.queries import Parameters
from kb.search import SearchHit, SearchPage, search_entities


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entities; what is None or false filters nothing.

    Attributes:
        ids: only these.
        type_id: only those with this type.
        subtypes: also those with a type below it.
        source: only those of this source.
        missing_description: only those without a description.
        no_alias: only those with no name but their label.
        ambiguous_alias: only those with a name that another entity has, too, as `kb.normalise` compares names.
        changed_since: only those edited at this time or later.
    """

    ids: Sequence[str] | None = None
    type_id: str | None = None
    subtypes: bool = True
    source: str | None = None
    missing_description: bool = False
    no_alias: bool = False
    ambiguous_alias: bool = False
    changed_since: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it lets all entities through."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "subtypes"}
        return not any(value is not None and value is not False for value in given.values())


@dataclass(frozen=True, slots=True)
class ListedEntity:
    """An entity of a list."""

    id: str
    label: str
    description: str | None
    types: tuple[str, ...]
    popularity: int


@dataclass(frozen=True, slots=True)
class ListedPage:
    """Some of the entities; `after` is the id after which the next ones begin, None if these are the last."""

    entities: list[ListedEntity]
    after: str | None


_SHOWN = (
    "SELECT e.id, e.label, e.description, ARRAY(SELECT t.type_id FROM entity_type t WHERE t.namespace = e.namespace"
    " AND t.entity_id = e.id ORDER BY t.type_id), e.popularity"
)
FEW_MEMBERS = 2500  # up to so many entities of a type are looked at one by one
MOST_PAGES = 20  # of so many pages of a search the hits are filtered for one page
SOME_ENTITIES = 10_000  # of so many the names are looked at for one page
_OTHER_NAME = (
    "EXISTS (SELECT 1 FROM alias a WHERE a.namespace = e.namespace AND a.entity_id = e.id AND a.text <> e.label)"
)
_SHARED_NAME = (
    "EXISTS (SELECT 1 FROM alias a JOIN alias b ON b.namespace = a.namespace AND b.normalised = a.normalised"
    " AND b.entity_id <> a.entity_id WHERE a.namespace = e.namespace AND a.entity_id = e.id)"
)
_OF_TYPE = (
    "EXISTS (SELECT 1 FROM entity_type t WHERE t.namespace = e.namespace AND t.entity_id = e.id"
    " AND t.type_id = ANY(:types))"
)
# Where a type has few members, the way from those to the entities is the short one, which Postgres cannot know.
_OF_RARE_TYPE = (
    "e.id = ANY(ARRAY(SELECT t.entity_id FROM entity_type t"
    " WHERE t.namespace = :namespace AND t.type_id = ANY(:types)))"
)
_MEMBERS = text(f"""
    SELECT count(*) FROM (
        SELECT 1 FROM entity_type WHERE namespace = :namespace AND type_id = ANY(:types) LIMIT {FEW_MEMBERS + 1}) x
""")  # noqa: S608
_END = text(f"""
    SELECT id FROM entity WHERE namespace = :namespace AND id > :after ORDER BY id OFFSET {SOME_ENTITIES} LIMIT 1
""")  # noqa: S608
_BELOW = text("""
    WITH RECURSIVE below(id) AS (
        SELECT id FROM type WHERE namespace = :namespace AND id = :type
        UNION SELECT t.id FROM type t JOIN below b ON t.parent_id = b.id WHERE t.namespace = :namespace)
    SELECT id FROM below
""")


def list_entities(session: Session, namespace: str, which: Filter, after: str, limit: int) -> ListedPage:
    """Return entities that a filter lets through, sorted by id.

    Args:
        session: reads the namespace.
        namespace: the knowledge base.
        which: the filter.
        after: only those after this id.
        limit: at most so many; fewer, and yet not the last, where the filter looks at names and few have such.
    """
    where, parameters = conditions(session, namespace, which)
    end = None
    if which.no_alias or which.ambiguous_alias:
        end = session.execute(_END, {"namespace": namespace, "after": after}).scalar_one_or_none()
    statement = text(
        f"{_SHOWN} FROM (SELECT e.* FROM entity e WHERE {where} AND e.id > :after"  # noqa: S608
        " AND (CAST(:end AS text) IS NULL OR e.id <= :end) ORDER BY e.id LIMIT :limit) e ORDER BY e.id"
    )
    rows = session.execute(statement, parameters | {"after": after, "limit": limit + 1, "end": end}).all()
    found = [ListedEntity(row[0], row[1], row[2], tuple(row[3]), row[4]) for row in rows[:limit]]
    return ListedPage(found, found[-1].id if len(rows) > limit else end)


def search_listed(
    session: Session, namespace: str, q: str, type_id: str | None, which: Filter, limit: int, cursor: str | None
) -> SearchPage:
    """Find entities by name (`kb.search`) that a filter lets through, too.

    The page may have fewer hits than `limit`, and yet not be the last.

    Raises:
        BadCursor: the cursor is not one of a search.
    """
    kept: list[SearchHit] = []
    complete = True
    for _ in range(1 if which.is_empty else MOST_PAGES):
        page = search_entities(session, namespace, q, type_id, limit - len(kept), cursor)
        found = {hit.id for hit in page.hits}
        if not which.is_empty:
            found &= found if which.ids is None else set(which.ids)
            found = set(matching_ids(session, namespace, replace(which, ids=sorted(found)), limit))
        kept += [hit for hit in page.hits if hit.id in found]
        cursor, complete = page.cursor, complete and page.complete
        if cursor is None or len(kept) == limit:
            break
    return SearchPage(kept, cursor, complete)


def matching_ids(session: Session, namespace: str, which: Filter, limit: int) -> list[str]:
    """Return the ids of entities that a filter lets through, sorted, at most `limit`."""
    where, parameters = conditions(session, namespace, which)
    statement = text(f"SELECT e.id FROM entity e WHERE {where} ORDER BY e.id LIMIT :limit")  # noqa: S608
    return list(session.execute(statement, parameters | {"limit": limit}).scalars())


def count_entities(session: Session, namespace: str, which: Filter) -> int:
    """Return how many entities a filter lets through."""
    where, parameters = conditions(session, namespace, which)
    statement = text(f"SELECT count(*) FROM entity e WHERE {where}")  # noqa: S608
    return int(session.execute(statement, parameters).scalar_one())


def conditions(session: Session, namespace: str, which: Filter) -> tuple[str, Parameters]:
    """Return a filter as SQL over `entity e`, with its parameters."""
    parameters: Parameters = {"namespace": namespace}
    where = ["e.namespace = :namespace", "e.deleted_at IS NULL"]
    if which.type_id is not None:
        values = {"namespace": namespace, "type": which.type_id}
        below = list(session.execute(_BELOW, values).scalars()) if which.subtypes else []
        parameters["types"] = below or [which.type_id]
        members = session.execute(_MEMBERS, {"namespace": namespace, "types": parameters["types"]}).scalar_one()
        where.append(_OF_RARE_TYPE if members <= FEW_MEMBERS else _OF_TYPE)
    if which.ids is not None:
        parameters["ids"] = list(which.ids)
        where.append("e.id = ANY(:ids)")
    if which.source is not None:
        parameters["source"] = which.source
        where.append("e.source_id = (SELECT s.id FROM source s WHERE s.namespace = :namespace AND s.name = :source)")
    if which.changed_since is not None:
        parameters["since"] = which.changed_since
        where.append("e.updated_at >= :since")
    flags = {"e.description IS NULL": which.missing_description, _SHARED_NAME: which.ambiguous_alias}
    where += [condition for condition, asked in flags.items() if asked]
    if which.no_alias:
        where.append(f"NOT {_OTHER_NAME}")
    return " AND ".join(where), parameters
