"""The formats of `namesake annotate`, over texts that are hard to write, read back by readers of others."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import orjson
import pyarrow.parquet
import pytest
from hard_texts import BAND, Json, document, hard_documents, spans, written

from app.bulk.writers.brat import file_name
from app.bulk.writers.formats import FORMATS, Format, OutputFormat, check_format, stream, write
from app.bulk.writers.mentions import wikipedia_url
from app.terminal import CommandError


@pytest.fixture(params=hard_documents(), ids=lambda found: found["id"][:5])
def hard(request: pytest.FixtureRequest) -> Json:
    found: Json = request.param
    return found


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
