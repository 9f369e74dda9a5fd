"""`GET /v1/entities/{id}` and `GET /v1/entities?q=`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.errors import ProblemError
from app.responses import problems
from app.runtime import get_service
from app.schemas.problem import FieldProblem
from app.service import Service
from kb import queries
from kb.records import EntityRecord
from kb.search import BadCursor, SearchHit, search_entities

router = APIRouter(prefix="/v1", tags=["knowledge base"])

LINCOLN = {
    "id": "Lincoln,_Nebraska",
    "label": "Lincoln",
    "description": "capital city of the US state of Nebraska",
    "types": ["city"],
    "popularity": 120,
    "match": "exact",
}


class EntityAnswer(BaseModel):
    """An entity with its version, which the ETag header carries too."""

    entity: EntityRecord
    version: int
    incoming_relations: int


class SearchAnswer(BaseModel):
    """Entities found, best first; `cursor` asks for the next ones, null after the last."""

    entities: list[SearchHit]
    cursor: str | None


@router.get(
    "/entities",
    responses={
        200: {"content": {"application/json": {"example": {"entities": [LINCOLN], "cursor": None}}}},
        **problems(422, 500, 503),
    },
)
def search(
    service: Annotated[Service, Depends(get_service)],
    q: Annotated[str, Query(max_length=250, description="A name, the start of one, or an id.")],
    type_id: Annotated[
        str | None, Query(alias="type", max_length=250, description="Only entities of this type, or of types below it.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most entities in one answer.")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="What the answer before gave, for the next entities.")
    ] = None,
) -> SearchAnswer:
    """Search for entities as one types: names that are the query, start with it, or are similar."""
    texts = {"q": q, "type": type_id or "", "cursor": cursor or ""}
    for name, value in texts.items():
        _check_text(name, value)
    try:
        with Session(service.engine) as session:
            page = search_entities(session, service.settings.namespace, q, type_id, limit, cursor)
    except BadCursor:
        problem = FieldProblem(field="cursor", detail="this is no cursor of ours", remedy="leave it out")
        raise ProblemError("invalid-request", [problem]) from None
    return SearchAnswer(entities=page.hits, cursor=page.cursor)


ONE = {
    "entity": {
        "id": "Lincoln,_Nebraska",
        "label": "Lincoln",
        "description": "capital city of the US state of Nebraska",
        "text": None,
        "aliases": [{"text": "Lincoln", "count": 120, "language": None}],
        "types": ["city"],
        "relations": [{"predicate": "located in", "object": "Nebraska"}],
        "xrefs": {"wikidata": "Q28260"},
        "popularity": 120,
        "source": None,
    },
    "version": 1,
    "incoming_relations": 3,
}


@router.get(
    "/entities/{entity_id:path}",
    responses={200: {"content": {"application/json": {"example": ONE}}}, **problems(404, 422, 500, 503)},
)
def entity(
    service: Annotated[Service, Depends(get_service)],
    entity_id: Annotated[str, Path(description="Any id, slashes included.")],
    response: Response,
) -> EntityAnswer:
    """Return one entity with everything that the knowledge base says of it."""
    _check_text("id", entity_id)
    with Session(service.engine) as session:
        found = queries.get_entity(session, service.settings.namespace, entity_id)
    if found is None:
        remedy = "search for it with GET /v1/entities?q="
        problem = FieldProblem(field="id", detail=f"there is no entity {entity_id!r}", remedy=remedy)
        raise ProblemError("entity-not-found", [problem])
    response.headers["ETag"] = f'"{found.version}"'
    return EntityAnswer(entity=found.record, version=found.version, incoming_relations=found.incoming_relations)


def _check_text(name: str, value: str) -> None:
    """Refuse what Postgres cannot hold as text."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        problem = FieldProblem(field=name, detail="it has a NUL or half a surrogate pair", remedy="leave it out")
        raise ProblemError("invalid-request", [problem])
