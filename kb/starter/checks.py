"""What must hold of the starter knowledge base before its files are written."""

from typing import Any

from kb.starter.records import GEONAMES_SOURCE, OWN_SOURCE, Entity

# The shortest and longest description that is allowed, handwritten and composed.
DESCRIPTION_LENGTHS = {OWN_SOURCE: (60, 300), GEONAMES_SOURCE: (20, 300)}


def vocabulary_faults(rows: list[tuple[str, dict[str, Any]]], kind: str) -> list[str]:
    """Return what is wrong with a list of types or predicates."""
    faults = []
    seen: set[str] = set()
    for where, row in rows:
        if not row.get("id") or not row.get("label"):
            faults.append(f"{where}: a {kind} needs an id and a label")
        if row.get("id") in seen:
            faults.append(f"{where}: the {kind} {row['id']} is there twice")
        seen.add(str(row.get("id")))
    return faults


def parent_faults(rows: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return the types whose parent is not defined or who are their own ancestor."""
    parents = {str(row["id"]): row.get("parent") for _, row in rows}
    faults = []
    for where, row in rows:
        chain = [str(row["id"])]
        while (parent := parents.get(chain[-1])) is not None:
            if parent not in parents:
                faults.append(f"{where}: {chain[-1]}: the parent {parent} is not a type")
                break
            if parent in chain:
                faults.append(f"{where}: {row['id']}: circular parents {' > '.join([*chain, str(parent)])}")
                break
            chain.append(str(parent))
    return faults


def _own_faults(entity: Entity, types: set[str], predicates: set[str]) -> list[str]:
    faults = []
    shortest, longest = DESCRIPTION_LENGTHS[entity.source]
    if not shortest <= len(entity.description) <= longest:
        faults.append(f"description of {len(entity.description)} characters")
    if not entity.types:
        faults.append("no type")
    faults.extend(f"unknown type {name}" for name in entity.types if name not in types)
    for text, count in entity.aliases.items():
        if not text.strip() or text != text.strip():
            faults.append(f"blank or padded alias {text!r}")
        if count < 1:
            faults.append(f"alias {text} with count {count}")
    faults.extend(f"unknown predicate {name}" for name, _ in entity.relations if name not in predicates)
    return faults


def entity_faults(entities: list[Entity], types: set[str], predicates: set[str]) -> list[str]:
    """Return every fault of the entities, each naming file, line, id and what is wrong."""
    faults = []
    ids: dict[str, Entity] = {}
    described: dict[str, Entity] = {}
    for entity in entities:
        head = f"{entity.where}: {entity.id}"
        if entity.id in ids:
            faults.append(f"{head}: the id is there already at {ids[entity.id].where}")
        ids.setdefault(entity.id, entity)
        twin = described.setdefault(entity.description.casefold(), entity)
        if twin is not entity:
            faults.append(f"{head}: same description as {twin.id} at {twin.where}")
        faults.extend(f"{head}: {fault}" for fault in _own_faults(entity, types, predicates))
    for entity in entities:
        for predicate, target in entity.relations:
            if target not in ids:
                faults.append(f"{entity.where}: {entity.id}: unresolved object {target} of {predicate}")
    return faults
