"""Entities of the starter knowledge base, and the handwritten sources they are read from."""

import json
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OWN_SOURCE = "namesake"
GEONAMES_SOURCE = "geonames"
DEFAULT_COUNT = 5

# Files in the sources folder that hold vocabulary instead of entities.
VOCABULARY = {"types.jsonl", "predicates.jsonl"}

_FIELDS = {"id", "label", "description", "types", "aliases", "relations", "wikidata", "geonames", "admin1"}
_UNDECOMPOSED = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "\u0131": "i", "ß": "ss", "æ": "ae"}
)


class SourceError(Exception):
    """The sources do not add up to a knowledge base; the message lists every fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass
class Entity:
    """One entity on its way into the output file."""

    id: str
    label: str
    description: str
    types: list[str]
    aliases: dict[str, int]
    relations: list[tuple[str, str]]
    source: str
    where: str
    xrefs: dict[str, str] = field(default_factory=dict)
    place_keys: list[str] = field(default_factory=list)

    def relate(self, predicate: str, target: str) -> None:
        """Add a relation unless it is there already or points at the entity itself."""
        if target != self.id and (predicate, target) not in self.relations:
            self.relations.append((predicate, target))

    def absorb(self, other: "Entity") -> None:
        """Take over the aliases, relations and references of a lesser record of the same thing."""
        known = {text.casefold() for text in self.aliases}
        for text, count in other.aliases.items():
            if text.casefold() not in known:
                self.aliases[text] = count
        for predicate, target in other.relations:
            self.relate(predicate, target)
        for name, value in other.xrefs.items():
            self.xrefs.setdefault(name, value)

    def as_record(self) -> dict[str, Any]:
        """Return the entity in the importer's format."""
        return {
            "id": self.id,
            "label": self.label,
            "description": self.description,
            "text": None,
            "aliases": [{"text": text, "count": self.aliases[text]} for text in sorted(self.aliases)],
            "types": self.types,
            "relations": [{"predicate": predicate, "object": target} for predicate, target in sorted(self.relations)],
            "xrefs": dict(sorted(self.xrefs.items())),
            "popularity": sum(self.aliases.values()),
            "source": self.source,
        }


def default_label(entity_id: str) -> str:
    """Return the label that an id stands for: spaces for underscores, no parenthetical at the end."""
    return re.sub(r" \([^()]*\)$", "", entity_id.replace("_", " "))


def plain(text: str) -> str:
    """Return the text without diacritics, as English writers often type it."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_UNDECOMPOSED))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def read_lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of a JSON-lines file, each with the place it stands at ("file:line")."""
    rows: list[tuple[str, dict[str, Any]]] = []
    faults: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{path.name}:{number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            faults.append(f"{where}: not valid JSON: {error}")
            continue
        rows.append((where, row))
    if faults:
        raise SourceError(faults)
    return rows


def _entity(where: str, row: dict[str, Any]) -> Entity:
    entity_id = str(row["id"])
    label = str(row.get("label") or default_label(entity_id))
    aliases = {str(text): int(count) for text, count in row.get("aliases", {}).items()}
    aliases.setdefault(label, DEFAULT_COUNT)
    entity = Entity(
        id=entity_id,
        label=label,
        description=str(row["description"]).strip(),
        types=[str(name) for name in row["types"]],
        aliases=aliases,
        relations=[],
        source=OWN_SOURCE,
        where=where,
    )
    for predicate, target in row.get("relations", []):
        entity.relate(str(predicate), str(target))
    if row.get("wikidata"):
        entity.xrefs["wikidata"] = str(row["wikidata"])
    if row.get("geonames"):
        entity.xrefs["geonames"] = str(row["geonames"])
        entity.place_keys.append(str(row["geonames"]))
    if row.get("admin1"):
        entity.place_keys.append(str(row["admin1"]))
    return entity


def read_handwritten(folder: Path) -> list[Entity]:
    """Return the entities of every handwritten file, in the order of files and lines."""
    entities: list[Entity] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        if path.name in VOCABULARY:
            continue
        for where, row in read_lines(path):
            lacking = {"id", "description", "types"} - row.keys()
            strange = row.keys() - _FIELDS
            if lacking or strange:
                faults.append(f"{where}: {row.get('id')}: lacks {sorted(lacking)}, does not know {sorted(strange)}")
                continue
            entities.append(_entity(where, row))
    if faults:
        raise SourceError(faults)
    return entities
