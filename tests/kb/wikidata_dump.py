"""Dumps in the format of Wikidata's, with what lines of theirs have: references, ranks, many languages."""

from __future__ import annotations

import bz2
import gzip
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

LANGUAGES = ("en", "de", "fr", "es", "ru", "ja", "zh", "ar", "pt", "it", "nl", "pl")


def statement(name: str, value: Any, kind: str = "wikibase-item", rank: str = "normal") -> dict[str, Any]:
    """Return a statement; a value None stands for an unknown one."""
    if kind == "wikibase-item" and value is not None:
        value = {"entity-type": "item", "numeric-id": int(value[1:]), "id": value}
    types = {"wikibase-item": "wikibase-entityid"}
    snak: dict[str, Any] = {"snaktype": "somevalue" if value is None else "value", "property": name, "datatype": kind}
    if value is not None:
        snak["datavalue"] = {"value": value, "type": types.get(kind, "string")}
    source = {"entity-type": "item", "numeric-id": 328, "id": "Q328"}
    reference = {
        "hash": "d" * 40,
        "snaks": {"P143": [{"snaktype": "value", "property": "P143", "datavalue": {"value": source}}]},
        "snaks-order": ["P143"],
    }
    return {"mainsnak": snak, "type": "statement", "id": f"Q1${name}", "rank": rank, "references": [reference]}


def item(key: str, **fields: Any) -> dict[str, Any]:
    """Return an item; `labels`, `descriptions` by language, `aliases` as lists, `claims` as statements, `sitelinks`."""
    claims: dict[str, list[Any]] = {}
    for each in fields.get("claims", ()):
        claims.setdefault(each["mainsnak"]["property"], []).append(each)
    terms = {
        field: {tag: {"language": tag, "value": text} for tag, text in fields.get(field, {}).items()} or []
        for field in ("labels", "descriptions")
    }
    aliases = {
        tag: [{"language": tag, "value": text} for text in texts] for tag, texts in fields.get("aliases", {}).items()
    }
    sitelinks = {
        site: {"site": site, "title": title, "badges": []} for site, title in fields.get("sitelinks", {}).items()
    }
    numbers = {"pageid": 138, "ns": 0, "title": key, "lastrevid": 1, "modified": "2026-01-01T00:00:00Z"}
    head = {"type": fields.get("type", "item"), "id": key}
    return head | terms | {"aliases": aliases or [], "claims": claims or [], "sitelinks": sitelinks or []} | numbers


def person(number: int) -> dict[str, Any]:
    """Return an item of about 6 KB, as one of a person with an article in some languages is at least."""
    chance = random.Random(number)
    name = f"Person {number}"
    return item(
        f"Q{number}",
        labels={tag: f"{name} {tag}" if tag != "en" else name for tag in LANGUAGES},
        descriptions=dict.fromkeys(LANGUAGES[:6], f"person number {number}, born in city {number % 50}"),
        aliases={"en": [f"P. {number}", f"Mx {number}"], "de": [f"Herr {number}"]},
        claims=[
            statement("P31", "Q5"),
            statement("P19", f"Q{900_000 + number % 50}"),
            statement("P214", str(10**8 + number), "external-id"),
            *(statement(f"P{1000 + n}", f"Q{chance.randrange(1, 10**6)}") for n in range(6)),
        ],
        sitelinks={f"{tag}wiki": name for tag in LANGUAGES[: 1 + number % 12]},
    )


def write_dump(path: Path, items: Iterable[dict[str, Any] | bytes], end: bytes = b"\n]\n") -> Path:
    """Write a dump: an array with one item a line; .bz2 and .gz are compressed."""
    lines = [each if isinstance(each, bytes) else orjson.dumps(each) for each in items]
    data = b"[\n" + b",\n".join(lines) + end
    packed = {".bz2": bz2.compress, ".gz": lambda data: gzip.compress(data, mtime=0)}.get(
        path.suffix, lambda data: data
    )
    path.write_bytes(packed(data))
    return path
