"""The formats of `namesake annotate`, over texts that are hard to write, read back by readers of others."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import orjson
import pyarrow.parquet
import pytest
import rdflib
import spacy
from spacy.tokens import DocBin

from app.bulk.writers.brat import file_name
from app.bulk.writers.formats import FORMATS, Format, OutputFormat, check_format, stream, write
from app.bulk.writers.mentions import wikipedia_url
from app.terminal import CommandError

Json = dict[str, Any]
NIF = rdflib.Namespace("http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#")
ITSRDF = rdflib.Namespace("http://www.w3.org/2005/11/its/rdf#")
BAND = {
    "id": "AC/DC",
    "label": "AC/DC",
    "description": "Australian rock band",
    "types": ["rock band", "group"],
    "xrefs": {"wikidata": "Q27593", "wikipedia": "en:AC/DC"},
}
PLAIN = {"id": "New York\t%", "label": "New\nYork", "description": None, "types": [], "xrefs": {}}


def document(identity: str, text: str, *spans: tuple[str, Json | None]) -> Json:
    """Return an answer with a mention for each piece of the text, found from left to right."""
    mentions: list[Json] = []
    at = 0
    for piece, entity in spans:
        at = text.index(piece, at)
        mentions.append(mention(at, at + len(piece), piece, entity))
        at += len(piece)
    shared = {"model_version": "m", "kb_version": 1, "offset_unit": "codepoint", "warnings": []}
    return {"id": identity, "text": text, "mentions": mentions} | shared


def mention(start: int, end: int, text: str, entity: Json | None) -> Json:
    scores = {"mention_score": 0.9, "confidence": 0.75, "nil_probability": 0.1}
    return {"start": start, "end": end, "text": text, "entity": entity, "candidates": []} | scores


def hard_documents() -> list[Json]:
    found = [
        document("AC/DC", "😀 AC/DC met Zyx. It was fun.", ("AC/DC", BAND), ("Zyx", None)),
        document("AC/DC", 'A "New\r\nYork"\\s\u2028end\x00', ("New\r\nYork", PLAIN), ("end", BAND)),
        document("x\ny\t" + "ü" * 240, "unbreakable", ("break", BAND)),
        document("nothing", " "),
        document("spaces", "a  b c", ("a ", BAND), (" b", PLAIN), (" c", None)),
        document("marks", "हिन्दी में, 👩\u200d🚀 e\u0301te\u0301", ("हिन्दी", BAND), ("👩\u200d🚀", None)),
        document("", "\ufeffa\tb", ("a\tb", PLAIN)),
    ]
    found[0]["mentions"].reverse()  # as the input may give them
    return found


@pytest.fixture(params=hard_documents(), ids=lambda found: found["id"][:5])
def hard(request: pytest.FixtureRequest) -> Json:
    found: Json = request.param
    return found


def written(kind: OutputFormat, *documents: Json) -> str:
    return b"".join(stream(kind, iter(documents))).decode()


def spans(found: Json) -> list[tuple[int, int]]:
    return sorted((mention["start"], mention["end"]) for mention in found["mentions"])


def conll(*documents: Json) -> list[list[str]]:
    return [line.split("\t") for line in written("conll", *documents).split("\n")]


def test_the_choices_of_the_command_are_the_formats() -> None:
    assert get_args(OutputFormat) == tuple(FORMATS)
    endings = [ending for how in FORMATS.values() for ending in how.endings]
    assert len(endings) == len(set(endings))


def test_a_format_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    check_format("docbin", printed=False)
    with pytest.raises(CommandError, match=r"cannot be printed\n.*print one of jsonl, csv, conll, w3c, nif"):
        check_format("brat", printed=True)
    monkeypatch.setitem(FORMATS, "docbin", Format("docbin:write_docbin", (), package="no_such_package"))
    with pytest.raises(CommandError, match=r"not installed\npip install \"namesake-ned\[no_such_package\]\""):
        check_format("docbin", printed=False)


def test_conll_has_the_columns_of_aida() -> None:
    band = ["AC/DC", "AC/DC", "https://en.wikipedia.org/wiki/AC/DC", "", "Q27593"]
    assert conll(hard_documents()[0]) == [
        ["-DOCSTART- (AC/DC)"],
        ["😀"],
        ["AC", "B", *band],
        ["/", "I", *band],
        ["DC", "I", *band],
        ["met"],
        ["Zyx", "B", "Zyx", "--NME--"],
        ["."],
        [""],
        ["It"],
        ["was"],
        ["fun"],
        ["."],
        [""],
        [""],
    ]


def test_conll_loses_no_character_and_no_mention(hard: Json) -> None:
    rows = [row for row in conll(hard)[1:] if row != [""]]
    assert "".join(row[0] for row in rows) == "".join(hard["text"].split())
    assert sum(row[1:2] == ["B"] for row in rows) == len(hard["mentions"])
    assert {len(row) for row in rows} <= {1, 4, 7}
    inside = [re.sub(r"\s", "", hard["text"][start:end]) for start, end in spans(hard)]
    joined = "\0".join("".join(row[0] for row in rows if row[1:2] == [tag]) for tag in ("B", "I"))
    assert sorted(joined.replace("\0", "")) == sorted("".join(inside))


def test_conll_keeps_marks_with_their_letters() -> None:
    assert [row[0] for row in conll(hard_documents()[5])[1:-2]] == ["हिन्दी", "में", ",", "👩\u200d🚀", "e\u0301te\u0301"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", 4),
        ('He said "no." She left.', 2),
        ("The U.S. army met J. Smith", 1),
        ("3.14 is pi", 1),
        ("A title\n\nA text", 2),
        ("a line\nand another", 1),
        ("一。二！三", 3),
        ("(See below.) Then (x). Yes", 3),
    ],
)
def test_conll_has_a_blank_line_between_sentences(text: str, sentences: int) -> None:
    assert len(written("conll", document("d", text)).strip().split("\n\n")) == sentences


def test_conll_never_ends_a_sentence_inside_a_mention() -> None:
    text = "Dr. No. Really."
    assert written("conll", document("d", text, ("Dr. No", None))).count("\n\n") == 2


def brat(folder: Path, *documents: Json) -> dict[str, str]:
    write("brat", iter(documents), folder / "out.zip")
    with zipfile.ZipFile(folder / "out.zip") as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


T_LINE = re.compile(r"T(\d+)\t([A-Za-z0-9_-]+) (\d+ \d+(?:;\d+ \d+)*)\t(.*)")


def test_brat_marks_what_its_own_rules_allow(tmp_path: Path, hard: Json) -> None:
    files = brat(tmp_path, hard)
    name = orjson.loads(files["documents.jsonl"])["file"]
    text, lines = files[f"{name}.txt"], files[f"{name}.ann"].split("\n")
    assert text == hard["text"]
    assert lines.pop() == ""
    assert len(lines) == len("\n".join(lines).splitlines())
    marked = [T_LINE.fullmatch(line) for line in lines if line.startswith("T")]
    assert len(marked) == len(hard["mentions"])
    for found, (start, end) in zip(marked, spans(hard), strict=True):
        assert found is not None
        fragments = [tuple(map(int, place.split())) for place in found[3].split(";")]
        assert found[4] == " ".join(text[first:last] for first, last in fragments)
        assert start <= fragments[0][0]
        assert fragments[-1][1] <= end
        assert found[4].split() == text[start:end].split()
        assert found[2] in files["annotation.conf"].split("\n")


def test_brat_names_entities_and_how_sure_that_is(tmp_path: Path) -> None:
    files = brat(tmp_path, *hard_documents())
    assert files["0000000-AC_DC.ann"].split("\n") == [
        "T1\trock_band 2 7\tAC/DC",
        "N1\tReference T1 Namesake:AC/DC\tAC/DC",
        "#1\tAnnotatorNotes T1\tconfidence 0.75",
        "T2\tNIL 12 15\tZyx",
        "#2\tAnnotatorNotes T2\tconfidence 0.75",
        "",
    ]
    assert files["0000001-AC_DC.ann"].split("\n")[:2] == [
        "T1\tEntity 3 6;8 12\tNew York",
        "N1\tReference T1 Namesake:New%20York%09%25\tNew York",
    ]
    index = [orjson.loads(line) for line in files["documents.jsonl"].splitlines()]
    assert [line["id"] for line in index] == [found["id"] for found in hard_documents()]
    assert len({line["file"] for line in index}) == len(index)
    assert set(files) >= {f"{line['file']}{ending}" for line in index for ending in (".txt", ".ann")}


def test_brat_writes_the_same_file_again(tmp_path: Path) -> None:
    brat(tmp_path, *hard_documents())
    first = (tmp_path / "out.zip").read_bytes()
    brat(tmp_path, *hard_documents())
    assert (tmp_path / "out.zip").read_bytes() == first


@pytest.mark.parametrize("identity", ["../../etc/passwd", "C:\\con", "a/b", ".", "", "名前" * 125, "x" * 250, "a\0b"])
def test_brat_files_have_safe_names(identity: str) -> None:
    assert re.fullmatch(r"0000007-[A-Za-z0-9_-]{0,80}", file_name(7, identity))


def test_brat_leaves_out_what_it_cannot_mark(tmp_path: Path) -> None:
    found = document("d", "a \n b", (" \n ", BAND), ("b", None))
    assert brat(tmp_path, found)["0000000-d.ann"].startswith("T1\tNIL 4 5\tb\n")


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


def test_tables_and_json_lines_need_no_text(tmp_path: Path, hard: Json) -> None:
    line = orjson.loads(written("jsonl", dict(hard)))
    assert line == {name: value for name, value in hard.items() if name != "text"}
    del (bare := dict(hard))["text"]
    rows = list(csv.DictReader(io.StringIO(written("csv", bare), newline="")))
    write("parquet", iter([bare]), tmp_path / "out.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    expected = [(str(item["start"]), item["text"]) for item in hard["mentions"]]
    assert [(row["start"], row["text"]) for row in rows] == expected
    assert [(str(row["start"]), row["text"]) for row in table] == expected


@pytest.mark.parametrize("kind", [name for name, how in FORMATS.items() if how.streams])
def test_what_streams_holds_one_document_at_a_time(kind: OutputFormat) -> None:
    taken = 0

    def documents() -> Iterator[Json]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield document("d", "AC/DC", ("AC/DC", BAND))

    pieces = stream(kind, documents())
    for number, _ in enumerate(pieces):
        assert taken <= number + 1


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("en:Ada Lovelace", "https://en.wikipedia.org/wiki/Ada_Lovelace"),
        ("de:Köln", "https://de.wikipedia.org/wiki/K%C3%B6ln"),
        ("Alien: Covenant", "https://en.wikipedia.org/wiki/Alien:_Covenant"),
        ("Lincoln,_Nebraska", "https://en.wikipedia.org/wiki/Lincoln,_Nebraska"),
        ("https://simple.wikipedia.org/wiki/X", "https://simple.wikipedia.org/wiki/X"),
        ("", ""),
    ],
)
def test_pages_of_wikipedia(value: str, address: str) -> None:
    assert wikipedia_url({"wikipedia": value}) == address
    assert wikipedia_url({}) == ""
