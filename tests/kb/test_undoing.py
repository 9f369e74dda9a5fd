"""History: revisions listed and compared, undone one by one and many at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from kb_files import Kb, entity
from sqlalchemy.orm import Session
from test_editing import ANNA, BERT, create, patch, run, shown

from kb import editing, history, undoing
from kb.conflicts import NothingToUndo, Refused, RevisionMissing, Stale, TooManyRevisions, UndoClash, XrefTaken
from kb.curation import Edit
from kb.history import FieldChange, RevisionBrief, RevisionDetail


def listed(kb: Kb, **which: Any) -> list[RevisionBrief]:
    with Session(kb.engine) as session:
        return history.list_revisions(session, kb.namespace, **which)


def newest(kb: Kb, key: str) -> int:
    return listed(kb, entity_id=key, limit=1)[0].id


def got(kb: Kb, revision_id: int) -> RevisionDetail:
    with Session(kb.engine) as session:
        found = history.get_revision(session, kb.namespace, revision_id)
    assert found is not None
    return found


def undo(kb: Kb, revision_id: int, *, base: int | None = None, force: bool = False, **how: Any) -> tuple[str, ...]:
    with Session(kb.engine) as session, session.begin():
        edit = Edit("undo", "me")
        return undoing.undo_revision(session, kb.namespace, revision_id, base, edit, force=force, **how).entities


def undo_since(kb: Kb, since: datetime | None = None, actor: str | None = None, **how: Any) -> undoing.Undone:
    with Session(kb.engine) as session, session.begin():
        return undoing.undo_since(session, kb.namespace, since, actor, Edit("undo", "boss"), **how)


def now(kb: Kb) -> datetime:
    ((time,),) = kb.sql("SELECT clock_timestamp()")
    assert isinstance(time, datetime)
    return time


def nothing_written(kb: Kb, kind: type[Refused], what: Any, *arguments: Any, **how: Any) -> Any:
    before = kb.sizes(), kb.version(), kb.records()
    with pytest.raises(kind) as caught:
        what(kb, *arguments, **how)
    assert (kb.sizes(), kb.version(), kb.records()) == before
    return caught.value


def test_revisions_are_listed_newest_first_and_in_pages(kb: Kb) -> None:
    create(kb, ANNA)
    create(kb, BERT)
    run(kb, editing.patch_entity, "anna", {"description": "x"}, 1, actor="ada", comment="why not")
    everything = listed(kb)
    assert [(r.entity_id, r.kind, r.actor) for r in everything] == [
        ("anna", "patch", "ada"),
        ("bert", "create", "me"),
        ("anna", "create", "me"),
        (None, "create", "me"),  # the predicate
        (None, "create", "me"),  # and the type that Anna named
    ]
    assert everything[0].comment == "why not"
    assert [r.id for r in listed(kb, entity_id="anna")] == [everything[0].id, everything[2].id]
    assert [r.id for r in listed(kb, actor="ada")] == [everything[0].id]
    assert listed(kb, limit=2) + listed(kb, limit=9, before_id=everything[1].id) == everything
    assert listed(Kb(kb.engine, f"{kb.namespace}-other", kb.folder)) == []
    with Session(kb.engine) as session:
        assert history.get_revision(session, "other", everything[0].id) is None


def test_a_revision_says_what_it_changed_field_by_field(kb: Kb) -> None:
    create(kb, ANNA)
    patch(
        kb,
        "anna",
        description=None,
        aliases=[{"text": "Anna", "count": 6}, {"text": "Annie"}],
        types=["person", "singer"],
        xrefs={"viaf": None, "isni": "9", "wikidata": "Q3"},
    )
    revision = got(kb, newest(kb, "anna"))
    assert {change.field: change for change in history.difference(revision.before, revision.after)} == {
        "description": FieldChange("description", "A person", None),
        "aliases": FieldChange(
            "aliases",
            added=({"text": "Anna", "count": 6}, {"text": "Annie", "count": 0}),
            removed=({"text": "Ann", "count": 2, "language": "en"}, {"text": "Anna", "count": 5}),
        ),
        "types": FieldChange("types", added=("singer",)),
        "xrefs.viaf": FieldChange("xrefs.viaf", "7", None),
        "xrefs.isni": FieldChange("xrefs.isni", None, "9"),
        "xrefs.wikidata": FieldChange("xrefs.wikidata", "Q1", "Q3"),
    }
    kb.delete("anna")
    deletion = got(kb, newest(kb, "anna"))
    assert deletion.after is None
    assert {change.field for change in history.difference(deletion.before, None)} == {
        "id", "label", "aliases", "types", "relations", "popularity", "xrefs.isni", "xrefs.wikidata"
    }  # fmt: skip


def test_one_edit_is_undone_and_later_ones_stay(kb: Kb) -> None:
    create(kb, ANNA)
    patch(kb, "anna", description="Wrong", types=["place"])
    wrong = newest(kb, "anna")
    patch(kb, "anna", popularity=9)
    assert undo(kb, wrong, base=3) == ("anna",)
    content = shown(kb, "anna")
    assert content is not None
    assert (content["description"], content["types"], content["popularity"]) == ("A person", ["person"], 9)
    brief = listed(kb, limit=1)[0]
    assert (brief.kind, brief.actor, brief.comment) == ("undo", "me", f"undo of revision {wrong}")
    nothing_written(kb, NothingToUndo, undo, wrong)
    undo(kb, brief.id)
    again = shown(kb, "anna")
    assert again is not None
    assert again["description"] == "Wrong"


def test_a_label_that_comes_back_is_a_name_again(kb: Kb) -> None:
    create(kb, BERT)
    patch(kb, "bert", label="Robert")
    rename = newest(kb, "bert")
    patch(kb, "bert", aliases=[{"text": "Bob"}])
    clash = nothing_written(kb, UndoClash, undo, rename)
    assert clash.clashes[0].fields == ("aliases",)
    undo(kb, rename, force=True)
    content = shown(kb, "bert")
    assert content is not None
    assert (content["label"], content["aliases"]) == ("Bert", [{"text": "Bert", "count": 0}])


def test_an_edit_that_was_edited_again_is_undone_only_by_force(kb: Kb) -> None:
    create(kb, BERT)
    patch(kb, "bert", description="one", popularity=1)
    first = newest(kb, "bert")
    patch(kb, "bert", description="two")
    clash = nothing_written(kb, UndoClash, undo, first)
    assert str(clash) == f"revision {first} of bert: later edits changed description again"
    undo(kb, first, force=True)
    content = shown(kb, "bert")
    assert content is not None
    assert (content["description"], content["popularity"]) == (None, 0)


def test_creations_and_deletions_are_undone(kb: Kb) -> None:
    create(kb, ANNA)
    creation = newest(kb, "anna")
    whole = shown(kb, "anna")
    undo(kb, creation)
    assert shown(kb, "anna") is None
    nothing_written(kb, NothingToUndo, undo, creation)
    undo(kb, newest(kb, "anna"))
    assert shown(kb, "anna") == whole
    run(kb, editing.delete_entity, "anna", None)
    deletion = newest(kb, "anna")
    undo(kb, deletion)
    assert shown(kb, "anna") == whole
    patch(kb, "anna", description="later")
    later = newest(kb, "anna")
    nothing_written(kb, UndoClash, undo, creation)
    nothing_written(kb, UndoClash, undo, deletion)
    undo(kb, creation, force=True)
    assert shown(kb, "anna") is None
    clash = nothing_written(kb, UndoClash, undo, later, force=True)
    assert clash.clashes[0].lasting


def test_an_undoing_that_makes_no_sense(kb: Kb) -> None:
    create(kb, ANNA)
    nothing_written(kb, RevisionMissing, undo, 2**62)
    of_type = next(r.id for r in listed(kb) if r.entity_id is None)
    nothing_written(kb, NothingToUndo, undo, of_type)
    assert nothing_written(kb, Stale, undo, newest(kb, "anna"), base=7).current == 1
    other = Kb(kb.engine, f"{kb.namespace}-other", kb.folder)
    nothing_written(other, RevisionMissing, undo, newest(kb, "anna"))


def test_an_undoing_cannot_claim_an_xref_that_was_given_away(kb: Kb) -> None:
    create(kb, BERT)
    patch(kb, "bert", xrefs={"wikidata": None})
    removal = newest(kb, "bert")
    create(kb, entity("robert", xrefs={"wikidata": "Q2"}))
    assert nothing_written(kb, XrefTaken, undo, removal).other_id == "robert"


def test_everything_since_a_time_is_undone_at_once(kb: Kb) -> None:
    create(kb, ANNA)
    create(kb, BERT)
    before, moment = kb.records(), now(kb)
    patch(kb, "anna", description="a", xrefs={"wikidata": None})
    patch(kb, "bert", xrefs={"wikidata": "Q1"})
    patch(kb, "anna", description="b", xrefs={"wikidata": "Q2"})
    kb.delete("bert")
    kb.load([entity("carl"), entity("bert", "Bertha")])
    undone = undo_since(kb, moment)
    assert (undone.revisions, undone.entities) == (6, ("anna", "bert", "carl"))
    assert kb.records() == before
    assert {r.comment for r in listed(kb, limit=3)} == {f"undo of all edits since {moment.isoformat()}"}
    # The undoing itself is one of the edits since then: undone, too, it leaves what was there.
    nothing_written(kb, NothingToUndo, undo_since, now(kb))
    nothing_written(kb, NothingToUndo, undo_since, moment)


def test_the_edits_of_one_actor_are_undone(kb: Kb) -> None:
    create(kb, BERT)
    run(kb, editing.patch_entity, "bert", {"description": "spam"}, None, actor="mallory")
    run(kb, editing.patch_entity, "bert", {"popularity": 3}, None, actor="ada")
    run(kb, editing.create_entity, entity("spam"), actor="mallory")
    undone = undo_since(kb, actor="mallory")
    assert (undone.revisions, undone.entities) == (2, ("bert", "spam"))
    content = shown(kb, "bert")
    assert content is not None
    assert (content["description"], content["popularity"], shown(kb, "spam")) == (None, 3, None)


def test_all_edits_of_one_actor_are_undone_or_none(kb: Kb) -> None:
    create(kb, BERT)
    run(kb, editing.create_entity, entity("spam"), actor="mallory")
    run(kb, editing.patch_entity, "bert", {"description": "spam"}, None, actor="mallory")
    patch(kb, "bert", description="ham")
    clash = nothing_written(kb, UndoClash, undo_since, actor="mallory")
    assert [(c.entity_id, c.fields) for c in clash.clashes] == [("bert", ("description",))]
    assert undo_since(kb, actor="mallory", force=True).entities == ("bert", "spam")


def test_too_many_revisions_and_too_wide_a_question(kb: Kb) -> None:
    moment = now(kb)
    create(kb, BERT)
    patch(kb, "bert", description="d")
    assert nothing_written(kb, TooManyRevisions, undo_since, moment, most=1).most == 1
    with pytest.raises(ValueError, match="time or an actor"):
        undo_since(kb)
    nothing_written(kb, NothingToUndo, undo_since, actor="nobody")
    assert undo_since(kb, moment, most=2).revisions == 2
