"""How a knowledge base is written in RDF: the vocabulary (SKOS where it has a word), and ids as IRIs.

Ids that are IRIs already stand for themselves; others get one that says what they are, and from which they come back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
DCT = "http://purl.org/dc/terms/"
OURS = "urn:namesake:"

ENTITY, TYPE, PREDICATE, XREF = (f"{OURS}{kind}:" for kind in ("entity", "type", "predicate", "xref"))
POPULARITY = f"{OURS}popularity"
ALIAS_COUNT = f"{OURS}alias-count"
"""A literal such as `12 Mercury`: an alias after its count."""

XREFS = (
    ("wikidata", "http://www.wikidata.org/entity/"),
    ("dbpedia", "http://dbpedia.org/resource/"),
    ("viaf", "http://viaf.org/viaf/"),
    ("gnd", "https://d-nb.info/gnd/"),
    ("geonames", "https://sws.geonames.org/"),
    ("lcsh", "http://id.loc.gov/authorities/subjects/"),
    ("lcnaf", "http://id.loc.gov/authorities/names/"),
)
"""Where the IRIs of other collections begin."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"{}|\\^`\x00-\x20]+")


def iri(kind: str, key: str) -> str:
    """Return the IRI of an id; `kind` is ENTITY, TYPE or PREDICATE."""
    return key if _ABSOLUTE.fullmatch(key) else kind + quote(key, safe="")


def key_of(kind: str, name: str) -> str:
    """Return the id whose IRI this is."""
    return unquote(name.removeprefix(kind)) if name.startswith(kind) else name


def xref_iri(scheme: str, value: str) -> str:
    """Return the IRI of a cross-reference."""
    base = dict(XREFS).get(scheme)
    if base is not None and _ABSOLUTE.fullmatch(base + value) and xref_of(base + value) == (scheme, value):
        return base + value
    return f"{XREF}{quote(scheme, safe='')}:{quote(value, safe='')}"


def xref_of(name: str) -> tuple[str, str]:
    """Return scheme and value of a cross-reference; of an unknown collection, the host and the whole IRI."""
    if name.startswith(XREF):
        scheme, _, value = name.removeprefix(XREF).partition(":")
        return unquote(scheme), unquote(value)
    plain = re.sub(r"^https?://(www\.)?", "", name)
    for scheme, base in XREFS:
        start = re.sub(r"^https?://(www\.)?", "", base)
        if plain.startswith(start) and plain != start:
            return scheme, plain.removeprefix(start).rstrip("/")
    return re.split(r"[/#?]", plain)[0] or "iri", name


def literal(text: str, language: str | None = None) -> str:
    """Return a string as Turtle and N-Triples write it."""
    escaped = "".join(_escaped(text))
    tag = f"@{language}" if language and re.fullmatch(r"[A-Za-z]+(-[A-Za-z0-9]+)*", language) else ""
    return f'"{escaped}"{tag}'


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        if character in _ESCAPES:
            yield _ESCAPES[character]
        else:
            yield character if ord(character) >= 0x20 and character != "\x7f" else f"\\u{ord(character):04X}"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
