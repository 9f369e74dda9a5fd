"""RDF files of concepts: SKOS, and classes and properties of RDFS and OWL, as Turtle, RDF/XML or N-Triples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rdflib.term import Literal, Node, URIRef

from kb.importers import triples
from kb.importers.checks import Rejected
from kb.importers.formats import Reading
from kb.importers.lines import LineReader
from kb.importers.reading import Classes, Line, checked_entity
from kb.importers.triples import BadLine, Triple
from kb.rdf import ALIAS_COUNT, DCT, ENTITY, OWL, POPULARITY, PREDICATE, RDF, RDFS, SKOS, TYPE, key_of, xref_of
from kb.records import EntityRecord, PredicateRecord, TypeRecord

CLASSES = {f"{RDFS}Class", f"{OWL}Class"}
PROPERTIES = {f"{RDF}Property", f"{OWL}ObjectProperty", f"{OWL}DatatypeProperty", f"{OWL}AnnotationProperty"}
NO_TYPES = {f"{SKOS}Concept", f"{OWL}NamedIndividual", f"{OWL}Thing", f"{RDFS}Resource"}
NO_ENTITIES = {f"{SKOS}ConceptScheme", f"{SKOS}Collection", f"{SKOS}OrderedCollection", f"{OWL}Ontology"}
PREFERRED = (f"{SKOS}prefLabel", f"{RDFS}label")
NAMES = (*PREFERRED, f"{SKOS}altLabel", f"{SKOS}hiddenLabel")
DEFINITIONS = (f"{SKOS}definition", f"{DCT}description", f"{RDFS}comment", f"{SKOS}scopeNote")
TEXTS = (f"{SKOS}note", f"{SKOS}scopeNote")
MATCHES = (f"{SKOS}exactMatch", f"{OWL}sameAs")
RELATIONS = {f"{SKOS}broader": "broader", f"{SKOS}related": "related"}

Statements = dict[str, list[Node]]


class RdfReader:
    """A file of concepts; `parse` yields its statements, in the order of the file."""

    def __init__(self, path: Path, how: Reading, parse: Callable[[LineReader], Iterator[Triple | BadLine]]) -> None:
        self._lines = LineReader(path)
        self._parse = parse
        self._how = how
        self._types: list[TypeRecord] = []
        self._predicates: list[PredicateRecord] = []
        self._properties: set[str] = set()
        self._used: dict[str, str] = {}

    @property
    def damage(self) -> str | None:
        """What is wrong with the file."""
        return self._lines.damage

    @property
    def done_bytes(self) -> int:
        """How much of the file was read."""
        return self._lines.done_bytes

    def __iter__(self) -> Iterator[Line[EntityRecord]]:
        """Yield the concepts; the number is that of the first line about one."""
        if self._parse is triples.ntriples:
            yield from self._streamed()
            return
        about: defaultdict[Node, list[Triple]] = defaultdict(list)
        for triple in self._parse(self._lines):
            assert isinstance(triple, Triple)  # noqa: S101 - whole files are read or refused
            about[triple.subject].append(triple)
        for found in about.values():
            self._note(found)
        last = 0
        for found in about.values():
            # Numbers go up, also where several concepts stand on one line: an import goes on after a number.
            last = max(last + 1, found[0].line)
            yield from self._concept(last, found)

    def classes(self) -> Classes:
        """Return the classes, properties and relations that were met since the last call."""
        predicates = [*self._predicates, *(PredicateRecord(key, label) for key, label in self._used.items() if label)]
        found = Classes(tuple(self._types), tuple(predicates))
        self._types, self._predicates = [], []
        self._used = dict.fromkeys(self._used, "")  # told once
        return found

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _streamed(self) -> Iterator[Line[EntityRecord]]:
        """Yield concepts as soon as another one begins; what is said of one must stand together."""
        run: list[Triple] = []
        bad: list[Line[EntityRecord]] = []
        for item in self._parse(self._lines):
            if isinstance(item, BadLine):
                bad.append(Line(item.line, item.raw, item.reason))
                continue
            if run and item.subject != run[0].subject:
                self._note(run)
                yield from sorted([*self._concept(run[0].line, run), *bad], key=lambda line: line.number)
                run, bad = [], []
            run.append(item)
        self._note(run)
        concept = self._concept(run[0].line, run) if run else ()
        yield from sorted([*concept, *bad], key=lambda line: line.number)

    def _note(self, found: list[Triple]) -> None:
        """Note the class or property that statements about one subject describe, if they do."""
        said = _said(found)
        kinds = {str(kind) for kind in said.get(f"{RDF}type", ())}
        label = self._best(said, PREFERRED[::-1])
        if label is None or not isinstance(found[0].subject, URIRef):
            return
        name = str(found[0].subject)
        if kinds & CLASSES:
            broader = [str(item) for item in said.get(f"{RDFS}subClassOf", ()) if isinstance(item, URIRef)]
            parent = min([item for item in broader if item != name], default=None)
            self._types.append(TypeRecord(key_of(TYPE, name), label, parent and key_of(TYPE, parent)))
        if kinds & PROPERTIES:
            self._properties.add(name)
            self._predicates.append(PredicateRecord(key_of(PREDICATE, name), label))

    def _concept(self, number: int, found: list[Triple]) -> Iterator[Line[EntityRecord]]:
        """Yield the entity that statements about one subject make, if they make one."""
        subject, said = found[0].subject, _said(found)
        kinds = {str(kind) for kind in said.get(f"{RDF}type", ())}
        named = any(said.get(name) for name in PREFERRED) and not kinds & (CLASSES | PROPERTIES | NO_ENTITIES)
        if isinstance(subject, URIRef) and (f"{SKOS}Concept" in kinds or named):
            raw = b"\n".join([triple.raw for triple in found if triple.raw]) or str(subject).encode()
            try:
                yield Line(number, raw, checked_entity(self._entity(str(subject), said, kinds), self._how.source))
            except Rejected as reason:
                yield Line(number, raw, reason)

    def _entity(self, name: str, said: Statements, kinds: set[str]) -> dict[str, Any]:
        label = self._best(said, PREFERRED)
        if label is None:
            there = sorted({item.language or "none" for key in PREFERRED for item in _literals(said.get(key, ()))})
            remedy = (
                f"name one of its languages with --language: {', '.join(there)}" if there else "give it a prefLabel"
            )
            raise Rejected("label", "there is no prefLabel in a language that is asked for", remedy)
        description = self._best(said, DEFINITIONS)
        text = self._best(said, TEXTS)
        source = next((str(item) for item in _literals(said.get(f"{DCT}source", ()))), None)
        return {
            "id": key_of(ENTITY, name),
            "label": label,
            "description": description,
            "text": None if text == description else text,
            "aliases": self._aliases(said),
            "types": [key_of(TYPE, kind) for kind in sorted(kinds - NO_TYPES - CLASSES - PROPERTIES)],
            "relations": self._relations(name, said),
            "xrefs": _xrefs(said),
            "popularity": next((int(str(item)) for item in said.get(POPULARITY, ()) if str(item).isdecimal()), 0),
            "source": source,
            "redirects": _former(name, said),
        }

    def _aliases(self, said: Statements) -> list[dict[str, Any]]:
        aliases: list[dict[str, Any]] = [
            {"text": str(item), "language": item.language}
            for name in NAMES
            for item in _literals(said.get(name, ()))
            if self._wanted(item) and str(item).strip()
        ]
        for item in _literals(said.get(ALIAS_COUNT, ())):
            count, _, text = str(item).partition(" ")
            if count.isdecimal():
                aliases.append({"text": text, "language": item.language, "count": int(count)})
        return aliases

    def _relations(self, name: str, said: Statements) -> list[dict[str, str]]:
        relations = []
        for predicate, objects in said.items():
            known = predicate in RELATIONS or predicate in self._properties or predicate in self._how.relations
            for item in objects if known else ():
                if isinstance(item, URIRef) and str(item) != name:
                    key = key_of(PREDICATE, predicate)
                    if predicate in RELATIONS:
                        self._used.setdefault(key, RELATIONS[predicate])
                    relations.append({"predicate": key, "object": key_of(ENTITY, str(item))})
        return relations

    def _wanted(self, item: Literal) -> bool:
        """Tell whether a name is in one of the languages asked for, or in none; `en-GB` is in `en`."""
        tag = (item.language or "").lower()
        return not self._how.languages or not tag or any(_within(tag, each) for each in self._how.languages)

    def _best(self, said: Statements, properties: Iterable[str]) -> str | None:
        """Return the text of the first of the properties that has one, in the language that is preferred most."""
        order = self._how.languages or ("en",)

        def rank(item: Literal) -> tuple[int, str, str]:
            tag = (item.language or "").lower()
            place = next((place for place, each in enumerate(order) if _within(tag, each)), len(order) + bool(tag))
            return place, tag, str(item)

        for name in properties:
            found = [item for item in _literals(said.get(name, ())) if self._wanted(item) and str(item).strip()]
            if found:
                return str(min(found, key=rank))
        return None


def read_turtle(path: Path, how: Reading) -> RdfReader:
    """Open a Turtle file."""
    return RdfReader(path, how, triples.turtle)


def read_rdf_xml(path: Path, how: Reading) -> RdfReader:
    """Open an RDF/XML file."""
    return RdfReader(path, how, triples.rdf_xml)


def read_ntriples(path: Path, how: Reading) -> RdfReader:
    """Open an N-Triples file."""
    return RdfReader(path, how, triples.ntriples)


def _said(found: Iterable[Triple]) -> Statements:
    """Return what statements say, by their predicates."""
    said: Statements = defaultdict(list)
    for triple in found:
        said[str(triple.predicate)].append(triple.object)
    return said


def _literals(items: Iterable[Node]) -> list[Literal]:
    return [item for item in items if isinstance(item, Literal)]


def _within(tag: str, language: str) -> bool:
    return tag == language.lower() or tag.startswith(f"{language.lower()}-")


def _former(name: str, said: Statements) -> list[str]:
    """Return the ids of what a concept replaces."""
    replaced = [str(item) for item in said.get(f"{DCT}replaces", ()) if isinstance(item, URIRef)]
    return [key_of(ENTITY, item) for item in replaced if item != name]


def _xrefs(said: Statements) -> dict[str, str]:
    """Return the matches; of two in one collection, the first in alphabetical order."""
    found = sorted({xref_of(str(item)) for name in MATCHES for item in said.get(name, ()) if isinstance(item, URIRef)})
    return dict(reversed(found))
