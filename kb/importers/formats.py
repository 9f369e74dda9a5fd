"""The formats of files of entities: which there are, how they are told apart, and what opens them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from kb.importers.reading import EntityReader
from kb.importers.report import ImportFailed


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file of entities. Each format looks at the options that `FORMATS` names for it.

    Attributes:
        format: name of the format; None: told by the name of the file.
        source: the source of entities that name none.
        encoding: the encoding of a text file; None: UTF-8.
        delimiter: what stands between columns; None: found out.
        mapping: which column is which field, as `FIELD=COLUMN` or `FIELD=COLUMN|SEPARATOR`.
        instances: of WordNet, only synsets that are one individual each.
        languages: languages of names and descriptions, the preferred one first; none: all.
        relations: properties that become relations, beside those that always do.
        xrefs: properties that become cross-references, as `PROPERTY` or `PROPERTY=SCHEME`.
        types: of Wikidata, only items of one of these types; none: all.
        subclasses: also items of types below those.
        min_sitelinks: of Wikidata, only items with so many sitelinks.
    """

    format: str | None = None
    source: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    mapping: tuple[str, ...] = ()
    instances: bool = False
    languages: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    subclasses: bool = False
    min_sitelinks: int = 0

    def dumps(self) -> str:
        """Return all of it as a string."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def loads(cls, data: str) -> Reading:
        """Return what `dumps` wrote."""
        given: dict[str, Any] = orjson.loads(data)
        for name in LISTS:
            given[name] = tuple(given[name])
        return cls(**given)

    @property
    def mark(self) -> str:
        """What tells this way of reading from others, to know whether an import was interrupted; empty by default."""
        given = {name: getattr(self, name) for name in self.given}
        return f"-{orjson.dumps(given).decode()}" if given else ""

    @property
    def given(self) -> list[str]:
        """Names of the options that are not as they are by default."""
        names = (item.name for item in fields(self) if item.name not in ("format", "source"))
        return [name for name in names if getattr(self, name) != getattr(USUAL, name)]


USUAL = Reading()
LISTS = ("mapping", "languages", "relations", "xrefs", "types")


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what opens its files (`module:class`), how their names end, and which options it has."""

    opener: str
    endings: tuple[str, ...]
    options: tuple[str, ...] = ()


RDF_OPTIONS = ("languages", "relations")
WIKIDATA_OPTIONS = (*RDF_OPTIONS, "xrefs", "types", "subclasses", "min_sitelinks")
FORMATS = {
    "jsonl": Format("kb.importers.json_lines:JsonLinesReader", (".jsonl", ".ndjson")),
    "csv": Format("kb.importers.tables:TableReader", (".csv", ".tsv"), ("encoding", "delimiter", "mapping")),
    "wordnet": Format("kb.importers.wordnet:WordNetReader", ("data.noun",), ("instances",)),
    "turtle": Format("kb.importers.skos:read_turtle", (".ttl",), RDF_OPTIONS),
    "rdfxml": Format("kb.importers.skos:read_rdf_xml", (".rdf", ".xml", ".owl"), RDF_OPTIONS),
    "ntriples": Format("kb.importers.skos:read_ntriples", (".nt",), RDF_OPTIONS),
    "wikidata": Format("kb.importers.wikidata:WikidataReader", (".json",), WIKIDATA_OPTIONS),
}
PACKED = (".gz", ".bz2")


def format_of(path: Path, how: Reading) -> str:
    """Return the format of a file: the one that is asked for, or the one that its name tells; JSON Lines otherwise."""
    if how.format is not None:
        return how.format
    name = path.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return next((key for key, item in FORMATS.items() if name.endswith(item.endings)), "jsonl")


def open_reader(path: Path, how: Reading) -> EntityReader:
    """Open a file of entities; `-` is standard input.

    Raises:
        ImportFailed: there is no such format, it has no such option, or the file is not of that format.
        OSError: the file cannot be opened.
    """
    name = format_of(path, how)
    found = FORMATS.get(name)
    if found is None:
        raise ImportFailed(f"There is no format {name}: use one of {', '.join(FORMATS)}.")
    strange = [option for option in how.given if option not in found.options]
    if strange:
        raise ImportFailed(f"The format {name} has no {' and no '.join(strange)}: leave that out, or name --format.")
    # A format's module is loaded when it is needed: some load large libraries.
    module, _, opener = found.opener.partition(":")
    reader: Callable[[Path, Reading], EntityReader] = getattr(import_module(module), opener)
    return reader(path, how)
