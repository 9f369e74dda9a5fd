"""CSV and TSV: columns become fields, by their headers or by a mapping; bad rows are told with line and column."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kb_files import Kb, contents, people, read_lines

from kb.importers import apart
from kb.importers.columns import Column, joined
from kb.importers.formats import Reading
from kb.importers.report import Counts, ImportFailed
from kb.records import AliasRecord, RelationRecord


def table(kb: Kb, text: str | bytes, name: str = "people.csv") -> Path:
    path = kb.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_headers_speak_for_themselves(kb: Kb) -> None:
    report = kb.load(
        table(
            kb,
            "\ufeffID,Name,Definition,Alternative names,aliases.count,Type,xrefs.wikidata,relations.part of,Popularity"
            ',x\r\nmoon,Moon,"natural satellite,\r\n\r\nof the Earth",Luna|the Moon,3|40,moon|place,Q405,'
            "Earth|System,43,?\r\n"
            "\r\n"
            'q,"say ""Q""",,,,,,,,\r\n',
        ),
        source="S",
    )
    assert report.entities == Counts(read=2, added=2)
    assert report.unknown_fields == {"x": 2}
    moon = kb.records()["moon"]
    assert moon.description == "natural satellite,\r\n\r\nof the Earth"
    assert moon.aliases == (AliasRecord("Luna", 3), AliasRecord("Moon"), AliasRecord("the Moon", 40))
    assert (moon.types, moon.xrefs, moon.popularity, moon.source) == (("moon", "place"), {"wikidata": "Q405"}, 43, "S")
    assert moon.relations == (RelationRecord("part of", "Earth"), RelationRecord("part of", "System"))
    assert kb.records()["q"].label == 'say "Q"'


def test_a_mapping_and_another_separator(kb: Kb) -> None:
    path = table(kb, "key\tn\talt_names\tname\tqid\n1\tA\tX; Y\tnot the label\tQ1\n", "a.tsv")
    ways = ("id=key", "label=n", "aliases=alt_names|;", "xrefs.wikidata=qid", "description=name")
    report = kb.load(path, mapping=ways)
    assert report.entities.added == 1
    record = kb.records()["1"]
    assert [alias.text for alias in record.aliases] == ["A", "X", "Y"]
    assert (record.xrefs, record.description) == ({"wikidata": "Q1"}, "not the label")


@pytest.mark.parametrize(
    ("ways", "message"),
    [
        ((), r"has no column id: say which it is with --map id=COLUMN \(key, n, n\)"),
        (("id=kee",), r"--map id=kee: .* has no column 'kee'; it has key, n, n"),
        (("id=n",), "more than one column 'n'"),
        (("colour=n",), "write FIELD=COLUMN, with one of the fields id, label"),
        (("id",), "write FIELD=COLUMN"),
        (("id=key|",), "after | comes"),
        (("id=key",), "has no column label"),
    ],
)
def test_a_mapping_that_does_not_fit(kb: Kb, ways: tuple[str, ...], message: str) -> None:
    path = table(kb, "key,n,n\n1,A,B\n")
    with pytest.raises(ImportFailed, match=message):
        kb.load(path, mapping=ways)
    assert not kb.records()


BAD = """id,label,popularity,aliases,aliases.count,types,relations.p
1,good,1,,,,
2,few
3,bad number,many,,,,
,no id,,,,,
5,counts,,a|b,1,,
6,related,,,,,6
7,"a "quote" inside",,,,,
8,%s,,,,,
9,"two
lines",x,,,,
1,again,,,,,
good,also good,,,,,
""" % ("x" * 1401)


def test_bad_rows_are_told_with_line_and_column(kb: Kb) -> None:
    path = table(kb, BAD)
    report = kb.load(path)
    assert set(kb.records()) == {"1", "good"}
    assert report.entities == Counts(read=11, added=2, rejected=9)
    rejects = read_lines(Path(f"{path}.rejects.jsonl"))
    assert [(item["line"], item["field"]) for item in rejects] == [
        (3, None),
        (4, "column 3 (popularity)"),
        (5, "column 1 (id)"),
        (6, "column 4 (aliases)"),
        (7, "column 7 (relations.p)"),
        (8, None),
        (9, "column 2 (label)"),
        (10, "column 3 (popularity)"),
        (12, "id"),
    ]
    assert rejects[0]["error"] == "the row has 2 columns, and the header 7"
    assert rejects[1]["error"] == "it should be a whole number, not 'many'"
    assert rejects[7]["raw"] == '9,"two\nlines",x,,,,'
    assert all(item["remedy"] for item in rejects)


def test_a_quote_that_is_never_closed(kb: Kb) -> None:
    report = kb.load(table(kb, 'id,label\na,A\nb,"B\nc,C\nd,D\n'))
    assert report.entities == Counts(read=2, added=1, rejected=1)
    assert report.rejects[0][1:] == (3, None, "a quote that opens in line 3 or later is not closed")


@pytest.mark.parametrize(("encoding", "shown"), [("cp1250", ""), ("utf-16", "utf-16"), ("koi8-r", "")])
def test_another_encoding_is_told_and_can_be_named(kb: Kb, encoding: str, shown: str) -> None:
    text = "id,label\n1,Żółć gęślą jaźń\n" if encoding != "koi8-r" else "id,label\n1,Москва столица России\n"
    path = table(kb, text.encode(encoding))
    with pytest.raises(ImportFailed, match=rf"is not UTF-8 \(line \d+, byte \d+.*--encoding {shown}"):
        kb.load(path)
    assert not kb.records()
    assert kb.load(path, encoding=encoding).entities.added == 1
    assert kb.records()["1"].label in text


def test_an_encoding_that_shows_late_or_is_wrong(kb: Kb) -> None:
    rows = [f"{n},{'x' * 100}" for n in range(12_000)]
    data = "id,label\n" + "\n".join(rows) + "\n"
    report = kb.load(table(kb, data.encode() + b"late,caf\xe9\n"))
    assert report.entities == Counts(read=12_001, added=12_000, rejected=1)
    assert report.rejects[0][1:] == (12_002, "column 2 (label)", "it is not UTF-8")
    report = kb.load(table(kb, b"id,label\n1,A\n2,\xff\xfe\n"), encoding="ascii")
    assert report.rejects[0][1:] == (3, "column 2 (label)", "it is not ascii")
    path = table(kb, "id,label\n1,A\n2,B\n".encode("utf-16-be")[:-1])
    report = kb.load(path, encoding="utf-16-be")
    assert f"{path} is not utf-16-be" in (report.damage or "")


@pytest.mark.parametrize(("text", "delimiter"), [("id;label\n1;a,b\n", None), ("id~label\n1~a,b\n", "~")])
def test_delimiters(kb: Kb, text: str, delimiter: str | None) -> None:
    assert kb.load(table(kb, text), delimiter=delimiter).entities.added == 1
    assert kb.records()["1"].label == "a,b"


@pytest.mark.parametrize("text", ["", "\n\n \n", "\0\n", '"id\n'])
def test_tables_without_header(kb: Kb, text: str) -> None:
    with pytest.raises(ImportFailed, match=r"header|column id"):
        kb.load(table(kb, text))


def test_options_of_other_formats_are_refused(kb: Kb) -> None:
    with pytest.raises(ImportFailed, match="The format jsonl has no encoding and no delimiter"):
        kb.load(kb.write([]), encoding="cp1252", delimiter=";")
    with pytest.raises(ImportFailed, match="There is no format xls: use one of jsonl, csv"):
        kb.load(kb.write([]), format="xls")


@pytest.mark.parametrize("separator", ["|", ";", "::"])
@given(values=st.lists(st.text(st.sampled_from("a|;:\\ b"), min_size=1).filter(str.strip), min_size=1))
def test_lists_in_cells_come_back(separator: str, values: list[str]) -> None:
    values = [value.strip() for value in values]
    if separator == "|":
        assert Column(0, "aliases").items(joined(values)) == values
    assert "".join(Column(0, "types", separator).items("x")) == "x"


def people_table(kb: Kb, count: int) -> Path:
    path = kb.folder / "people.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "aliases", "aliases.count", "types", "relations.knows", "xrefs.wikidata"])
        for item in people(count):
            (alias,), (edge,) = item["aliases"], item["relations"]
            row = [item["id"], item["label"], alias["text"], alias["count"], *item["types"], edge["object"]]
            writer.writerow([*row, item["xrefs"]["wikidata"]])
    return path


def test_a_table_is_what_the_same_json_lines_are(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read here and by another process."""
    kb.load(people(500), batch=100)
    for limit in (0, 1 << 40):
        monkeypatch.setattr(apart, "LARGE_BYTES", limit)
        other = Kb(kb.engine, f"{kb.namespace}-{limit}", kb.folder)
        assert other.load(people_table(kb, 500), batch=100).entities == Counts(read=500, added=500)
        assert contents(other) == contents(kb)


def test_another_mapping_does_not_go_on_where_the_first_was_cut_off(kb: Kb) -> None:
    path = people_table(kb, 50)

    def stop(_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        kb.load(path, batch=20, progress=stop)
    assert kb.load(path, batch=20, mapping=("text=label", "label=aliases")).resumed_at == 0
    with pytest.raises(InterruptedError):
        kb.load(path, batch=20, progress=stop, restart=True)
    assert kb.load(path, batch=20).resumed_at == 21  # with the header


def test_noise_is_no_table(kb: Kb) -> None:
    rows = [bytes(random.Random(seed).choices(b'a",\n\r|\\;0', k=300)) for seed in range(30)]
    for noise in rows:
        report = kb.load(table(kb, b"id,label,aliases\n" + noise))
        assert report.entities.read == report.entities.added + report.entities.unchanged + report.entities.changed + (
            report.entities.rejected
        )


def test_how_it_is_read_survives_the_way_to_another_process() -> None:
    how = Reading("csv", "S", "cp1252", ";", ("id=a b", "label=é|;"))
    assert Reading.loads(how.dumps()) == how


def test_the_command_takes_a_file_of_mappings(kb: Kb) -> None:
    table(kb, "k;n\n1;A\n")
    (kb.folder / "mapping").write_text("# ours\nid=k\n\nlabel=n\n")
    done = kb.command("kb", "import", "people.csv", "--map", "@mapping", "--delimiter", ";")
    assert done.returncode == 0, done.stderr
    assert kb.records()["1"].label == "A"
    for arguments, word in ((("--map", "@none"), "There is no file none"), (("--encoding", "no"), "no encoding no")):
        done = kb.command("kb", "import", "people.csv", *arguments)
        assert done.returncode == 2
        assert word in done.stderr.decode()
