"""NIF 2.0 (https://persistence.uni-leipzig.org/nlp2rdf/) as Turtle, a document at a time.

A document's IRI has its number, so that two with the same id stay apart; `dcterms:identifier` is the id itself.
Entities and types have the IRIs of `namesake kb export --format skos`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from app.bulk.writers.mentions import in_order
from kb.rdf import DCT, ENTITY, OURS, TYPE, iri, literal

Json = dict[str, Any]
PREFIXES = {
    "nif": "http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#",
    "itsrdf": "http://www.w3.org/2005/11/its/rdf#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcterms": DCT,
}


def nif_blocks(documents: Iterator[Json]) -> Iterator[bytes]:
    """Yield the prefixes, and then for each document its context and its mentions."""
    yield "".join(f"@prefix {name}: <{address}> .\n" for name, address in PREFIXES.items()).encode()
    for number, document in enumerate(documents):
        yield "".join(_blocks(number, document)).encode()


def _blocks(number: int, document: Json) -> Iterator[str]:
    name = f"{OURS}document:{number}:{quote(document['id'], safe='')}"
    text: str = document["text"]
    context = _place(name, 0, len(text))
    yield _block(
        context,
        [
            "a nif:Context, nif:RFC5147String",
            f"dcterms:identifier {literal(document['id'])}",
            *_span(0, len(text)),
            f"nif:isString {literal(text)}",
        ],
    )
    for mention in in_order(document):
        start, end = mention["start"], mention["end"]
        statements = ["a nif:Phrase, nif:RFC5147String", f"nif:referenceContext {context}", *_span(start, end)]
        statements.append(f"nif:anchorOf {literal(text[start:end])}")
        yield _block(_place(name, start, end), [*statements, *_link(mention)])


def _link(mention: Json) -> Iterator[str]:
    entity = mention["entity"]
    if entity is not None:
        yield f"itsrdf:taIdentRef <{iri(ENTITY, entity['id'])}>"
        for kind in entity["types"]:
            yield f"itsrdf:taClassRef <{iri(TYPE, kind)}>"
    yield f'itsrdf:taConfidence "{mention["confidence"]}"^^xsd:double'


def _place(name: str, start: int, end: int) -> str:
    return f"<{name}#char={start},{end}>"


def _span(start: int, end: int) -> Iterator[str]:
    yield f'nif:beginIndex "{start}"^^xsd:nonNegativeInteger'
    yield f'nif:endIndex "{end}"^^xsd:nonNegativeInteger'


def _block(subject: str, statements: list[str]) -> str:
    return f"\n{subject}\n    " + " ;\n    ".join(statements) + " .\n"
