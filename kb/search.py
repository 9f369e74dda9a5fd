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
from psycopg.errors import QueryCanceled
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kb import search_sql as sql
from kb.normalise import normalise
from kb.queries import Parameters

FEW_NAMES = 1000  # up to so many names with a prefix, or entities of a type, are looked at one by one
SHORT = 2  # as many letters start too many names to count them first
PATIENCE = 1000  # milliseconds that one statement may take
SHORTEST_SIMILAR = 3
LEAST_SIMILARITY = 0.4  # share of three-letter pieces in common; two slips in a name of 10 letters leave so many
CHANGED_PIECES = 4  # by one slip
# Names with a slip are looked for first, and names with two only where that finds none: the less alike a name may be,
# the longer it takes.
EXACT, PREFIX, ONE_SLIP, TWO_SLIPS = range(4)
MATCHES = ("exact", "prefix", "similar", "similar")
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
    """Some of the entities that were found, best first.

    Attributes:
        hits: the entities.
        cursor: asks for the next ones; None if these are the last.
        complete: False where the search took too long and was given up: there may be others, and better ones.
    """

    hits: list[SearchHit]
    cursor: str | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entity stands in the results; a smaller distance and a larger popularity come first."""

    tier: int
    distance: float
    popularity: int
    id: str


_START = _Place(EXACT, -1.0, LARGEST_COUNT, "")


def search_entities(
    session: Session, namespace: str, q: str, type_id: str | None = None, limit: int = 20, cursor: str | None = None
) -> SearchPage:
    """Find entities by what was typed so far.

    Names that are only similar are looked for where no name is the query itself or starts with it.

    Args:
        session: reads the namespace; its transaction gets a time limit, and is rolled back where that is reached.
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
    complete = True
    for tier in range(place.tier, TWO_SLIPS + 1):
        start = place if tier == place.tier else _START
        wanted = limit + 1 - len(found)
        after = {"popularity": start.popularity, "id": start.id, "distance": start.distance}
        try:
            found += [(tier, row) for row in _tier(session, tier, parameters | after | {"limit": wanted})]
        except _TooSlow:
            complete = False
            break
        if len(found) > limit or (tier != EXACT and found):
            break
    page = found[:limit]
    more = len(found) > limit
    return SearchPage([_hit(*item) for item in page], _encode(*page[-1]) if more else None, complete)


class _TooSlow(Exception):  # noqa: N818
    """A statement took longer than `PATIENCE`."""


def _tier(session: Session, tier: int, values: Parameters) -> list[Any]:
    """Return the rows of one kind of match, after the place that `values` name.

    Raises:
        _TooSlow: there was not enough time to find them.
    """
    if tier == EXACT:
        return list(session.execute(sql.EXACT, values))
    try:
        session.execute(sql.TIME_LIMIT, {"milliseconds": str(PATIENCE)})
        return _prefix(session, values) if tier == PREFIX else _similar(session, tier - PREFIX, values)
    except OperationalError as error:
        if not isinstance(error.orig, QueryCanceled):
            raise
        session.rollback()
        raise _TooSlow from error


def _prefix(session: Session, values: Parameters) -> list[Any]:
    """Return entities with a name that starts with the query.

    Few names are looked at one by one; of many, the best known first, until there are enough.
    """
    values = values | {"few": FEW_NAMES}
    if len(values["name"]) > SHORT:
        rows = list(session.execute(sql.PREFIX_OF_FEW, values))
        if rows[0].names <= FEW_NAMES:
            return [row for row in rows if row.id is not None]
    if values["types"] is not None and session.execute(sql.MEMBERS, values).scalar_one() <= FEW_NAMES:
        return list(session.execute(sql.PREFIX_OF_TYPE, values))
    found: list[Any] = []
    for least in sql.LEVELS:
        if len(found) < values["limit"] and least <= values["popularity"]:
            found += session.execute(sql.PREFIX_OF_LEVEL[least], values | {"limit": values["limit"] - len(found)})
    return found


def _similar(session: Session, slips: int, values: Parameters) -> list[Any]:
    """Return entities with a name that up to so many slips of the pen make the query."""
    if len(values["name"]) < SHORTEST_SIMILAR:
        return []
    changed = {"name": values["name"], "changed": CHANGED_PIECES * slips, "least": LEAST_SIMILARITY}
    if session.execute(sql.THRESHOLD, changed).scalar_one() == 0:
        return []
    return list(session.execute(sql.SIMILAR, values))


def _types_below(session: Session, namespace: str, type_id: str) -> list[str]:
    rows = session.execute(sql.TYPES_BELOW, {"namespace": namespace, "type": type_id})
    return [row.id for row in rows]


def _hit(tier: int, row: Any) -> SearchHit:
    return SearchHit(row.id, row.label, row.description, tuple(row.types), row.popularity, MATCHES[tier])


def _encode(tier: int, row: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([tier, row.distance, row.popularity, row.id])).decode()


def _decode(cursor: str) -> _Place:
    try:
        tier, distance, popularity, entity_id = orjson.loads(base64.urlsafe_b64decode(cursor))
        place = _Place(int(tier), float(distance), int(popularity), str(entity_id))
    except (binascii.Error, orjson.JSONDecodeError, OverflowError, TypeError, ValueError):
        raise BadCursor from None
    if place.tier not in range(len(MATCHES)) or not 0 <= place.popularity <= LARGEST_COUNT or "\0" in place.id:
        raise BadCursor
    return place
