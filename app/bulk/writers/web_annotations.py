"""W3C Web Annotations (https://www.w3.org/TR/annotation-model/): JSON-LD, an annotation a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from app.bulk.writers.mentions import in_order, wikipedia_url
from kb.rdf import ENTITY, OURS, XREF, iri, xref_iri

Json = dict[str, Any]
DOCUMENT = f"{OURS}document:"
CONTEXT = ["http://www.w3.org/ns/anno.jsonld", {"confidence": f"{OURS}confidence"}]
AROUND = 32  # code points before and after a mention: enough to find it again in a text that was edited


def web_annotations(documents: Iterator[Json]) -> Iterator[bytes]:
    """Yield the annotations of each document."""
    for number, document in enumerate(documents):
        for mention in in_order(document):
            yield orjson.dumps(_annotation(number, document, mention)) + b"\n"


def _annotation(number: int, document: Json, mention: Json) -> Json:
    source = iri(DOCUMENT, document["id"])
    entity = mention["entity"]
    # By number, too: ids can be there twice.
    name = uuid5(NAMESPACE_URL, f"{source}#{number}:{mention['start']},{mention['end']}")
    return {
        "@context": CONTEXT,
        "id": name.urn,
        "type": "Annotation",
        "motivation": "highlighting" if entity is None else "identifying",
        "body": [] if entity is None else list(_bodies(entity)),
        "target": {"source": source, "selector": _selectors(document["text"], mention["start"], mention["end"])},
        "confidence": mention["confidence"],
    }


def _bodies(entity: Json) -> Iterator[Json]:
    yield {"type": "SpecificResource", "purpose": "identifying", "source": iri(ENTITY, entity["id"])}
    yield {"type": "TextualBody", "purpose": "tagging", "value": entity["label"], "format": "text/plain"}
    for source in _elsewhere(entity["xrefs"]):
        yield {"type": "SpecificResource", "purpose": "linking", "source": source}


def _elsewhere(xrefs: dict[str, str]) -> Iterator[str]:
    """Yield the addresses of the entity in other collections, where they are known."""
    page = wikipedia_url(xrefs)
    if page:
        yield page
    for scheme, value in xrefs.items():
        name = xref_iri(scheme, value)
        if scheme != "wikipedia" and not name.startswith(XREF):
            yield name


def _selectors(text: str, start: int, end: int) -> list[Json]:
    return [
        {
            "type": "TextQuoteSelector",
            "exact": text[start:end],
            "prefix": text[max(0, start - AROUND) : start],
            "suffix": text[end : end + AROUND],
        },
        {"type": "TextPositionSelector", "start": start, "end": end},
    ]
