"""Export as SKOS: entities are concepts, types are classes, predicates are properties."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

from sqlalchemy import Engine

from kb import queries
from kb.database import snapshot_session
from kb.exporters.writing import Told, write
from kb.rdf import ALIAS_COUNT, DCT, ENTITY, POPULARITY, PREDICATE, RDF, RDFS, SKOS, TYPE, iri, literal, xref_iri
from kb.records import EntityRecord, PredicateRecord, TypeRecord

Statement = tuple[str, str]


def export_skos(engine: Engine, namespace: str, path: Path, *, progress: Callable[[str, int, int], None]) -> int:
    """Write a knowledge base as it is at one moment, as Turtle, or as N-Triples where the name ends in .nt or .nt.gz.

    Returns:
        The number of entities.

    Raises:
        OSError: the file cannot be written; what stood there before stays.
    """
    form = _ntriples if path.name.removesuffix(".gz").endswith(".nt") else _turtle
    with snapshot_session(engine) as session:
        told = Told(session, namespace, progress)

        def chunks() -> Generator[bytes]:
            for kind in queries.stream_types(session, namespace):
                yield form(iri(TYPE, kind.id), _of_type(kind))
            for predicate in queries.stream_predicates(session, namespace):
                yield form(iri(PREDICATE, predicate.id), _of_predicate(predicate))
            for entity in told:
                yield form(iri(ENTITY, entity.id), _of_entity(entity))

        write(path, chunks())
        return told.total


def _of_type(kind: TypeRecord) -> Iterator[Statement]:
    yield f"{RDF}type", f"<{RDFS}Class>"
    yield f"{RDFS}label", literal(kind.label)
    if kind.parent is not None:
        yield f"{RDFS}subClassOf", f"<{iri(TYPE, kind.parent)}>"


def _of_predicate(predicate: PredicateRecord) -> Iterator[Statement]:
    yield f"{RDF}type", f"<{RDF}Property>"
    yield f"{RDFS}label", literal(predicate.label)


def _of_entity(entity: EntityRecord) -> Iterator[Statement]:
    yield f"{RDF}type", f"<{SKOS}Concept>"
    for kind in entity.types:
        yield f"{RDF}type", f"<{iri(TYPE, kind)}>"
    for alias in entity.aliases:
        name = "prefLabel" if alias.text == entity.label else "altLabel"
        yield f"{SKOS}{name}", literal(alias.text, alias.language)
        if alias.count:
            yield ALIAS_COUNT, literal(f"{alias.count} {alias.text}", alias.language)
    for term, value in (
        (f"{SKOS}definition", entity.description),
        (f"{SKOS}note", entity.text),
        (f"{DCT}source", entity.source),
    ):
        if value is not None:
            yield term, literal(value)
    if entity.popularity:
        yield POPULARITY, literal(str(entity.popularity))
    for edge in entity.relations:
        yield iri(PREDICATE, edge.predicate), f"<{iri(ENTITY, edge.object)}>"
    for former in entity.redirects:
        yield f"{DCT}replaces", f"<{iri(ENTITY, former)}>"
    for scheme, value in entity.xrefs.items():
        yield f"{SKOS}exactMatch", f"<{xref_iri(scheme, value)}>"


def _turtle(subject: str, statements: Iterable[Statement]) -> bytes:
    body = " ;\n".join([f"    <{name}> {value}" for name, value in statements])
    return f"<{subject}>\n{body} .\n\n".encode()


def _ntriples(subject: str, statements: Iterable[Statement]) -> bytes:
    return "".join([f"<{subject}> <{name}> {value} .\n" for name, value in statements]).encode()
