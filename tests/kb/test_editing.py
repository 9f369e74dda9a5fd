"""Edits of one entity: what they write, what they check, and when they are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from kb_files import Kb, entity, until
from sqlalchemy.orm import Session

from kb import curation, editing, lookups
from kb.conflicts import Busy, EntityMissing, IdTaken, NotDeleted, Refused, Stale, XrefTaken
from kb.curation import Edit
from kb.exporters.lines import entity_json
from kb.importers.checks import Rejected

ANNA = entity(
    "anna",
    "Anna",
    description="A person",
    aliases=[{"text": "Ann", "count": 2, "language": "en"}, {"text": "Anna", "count": 5}],
    types=["person"],
    relations=[{"predicate": "knows", "object": "bert"}],
    xrefs={"wikidata": "Q1", "viaf": "7"},
    popularity=7,
)
BERT = entity("bert", "Bert", xrefs={"wikidata": "Q2"})


def run(kb: Kb, what: Callable[..., int], *arguments: Any, actor: str = "me", comment: str | None = None) -> int:
    kind = what.__name__.removesuffix("_entity")
    with Session(kb.engine) as session, session.begin():
        return what(session, kb.namespace, *arguments, Edit(kind, actor, comment))


def create(kb: Kb, data: dict[str, Any]) -> int:
    return run(kb, editing.create_entity, data)


def patch(kb: Kb, key: str, base: int | None = None, **fields: Any) -> int:
    return run(kb, editing.patch_entity, key, fields, base)


def shown(kb: Kb, key: str) -> dict[str, Any] | None:
    record = kb.records().get(key)
    return None if record is None else dict(orjson.loads(orjson.dumps(entity_json(record))))


def refused(kb: Kb, *arguments: Any) -> Refused:
    """Run an edit that is refused, and check that it left nothing behind."""
    before = kb.sizes(), kb.version(), kb.records()
    with pytest.raises(Refused) as caught:
        run(kb, *arguments)
    assert (kb.sizes(), kb.version(), kb.records()) == before
    return caught.value


def test_an_entity_from_its_creation_to_its_restoration(kb: Kb) -> None:
    assert create(kb, ANNA) == 1
    content = shown(kb, "anna")
    assert content is not None
    assert content | ANNA == content
    assert patch(kb, "anna", 1, description="Somebody") == 2
    assert shown(kb, "anna") == content | {"description": "Somebody"}
    assert run(kb, editing.delete_entity, "anna", 2) == 3
    assert shown(kb, "anna") is None
    assert [kb.sizes()[table] for table in ("alias", "entity_type", "relation", "xref")] == [0] * 4
    assert run(kb, editing.restore_entity, "anna", 3) == 4
    assert shown(kb, "anna") == content | {"description": "Somebody"}
    assert run(kb, editing.replace_entity, "anna", {"label": "Anne"}, 4) == 5
    assert shown(kb, "anna") == entity(
        "anna",
        "Anne",
        description=None,
        text=None,
        aliases=[{"text": "Anne", "count": 0}],
        types=[],
        relations=[],
        xrefs={},
        popularity=0,
    )


def test_every_edit_has_a_revision_and_a_change(kb: Kb) -> None:
    run(kb, editing.create_entity, ANNA, actor="ada", comment="first")
    version = kb.version()
    patch(kb, "anna", description=None)
    run(kb, editing.delete_entity, "anna", None)
    run(kb, editing.restore_entity, "anna", None)
    rows = kb.sql(
        "SELECT kind, actor, comment, before IS NULL, after IS NULL FROM revision"
        " WHERE namespace = :namespace AND entity_id = 'anna' ORDER BY id"
    )
    assert rows == [
        ("create", "ada", "first", True, False),
        ("patch", "me", None, False, False),
        ("delete", "me", None, False, True),
        ("restore", "me", None, True, False),
    ]
    changes = kb.sql(
        "SELECT kind FROM change WHERE namespace = :namespace AND version > :v ORDER BY version", v=version
    )
    assert changes == [("entity",), ("entity_deleted",), ("entity",)]


def test_an_edit_that_changes_nothing_writes_nothing(kb: Kb) -> None:
    create(kb, ANNA)
    before = kb.sizes(), kb.version()
    assert patch(kb, "anna", 1, label="Anna") == 1
    assert run(kb, editing.replace_entity, "anna", ANNA, 1) == 1
    assert (kb.sizes(), kb.version()) == before


def test_a_patch_merges_objects_and_replaces_lists(kb: Kb) -> None:
    create(kb, ANNA)
    patch(kb, "anna", xrefs={"viaf": None, "isni": "9"}, aliases=[{"text": "Annie"}], types=["singer"], popularity=None)
    content = shown(kb, "anna")
    assert content is not None
    assert content["xrefs"] == {"isni": "9", "wikidata": "Q1"}
    assert [alias["text"] for alias in content["aliases"]] == ["Anna", "Annie"]
    assert (content["types"], content["popularity"], content["description"]) == (["singer"], 0, "A person")


@pytest.mark.parametrize(
    ("target", "change", "result"),
    [  # the table of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, change: Any, result: Any) -> None:
    assert editing.merge_patch(target, change) == result


def test_an_id_that_is_taken(kb: Kb) -> None:
    create(kb, BERT)
    error = refused(kb, editing.create_entity, BERT)
    assert isinstance(error, IdTaken)
    assert (error.entity_id, error.version, error.deleted) == ("bert", 1, False)
    kb.delete("bert")
    error = refused(kb, editing.create_entity, BERT)
    assert isinstance(error, IdTaken)
    assert (error.version, error.deleted) == (2, True)


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        (editing.replace_entity, ({"label": "B"},)),
        (editing.patch_entity, ({"label": "B"},)),
        (editing.delete_entity, ()),
    ],
)
def test_an_edit_of_another_version_or_of_nothing(kb: Kb, what: Callable[..., int], arguments: tuple[Any, ...]) -> None:
    create(kb, BERT)
    patch(kb, "bert", description="d")
    error = refused(kb, what, "bert", *arguments, 1)
    assert isinstance(error, Stale)
    assert (error.base, error.current) == (1, 2)
    missing = refused(kb, what, "nobody", *arguments, 1)
    assert isinstance(missing, EntityMissing)
    assert missing.deleted_version is None
    kb.delete("bert")
    missing = refused(kb, what, "bert", *arguments, 3)
    assert isinstance(missing, EntityMissing)
    assert missing.deleted_version == 3


def test_a_restoration_that_makes_no_sense(kb: Kb) -> None:
    create(kb, BERT)
    assert isinstance(refused(kb, editing.restore_entity, "bert", 1), NotDeleted)
    assert isinstance(refused(kb, editing.restore_entity, "nobody", 1), EntityMissing)
    kb.delete("bert")
    assert isinstance(refused(kb, editing.restore_entity, "bert", 1), Stale)


def test_two_entities_cannot_claim_one_xref(kb: Kb) -> None:
    create(kb, BERT)
    for attempt in (
        (editing.create_entity, entity("anna", "Anna", xrefs={"wikidata": "Q2"})),
        (editing.create_entity, entity("anna", "Anna", xrefs={"a": "1", "wikidata": "Q2"})),
    ):
        error = refused(kb, *attempt)
        assert isinstance(error, XrefTaken)
        assert (error.entity_id, error.other_id, error.scheme, error.value) == ("anna", "bert", "wikidata", "Q2")
    create(kb, entity("anna", "Anna", xrefs={"viaf": "Q2"}))
    assert isinstance(refused(kb, editing.patch_entity, "anna", {"xrefs": {"wikidata": "Q2"}}, 1), XrefTaken)
    kb.delete("bert")
    patch(kb, "anna", xrefs={"wikidata": "Q2"})
    assert isinstance(refused(kb, editing.restore_entity, "bert", None), XrefTaken)


def test_xrefs_that_an_import_doubled_do_not_block_other_edits(kb: Kb) -> None:
    kb.load([entity("a", xrefs={"wikidata": "Q1"}), entity("b", xrefs={"wikidata": "Q1"})])
    assert patch(kb, "a", description="d") == 2
    with Session(kb.engine) as session:
        assert list(lookups.other_claims(session, kb.namespace, [("a", "wikidata", "Q1")])) == [
            ("a", "wikidata", "Q1", "b")
        ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": None}, "label"),
        ({"label": " "}, "label"),
        ({"label": "x" * 1401}, "label"),
        ({"aliases": [{"text": "ok"}, {"text": "\u2003"}]}, "aliases[1].text"),
        ({"aliases": [{"text": "—!?"}]}, "aliases[0].text"),
        ({"aliases": [{"text": "a", "count": -1}]}, "aliases[0].count"),
        ({"description": "a\0b"}, "description"),
        ({"description": "\ud800"}, "description"),
        ({"xrefs": {"a\0": "b"}}, "xrefs"),
        ({"xrefs": {"a": 5}}, "xrefs.a"),
        ({"relations": [{"predicate": "p", "object": "bert"}]}, "relations[0].object"),
        ({"types": ["t" * 251]}, "types[0]"),
        ({"popularity": 2**31}, "popularity"),
        ({"id": "other"}, "id"),
        ({"colour": "red"}, "colour"),
        ({"text": "x" * (1 << 24)}, None),
    ],
)
def test_what_cannot_be_stored_is_rejected_as_in_imports(kb: Kb, fields: dict[str, Any], field: str | None) -> None:
    create(kb, BERT)
    before = kb.sizes(), kb.version()
    with pytest.raises(Rejected) as caught:
        patch(kb, "bert", **fields)
    assert caught.value.field == field
    assert caught.value.remedy
    if "id" not in fields:
        with pytest.raises(Rejected):
            create(kb, BERT | fields)
    assert (kb.sizes(), kb.version()) == before


def test_a_name_of_punctuation_that_was_imported_stays(kb: Kb) -> None:
    kb.load([entity("band", "!!!")])
    assert patch(kb, "band", description="A band, pronounced chk chk chk") == 2
    with pytest.raises(Rejected):
        patch(kb, "band", aliases=[{"text": "???"}])
    assert patch(kb, "band", label="$") == 3


def test_of_edits_that_start_from_one_version_one_wins(kb: Kb) -> None:
    create(kb, BERT)
    outcomes: list[int | Refused] = []

    def edit(number: int) -> None:
        try:
            outcomes.append(patch(kb, "bert", 1, description=f"By {number}"))
        except Refused as error:
            outcomes.append(error)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(2) == 1
    assert [error.current for error in outcomes if isinstance(error, Stale)] == [2] * 7


def test_an_edit_does_not_wait_for_ever(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    create(kb, BERT)
    monkeypatch.setattr(editing, "PATIENCE", "50ms")
    with Session(kb.engine) as session, session.begin():
        curation.lock(session, kb.namespace)
        with pytest.raises(Busy):
            patch(kb, "bert", description="d")
    until(lambda: patch(kb, "bert", description="d") == 2)
