"""What goes in comes out: an export of an import is the same knowledge base, whatever is in it."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kb_files import Kb, entity, read_lines
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from kb.curation import Edit
from kb.editing import delete_entity
from kb.exporters.jsonl import export_jsonl
from kb.exporters.lines import entity_json
from kb.importers.report import Counts
from kb.joining import merge_entities, rename_entity
from kb.limits import LARGEST_COUNT
from kb.redirects import former_ids_by_entity
from kb.starter import files
from kb.undoing import undo_revision

TYPES = [{"id": "city", "label": "City", "parent": "place"}, {"id": "place", "label": "Place", "parent": None}]
PREDICATES = [{"id": "P1", "label": "near"}, {"id": "p2", "label": "part of"}]


def export(kb: Kb, name: str = "out.jsonl", **more: Path) -> Path:
    path = kb.folder / name
    export_jsonl(kb.engine, kb.namespace, path, progress=lambda _step, _done, _total: None, **more)
    return path


def another(kb: Kb) -> Kb:
    """Return an empty knowledge base beside this one."""
    return Kb(kb.engine, f"copy-{uuid.uuid4().hex[:12]}", kb.folder)


def test_export_of_an_import_is_the_same(kb: Kb) -> None:
    """Byte by byte: the second import, of the exported file, is exported as the same file."""
    lines = [
        entity("Z", "Zürich", aliases=[{"text": "Züri", "count": 2, "language": "gsw"}], types=["city"], popularity=5),
        entity("A/B", "é", description="d", text="t", relations=[{"predicate": "P1", "object": "missing"}], source="S"),
        entity("Ünï", "x\ty", xrefs={"b": "2", "a": "1"}, relations=[{"predicate": "p2", "object": "Z"}]),
    ]
    kb.load(lines, types=kb.write(TYPES, "types"), predicates=kb.write(PREDICATES, "predicates"))
    names = {"types": kb.folder / "out-types", "predicates": kb.folder / "out-predicates"}
    first = export(kb, **names)
    assert [item["id"] for item in read_lines(first)] == ["A/B", "Z", "Ünï"]
    assert read_lines(names["types"]) == TYPES
    assert read_lines(names["predicates"]) == PREDICATES
    copy = another(kb)
    report = copy.load(first, **names)
    assert report.entities == Counts(read=3, added=3)
    assert (report.unknown_types, report.unknown_predicates) == ([], [])
    again = {"types": kb.folder / "again-types", "predicates": kb.folder / "again-predicates"}
    assert export(copy, "again.jsonl", **again).read_bytes() == first.read_bytes()
    assert again["types"].read_bytes() == names["types"].read_bytes()
    assert again["predicates"].read_bytes() == names["predicates"].read_bytes()
    assert copy.records() == kb.records()
    assert kb.load(first).entities == Counts(read=3, unchanged=3)


def test_the_starter_kb_comes_out_as_it_went_in(kb: Kb) -> None:
    starter = files()
    kb.load(starter.entities, types=starter.types, predicates=starter.predicates)
    names = {"types": kb.folder / "types", "predicates": kb.folder / "predicates"}
    path = export(kb, **names)
    given = {item["id"]: item for item in read_lines(starter.entities)}
    for found in read_lines(path):
        before = given.pop(found["id"])
        assert found["label"] == before["label"]
        assert {item["text"]: item["count"] for item in found["aliases"]} == {before["label"]: 0} | {
            item["text"]: item.get("count", 0) for item in before.get("aliases", [])
        }
        assert sorted(found["types"]) == sorted(before.get("types", []))
    assert not given
    assert {item["id"] for item in read_lines(names["types"])} == {item["id"] for item in read_lines(starter.types)}
    assert kb.load(path).entities.unchanged == len(kb.records())


def storable(most: int) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, min_size=1, max_size=most).filter(lambda value: not value.isspace())


NAME = storable(20)
KEY = st.one_of(NAME, st.sampled_from(["a", "b", "c"]))
COUNT = st.one_of(st.integers(0, 3), st.integers(0, LARGEST_COUNT))
ALIASES = st.lists(st.fixed_dictionaries({"text": NAME, "count": COUNT}, optional={"language": NAME}), max_size=4)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "description": st.none() | NAME,
    "text": st.none() | storable(100),
    "aliases": ALIASES,
    "types": st.lists(KEY, max_size=3),
    "xrefs": st.dictionaries(NAME, NAME, max_size=3),
    "popularity": COUNT,
    "source": st.none() | NAME,
}
RELATIONS = st.lists(st.fixed_dictionaries({"predicate": KEY, "object": KEY}), max_size=4)


@st.composite
def entities(draw: Callable[..., Any]) -> list[dict[str, Any]]:
    items = []
    for key in draw(st.lists(KEY, min_size=1, max_size=5, unique=True)):
        item = {"id": key, "label": draw(NAME)} | draw(st.fixed_dictionaries({}, optional=FIELDS))
        item["relations"] = [edge for edge in draw(RELATIONS) if edge["object"] != key]
        items.append(item)
    return items


@settings(max_examples=40, deadline=None)
@given(entities())
def test_any_entities_come_out_as_they_went_in(
    kb_engine: Engine, tmp_path_factory: pytest.TempPathFactory, items: list[dict[str, Any]]
) -> None:
    kb = Kb(kb_engine, f"any-{uuid.uuid4().hex[:12]}", tmp_path_factory.getbasetemp())
    report = kb.load(items)
    assert replace(report.entities, conflicting=0) == Counts(read=len(items), added=len(items))
    records = kb.records()
    path = export(kb)
    assert kb.load(path).entities == Counts(read=len(items), unchanged=len(items))
    copy = another(kb)
    copy.load(path)
    assert copy.records() == records
    assert export(copy, "again.jsonl").read_bytes() == path.read_bytes()
    for item in items:
        record = records[item["id"]]
        assert (record.label, record.description) == (item["label"], item.get("description"))
        assert {item["label"], *(alias["text"] for alias in item.get("aliases", []))} == {
            alias.text for alias in record.aliases
        }
        assert set(record.types) == set(item.get("types", []))
        assert {(edge.predicate, edge.object) for edge in record.relations} == {
            (edge["predicate"], edge["object"]) for edge in item["relations"]
        }
        assert record.xrefs == item.get("xrefs", {})


def test_deleted_entities_are_not_exported(kb: Kb) -> None:
    kb.load([entity("a"), entity("b")])
    kb.delete("a")
    assert [item["id"] for item in read_lines(export(kb))] == ["b"]


def test_former_ids_lead_to_their_entities_again(kb: Kb) -> None:
    """Also those of a chain, of an entity that is there under its new id alone, and none of what was deleted."""
    kb.load([entity(key) for key in "abcdefg"])
    with Session(kb.engine) as session, session.begin():
        for kept, gone in (("b", "a"), ("c", "b"), ("f", "g")):
            merge_entities(session, kb.namespace, kept, gone, None, Edit("merge"))
        rename_entity(session, kb.namespace, "d", "D", None, Edit("rename"))
        delete_entity(session, kb.namespace, "f", None, Edit("delete"))
    path = export(kb)
    assert {item["id"]: item.get("redirects") for item in read_lines(path)} == {"D": ["d"], "c": ["a", "b"], "e": None}
    copy = another(kb)
    copy.load([entity("b", "in the way"), entity("D", "older")])
    with Session(kb.engine) as session, session.begin():
        delete_entity(session, copy.namespace, "b", None, Edit("delete"))
    for _ in range(2):
        copy.load(path)
        with Session(kb.engine) as session:
            assert former_ids_by_entity(session, copy.namespace) == {"D": ["d"], "c": ["a", "b"]}
        assert export(copy, "again.jsonl").read_bytes() == path.read_bytes()
        kinds = "SELECT entity_id, kind FROM revision WHERE namespace = :namespace AND entity_id IN ('a', 'b', 'd')"
        edits = [("a", "import"), ("b", "delete"), ("b", "import"), ("b", "import"), ("d", "import")]
        assert sorted(copy.sql(kinds)) == edits
    assert kb.load(path).entities == Counts(read=3, unchanged=3)
    with Session(kb.engine) as session, session.begin():
        (revision,) = copy.sql("SELECT id FROM revision WHERE namespace = :namespace AND entity_id = 'd'")
        undo_revision(session, copy.namespace, revision[0], None, Edit("undo"))
        assert former_ids_by_entity(session, copy.namespace) == {"c": ["a", "b"]}


def test_former_ids_that_cannot_be(kb: Kb) -> None:
    report = kb.load(
        [
            entity("a", redirects=["x"]),
            entity("b", redirects=["y", "b"]),
            entity("c", redirects="x"),
            entity("d", redirects=[""]),
            entity("e", redirects=["a", "later"]),
            entity("later"),
        ]
    )
    assert [field for _, _, field, _ in report.rejects] == ["redirects[1]", "redirects", "redirects[0]"]
    assert report.entities == Counts(read=6, added=3, rejected=3)
    with Session(kb.engine) as session:
        assert former_ids_by_entity(session, kb.namespace) == {"a": ["x"]}


def test_a_compressed_export(kb: Kb) -> None:
    kb.load([entity(f"e{number}") for number in range(50)])
    plain, packed = export(kb).read_bytes(), export(kb, "out.jsonl.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert export(kb, "out.jsonl.gz").read_bytes() == packed


def test_an_export_sees_one_moment(kb: Kb) -> None:
    """What is written while it runs is not in it, not even halfway."""
    kb.load([entity(f"e{number:04}", "old") for number in range(2500)])

    def edit(_step: str, done: int, _total: int) -> None:
        if done == 1000:
            kb.load([entity(f"e{number:04}", "new") for number in range(2600)])

    path = kb.folder / "out.jsonl"
    assert export_jsonl(kb.engine, kb.namespace, path, progress=edit) == 2500
    found = read_lines(path)
    assert {item["label"] for item in found} == {"old"}
    assert {item["aliases"][0]["text"] for item in found} == {"old"}
    assert kb.records()["e0000"].label == "new"


def test_an_export_that_fails_leaves_the_old_file(kb: Kb) -> None:
    kb.load([entity(f"e{number:04}") for number in range(1000)])
    path = export(kb)
    before = path.read_bytes()

    def stop(_step: str, _done: int, _total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        export_jsonl(kb.engine, kb.namespace, path, progress=stop)
    assert path.read_bytes() == before
    assert {item.name for item in kb.folder.iterdir()} == {"entities.jsonl", "out.jsonl"}


def test_an_export_of_nothing(kb: Kb) -> None:
    assert export(kb).read_bytes() == b""


def test_the_command(kb: Kb) -> None:
    kb.load([entity("a"), entity("b")])
    path = kb.folder / "out.jsonl"
    path.write_text("mine")
    refused = kb.command("kb", "export", path)
    assert refused.returncode == 2
    assert b"exists already" in refused.stderr
    assert b"--force" in refused.stderr
    assert path.read_text() == "mine"
    assert kb.command("kb", "export", path, "--force").returncode == 0
    lines = [orjson.dumps(entity_json(record)) for record in kb.records().values()]
    assert path.read_bytes().splitlines() == lines
    piped = kb.command("kb", "export", "-")
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.splitlines() == lines
    assert not (kb.folder / "-").exists()


def test_a_file_that_cannot_be_written(kb: Kb) -> None:
    kb.load([entity("a")])
    (kb.folder / "folder").mkdir()
    nowhere = f"{kb.folder / 'no'}: there is no such folder"
    for arguments, said in (
        (["no/out.jsonl"], nowhere),
        (["out.jsonl", "--types", "no/types.jsonl"], nowhere),
        (["folder"], f"{kb.folder / 'folder'} is a folder"),
        # Where even root may not write; found when the file is opened.
        (["/proc/out.jsonl"], "/proc/out.jsonl cannot be written: No such file or directory"),
    ):
        paths = [name if name.startswith("--") else kb.folder / name for name in arguments]
        refused = kb.command("kb", "export", *paths, "--force")
        assert refused.returncode == 2, refused.stderr
        assert refused.stderr.startswith(f"error: {said}".encode())
        assert b"remedy: " in refused.stderr
        assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.ttl", "out.nt", "out.ttl.gz"])
def test_other_formats_come_back_the_same(kb: Kb, name: str) -> None:
    """Through the command; what the formats cannot say stays behind: languages that are none, spaces at the ends."""
    lines = [
        entity("Z", "Zürich", aliases=[{"text": "Züri", "count": 2, "language": "gsw"}], types=["city"], popularity=5),
        entity(
            "A/B",
            'é|"\\',
            description='d,\n"e"\t\\',
            text="t;",
            aliases=[{"text": 'é|"\\', "count": 7, "language": "fr"}, {"text": "a|b"}],
            relations=[{"predicate": "P1", "object": "missing"}, {"predicate": "http://ex.org/p", "object": "Z"}],
            source="S",
        ),
        entity(
            "http://ex.org/#1", "IRI", xrefs={"wikidata": "Q1", "our own": "a/b c"}, types=["http://ex.org/T", "city"]
        ),
        entity("only text", text="note", relations=[{"predicate": "p2", "object": "A/B"}]),
    ]
    types = [*TYPES, {"id": "http://ex.org/T", "label": "T", "parent": "city"}]
    predicates = [*PREDICATES, {"id": "http://ex.org/p", "label": "linked to"}]
    files = {"types": kb.write(types, "types"), "predicates": kb.write(predicates, "predicates")}
    kb.load(lines, **files)
    with Session(kb.engine) as session, session.begin():
        rename_entity(session, kb.namespace, "only text", "text|only", None, Edit("rename"))
        rename_entity(session, kb.namespace, "text|only", "noted", None, Edit("rename"))
    done = kb.command("kb", "export", name)
    assert done.returncode == 0, done.stderr
    copy = another(kb)
    report = copy.load(kb.folder / name, **(files if "csv" in name else {}))
    assert report.rejects == []
    assert copy.records() == kb.records()
    with Session(kb.engine) as session:
        assert former_ids_by_entity(session, copy.namespace) == {"noted": ["only text", "text|only"]}
    listed = "SELECT id, label, parent_id FROM type WHERE namespace = :namespace ORDER BY id"
    assert copy.sql(listed) == kb.sql(listed)
    assert kb.command("kb", "export", name).returncode == 2  # it exists
