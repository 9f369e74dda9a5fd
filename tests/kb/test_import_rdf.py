"""SKOS in Turtle, RDF/XML and N-Triples: the same concepts become the same entities; broken files say where."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest
from kb_files import Kb, read_lines
from rdflib import Graph

from kb.importers.report import Counts, ImportFailed
from kb.rdf import XREFS, iri, key_of, xref_iri, xref_of
from kb.records import AliasRecord, RelationRecord

TURTLE = """\
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix : <http://ex.org/> .

:scheme a skos:ConceptScheme ; skos:prefLabel "Animals"@en .

:cat a skos:Concept, :Pet ;
    skos:prefLabel "cat"@en, "Katze"@de, "chat"@fr ;
    skos:altLabel "house cat"@en-GB, "Felis catus" ; skos:hiddenLabel "cta"@en ;
    skos:definition "small carnivore"@en, "kleines Raubtier"@de ; skos:scopeNote "not the lion"@en ;
    skos:broader :felid ; skos:related :mouse ; :eats :mouse ; :weighs 4 ; skos:inScheme :scheme ;
    skos:exactMatch <http://www.wikidata.org/entity/Q146>, <http://other.org/id/7> .
:felid a skos:Concept ; skos:prefLabel "felid"@en ; skos:scopeNote "cats and lions"@en .
:mouse skos:prefLabel "mouse"@en .
:sans a skos:Concept ; skos:prefLabel "rien"@fr .
_:b a skos:Concept ; skos:prefLabel "blank"@en .

:Pet a owl:Class ; rdfs:label "pet"@en ; rdfs:subClassOf :Animal .
:Animal a owl:Class ; rdfs:label "animal"@en .
:eats a owl:ObjectProperty ; rdfs:label "eats"@en .
"""
EX = "http://ex.org/"
BROADER = "http://www.w3.org/2004/02/skos/core#broader"
RELATED = "http://www.w3.org/2004/02/skos/core#related"
FORMATS = {"ttl": "turtle", "rdf": "xml", "nt": "nt"}


def concepts(kb: Kb, ending: str) -> Path:
    path = kb.folder / f"concepts.{ending}"
    if ending == "nt":  # classes and properties first, each subject's statements together, as dumps have them
        lines = sorted(Graph().parse(data=TURTLE, format="turtle").serialize(format="nt").splitlines())
        lines.sort(key=lambda line: not any(f"<{EX}{name}> <" in line[:40] for name in ("Pet", "Animal", "eats")))
        path.write_text("\n".join(filter(None, lines)) + "\n")
    else:
        text = TURTLE if ending == "ttl" else Graph().parse(data=TURTLE, format="turtle").serialize(format="xml")
        path.write_text(text)
    return path


@pytest.mark.parametrize("ending", FORMATS)
def test_concepts_become_entities(kb: Kb, ending: str) -> None:
    path = concepts(kb, ending)
    report = kb.load(path, languages=("en", "de"), source="Animals", licence="CC0-1.0")
    assert report.entities == Counts(read=4, added=3, rejected=1)
    (reject,) = read_lines(Path(f"{path}.rejects.jsonl"))
    assert (reject["field"], reject["remedy"]) == ("label", "name one of its languages with --language: fr")
    records = kb.records()
    assert set(records) == {f"{EX}{name}" for name in ("cat", "felid", "mouse")}
    cat = records[f"{EX}cat"]
    assert (cat.label, cat.description, cat.text, cat.source) == ("cat", "small carnivore", "not the lion", "Animals")
    assert {(alias.text, (alias.language or "").lower()) for alias in cat.aliases} == {
        ("cat", "en"),
        ("Katze", "de"),
        ("house cat", "en-gb"),
        ("Felis catus", ""),
        ("cta", "en"),
    }
    assert cat.types == (f"{EX}Pet",)
    assert set(cat.relations) == {
        RelationRecord(BROADER, f"{EX}felid"),
        RelationRecord(RELATED, f"{EX}mouse"),
        RelationRecord(f"{EX}eats", f"{EX}mouse"),
    }
    assert cat.xrefs == {"wikidata": "Q146", "other.org": "http://other.org/id/7"}
    assert records[f"{EX}felid"].description == "cats and lions"
    assert kb.sql("SELECT id, label, parent_id FROM type WHERE namespace = :namespace ORDER BY id") == [
        (f"{EX}Animal", "animal", None),
        (f"{EX}Pet", "pet", f"{EX}Animal"),
    ]
    assert dict(kb.sql("SELECT id, label FROM predicate WHERE namespace = :namespace")) == {
        BROADER: "broader",
        RELATED: "related",
        f"{EX}eats": "eats",
    }
    assert (report.unknown_types, report.unknown_predicates, report.pending_relations) == ([], [], 0)


def test_the_preferred_language_names_the_entity(kb: Kb) -> None:
    path = concepts(kb, "ttl")
    kb.load(path, languages=("de", "en"))
    assert kb.records()[f"{EX}cat"].label == "Katze"
    assert kb.records()[f"{EX}cat"].description == "kleines Raubtier"
    kb.load(path)
    assert kb.records()[f"{EX}cat"].label == "cat"
    assert kb.records()[f"{EX}sans"].label == "rien"


def test_a_property_may_be_made_a_relation(kb: Kb) -> None:
    path = kb.folder / "a.ttl"
    path.write_text('@prefix : <http://ex.org/> . @prefix s: <http://www.w3.org/2004/02/skos/core#> .\n'
                    ':a s:prefLabel "a" ; :p :b, "no concept" ; :q :b .\n')  # fmt: skip
    kb.load(path, relations=("http://ex.org/p",))
    assert kb.records()[f"{EX}a"].relations == (RelationRecord(f"{EX}p", f"{EX}b"),)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (TURTLE.replace(':felid a skos:Concept ;', ':felid a skos:Concept "x" ;'), "line 14, column 23"),
        ('@prefix a: <http://x/> .\na:b a:c "never closed .\n', "line 2, column"),
        ("<http://x> unknown:y 5 .", "line 1, column"),
        ("(" * 5000, "line 1"),
        ("\0", "line 1"),
    ],
)  # fmt: skip
def test_a_turtle_error_says_line_and_column(kb: Kb, text: str, where: str) -> None:
    path = kb.folder / "broken.ttl"
    path.write_text(text)
    with pytest.raises(ImportFailed, match=f"is no Turtle: {where}"):
        kb.load(path)
    assert not kb.records()


RDF_XML = """<?xml version="1.0"?>
<!DOCTYPE rdf:RDF [{declared}]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="http://www.w3.org/2004/02/skos/core#">
<skos:Concept rdf:about="http://ex.org/a"><skos:prefLabel>A{used}</skos:prefLabel></skos:Concept>
</rdf:RDF>"""


def test_entities_outside_the_file_are_not_read(kb: Kb) -> None:
    secret = kb.folder / "secret"
    secret.write_text("password")
    path = kb.folder / "a.rdf"
    path.write_text(RDF_XML.format(declared=f'<!ENTITY x SYSTEM "file://{secret}">', used="&x;"))
    kb.load(path)
    assert kb.records()["http://ex.org/a"].label == "A"
    path.write_text(RDF_XML.format(declared=f'<!ENTITY % x SYSTEM "file://{secret}"> %x;', used=""))
    kb.load(path)
    assert kb.records()["http://ex.org/a"].label == "A"


@pytest.mark.parametrize("mark", ["&", "&#38;", "&#x26;"])
def test_entities_that_explode_are_refused(kb: Kb, mark: str) -> None:
    bomb = "\n".join(f'<!ENTITY a{n} "{f"{mark}a{n - 1};" * 10}">' for n in range(1, 10))
    path = kb.folder / "bomb.rdf"
    path.write_text(RDF_XML.format(declared='<!ENTITY a0 "aaaaaaaaaa">\n' + bomb, used="&a9;"))
    started = time.monotonic()
    with pytest.raises(ImportFailed, match=r"is no RDF/XML: line 3: an entity is declared with &"):
        kb.load(path)
    assert time.monotonic() - started < 10
    path.write_text(RDF_XML.format(declared='<!ENTITY x "x">', used="&x;"))  # as ontologies use them
    kb.load(path)
    assert kb.records()["http://ex.org/a"].label == "Ax"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("<a>", "line 1, column"),
        (RDF_XML.format(declared="", used="</b>"), "line 4, column 6"),
        ("", "line 1, column"),
        ('<?xml version="1.0"?>\n<!-- Turtle? -->\n@prefix', "line 3, column 1"),
    ],
)
def test_an_rdf_xml_error_says_line_and_column(kb: Kb, text: str, where: str) -> None:
    path = kb.folder / "broken.rdf"
    path.write_text(text)
    with pytest.raises(ImportFailed, match=f"is no RDF/XML: {where}"):
        kb.load(path)


def test_bad_lines_of_ntriples_are_rejected_one_by_one(kb: Kb) -> None:
    path = kb.folder / "a.nt"
    label = "<http://www.w3.org/2004/02/skos/core#prefLabel>"
    lines = [
        f'<{EX}a> {label} "A"@en .',
        "rubbish",
        f'<{EX}a> {label} "A"@de .',
        "# a comment",
        f'<{EX}b> {label} "unclosed .',
        f'<{EX}c> {label} "C" .',
        f'<{EX}a> {label} "scattered" .',
        f'<{EX}d> {label} "cut',
    ]
    path.write_bytes("\n".join(lines).encode())
    report = kb.load(path)
    assert set(kb.records()) == {f"{EX}a", f"{EX}c"}
    assert [(item["line"], item["field"]) for item in read_lines(Path(f"{path}.rejects.jsonl"))] == [
        (2, None),
        (5, None),
        (7, "id"),
        (8, None),
    ]
    assert report.damage == f"{path} ends in the middle of line 8: copy or download the file again."


def test_ntriples_stream_and_go_on(kb: Kb) -> None:
    path = kb.folder / "many.nt.gz"
    label = "<http://www.w3.org/2004/02/skos/core#prefLabel>"
    with gzip.open(path, "wt") as file:
        for n in range(3000):
            file.write(f'<{EX}{n:05}> {label} "Name {n}"@en .\n<{EX}{n:05}> {label} "Nom {n}"@fr .\n')
    seen: list[int] = []

    def stop(position: object) -> None:
        seen.append(position.entities)  # type: ignore[attr-defined]
        if len(seen) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        kb.load(path, batch=500, progress=stop)
    assert len(kb.records()) == 1500
    report = kb.load(path, batch=700)
    assert report.resumed_at == 2999
    assert len(kb.records()) == 3000
    assert report.entities == Counts(read=3000, added=3000)


def test_a_damaged_turtle_imports_nothing(kb: Kb) -> None:
    path = kb.folder / "a.ttl.gz"
    path.write_bytes(gzip.compress(TURTLE.encode())[:-10])
    with pytest.raises(ImportFailed, match="ends in the middle of its gzip data"):
        kb.load(path)
    path = kb.folder / "b.ttl"
    path.write_bytes(b"# a\n# caf\xe9\n")
    with pytest.raises(ImportFailed, match=r"not UTF-8 \(line 2\)"):
        kb.load(path)


@pytest.mark.parametrize(
    "key", ["Zürich", "AC/DC", "http://ex.org/a#b", "urn:namesake:entity:x", "a b%20", "http://a b"]
)
def test_ids_come_back_from_iris(key: str) -> None:
    name = iri("urn:namesake:entity:", key)
    assert not set(name) & set(' <>"{}|\\^`')
    assert key_of("urn:namesake:entity:", name) == key
    for scheme in (*dict(XREFS), "our:own", "é"):
        assert xref_of(xref_iri(scheme, key)) == (scheme, key)


def test_aliases_without_language_stay_so(kb: Kb) -> None:
    kb.load(concepts(kb, "ttl"))
    assert AliasRecord("Felis catus") in kb.records()[f"{EX}cat"].aliases
