"""What an import writes: new and changed entities, types, predicates, sources, and nothing else."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest
from kb_files import Kb, entity, read_lines

from kb.importers.report import Counts, ImportFailed, Progress
from kb.records import AliasRecord, EntityRecord, RelationRecord

FULL = entity(
    "Q1",
    "Café de Paris",
    description="A restaurant",
    text="The Café de Paris is a restaurant.",
    aliases=[{"text": "the café", "count": 3}, {"text": "Café", "count": 2, "language": "fr"}],
    types=["restaurant", "company"],
    relations=[{"predicate": "located in", "object": "Q90"}],
    xrefs={"wikidata": "Q1", "osm": "5"},
    popularity=7,
    source="Guide",
)


@pytest.mark.parametrize("name", ["entities.jsonl", "entities.jsonl.gz", "entities"])
def test_all_fields_arrive(kb: Kb, name: str) -> None:
    report = kb.load(kb.write([FULL, entity("Q90", "Paris")], name))
    assert (report.entities, report.rejected, report.damage) == (Counts(read=2, added=2), 0, None)
    assert kb.records()["Q1"] == EntityRecord(
        id="Q1",
        label="Café de Paris",
        description="A restaurant",
        text="The Café de Paris is a restaurant.",
        aliases=(AliasRecord("Café", 2, "fr"), AliasRecord("Café de Paris", 0), AliasRecord("the café", 3)),
        types=("company", "restaurant"),
        relations=(RelationRecord("located in", "Q90"),),
        xrefs={"osm": "5", "wikidata": "Q1"},
        popularity=7,
        source="Guide",
    )


def test_gzip_is_known_by_its_content_and_may_have_members(kb: Kb) -> None:
    path = kb.folder / "entities.jsonl"
    path.write_bytes(gzip.compress(b'{"id": "a", "label": "A"}\n') + gzip.compress(b'{"id": "b", "label": "B"}'))
    assert kb.load(path).entities.added == 2


def test_lines_may_be_blank_end_in_any_way_and_start_with_a_mark(kb: Kb) -> None:
    data = b'\xef\xbb\xbf{"id": "a", "label": "A"}\r\n\n  \t\n{"id": "b", "label": "B"}\n{"id": "c", "label": "C"}'
    path = kb.folder / "entities.jsonl"
    path.write_bytes(data)
    assert kb.load(path).entities == Counts(read=3, added=3)
    assert list(kb.records()) == ["a", "b", "c"]


def test_an_empty_file(kb: Kb) -> None:
    report = kb.load([])
    assert (report.entities, report.damage, kb.version()) == (Counts(), None, 0)


def test_only_what_differs_is_written(kb: Kb) -> None:
    lines = [entity(key, aliases=[{"text": f"{key}!", "count": 1}]) for key in "abcd"]
    assert kb.load(lines).entities == Counts(read=4, added=4)
    first, sizes = kb.version(), kb.sizes()
    assert kb.load(lines, restart=True).entities == Counts(read=4, unchanged=4)
    # The same content in another order, written another way.
    lines[0] = {"popularity": 0, "aliases": [{"count": 1, "text": "a!"}, {"text": "a"}], "label": "a", "id": "a"}
    assert kb.load(lines[::-1]).entities == Counts(read=4, unchanged=4)
    assert (kb.version(), kb.sizes()) == (first, sizes)
    lines[1] = entity("b", aliases=[{"text": "b!", "count": 2}])
    lines[2] = entity("c", description="third", aliases=[{"text": "c!", "count": 1}])
    assert kb.load([*lines, entity("e")]).entities == Counts(read=5, added=1, changed=2, unchanged=2)
    assert kb.version() > first
    assert kb.sizes()["change"] == sizes["change"] + 3
    assert kb.records()["b"].aliases == (AliasRecord("b"), AliasRecord("b!", 2))
    versions = dict(kb.sql("SELECT id, version FROM entity WHERE namespace = :namespace"))
    assert versions == {"a": 1, "b": 2, "c": 2, "d": 1, "e": 1}


def test_an_import_replaces_an_entity_as_a_whole(kb: Kb) -> None:
    kb.load([FULL])
    kb.load([entity("Q1", "Paris Café")])
    assert kb.records() == {"Q1": EntityRecord("Q1", "Paris Café", aliases=(AliasRecord("Paris Café"),))}


def test_an_entity_that_no_file_has_any_more_stays(kb: Kb) -> None:
    kb.load([entity("a"), entity("b")])
    kb.load([entity("b")])
    assert list(kb.records()) == ["a", "b"]


def test_a_deleted_entity_comes_back(kb: Kb) -> None:
    kb.load([FULL])
    kb.delete("Q1")
    assert kb.load([FULL], restart=True).entities == Counts(read=1, added=1, conflicting=1)
    assert kb.records()["Q1"].label == "Café de Paris"
    assert kb.sql("SELECT version, deleted_at FROM entity WHERE namespace = :namespace AND id = 'Q1'") == [(3, None)]


def test_batches_do_not_matter(kb: Kb) -> None:
    report = kb.load([entity(f"e{number:02}") for number in range(23)], batch=5)
    assert report.entities == Counts(read=23, added=23)
    assert len(kb.records()) == 23


def test_namespaces_are_apart(kb: Kb, tmp_path: Path) -> None:
    other = Kb(kb.engine, f"{kb.namespace}-other", tmp_path)
    kb.load([entity("a", "ours")])
    other.load([entity("a", "theirs")])
    assert kb.records()["a"].label == "ours"
    assert other.records()["a"].label == "theirs"
    assert kb.sizes()["entity"] == other.sizes()["entity"] == 1


@pytest.mark.parametrize("name", ["", "with space", "a/b", "é", "-a", "x" * 64])
def test_names_that_no_namespace_may_have(kb: Kb, name: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 63 letters"):
        Kb(kb.engine, name, kb.folder).load([entity("a")])


def test_the_source_of_a_file_and_of_its_entities(kb: Kb) -> None:
    kb.load([entity("a"), entity("b", source="Own")], source="File", licence="CC0-1.0")
    assert {key: record.source for key, record in kb.records().items()} == {"a": "File", "b": "Own"}
    sources = kb.sql("SELECT name, licence FROM source WHERE namespace = :namespace ORDER BY name")
    assert sources == [("File", "CC0-1.0"), ("Own", None)]
    kb.load([entity("c")], source="File")
    assert kb.sql("SELECT licence FROM source WHERE namespace = :namespace AND name = 'File'") == [("CC0-1.0",)]


def test_types_and_predicates_of_files(kb: Kb) -> None:
    types = kb.write([{"id": "city", "label": "City", "parent": "place"}, {"id": "place", "label": "Place"}], "types")
    predicates = kb.write([{"id": "P1", "label": "near"}], "predicates")
    lines = [entity("a", types=["city"], relations=[{"predicate": "P1", "object": "b"}]), entity("b")]
    report = kb.load(lines, types=types, predicates=predicates)
    assert (report.types, report.predicates) == (Counts(read=2, added=2), Counts(read=1, added=1))
    assert (report.unknown_types, report.unknown_predicates) == ([], [])
    rows = kb.sql("SELECT id, label, parent_id FROM type WHERE namespace = :namespace ORDER BY id")
    assert rows == [("city", "City", "place"), ("place", "Place", None)]
    version = kb.version()
    report = kb.load(types=types, predicates=predicates)
    assert (report.types, report.predicates) == (Counts(read=2, unchanged=2), Counts(read=1, unchanged=1))
    assert kb.version() == version
    kb.load(types=kb.write([{"id": "city", "label": "Town"}], "types"))
    assert kb.sql("SELECT label, parent_id FROM type WHERE namespace = :namespace AND id = 'city'") == [("Town", None)]


def test_types_and_predicates_that_no_file_has(kb: Kb) -> None:
    """They get a row with their id as label, a revision and a change; a file may complete them later."""
    lines = [entity("a", types=["city", "town"], relations=[{"predicate": "near", "object": "b"}]), entity("b")]
    types = kb.write([{"id": "town", "label": "Town", "parent": "settlement"}], "types")
    report = kb.load(lines, types=types)
    assert (report.unknown_types, report.unknown_predicates) == (["settlement", "city"], ["near"])
    rows = kb.sql("SELECT id, label FROM type WHERE namespace = :namespace ORDER BY id")
    assert rows == [("city", "city"), ("settlement", "settlement"), ("town", "Town")]
    kinds = kb.sql(
        "SELECT kind, item_id FROM change WHERE namespace = :namespace AND item_id IS NOT NULL ORDER BY 1, 2"
    )
    assert kinds == [("predicate", "near"), ("type", "city"), ("type", "settlement"), ("type", "town")]
    report = kb.load(types=kb.write([{"id": "city", "label": "City"}], "types"))
    assert report.types == Counts(read=1, changed=1)


def test_types_in_a_circle(kb: Kb) -> None:
    parents = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")]
    report = kb.load(types=kb.write([{"id": i, "label": i, "parent": p} for i, p in parents], "types"))
    assert report.types == Counts(read=4, added=2, rejected=2)
    assert [(line, field) for _, line, field, _ in report.rejects] == [(3, "parent"), (4, "parent")]
    # Also one that only the database can know of.
    report = kb.load(types=kb.write([{"id": "c", "label": "c", "parent": "a"}], "types"))
    assert report.types == Counts(read=1, rejected=1)


def test_a_relation_waits_for_its_object(kb: Kb) -> None:
    edge = {"predicate": "near", "object": "b"}
    report = kb.load([entity("a", relations=[edge])])
    assert (report.entities.added, report.pending_relations) == (1, 1)
    assert report.pending_examples == [("a", "near", "b")]
    assert kb.records()["a"].relations == (RelationRecord("near", "b"),)
    report = kb.load([entity("b")])
    assert (report.pending_relations, report.pending_examples) == (0, [])
    kb.delete("b")
    assert kb.load([entity("c")]).pending_relations == 1


def test_fields_that_mean_nothing_are_counted(kb: Kb) -> None:
    report = kb.load([entity("a", colour="red"), entity("b", colour="blue", size=3)])
    assert report.entities.added == 2
    assert report.unknown_fields == {"colour": 2, "size": 1}


def test_standard_input(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b'{"id": "a", "label": "A"}\nbroken\n', gzip.compress(b'{"id": "b", "label": "B"}\n')):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        report = kb.load(Path("-"), rejects=kb.folder / "rejects")
        assert report.entities.added == 1
    assert list(kb.records()) == ["a", "b"]


def test_a_dry_run_writes_nothing_and_tells_the_same(kb: Kb) -> None:
    kb.load([entity("a"), entity("b")])
    lines = [entity("b", description="new"), entity("c", types=["t"], relations=[{"predicate": "p", "object": "x"}])]
    path = kb.write([*lines, entity("a"), b"broken"], "more.jsonl")
    types = kb.write([{"id": "u", "label": "U"}], "types")
    predicates = kb.write([{"id": "q", "label": "Q"}], "predicates")
    before = kb.sizes(), kb.version(), kb.records(), sorted(kb.folder.iterdir())
    planned = kb.load(path, types=types, predicates=predicates, dry_run=True, source="S", licence="L")
    assert (kb.sizes(), kb.version(), kb.records(), sorted(kb.folder.iterdir())) == before
    assert kb.sql("SELECT count(*) FROM job WHERE namespace = :namespace") == [(1,)]
    done = kb.load(path, types=types, predicates=predicates, source="S", licence="L")
    assert planned.dry_run
    assert planned.entities == Counts(read=4, added=1, changed=2, unchanged=0, rejected=1)
    for name in ("entities", "types", "predicates", "unknown_types", "unknown_predicates", "pending_relations"):
        assert getattr(planned, name) == getattr(done, name), name
    assert (planned.pending_examples, planned.rejects) == (done.pending_examples, done.rejects)


def test_a_dry_run_of_a_new_namespace_does_not_make_it(kb: Kb) -> None:
    assert kb.load([entity("a")], dry_run=True).entities.added == 1
    assert kb.sql("SELECT count(*) FROM namespace WHERE name = :namespace") == [(0,)]


def test_progress_goes_up_to_the_end(kb: Kb) -> None:
    seen: list[Progress] = []
    path = kb.write([entity(f"e{number}") for number in range(12)])
    kb.load(path, batch=4, progress=seen.append)
    assert [step.entities for step in seen] == [4, 8, 12, 12]
    assert {step.total_bytes for step in seen} == {path.stat().st_size}
    assert seen[-1].done_bytes == path.stat().st_size


def test_rejects_that_cannot_be_written(kb: Kb) -> None:
    with pytest.raises(ImportFailed, match="--rejects"):
        kb.load([b"broken"], rejects=kb.folder / "no" / "folder")


def test_the_command(kb: Kb) -> None:
    path = kb.write([entity("a"), b"{", entity("b", relations=[{"predicate": "near", "object": "c"}])])
    done = kb.command("kb", "import", path)
    assert done.returncode == 0, done.stderr
    assert b"3 entities: 2 added, 0 changed, 0 unchanged, 1 rejected" in done.stdout
    assert b"1 relations wait for their object: b near c" in done.stderr
    assert f"{path} line 2, whole line: the line is no JSON".encode() in done.stderr
    assert [line["line"] for line in read_lines(Path(f"{path}.rejects.jsonl"))] == [2]
    assert kb.command("kb", "import", "-", "--strict", input=b'{"id": ""}').returncode == 1
    missing = kb.command("kb", "import", kb.folder / "none.jsonl")
    assert missing.returncode == 2
    assert b"There is no file" in missing.stderr
    assert b"Traceback" not in done.stderr + missing.stderr
