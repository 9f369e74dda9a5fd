"""Entities, types and predicates as the JSON objects that files and revisions hold."""

from __future__ import annotations

from typing import Any

from kb.records import AliasRecord, EntityRecord, PredicateRecord, TypeRecord


def entity_json(entity: EntityRecord) -> dict[str, Any]:
    """Return the object of one entity; an alias's language and the entity's source only where they are known."""
    data: dict[str, Any] = {
        "id": entity.id,
        "label": entity.label,
        "description": entity.description,
        "text": entity.text,
        "aliases": [_alias_json(alias) for alias in entity.aliases],
        "types": entity.types,
        "relations": [{"predicate": edge.predicate, "object": edge.object} for edge in entity.relations],
        "xrefs": entity.xrefs,
        "popularity": entity.popularity,
    }
    if entity.source is not None:
        data["source"] = entity.source
    return data


def type_json(item: TypeRecord) -> dict[str, Any]:
    """Return the object of one type."""
    return {"id": item.id, "label": item.label, "parent": item.parent}


def predicate_json(item: PredicateRecord) -> dict[str, Any]:
    """Return the object of one predicate."""
    return {"id": item.id, "label": item.label}


def redirect_json(entity_id: str, target: str) -> dict[str, Any]:
    """Return the object of an id that leads to another entity, as revisions hold it."""
    return {"id": entity_id, "redirect": target}


def _alias_json(alias: AliasRecord) -> dict[str, Any]:
    if alias.language is None:
        return {"text": alias.text, "count": alias.count}
    return {"text": alias.text, "count": alias.count, "language": alias.language}
