"""The report of an import tells what became of each entity, and what a curator should look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kb_files import Kb, entity, people, read_lines
from sqlalchemy.orm import Session

from kb import editing
from kb.curation import Edit
from kb.importers.report import Counts, ImportFailed, ImportReport, Progress

ADA = Edit("patch", "key:3/ada", "checked")


def patch(kb: Kb, key: str, **fields: Any) -> None:
    with Session(kb.engine) as session, session.begin():
        editing.patch_entity(session, kb.namespace, key, fields, None, ADA)


def reported(kb: Kb, items: list[Any], **how: Any) -> tuple[ImportReport, list[dict[str, Any]]]:
    """Import lines with a report, first as a dry run, which must tell the same."""
    path = kb.folder / "report.jsonl"
    dry = kb.load(items, report=path, dry_run=True, **how)
    expected = path.read_bytes()
    report = kb.load(items, report=path, **how)
    assert path.read_bytes() == expected
    assert (dry.entities, dry.conflicts) == (report.entities, report.conflicts)
    return report, read_lines(path)


def test_added_changed_and_unchanged(kb: Kb) -> None:
    kb.load([entity("a", "A", description="old", types=["t"], xrefs={"x": "1"}), entity("b")])
    report, entries = reported(
        kb, [b"broken", entity("a", "A", description="new", types=["u"], xrefs={"x": "2"}), entity("b"), entity("c")]
    )
    assert report.entities == Counts(read=4, added=1, changed=1, unchanged=1, rejected=1)
    assert entries == [
        {
            "line": 2,
            "entity": "a",
            "change": "changed",
            "diff": [
                {"field": "description", "before": "old", "after": "new"},
                {"field": "types", "added": ["u"], "removed": ["t"]},
                {"field": "xrefs.x", "before": "1", "after": "2"},
            ],
        },
        {"line": 3, "entity": "b", "change": "unchanged"},
        {"line": 4, "entity": "c", "change": "added"},
    ]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_two_entities_that_claim_one_xref(kb: Kb, batch: int) -> None:
    """One that is there, and two of the file; whichever batches they are in."""
    kb.load([entity("old", xrefs={"wikidata": "Q1"}), entity("gone", xrefs={"wikidata": "Q2"})])
    lines = [
        entity("gone"),  # gives Q2 up
        entity("takes", xrefs={"wikidata": "Q2"}),
        entity("twin", xrefs={"wikidata": "Q1", "other": "5"}),
        entity("triplet", xrefs={"other": "5"}),
    ]
    report, entries = reported(kb, lines, batch=batch)
    found = {item["entity"]: item.get("conflicts", []) for item in entries}
    assert found["gone"] == found["takes"] == []
    assert {"kind": "xref", "scheme": "wikidata", "value": "Q1", "other": "old"} in found["twin"]
    assert found["triplet"] == [{"kind": "xref", "scheme": "other", "value": "5", "other": "twin"}]
    assert report.entities.conflicting == 2
    assert "twin and old are both Q1 in wikidata" in report.conflicts
    assert kb.records()["twin"].xrefs == {"wikidata": "Q1", "other": "5"}


def test_what_a_curator_edited_or_deleted(kb: Kb) -> None:
    lines = [entity("edited", description="d"), entity("deleted"), entity("same"), entity("touched", description="d")]
    kb.load(lines)
    patch(kb, "edited", description="better")
    patch(kb, "touched", popularity=3)
    patch(kb, "touched", popularity=0)  # as it was: nothing is overwritten
    with Session(kb.engine) as session, session.begin():
        editing.delete_entity(session, kb.namespace, "deleted", None, ADA)
    report, entries = reported(kb, lines)
    conflicts = {item["entity"]: item["conflicts"] for item in entries if "conflicts" in item}
    assert {key: [item["kind"] for item in found] for key, found in conflicts.items()} == {
        "edited": ["edited"],
        "deleted": ["deleted"],
    }
    assert conflicts["edited"][0]["actor"] == "key:3/ada"
    assert conflicts["edited"][0]["comment"] == "checked"
    assert report.entities == Counts(read=4, added=1, changed=1, unchanged=2, conflicting=2)
    assert kb.records()["edited"].description == "d"
    assert kb.load(lines).entities == Counts(read=4, unchanged=4)  # told once


def test_an_import_that_goes_on_goes_on_with_its_report(kb: Kb) -> None:
    path = kb.write(people(60))
    report = kb.folder / "report.jsonl"

    def stop(position: Progress) -> None:
        if position.entities >= 30:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        kb.load(path, batch=10, report=report, progress=stop)
    assert len(read_lines(report)) == 30
    with report.open("ab") as file:  # of a batch that was not committed, the last one cut off
        file.write(b'{"line": 31, "entity": "e000030", "change": "added"}\n{"line": 32, "enti')
    kb.load(path, batch=10, report=report)
    assert [item["line"] for item in read_lines(report)] == list(range(1, 61))
    kb.load(path, report=report)
    assert {item["change"] for item in read_lines(report)} == {"unchanged"}


def test_a_report_that_cannot_be_written(kb: Kb) -> None:
    with pytest.raises(ImportFailed, match=r"cannot be written.*--report"):
        kb.load([entity("a")], report=kb.folder / "none" / "report")
    assert not kb.records()
    full = Path("/dev/full")
    with pytest.raises(ImportFailed, match="No space left"):
        kb.load([entity("a")], report=full)
    assert not kb.records()


def test_the_command_writes_the_report_and_warns(kb: Kb) -> None:
    path = kb.write([entity("a", xrefs={"w": "1"}), entity("b", xrefs={"w": "1"})])
    done = kb.command("kb", "import", path, "--report", "report.jsonl", "--source", "S", "--licence", "CC0-1.0")
    assert done.returncode == 0, done.stderr
    assert b"2 entities conflict: a and b are both 1 in w; b and a are both 1 in w" in done.stderr
    assert [item["change"] for item in read_lines(kb.folder / "report.jsonl")] == ["added", "added"]
    assert kb.sql("SELECT name, licence FROM source WHERE namespace = :namespace") == [("S", "CC0-1.0")]
