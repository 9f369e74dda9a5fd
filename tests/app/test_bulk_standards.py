"""Web Annotations, NIF and DocBin hold what the answers hold; RDF and DocBin are read by rdflib and spaCy."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import rdflib
import spacy
from hard_texts import BAND, PLAIN, Json, document, hard_documents, spans, written
from spacy.tokens import DocBin

from app.bulk.writers.formats import write

NIF = rdflib.Namespace("http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#")
ITSRDF = rdflib.Namespace("http://www.w3.org/2005/11/its/rdf#")


@pytest.fixture(params=hard_documents(), ids=lambda found: found["id"][:5])
def hard(request: pytest.FixtureRequest) -> Json:
    found: Json = request.param
    return found


def web_annotations(*documents: Json) -> list[Json]:
    return [orjson.loads(line) for line in written("w3c", *documents).encode().splitlines()]


def test_web_annotations_quote_and_place_each_mention(hard: Json) -> None:
    annotations = web_annotations(hard)
    assert len(annotations) == len(hard["mentions"])
    for annotation, (start, end) in zip(annotations, spans(hard), strict=True):
        quote, position = annotation["target"]["selector"]
        assert (position["start"], position["end"]) == (start, end)
        assert quote["exact"] == hard["text"][start:end]
        assert hard["text"][:start].endswith(quote["prefix"])
        assert hard["text"][end:].startswith(quote["suffix"])


def test_web_annotations_have_an_address_each_and_say_what_is_meant() -> None:
    annotations = web_annotations(*hard_documents())
    assert len({annotation["id"] for annotation in annotations}) == len(annotations)
    linked, nil = annotations[:2]
    assert linked["motivation"] == "identifying"
    assert [(body["purpose"], body.get("source", body.get("value"))) for body in linked["body"]] == [
        ("identifying", "urn:namesake:entity:AC%2FDC"),
        ("tagging", "AC/DC"),
        ("linking", "https://en.wikipedia.org/wiki/AC/DC"),
        ("linking", "http://www.wikidata.org/entity/Q27593"),
    ]
    assert (nil["motivation"], nil["body"]) == ("highlighting", [])


def test_nif_says_the_same_to_rdflib(hard: Json) -> None:
    graph = rdflib.Graph().parse(data=written("nif", hard), format="turtle")
    (context,) = graph.subjects(rdflib.RDF.type, NIF.Context)
    text = str(graph.value(context, NIF.isString))
    assert text == hard["text"]
    assert str(graph.value(context, rdflib.DCTERMS.identifier)) == hard["id"]
    found = []
    for place in graph.subjects(NIF.referenceContext, context):
        start, end = (graph.value(place, name).toPython() for name in (NIF.beginIndex, NIF.endIndex))
        assert str(graph.value(place, NIF.anchorOf)) == text[start:end]
        assert str(place).endswith(f"#char={start},{end}")
        found.append((start, end, str(graph.value(place, ITSRDF.taIdentRef) or "")))
    names = {None: "", "AC/DC": "urn:namesake:entity:AC%2FDC", PLAIN["id"]: "urn:namesake:entity:New%20York%09%25"}
    assert sorted(found) == sorted(
        (item["start"], item["end"], names[item["entity"] and item["entity"]["id"]]) for item in hard["mentions"]
    )


def test_nif_keeps_documents_with_the_same_id_apart() -> None:
    graph = rdflib.Graph().parse(data=written("nif", *hard_documents()), format="turtle")
    assert len(set(graph.subjects(rdflib.RDF.type, NIF.Context))) == len(hard_documents())
    assert len(set(graph.subjects(rdflib.RDF.type, NIF.Phrase))) == sum(
        len(found["mentions"]) for found in hard_documents()
    )


def test_docbin_says_the_same_to_spacy(tmp_path: Path) -> None:
    documents = hard_documents()
    write("docbin", iter(documents), tmp_path / "out.spacy")
    read = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(spacy.blank("en").vocab))
    assert [doc.text for doc in read] == [found["text"] for found in documents]
    assert [doc.user_data["id"] for doc in read] == [found["id"] for found in documents]
    for doc, found in zip(read, documents, strict=True):
        entities = [(span.start_char, span.end_char, span.label_, span.kb_id_) for span in doc.ents]
        labels = {None: ("NIL", "NIL"), "AC/DC": ("rock band", "AC/DC"), PLAIN["id"]: ("Entity", PLAIN["id"])}
        assert entities == sorted(
            (item["start"], item["end"], *labels[item["entity"] and item["entity"]["id"]]) for item in found["mentions"]
        )


def test_docbin_cuts_only_the_tokens_that_mentions_cut(tmp_path: Path) -> None:
    text = "Don't visit unbreakable Lincoln, please."
    plain, cut = document("a", text, ("Lincoln", BAND)), document("b", text, ("break", BAND))
    write("docbin", iter([plain, cut]), tmp_path / "out.spacy")
    language = spacy.blank("en")
    first, second = DocBin().from_disk(tmp_path / "out.spacy").get_docs(language.vocab)
    usual = [token.text for token in language(text)]
    assert [token.text for token in first] == usual
    assert [token.text for token in second] == [
        part for word in usual for part in (("un", "break", "able") if word == "unbreakable" else (word,))
    ]
