"""`namesake annotate` in every format, and its report: the same mentions as in the answers, whatever the texts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rdflib
import spacy
from spacy.tokens import DocBin
from test_annotate import annotate, command, lines, read

from app.bulk.writers.formats import FORMATS

if TYPE_CHECKING:
    from app.service import Service

Span = tuple[str, int, int, str | None]  # document, start, end, entity

TEXT = "Mercury \n is the planet 😀 nearest the\r\nSun; Zyxwv Qrstuv is not."
DOCUMENTS: list[dict[str, Any]] = [
    {"id": "AC/DC", "text": "Lincoln is the capital of Nebraska."},
    {"id": "AC/DC", "text": "Java is an island of Indonesia."},
    {"id": "x\ny\t../z", "text": TEXT},
    {"text": " "},
    {
        "id": "given",
        "text": "Of Lincoln\nNebraska, and Parisian cafés",
        "mentions": [{"start": 25, "end": 30}, {"start": 3, "end": 19}],
    },
    {"id": "e", "text": 'A < B & "C": l\'été à Paris\u2028en France\x00.'},
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("formats") / "in.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    return path


@pytest.fixture(scope="module")
def expected(starter_service: Service, source: Path) -> list[Span]:
    out = source.with_name("expected.jsonl")
    result = annotate(starter_service, source, out)
    assert result.returncode == 0, result.stderr
    found: list[Span] = []
    for answer in map(json.loads, out.read_bytes().splitlines()):
        assert "text" not in answer
        for mention in answer["mentions"]:
            found.append((answer["id"], mention["start"], mention["end"], (mention["entity"] or {"id": None})["id"]))
    assert len(found) > 8
    assert any(entity is None for *_, entity in found)
    return found


def read_conll(path: Path) -> list[Span]:
    """Find the tokens again in the texts."""
    found: list[Span] = []
    blocks = re.split(r"^-DOCSTART- \((.*)\)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(blocks) == 2 * len(DOCUMENTS)
    for document, block in zip(DOCUMENTS, blocks[1::2], strict=True):
        at = 0
        for row in block.split("\n"):
            token, *columns = row.split("\t")
            at = document["text"].index(token, at)
            if columns and columns[0] == "B":
                entity = None if columns[2] == "--NME--" else columns[2]
                found.append((document.get("id", "3"), at, at + len(token), entity))
            at += len(token)
            if columns:
                found[-1] = (*found[-1][:2], at, found[-1][3])
    return found


def read_brat(path: Path) -> list[Span]:
    found: list[Span] = []
    with zipfile.ZipFile(path) as archive:
        for document, line in zip(DOCUMENTS, archive.read("documents.jsonl").splitlines(), strict=True):
            name = json.loads(line)["file"]
            assert archive.read(f"{name}.txt").decode() == document["text"]
            marked: dict[str, Span] = {}
            for annotation in archive.read(f"{name}.ann").decode().splitlines():
                key, what, _ = annotation.split("\t")
                numbers = re.findall(r"\d+", what.partition(" ")[2])
                if key.startswith("T"):
                    marked[key] = (json.loads(line)["id"], int(numbers[0]), int(numbers[-1]), None)
                elif key.startswith("N"):
                    _, mention, entity = what.split(" ")
                    marked[mention] = (*marked[mention][:3], entity.removeprefix("Namesake:"))
            found += marked.values()
    return found


def read_w3c(path: Path) -> list[Span]:
    found: list[Span] = []
    for line in path.read_bytes().splitlines():
        annotation = json.loads(line)
        quote, position = annotation["target"]["selector"]
        place = position["start"], position["end"]
        entities = [id_of("entity", body["source"]) for body in annotation["body"] if body["purpose"] == "identifying"]
        found.append((id_of("document", annotation["target"]["source"]), *place, entities[0] if entities else None))
        assert any(quote["exact"] == document["text"][slice(*place)] for document in DOCUMENTS)
    return found


def id_of(kind: str, iri: str) -> str:
    from urllib.parse import unquote

    return unquote(iri.removeprefix(f"urn:namesake:{kind}:"))


def read_nif(path: Path) -> list[Span]:
    nif = "http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#"
    query = f"""PREFIX nif: <{nif}>
        SELECT ?id ?start ?end ?entity ?context WHERE {{
            ?m nif:referenceContext ?context; nif:beginIndex ?start; nif:endIndex ?end .
            ?context <http://purl.org/dc/terms/identifier> ?id
            OPTIONAL {{ ?m <http://www.w3.org/2005/11/its/rdf#taIdentRef> ?entity }}
        }} ORDER BY ?context ?start"""
    rows: Any = rdflib.Graph().parse(path, format="turtle").query(query)
    return [
        (str(row.id), int(row.start), int(row.end), None if row.entity is None else id_of("entity", str(row.entity)))
        for row in rows
    ]


def read_docbin(path: Path) -> list[Span]:
    docs = list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))
    assert [doc.text for doc in docs] == [document["text"] for document in DOCUMENTS]
    return [
        (doc.user_data["id"], span.start_char, span.end_char, None if span.kb_id_ == "NIL" else span.kb_id_)
        for doc in docs
        for span in doc.ents
    ]


def by_place(found: list[Span]) -> list[Span]:
    return sorted(found, key=lambda span: span[:3])


@pytest.mark.parametrize(
    ("name", "options", "reader"),
    [
        ("out.conll", (), read_conll),
        ("out.zip", ("--format", "brat"), read_brat),
        ("out.jsonld", (), read_w3c),
        ("out.ttl", (), read_nif),
        ("out.spacy", (), read_docbin),
    ],
)
def test_every_format_holds_the_same_mentions(
    starter_service: Service, source: Path, expected: list[Span], tmp_path: Path, name: str, options: Any, reader: Any
) -> None:
    result = annotate(starter_service, source, tmp_path / name, *options)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert by_place(reader(tmp_path / name)) == by_place(expected)


@pytest.mark.parametrize("kind", [name for name, how in FORMATS.items() if how.streams])
def test_what_is_printed_is_what_is_written(starter_service: Service, source: Path, tmp_path: Path, kind: str) -> None:
    assert annotate(starter_service, source, tmp_path / "out", "--format", kind).returncode == 0
    line, env = command(starter_service, source, "-", "--format", kind)
    printed = subprocess.run(line, env=env, capture_output=True, check=True)
    assert printed.stdout == (tmp_path / "out").read_bytes()


def test_a_report_stands_beside_an_unchanged_result(
    starter_service: Service, source: Path, expected: list[Span], tmp_path: Path
) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    result = annotate(starter_service, source, out, "--report", report)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "report.html"]
    assert out.read_bytes() == source.with_name("expected.jsonl").read_bytes()
    page = report.read_text(encoding="utf-8")
    assert page.count("<mark class") == page.count("<mark class=") == 6 + len(expected)  # 6 explain the colours
    assert "Java (island)" in page or "Java_(island)" in page
    assert "A &lt; B &amp; &#34;C&#34;" in re.sub(r"</?mark[^>]*>", "", page)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-", "--format", "brat"), "cannot be printed"),
        (("-", "--format", "docbin"), "cannot be printed"),
        (("-", "--report", "r.html"), "--report is written with a file"),
        (("out.jsonl", "--report", "out.jsonl"), "is no file of its own"),
        (("out.jsonl", "--report", "-"), "is no file of its own"),
        (("out.jsonl", "--report", "there.html"), "there.html exists already"),
        (("out.jsonl", "--report", "none/r.html"), "there is no such folder"),
        (("out.brat",), "does not say what it is to be"),
    ],
)
def test_outputs_that_cannot_be_are_told_before_the_work(
    starter_service: Service, source: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "there.html").write_text("mine")
    line, env = command(starter_service, source, *arguments)
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), env.get("PYTHONPATH", "")])
    result = subprocess.run(line, env=env, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 2, result.stderr
    assert told in " ".join(result.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text() == "mine"


def test_without_spacy_the_command_says_how_to_get_it(starter_service: Service, source: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['spacy'] = None; sys.path_importer_cache.clear(); from app.cli import main; main()"
    )
    env = os.environ | {"NAMESAKE_HOME": str(starter_service.settings.home)}
    line = [sys.executable, "-c", program, "annotate", str(source), str(tmp_path / "out.spacy")]
    result = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert 'pip install "namesake-ned[spacy]"' in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_killed_run_goes_on_with_its_texts(starter_service: Service, tmp_path: Path) -> None:
    source, out, report = tmp_path / "in.jsonl", tmp_path / "out.conll", tmp_path / "out.html"
    source.write_text(lines(1500))
    line, env = command(starter_service, source, out, "--workers", 1, "--report", report)
    process = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "out.conll.journal"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 2):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    other = annotate(starter_service, source, tmp_path / "out.conll", "--format", "csv")
    assert other.returncode == 2  # what was left has texts, which a table's partial result has not
    result = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "going on after" in result.stderr
    ids = re.findall(r"^-DOCSTART- \((.*)\)$", out.read_text(), re.MULTILINE)
    assert ids == [f"d{number}" for number in range(1500)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.conll", "out.html"]


def test_both_outputs_are_overwritten_with_force(starter_service: Service, source: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "out.html"
    out.write_text("mine")
    report.write_text("mine")
    result = annotate(starter_service, source, out, "--report", report, "--force")
    assert result.returncode == 0, result.stderr
    assert len(read(out)) == len(DOCUMENTS)
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
