"""Types and predicates: created, replaced, deleted, undone; circles and what is in use are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kb_files import Kb, entity
from sqlalchemy.orm import Session
from test_undoing import listed, nothing_written

from kb import classes, history
from kb.classes import Kind
from kb.conflicts import ClassExists, ClassInUse, ClassMissing, NothingToUndo, StaleClass, UndoClash
from kb.curation import Edit
from kb.importers.checks import Rejected
from kb.records import PredicateRecord, TypeRecord


def run(kb: Kb, what: Callable[..., Any], *arguments: Any, **how: Any) -> Any:
    with Session(kb.engine) as session, session.begin():
        return what(session, kb.namespace, *arguments, Edit(what.__name__.removesuffix("_class"), "me"), **how)


def create(kb: Kb, key: str, kind: Kind = "type", **fields: Any) -> Any:
    return run(kb, classes.create_class, kind, {"id": key, "label": key} | fields)


def replace(kb: Kb, key: str, kind: Kind = "type", base: str | None = None, **fields: Any) -> Any:
    return run(kb, classes.replace_class, kind, key, {"label": key} | fields, base)


def delete(kb: Kb, key: str, kind: Kind = "type", base: str | None = None) -> None:
    run(kb, classes.delete_class, kind, key, base)


def undo(kb: Kb, revision_id: int, base: str | None = None, *, force: bool = False) -> Any:
    with Session(kb.engine) as session, session.begin():
        found = history.get_revision(session, kb.namespace, revision_id)
        assert found is not None
        return classes.undo_class(session, kb.namespace, found, base, Edit("undo"), force=force)


def got(kb: Kb, key: str, kind: Kind = "type") -> Any:
    with Session(kb.engine) as session:
        return classes.get_class(session, kb.namespace, kind, key)


def test_a_type_from_its_creation_to_its_deletion(kb: Kb) -> None:
    made = create(kb, "rock/band", label="rock band", parent="band")
    assert made == got(kb, "rock/band") == TypeRecord("rock/band", "rock band", "band")
    assert got(kb, "band") == TypeRecord("band", "band")
    nothing_written(kb, ClassExists, create, "band")
    changed = replace(kb, "rock/band", base=classes.tag_of(made), label="Rock")
    assert changed == TypeRecord("rock/band", "Rock")
    nothing_written(kb, StaleClass, replace, "rock/band", base=classes.tag_of(made), label="Pop")
    nothing_written(kb, StaleClass, delete, "rock/band", base="nonsense")
    delete(kb, "rock/band", base=classes.tag_of(changed))
    nothing_written(kb, ClassMissing, delete, "rock/band")
    nothing_written(kb, ClassMissing, replace, "rock/band")
    with pytest.raises(ClassMissing):
        got(kb, "rock/band")
    revisions = listed(kb, type_id="rock/band")
    assert [(r.kind, r.entity_id, r.predicate_id) for r in revisions] == [
        (kind, None, None) for kind in ("delete", "replace", "create")
    ]
    assert kb.sql("SELECT kind, item_id FROM change WHERE namespace = :namespace ORDER BY version DESC LIMIT 1") == [
        ("type", "rock/band")
    ]


def test_a_predicate_from_its_creation_to_its_deletion(kb: Kb) -> None:
    made = create(kb, "P1", "predicate", label="made by")
    assert made == PredicateRecord("P1", "made by")
    assert replace(kb, "P1", "predicate", classes.tag_of(made), label="maker") == PredicateRecord("P1", "maker")
    kb.load([entity("a", relations=[{"predicate": "P1", "object": "b"}])])
    used = nothing_written(kb, ClassInUse, delete, "P1", "predicate")
    assert used.uses == {"relations": 1}
    assert str(used) == "1 relations name the predicate P1"
    kb.delete("a")
    delete(kb, "P1", "predicate")
    assert [r.kind for r in listed(kb, predicate_id="P1")] == ["delete", "replace", "create"]


@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_no_type_is_below_itself(kb: Kb, length: int) -> None:
    keys = [f"t{number}" for number in range(length)]
    for key, parent in zip(keys, [None, *keys[:-1]], strict=True):
        create(kb, key, parent=parent)
    before = kb.sizes()
    with pytest.raises(Rejected) as caught:
        replace(kb, "t0", parent=keys[-1])
    assert caught.value.field == "parent"
    if 1 < length < 12:
        assert " below ".join(["t0", *reversed(keys)]) in caught.value.error
    assert kb.sizes() == before


def test_a_type_in_use_stays(kb: Kb) -> None:
    create(kb, "band")
    create(kb, "rock band", parent="band")
    kb.load([entity(f"e{number}", types=["band"]) for number in range(3)])
    used = nothing_written(kb, ClassInUse, delete, "band")
    assert used.uses == {"entities": 3, "types": 1}
    assert str(used) == "3 entities and 1 types name the type band"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": None}, "label"),
        ({"label": "a\0"}, "label"),
        ({"parent": "x" * 251}, "parent"),
        ({"parent": "band"}, "parent"),
        ({"id": "other"}, "id"),
    ],
)
def test_what_cannot_be_stored(kb: Kb, fields: dict[str, Any], field: str) -> None:
    create(kb, "band")
    with pytest.raises(Rejected) as caught:
        replace(kb, "band", **fields)
    assert caught.value.field == field


def test_revisions_of_types_are_undone(kb: Kb) -> None:
    create(kb, "band")
    create(kb, "rock", parent="band")
    replace(kb, "rock", label="Rock", parent="band")
    replace(kb, "rock", label="Rock")
    moved, renamed, creation = listed(kb, type_id="rock")
    assert undo(kb, renamed.id) == TypeRecord("rock", "rock")
    with pytest.raises(NothingToUndo):
        undo(kb, renamed.id)
    assert undo(kb, moved.id) == TypeRecord("rock", "rock", "band")
    replace(kb, "rock", label="Pop", parent="band")
    with pytest.raises(UndoClash, match="label"):
        undo(kb, renamed.id)
    with pytest.raises(StaleClass):
        undo(kb, renamed.id, "other", force=True)
    kb.load([entity("e", types=["rock"])])
    with pytest.raises(ClassInUse):
        undo(kb, creation.id, force=True)
    kb.delete("e")
    assert undo(kb, creation.id, force=True) is None
    deletion = listed(kb, type_id="rock", limit=1)[0]
    assert undo(kb, deletion.id) == TypeRecord("rock", "Pop", "band")
    # Undone, it would be below what is below it by now.
    replace(kb, "rock", label="Pop")
    unparented = listed(kb, type_id="rock", limit=1)[0]
    replace(kb, "band", parent="rock")
    with pytest.raises(Rejected, match="below itself"):
        undo(kb, unparented.id)


def test_lists_come_in_pages(kb: Kb) -> None:
    for key in "cab":
        create(kb, key, parent="top")
        create(kb, key, "predicate")
    kb.load([entity("e", types=["a"], relations=[{"predicate": "b", "object": "x"}])])
    with Session(kb.engine) as session:
        types = classes.list_types(session, kb.namespace, None, "", 10)
        assert [(item.id, uses) for item, uses in types] == [("a", 1), ("b", 0), ("c", 0), ("top", 0)]
        below = classes.list_types(session, kb.namespace, "top", "a", 1)
        assert [item.id for item, _ in below] == ["b"]
        predicates = classes.list_predicates(session, kb.namespace, "a", 10)
        assert [(item.id, uses) for item, uses in predicates] == [("b", 1), ("c", 0)]
