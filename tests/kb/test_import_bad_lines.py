"""Lines that cannot be used: each is written down with its number, field and remedy, and the others are kept."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from kb_files import Kb, entity, read_lines

from kb.importers import lines
from kb.importers.report import Counts, ImportReport

LONE = b'{"id": "x", "label": "half \\ud800 a pair"}'
DEEP = b'{"id": "x", "label": "x", "extra": ' + b"[" * 5000 + b"]" * 5000 + b"}"


def alias(**fields: Any) -> dict[str, Any]:
    return entity("x", aliases=[{"text": "fine"}, {"text": "y", **fields}])


BAD: dict[str, tuple[dict[str, Any] | bytes, str | None, str]] = {
    "no JSON": (b"{not json}", None, "no JSON"),
    "cut off": (b'{"id": "x", "lab', None, "no JSON"),
    "two objects": (b'{"id": "x", "label": "x"} {"id": "y", "label": "y"}', None, "no JSON"),
    "a list": (b'["x"]', None, "no JSON object"),
    "a string": (b'"x"', None, "no JSON object"),
    "null": (b"null", None, "no JSON object"),
    "nesting": (DEEP, None, "no JSON"),
    "not UTF-8": (b'{"id": "x", "label": "caf\xe9"}', None, "no JSON"),
    "UTF-16": ('{"id": "x", "label": "é"}'.encode("utf-16-le"), None, "no JSON"),
    "raw NUL": (b'{"id": "x", "label": "a\0b"}', None, "no JSON"),
    "NaN": (b'{"id": "x", "label": "x", "extra": NaN}', "extra", "no JSON"),
    "no id": ({"label": "x"}, "id", "missing"),
    "id null": ({"id": None, "label": "x"}, "id", "missing"),
    "id empty": (entity("", "x"), "id", "empty or blank"),
    "id blank": (entity(" \u3000\t", "x"), "id", "empty or blank"),
    "id of 251 characters": (entity("é" * 251), "id", "251 characters, 250 at most"),
    "id a number": (b'{"id": 5, "label": "x"}', "id", "a string, not a whole number"),
    "id with NUL": (b'{"id": "a\\u0000b", "label": "x"}', "id", "NUL"),
    "half a pair": (LONE, "label", "half of a surrogate pair"),
    "half a pair in an alias": (
        b'{"id": "x", "label": "x", "aliases": [{"text": "\\udc00"}]}',
        "aliases[0].text",
        "half of a surrogate pair",
    ),
    "NUL in a key": (b'{"id": "x", "label": "x", "xrefs": {"a\\u0000": "b"}}', "xrefs", "NUL"),
    "no label": ({"id": "x"}, "label", "missing"),
    "label a list": (b'{"id": "x", "label": ["x"]}', "label", "a string, not a list"),
    "description a number": (entity("x", description=5), "description", "a string or null"),
    "text true": (entity("x", text=True), "text", "not true or false"),
    "aliases a string": (entity("x", aliases="y"), "aliases", "a list, not a string"),
    "alias a string": (entity("x", aliases=["y"]), "aliases[0]", "an object, not a string"),
    "alias without text": (entity("x", aliases=[{"count": 1}]), "aliases[0].text", "missing"),
    "alias too long": (alias(text="y" * 1401), "aliases[1].text", "more than 1400 bytes"),
    "alias too long when folded": (alias(text="\ufdfa" * 60), "aliases[1].text", "more than 1400 bytes"),
    "count negative": (alias(count=-1), "aliases[1].count", "-1 is negative"),
    "count a string": (alias(count="3"), "aliases[1].count", "a whole number, not a string"),
    "count a fraction": (alias(count=1.5), "aliases[1].count", "not one with a fraction"),
    "count true": (alias(count=True), "aliases[1].count", "not true or false"),
    "count too large": (alias(count=2**31), "aliases[1].count", "larger than 2147483647"),
    "count huge": (b'{"id": "x", "label": "x", "popularity": 1' + b"0" * 30 + b"}", "popularity", "20 digits"),
    "language blank": (alias(language=" "), "aliases[1].language", "empty or blank"),
    "types an object": (entity("x", types={}), "types", "a list, not an object"),
    "type a number": (entity("x", types=["t", 5]), "types[1]", "a string"),
    "type too long": (entity("x", types=["t" * 251]), "types[0]", "251 characters"),
    "relation without object": (entity("x", relations=[{"predicate": "p"}]), "relations[0].object", "missing"),
    "relation to itself": (entity("x", relations=[{"predicate": "p", "object": "x"}]), "relations[0].object", "itself"),
    "predicate too long": (
        entity("x", relations=[{"predicate": "p" * 501, "object": "y"}]),
        "relations[0].predicate",
        "more than 500 bytes",
    ),
    "xrefs a list": (entity("x", xrefs=["Q1"]), "xrefs", "an object, not a list"),
    "xref a number": (entity("x", xrefs={"wikidata": 1}), "xrefs.wikidata", "a string"),
    "xref too long": (entity("x", xrefs={"wikidata": "Q" * 1001}), "xrefs.wikidata", "more than 1000 bytes"),
    "popularity negative": (entity("x", popularity=-5), "popularity", "-5 is negative"),
    "source a number": (entity("x", source=1), "source", "a string or null"),
    "source too long": (entity("x", source="s" * 1001), "source", "more than 1000 bytes"),
}


@pytest.fixture(scope="module")
def every_bad_line(kb_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kb, ImportReport, Path]:
    """One import of all bad lines, a good one before and after each."""
    kb = Kb(kb_engine, "bad-lines", tmp_path_factory.mktemp("bad"))
    items: list[dict[str, Any] | bytes] = [entity("good 0")]
    for number, (line, _, _) in enumerate(BAD.values(), 1):
        items += [line, entity(f"good {number}")]
    report = kb.load(items, batch=7)
    return kb, report, kb.folder / "entities.jsonl.rejects.jsonl"


def test_the_good_lines_are_kept(every_bad_line: tuple[Kb, ImportReport, Path]) -> None:
    kb, report, _ = every_bad_line
    assert set(kb.records()) == {f"good {number}" for number in range(len(BAD) + 1)}
    assert report.entities == Counts(read=2 * len(BAD) + 1, added=len(BAD) + 1, rejected=len(BAD))
    assert report.rejected == len(BAD)
    assert report.damage is None
    assert kb.sizes()["relation"] == 0


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_written_down(every_bad_line: tuple[Kb, ImportReport, Path], name: str) -> None:
    kb, report, rejects = every_bad_line
    position = list(BAD).index(name)
    line, field, error = BAD[name]
    found = read_lines(rejects)[position]
    assert found["file"] == str(kb.folder / "entities.jsonl")
    assert (found["line"], found["field"]) == (2 * position + 2, field)
    assert error in found["error"]
    assert found["remedy"]
    raw = line if isinstance(line, bytes) else orjson.dumps(line)
    assert found["raw"] == raw.decode(errors="backslashreplace")
    assert report.rejects_file == rejects


def test_a_line_of_50_megabytes(kb: Kb) -> None:
    huge = b'{"id": "x", "label": "x", "text": "' + b"t" * 50_000_000 + b'"}'
    report = kb.load(kb.write([entity("a"), huge, entity("b")], "entities.jsonl.gz"))
    assert report.rejects == [
        (str(kb.folder / "entities.jsonl.gz"), 2, None, "the line is longer than 16 MiB"),
    ]
    assert list(kb.records()) == ["a", "b"]


def test_a_line_that_is_just_short_enough(kb: Kb) -> None:
    kb.load([entity("a", text="é" * 8_000_000), entity("b")])
    assert len(kb.records()["a"].text or "") == 8_000_000


def test_two_lines_with_one_id(kb: Kb) -> None:
    """The first counts, also where the second comes in a later batch."""
    report = kb.load(
        [entity("a", "first"), entity("a", "second"), entity("b"), entity("c"), entity("a", "third")], batch=2
    )
    assert report.entities == Counts(read=5, added=3, rejected=2)
    assert [(line, field, error) for _, line, field, error in report.rejects] == [
        (2, "id", "line 1 has the same id"),
        (5, "id", "line 1 has the same id"),
    ]
    assert kb.records()["a"].label == "first"


def test_an_id_whose_first_line_was_bad(kb: Kb) -> None:
    report = kb.load([entity("a", popularity=-1), entity("a", "second")])
    assert report.entities == Counts(read=2, added=1, rejected=1)
    assert kb.records()["a"].label == "second"


def test_rejects_of_an_earlier_import_go_away(kb: Kb) -> None:
    path = kb.write([b"broken"])
    assert kb.load(path).rejects_file is not None
    report = kb.load(kb.write([entity("a")]))
    assert report.rejects_file is None
    assert not (kb.folder / "entities.jsonl.rejects.jsonl").exists()


def test_many_rejects_are_counted_and_few_are_shown(kb: Kb) -> None:
    report = kb.load([b"broken"] * 2000)
    assert report.entities == Counts(read=2000, rejected=2000)
    assert len(report.rejects) == 5
    assert len(read_lines(kb.folder / "entities.jsonl.rejects.jsonl")) == 2000


@pytest.mark.parametrize("kind", ["types", "predicates"])
def test_bad_lines_of_types_and_predicates(kb: Kb, kind: str) -> None:
    good = {"id": "a", "label": "A"}
    items = [b"{", good, {"label": "x"}, {"id": "b"}, {"id": "b" * 501, "label": "b"}, good, {"id": "b", "label": 5}]
    report = kb.load(**{kind: kb.write(items, kind)})
    assert getattr(report, kind) == Counts(read=7, added=1, rejected=6)
    found = [(item["line"], item["field"]) for item in read_lines(kb.folder / f"{kind}.rejects.jsonl")]
    assert found == [(1, None), (3, "id"), (4, "label"), (5, "id"), (6, "id"), (7, "label")]


def thousand() -> list[dict[str, Any]]:
    """Return entities that do not compress well."""
    letters = random.Random(0)
    return [entity(f"e{n:04}", description=f"{letters.getrandbits(800):x}") for n in range(1000)]


def test_gzip_data_that_ends_in_the_middle(kb: Kb) -> None:
    path = kb.write(thousand(), "entities.jsonl.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    report = kb.load(path, batch=50)
    kept = report.entities.added
    assert report.damage is not None
    assert f"{path} ends in the middle of its gzip data" in report.damage
    assert f"Line {kept + 1} is cut off" in report.damage
    assert report.entities == Counts(read=kept, added=kept)
    assert 300 < kept < 700
    assert list(kb.records()) == [f"e{n:04}" for n in range(kept)]
    kb.load(path)
    path.write_bytes(whole)
    report = kb.load(path)
    assert report.damage is None
    assert report.entities == Counts(read=1000, added=1000 - kept, unchanged=kept)


@pytest.mark.parametrize("width", [1, 20, 1000])
def test_gzip_data_that_is_damaged_in_the_middle(kb: Kb, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """A whole copy, of which no more is looked at than its size and its start, repairs what the damage spoilt."""
    monkeypatch.setattr(lines, "FINGERPRINT_BYTES", 1000)
    path = kb.write(thousand(), "entities.jsonl.gz")
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(byte ^ 0xFF for byte in whole[half : half + width]) + whole[half + width :])
    report = kb.load(path, batch=50)
    assert report.damage is not None
    assert "again" in report.damage
    path.write_bytes(whole)
    report = kb.load(path)
    assert (report.damage, report.resumed_at) == (None, 0)
    assert report.entities.rejected == 0
    assert {key: record.description for key, record in kb.records().items() if key.startswith("e")} == {
        item["id"]: item["description"] for item in thousand()
    }


def test_a_file_that_was_cut_off_in_a_line(kb: Kb) -> None:
    path = kb.write([entity("a"), entity("b")])
    path.write_bytes(path.read_bytes()[:-5])
    report = kb.load(path)
    assert report.entities == Counts(read=2, added=1, rejected=1)
    assert report.damage == f"{path} ends in the middle of line 2: copy or download the file again."
    assert kb.command("kb", "import", path).returncode == 1


def test_gzip_in_name_only(kb: Kb) -> None:
    path = kb.folder / "entities.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "a", "label": "A"}', mtime=0)[1:])
    report = kb.load(path)
    assert report.entities.added == 0
    assert report.entities.rejected == 1


def test_a_file_that_is_not_there(kb: Kb) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.jsonl"):
        kb.load(kb.folder / "none.jsonl")
    assert kb.sql("SELECT count(*) FROM job WHERE namespace = :namespace") == [(0,)]
