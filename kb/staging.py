"""Entities in stored form, with their rows as the text that COPY reads.

Whoever stages an entity does all the work that needs no database, so that another process can do it. Nothing here
imports a database library, which would double the time that such a process takes to start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString, NamedTuple

import orjson

from kb.exporters.lines import entity_json
from kb.normalise import normalise
from kb.records import AliasRecord, EntityRecord, RelationRecord

Quote = Callable[[str], str]

ENTITY_COLUMNS: LiteralString = "id, label, description, text, popularity, content_hash"


class Staged(NamedTuple):
    """An entity in the one form in which it is stored and compared.

    Rows are in COPY's text format, one a line, and lack what only the writer knows: the namespace and, of the entity's
    own row, the number of its source.

    Attributes:
        id: its id.
        line: its JSON.
        digest: the hash of that.
        types: ids of its types.
        predicates: ids of the predicates of its relations, each once.
        source: name of its source.
        row: its row in `entity`, with ENTITY_COLUMNS.
        parts: its rows in each of PARTS.
    """

    id: str
    line: bytes
    digest: bytes
    types: tuple[str, ...]
    predicates: tuple[str, ...]
    source: str | None
    row: bytes
    parts: tuple[bytes, ...]

    @property
    def record(self) -> EntityRecord:
        """The entity that was staged, as its JSON tells it."""
        data = orjson.loads(self.line)
        return EntityRecord(
            data["id"],
            data["label"],
            data["description"],
            data["text"],
            tuple([AliasRecord(**alias) for alias in data["aliases"]]),
            tuple(data["types"]),
            tuple([RelationRecord(**edge) for edge in data["relations"]]),
            data["xrefs"],
            data["popularity"],
            data.get("source"),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A table of what hangs on entities: its columns, the one with the entity's id, and how its rows are written.

    `rows` is given an entity, its quoted id, and what quotes other strings.
    """

    table: LiteralString
    columns: LiteralString
    owner: LiteralString
    rows: Callable[[EntityRecord, str, Quote], list[str]]


def _aliases(entity: EntityRecord, key: str, quote: Quote) -> list[str]:
    return [
        # Folding can make a backslash of another character, so that `quote` of the text may be the wrong one.
        f"{key}\t{quote(alias.text)}\t{_quote_backslash(normalise(alias.text))}\t{alias.count}"
        f"\t{optional(alias.language, quote)}\t{entity.popularity}\n"
        for alias in entity.aliases
    ]


PARTS = (
    Part("alias", "entity_id, text, normalised, count, language, popularity", "entity_id", _aliases),
    Part(
        "entity_type",
        "entity_id, type_id",
        "entity_id",
        lambda entity, key, quote: [f"{key}\t{quote(name)}\n" for name in entity.types],
    ),
    Part(
        "relation",
        "subject_id, predicate_id, object_id",
        "subject_id",
        lambda entity, key, quote: [
            f"{key}\t{quote(edge.predicate)}\t{quote(edge.object)}\n" for edge in entity.relations
        ],
    ),
    Part(
        "xref",
        "entity_id, scheme, value",
        "entity_id",
        lambda entity, key, quote: [
            f"{key}\t{quote(scheme)}\t{quote(value)}\n" for scheme, value in entity.xrefs.items()
        ],
    ),
)


def stage(entity: EntityRecord) -> Staged:
    """Bring an entity into stored form: its label is one of its aliases, everything is sorted, nothing is there twice.

    Of two aliases with the same text the one with the larger count stays.
    """
    record = _stored(entity)
    line = orjson.dumps(entity_json(record))
    digest = hashlib.blake2b(line, digest_size=16).digest()
    # JSON writes every character that COPY takes for more than itself with a backslash.
    quote = quoted if b"\\" in line else str
    key = quote(record.id)
    return Staged(
        record.id,
        line,
        digest,
        record.types,
        tuple(dict.fromkeys([edge.predicate for edge in record.relations])),
        record.source,
        f"{key}\t{quote(record.label)}\t{optional(record.description, quote)}\t{optional(record.text, quote)}"
        f"\t{record.popularity}\t\\\\x{digest.hex()}\n".encode(),
        tuple(["".join(part.rows(record, key, quote)).encode() for part in PARTS]),
    )


def _stored(entity: EntityRecord) -> EntityRecord:
    aliases = {entity.label: AliasRecord(entity.label)}
    for alias in entity.aliases:
        known = aliases.get(alias.text)
        if known is None or (alias.count, alias.language or "") >= (known.count, known.language or ""):
            aliases[alias.text] = alias
    return EntityRecord(
        entity.id,
        entity.label,
        entity.description,
        entity.text,
        tuple([aliases[name] for name in sorted(aliases)]),
        tuple(sorted(set(entity.types))),
        tuple(sorted(set(entity.relations), key=_edge)) if entity.relations else (),
        dict(sorted(entity.xrefs.items())),
        entity.popularity,
        entity.source,
    )


def quoted(text: str) -> str:
    """Return a string as COPY's text format writes it."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def optional(text: str | None, quote: Quote = quoted) -> str:
    """Return a string or null as COPY's text format writes it."""
    return "\\N" if text is None else quote(text)


def _quote_backslash(text: str) -> str:
    return text.replace("\\", "\\\\") if "\\" in text else text


def _edge(relation: RelationRecord) -> tuple[str, str]:
    return relation.predicate, relation.object
