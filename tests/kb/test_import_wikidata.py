"""Wikidata's dumps: a faithful sample; filters; dumps that are cut off or damaged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from kb_files import Kb, read_lines
from wikidata_dump import item, person, statement, write_dump

from kb.importers.report import Counts
from kb.records import AliasRecord, RelationRecord

ADA = item(
    "Q7259",
    labels={"en": "Ada Lovelace", "de": "Ada Lovelace", "fr": "Ada de Lovelace"},
    descriptions={"en": "English mathematician (1815–1852)", "de": "britische Mathematikerin"},
    aliases={"en": ["Augusta Ada King", "Ada Byron"], "de": ["Augusta Ada Byron"]},
    claims=[
        statement("P31", "Q5"),
        statement("P19", "Q84", rank="normal"),
        statement("P19", "Q1", rank="preferred"),
        statement("P22", "Q5679"),
        statement("P22", None),
        statement("P106", "Q170790", rank="deprecated"),
        statement("P214", "54177741", "external-id"),
    ],
    sitelinks={"enwiki": "Ada Lovelace", "dewiki": "Ada Lovelace", "commonswiki": "Ada"},
)
CLASSES = [
    item("Q5", labels={"en": "human"}, claims=[statement("P279", "Q215627"), statement("P279", "Q5")]),
    item("Q215627", labels={"en": "person"}, claims=[statement("P279", "Q35120")]),
    item("Q35120", labels={"mul": "entity"}, claims=[statement("P279", "Q215627")]),  # a circle
    item("Q515", labels={"en": "city"}, claims=[statement("P279", "Q486972")]),
]
LONDON = item("Q84", labels={"mul": "London"}, claims=[statement("P31", "Q515")], sitelinks={"enwiki": "London"})
P19 = item("P19", type="property", labels={"en": "place of birth"})
NAMELESS = item("Q99", labels={"fr": "sans nom"}, claims=[statement("P31", "Q5")])
EVERYTHING = [ADA, *CLASSES, LONDON, P19, NAMELESS, item("L1", type="lexeme")]


def dump(kb: Kb, items: list[dict[str, Any] | bytes], name: str = "latest-all.json.bz2") -> Path:
    return write_dump(kb.folder / name, items)


@pytest.mark.parametrize("name", ["latest-all.json.bz2", "latest-all.json.gz", "latest-all.json"])
def test_items_become_entities(kb: Kb, name: str) -> None:
    report = kb.load(
        dump(kb, EVERYTHING, name), languages=("en", "de"), relations=("P19", "P22"), xrefs=("P214=viaf", "P9=x")
    )
    assert (report.entities.added, report.entities.rejected, report.damage) == (6, 0, None)
    records = kb.records()
    assert set(records) == {"Q7259", "Q5", "Q215627", "Q35120", "Q515", "Q84"}
    ada = records["Q7259"]
    assert (ada.label, ada.description) == ("Ada Lovelace", "English mathematician (1815–1852)")
    assert ada.aliases == (
        AliasRecord("Ada Byron", 0, "en"),
        AliasRecord("Ada Lovelace", 0, "en"),
        AliasRecord("Augusta Ada Byron", 0, "de"),
        AliasRecord("Augusta Ada King", 0, "en"),
    )
    assert ada.types == ("Q5",)
    assert ada.relations == (RelationRecord("P19", "Q1"), RelationRecord("P22", "Q5679"))
    assert ada.xrefs == {"wikidata": "Q7259", "wikipedia": "en:Ada Lovelace", "viaf": "54177741"}
    assert ada.popularity == 3
    assert records["Q84"].aliases == (AliasRecord("London"),)
    types = dict(kb.sql("SELECT id, label FROM type WHERE namespace = :namespace"))
    assert types == {"Q5": "human", "Q215627": "person", "Q35120": "entity", "Q515": "city"}
    parents = dict(kb.sql("SELECT id, parent_id FROM type WHERE namespace = :namespace"))
    assert parents["Q5"] == "Q215627"
    assert None in (parents["Q215627"], parents["Q35120"])  # the circle is broken
    assert kb.sql("SELECT id, label FROM predicate WHERE namespace = :namespace ORDER BY id") == [
        ("P19", "place of birth"),
        ("P22", "P22"),
    ]
    assert (report.unknown_types, report.unknown_predicates) == ([], ["P22"])


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"types": ("Q5",)}, {"Q7259"}),
        ({"types": ("Q5",), "languages": ("fr",)}, {"Q7259", "Q99"}),
        ({"types": ("Q35120",)}, set()),
        ({"types": ("Q35120",), "subclasses": True}, {"Q7259"}),
        ({"types": ("Q515", "Q5")}, {"Q7259", "Q84"}),
        ({"types": tuple(f"Q{n}" for n in range(1, 100))}, {"Q7259"}),
        ({"min_sitelinks": 1}, {"Q7259", "Q84"}),
        ({"min_sitelinks": 4}, set()),
    ],
)
def test_filters(kb: Kb, how: dict[str, Any], ids: set[str]) -> None:
    report = kb.load(dump(kb, EVERYTHING), **how)
    assert set(kb.records()) == ids
    assert report.entities == Counts(read=len(ids), added=len(ids))


def test_subclasses_of_standard_input_are_refused(kb: Kb) -> None:
    done = kb.command("kb", "import", "-", "--format", "wikidata", "--type", "Q5", "--subclasses", input=b"[\n]\n")
    assert done.returncode == 2
    assert b"standard input comes once" in done.stderr


BAD: list[bytes] = [
    b"rubbish",
    b'{"type": "item", "id": 5, "labels": {"en": {"value": "x"}}}',
    b'{"type": "item", "id": "Q1", "labels": {"en": 1}}',
    b'{"type": "item", "id": "Q1", "labels": 7}',
    b'{"type": "item", "id": "Q1", "labels": {"en": {"value": "x"}}, "claims": {"P31": [{"mainsnak": 5}]}}',
    b'{"type": "item", "id": "Q1", "labels": {"en": {"value": "a\\u0000b"}}}',
    b"[1, 2]",
]


def test_lines_that_are_no_items(kb: Kb) -> None:
    path = dump(kb, [*BAD, ADA])
    report = kb.load(path)
    assert set(kb.records()) == {"Q7259"}
    assert report.entities == Counts(read=len(BAD) + 1, added=1, rejected=len(BAD))
    rejects = read_lines(Path(f"{path}.rejects.jsonl"))
    assert [entry["line"] for entry in rejects] == list(range(2, len(BAD) + 2))
    assert all(entry["remedy"] for entry in rejects)


def test_a_dump_that_is_cut_in_a_line(kb: Kb) -> None:
    people = [person(number) for number in range(1, 30)]
    path = dump(kb, people, "a.json")
    data = path.read_bytes()
    path.write_bytes(data[:-1000])
    report = kb.load(path)
    assert report.damage == f"{path} ends in the middle of line 30: download it again."
    assert (report.entities.added, report.entities.rejected) == (28, 1)
    path.write_bytes(data[: data.rindex(b",\n") + 2])
    report = kb.load(path)
    assert report.damage == f"{path} ends before its closing bracket: download it again."
    path.write_bytes(data)
    report = kb.load(path)
    assert (report.damage, report.entities.added, report.entities.unchanged) == (None, 1, 28)


@pytest.mark.parametrize("ending", ["gz", "bz2"])
@pytest.mark.parametrize("damage", ["cut", "trailer", "middle"])
def test_what_can_be_read_of_a_damaged_dump_stays(kb: Kb, ending: str, damage: str) -> None:
    path = dump(kb, [person(number) for number in range(1, 1500)], f"a.json.{ending}")
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    if damage == "cut":
        del whole[middle:]
    elif damage == "middle":
        whole[middle : middle + 200] = random.Random(1).randbytes(200)
    else:
        whole[-8:] = bytes(8)
    path.write_bytes(whole)
    report = kb.load(path, batch=100)
    assert report.damage
    assert f"{path}" in report.damage
    assert "again" in report.damage
    assert len(kb.records()) == report.entities.added
    assert report.entities.added > (0 if ending == "bz2" else 300)
    dump(kb, [person(number) for number in range(1, 1500)], path.name)
    kb.load(path)
    assert len(kb.records()) == 1499


def test_the_sample_is_as_long_as_real_lines() -> None:
    assert 4000 < len(orjson.dumps(person(12345))) < 10_000
