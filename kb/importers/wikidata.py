"""Wikidata's JSON dumps: an array with one item or property a line, read line by line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from kb.importers.checks import Rejected, decode, entity_record
from kb.importers.formats import Reading
from kb.importers.lines import STDIN, LineReader
from kb.importers.reading import Classes, Line
from kb.importers.report import ImportFailed
from kb.limits import LARGEST_COUNT
from kb.records import EntityRecord, PredicateRecord, TypeRecord

INSTANCE_OF, SUBCLASS_OF = "P31", "P279"
ALL_LANGUAGES = "mul"  # Wikidata's tag for names that are the same in all languages that write alike
FEW = 8
Json = dict[str, Any]


class WikidataReader:
    """The items of a dump that pass the filters.

    Raises:
        ImportFailed: subclasses are asked for, and the dump comes from standard input.
    """

    def __init__(self, path: Path, how: Reading) -> None:
        self._languages = (*(how.languages or ("en",)), ALL_LANGUAGES)
        self._how = how
        self._wanted = set(how.types)
        if how.subclasses and path == STDIN:
            raise ImportFailed("--subclasses reads the dump twice, and standard input comes once: name a file.")
        if how.subclasses:
            self._wanted = _with_subclasses(path, self._wanted)
        # A line without the name of a wanted type need not be decoded; for many types, looking takes longer.
        self._marks = [f'"{name}"'.encode() for name in sorted(self._wanted)] if len(self._wanted) <= FEW else []
        self._schemes = dict(item.partition("=")[::2] for item in how.xrefs)
        self._class_labels: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._properties: dict[str, str] = {}
        self._used: set[str] = set()
        self._ended = False
        self._lines = LineReader(path)

    @property
    def damage(self) -> str | None:
        """What is wrong with the file."""
        return self._lines.damage

    @property
    def done_bytes(self) -> int:
        """How much of the file was read."""
        return self._lines.done_bytes

    def __iter__(self) -> Iterator[Line[EntityRecord]]:
        """Yield the items that pass the filters, and the lines that are neither items nor properties."""
        bracket = closed = False
        for number, raw in self._lines:
            line = raw.strip().removesuffix(b",")
            if line in (b"[", b"]"):
                bracket, closed = True, line == b"]"
                continue
            if self._marks and not any(mark in line for mark in (*self._marks, b'"P279"', b'"type":"property"')):
                continue
            try:
                data = self._item(line)
                if data is not None:
                    yield Line(number, raw, entity_record(data, self._how.source))
            except Rejected as reason:
                if number == self._lines.open_line and reason.field is None:
                    self._lines.damage = f"{self._lines.name} ends in the middle of line {number}: download it again."
                yield Line(number, raw, reason)
        self._ended = True
        if bracket and not closed and self._lines.damage is None:
            self._lines.damage = f"{self._lines.name} ends before its closing bracket: download it again."

    def classes(self) -> Classes:
        """Return, at the end, the types that entities have with what is above them, and the properties of relations."""
        if not self._ended:
            return Classes()
        kept: dict[str, TypeRecord] = {}
        waiting = [name for name in self._used if name in self._class_labels]
        while waiting:
            name = waiting.pop()
            label, broader = self._class_labels[name]
            parent = next((item for item in broader if item in self._class_labels and item != name), None)
            kept[name] = TypeRecord(name, label, parent)
            if parent is not None and parent not in kept:
                waiting.append(parent)
        self._used.clear()
        properties = [PredicateRecord(*item) for item in self._properties.items() if item[0] in self._how.relations]
        self._properties.clear()
        return Classes(tuple(kept.values()), tuple(properties))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _item(self, line: bytes) -> Json | None:
        """Return the entity that a line describes; None for one that does not pass.

        Raises:
            Rejected: it describes none.
        """
        data = decode(line)
        try:
            label = self._named(data, "labels")
            if data["type"] == "property":
                if label is not None:
                    self._properties[data["id"]] = label
                return None
            if data["type"] != "item":
                return None
            claims = _object(data, "claims")
            if label is not None and SUBCLASS_OF in claims:
                self._class_labels[data["id"]] = (label, tuple(_items(claims, SUBCLASS_OF)))
            sitelinks = _object(data, "sitelinks")
            if label is None or len(sitelinks) < self._how.min_sitelinks:
                return None
            types = list(_items(claims, INSTANCE_OF))
            if not self._passes(types):
                return None
            self._used.update(types)
            return self._entity(data, label, types, claims, sitelinks)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            remedy = "compare it with the dump that it comes from; the format is that of latest-all.json"
            raise Rejected(None, f"the line is no entity of Wikidata: {error!r:.100}", remedy) from None

    def _passes(self, types: list[str]) -> bool:
        return not self._wanted or not self._wanted.isdisjoint(types)

    def _entity(self, data: Json, label: str, types: list[str], claims: Json, sitelinks: Json) -> Json:
        name = data["id"]
        xrefs = {"wikidata": name}
        page = sitelinks.get(f"{self._languages[0]}wiki")
        if page:
            xrefs["wikipedia"] = f"{self._languages[0]}:{page['title']}"
        for key, scheme in self._schemes.items():
            value = next(_values(claims, key), None)
            if isinstance(value, str):
                xrefs[scheme or key] = value
        return {
            "id": name,
            "label": label,
            "description": self._named(data, "descriptions"),
            "aliases": self._aliases(data),
            "types": types,
            "relations": [
                {"predicate": key, "object": target}
                for key in self._how.relations
                for target in _items(claims, key)
                if target != name
            ],
            "xrefs": xrefs,
            "popularity": min(len(sitelinks), LARGEST_COUNT),
        }

    def _named(self, data: Json, field: str) -> str | None:
        found = _object(data, field)
        return next((found[each]["value"] for each in self._languages if each in found), None)

    def _aliases(self, data: Json) -> list[Json]:
        labels, others = _object(data, "labels"), _object(data, "aliases")
        names: Json = {}
        for language in self._languages:
            for item in (*([labels[language]] if language in labels else []), *others.get(language, ())):
                names.setdefault(item["value"], None if language == ALL_LANGUAGES else language)
        return [{"text": text, "language": language} for text, language in names.items()]


def _object(data: Json, field: str) -> Json:
    """Return an object of an entity; dumps write an empty one as a list."""
    found: Json = data.get(field) or {}
    return found


def _values(claims: Json, name: str) -> Iterator[Any]:
    """Yield the values of a property's best statements: the preferred ones, or else those of normal rank."""
    statements = claims.get(name, ())
    ranks = {statement.get("rank") for statement in statements}
    best = "preferred" if "preferred" in ranks else "normal"
    for statement in statements:
        if statement.get("rank", "normal") == best and statement["mainsnak"]["snaktype"] == "value":
            yield statement["mainsnak"]["datavalue"]["value"]


def _items(claims: Json, name: str) -> Iterator[str]:
    """Yield the ids of the items that a property leads to, each once."""
    found: Json = {}
    for value in _values(claims, name):
        if isinstance(value, dict) and value.get("entity-type", "item") == "item":
            found[value.get("id") or f"Q{value['numeric-id']}"] = None
    yield from found


def _with_subclasses(path: Path, wanted: set[str]) -> set[str]:
    """Return types with all types below them; the dump is read once for that."""
    below: defaultdict[str, list[str]] = defaultdict(list)
    with closing(LineReader(path)) as lines:
        for _, raw in lines:
            if b'"P279"' not in raw:
                continue
            try:
                data = decode(raw.strip().removesuffix(b","))
                for broader in _items(_object(data, "claims"), SUBCLASS_OF):
                    below[broader].append(data["id"])
            except (Rejected, TypeError, KeyError, AttributeError, ValueError):
                continue  # told when it is read again
    found, waiting = set(wanted), list(wanted)
    while waiting:
        fresh = [name for name in below[waiting.pop()] if name not in found]
        found.update(fresh)
        waiting += fresh
    return found
