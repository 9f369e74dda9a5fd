"""Counts of links in labelled documents become counts of aliases, once, and can be undone."""

from __future__ import annotations

import orjson
import pytest
from kb_files import Kb, entity, write_lines
from sqlalchemy.orm import Session

from kb import undoing
from kb.curation import Edit
from kb.limits import LARGEST_COUNT
from kb.link_counts import AlreadyCounted, LinkCounts, add_link_counts, count_names
from kb.records import AliasRecord

EDIT = Edit("link_counts", "ada", "links of a corpus")


def add(kb: Kb, links: list[tuple[str, str]], mark: str = "corpus", *, again: bool = False) -> LinkCounts:
    with Session(kb.engine) as session, session.begin():
        return add_link_counts(session, kb.namespace, count_names(links), mark, EDIT, again=again)


def test_counts_are_added(kb: Kb) -> None:
    kb.load([entity("a", "A", aliases=[{"text": "Aa", "count": 2, "language": "en"}], popularity=5), entity("b")])
    links = [
        ("a", "Aa"),
        ("a", "Aa"),
        ("a", "A \n A"),
        ("b", "b"),
        ("gone", "x"),
        ("a", " "),
        ("b", "x" * 1401),
        ("b\0", "b"),
    ]
    found = add(kb, links)
    assert found == LinkCounts(links=4, entities=2, new_aliases=1, unknown=2, unusable=2)
    a = kb.records()["a"]
    assert a.aliases == (AliasRecord("A"), AliasRecord("A A", 1), AliasRecord("Aa", 4, "en"))
    assert a.popularity == 8
    assert kb.records()["b"].popularity == 1
    kinds = kb.sql("SELECT kind, actor, comment FROM revision WHERE namespace = :namespace AND kind <> 'import'")
    assert kinds == [("link_counts", "ada", "links of a corpus")] * 2


def test_documents_are_counted_once(kb: Kb) -> None:
    kb.load([entity("a")])
    add(kb, [("a", "a")])
    version = kb.version()
    with pytest.raises(AlreadyCounted, match="--again counts them once more"):
        add(kb, [("a", "a")])
    assert (kb.version(), kb.records()["a"].popularity) == (version, 1)
    add(kb, [("a", "a")], again=True)
    add(kb, [("a", "a")], "another corpus")
    assert kb.records()["a"].aliases == (AliasRecord("a", 3),)


def test_counts_are_undone_as_other_edits(kb: Kb) -> None:
    kb.load([entity("a", aliases=[{"text": "x", "count": 1}]), entity("b")])
    before = kb.records()
    add(kb, [("a", "x"), ("a", "y"), ("b", "b")])
    with Session(kb.engine) as session, session.begin():
        undoing.undo_since(session, kb.namespace, None, "ada", Edit("undo", "bob"))
    assert kb.records() == before


def test_counts_have_a_largest(kb: Kb) -> None:
    kb.load([entity("a", aliases=[{"text": "a", "count": LARGEST_COUNT}], popularity=LARGEST_COUNT)])
    add(kb, [("a", "a")])
    assert kb.records()["a"].popularity == LARGEST_COUNT


def test_the_command_counts_documents(kb: Kb) -> None:
    kb.load([entity("m", "Mercury"), entity("f", "Freddie Mercury")])
    mentions = [
        {"start": 0, "end": 7, "entity": "m", "kind": "anchor"},
        {"start": 12, "end": 19, "entity": "f"},
        {"start": 20, "end": 22, "entity": "f", "kind": "coref"},
        {"start": 0, "end": 1, "entity": None},
    ]
    documents = [
        {"id": f"d{n}", "source": f"s{n % 2}", "text": "Mercury and Mercury he", "mentions": mentions} for n in range(4)
    ]
    path = write_lines(kb.folder / "documents.jsonl.gz", documents)
    dry = kb.command("kb", "import-counts", path, "--dry-run")
    assert dry.stdout.splitlines() == [b"8 links to 2 entities would be counted, 1 new aliases"]
    assert kb.records()["m"].popularity == 0
    done = kb.command("kb", "import-counts", path, "--source", "s1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"4 links to 2 entities counted, 1 new aliases\n")
    assert kb.records()["f"].aliases == (AliasRecord("Freddie Mercury"), AliasRecord("Mercury", 2))
    assert kb.command("kb", "import-counts", path, "--source", "s1").returncode == 2
    broken = kb.folder / "broken.jsonl"
    broken.write_bytes(orjson.dumps(documents[0]) + b'\n{"id": "x"}\n')
    refused = kb.command("kb", "import-counts", broken)
    assert refused.returncode == 2
    assert b"line 2" in refused.stderr
    assert kb.records()["m"].popularity == 2
