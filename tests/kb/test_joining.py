"""Merges, renamings and splits: what goes where, where ids lead afterwards, and all of it taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kb_files import Kb, entity
from sqlalchemy.orm import Session
from test_editing import create, patch, refused, run, shown
from test_undoing import listed, newest, nothing_written, undo

from kb import editing, joining, lookups, splitting
from kb.conflicts import (
    EntityMissing,
    IdTaken,
    MergeConflict,
    RedirectCycle,
    Redirected,
    Refused,
    Stale,
    TooManyEntities,
    UndoClash,
    XrefChoice,
    XrefTaken,
)
from kb.curation import Edit
from kb.importers.checks import Rejected
from kb.limits import LARGEST_COUNT
from kb.records import RelationRecord
from kb.redirects import former_ids, resolve_redirects
from kb.splitting import Share

BAND = entity(
    "AC/DC",
    description="band",
    aliases=[{"text": "AC/DC", "count": 5}, {"text": "Acca Dacca", "count": 2}],
    types=["band"],
    relations=[{"predicate": "from", "object": "Sydney"}, {"predicate": "twin", "object": "Acca"}],
    xrefs={"wikidata": "Q1", "viaf": "7"},
    popularity=5,
)
TWIN = entity(
    "Acca",
    "Acca Dacca",
    description="group",
    text="Long",
    aliases=[{"text": "Acca Dacca", "count": 3, "language": "en"}, {"text": "AC-DC", "count": 1}],
    types=["group", "band"],
    relations=[{"predicate": "from", "object": "Sydney"}, {"predicate": "twin", "object": "AC/DC"}],
    xrefs={"viaf": "7", "isni": "9"},
    popularity=4,
)
FAN = entity("fan", relations=[{"predicate": "likes", "object": "Acca"}, {"predicate": "likes", "object": "AC/DC"}])
BOB = entity("bob", relations=[{"predicate": "plays in", "object": "Acca"}, {"predicate": "from", "object": "Sydney"}])


def merge(kb: Kb, key: str, duplicate: str, base: int | None = None, **how: Any) -> int:
    return run_with(kb, joining.merge_entities, key, duplicate, base, **how)


def rename(kb: Kb, key: str, new: str, base: int | None = None) -> int:
    return run_with(kb, joining.rename_entity, key, new, base)


def split(kb: Kb, key: str, new: dict[str, Any], share: Share, base: int | None = None) -> int:
    return run_with(kb, splitting.split_entity, key, new, share, base)


def run_with(kb: Kb, what: Callable[..., int], *arguments: Any, **how: Any) -> int:
    with Session(kb.engine) as session, session.begin():
        return what(session, kb.namespace, *arguments, Edit(what.__name__.removesuffix("_entity"), "me"), **how)


def ends(kb: Kb, *keys: str) -> dict[str, str]:
    with Session(kb.engine) as session:
        return resolve_redirects(session, kb.namespace, keys)


def former(kb: Kb, key: str) -> list[str]:
    with Session(kb.engine) as session:
        return former_ids(session, kb.namespace, key)


def changes(kb: Kb, since: int) -> dict[str, str]:
    statement = "SELECT entity_id, kind FROM change WHERE namespace = :namespace AND version > :since"
    return {row[0]: row[1] for row in kb.sql(statement, since=since)}


@pytest.fixture
def twins(kb: Kb) -> Kb:
    """Two entities that are one, and two others with relations to them; their xref in viaf came with an import."""
    kb.load([BAND, TWIN, FAN, BOB])
    return kb


def test_a_merge_unites_what_both_had(twins: Kb) -> None:
    since = twins.version()
    assert merge(twins, "AC/DC", "Acca", 1) == 2
    assert shown(twins, "AC/DC") == BAND | {
        "text": "Long",
        "aliases": [
            {"text": "AC-DC", "count": 1},
            {"text": "AC/DC", "count": 5},
            {"text": "Acca Dacca", "count": 5, "language": "en"},
        ],
        "types": ["band", "group"],
        "relations": [{"predicate": "from", "object": "Sydney"}],
        "xrefs": {"isni": "9", "viaf": "7", "wikidata": "Q1"},
        "popularity": 9,
    }
    assert twins.records()["fan"].relations == (RelationRecord("likes", "AC/DC"),)
    assert twins.records()["bob"].relations == (RelationRecord("from", "Sydney"), RelationRecord("plays in", "AC/DC"))
    assert (ends(twins, "Acca", "AC/DC", "fan"), former(twins, "AC/DC")) == ({"Acca": "AC/DC"}, ["Acca"])
    assert changes(twins, since) == dict.fromkeys(("AC/DC", "bob", "fan"), "entity") | {"Acca": "entity_deleted"}
    group = {revision.group_id for revision in listed(twins, limit=4)}
    assert len(group) == 1
    assert {r.entity_id for r in listed(twins, group_id=group.pop())} == {"AC/DC", "Acca", "bob", "fan"}
    assert [r.kind for r in listed(twins, entity_id="Acca")] == ["merge_entities", "import"]


@pytest.mark.parametrize("which", ["AC/DC", "Acca", "bob"])
def test_a_merge_is_undone_as_a_whole_and_done_again(twins: Kb, which: str) -> None:
    before = twins.records()
    merge(twins, "AC/DC", "Acca")
    after = twins.records()
    assert undo(twins, newest(twins, which)) == ("AC/DC", "Acca", "bob", "fan")
    assert (twins.records(), ends(twins, "Acca")) == (before, {})
    undo(twins, newest(twins, which))
    assert (twins.records(), ends(twins, "Acca")) == (after, {"Acca": "AC/DC"})


def test_a_merge_whose_entity_was_edited_later_is_undone_where_nothing_clashes(twins: Kb) -> None:
    before = twins.records()
    merge(twins, "AC/DC", "Acca")
    patch(twins, "AC/DC", description="rock band")
    undo(twins, newest(twins, "Acca"))
    assert twins.records()["Acca"] == before["Acca"]
    assert twins.records()["AC/DC"].description == "rock band"
    merge(twins, "AC/DC", "Acca")
    merged = newest(twins, "AC/DC")
    patch(twins, "AC/DC", types=["x"])
    clash = nothing_written(twins, UndoClash, undo, merged)
    assert [(c.entity_id, c.fields) for c in clash.clashes] == [("AC/DC", ("types",))]
    undo(twins, merged, force=True)
    assert twins.records()["AC/DC"].types == ("band",)


def test_xrefs_that_differ_are_told_and_chosen(kb: Kb) -> None:
    create(kb, entity("a", xrefs={"wikidata": "Q1", "viaf": "1"}))
    create(kb, entity("b", xrefs={"wikidata": "Q2", "isni": "3", "viaf": "2"}))
    conflict = refused(kb, joining.merge_entities, "a", "b", None)
    assert isinstance(conflict, MergeConflict)
    assert conflict.choices == [XrefChoice("viaf", "1", "2"), XrefChoice("wikidata", "Q1", "Q2")]
    for choices in ({"wikidata": "Q3", "viaf": "1"}, {"isni": "3"}, {"nothing": "1"}):
        with pytest.raises(Rejected) as caught:
            merge(kb, "a", "b", choices=choices)
        assert str(caught.value.field).startswith("xrefs.")
    merge(kb, "a", "b", choices={"wikidata": "Q2", "viaf": "1"})
    assert kb.records()["a"].xrefs == {"wikidata": "Q2", "isni": "3", "viaf": "1"}


def test_a_third_claim_does_not_keep_two_from_being_merged(kb: Kb) -> None:
    kb.load([entity(key, xrefs={"wikidata": "Q1"}) for key in "abc"])
    merge(kb, "a", "b")
    merge(kb, "a", "c")
    assert kb.records()["a"].xrefs == {"wikidata": "Q1"}
    assert former(kb, "a") == ["b", "c"]


def test_counts_do_not_overflow(kb: Kb) -> None:
    for key in "ab":
        create(kb, entity(key, "Same", aliases=[{"text": "Same", "count": LARGEST_COUNT}], popularity=LARGEST_COUNT))
    merge(kb, "a", "b")
    assert (kb.records()["a"].popularity, kb.records()["a"].aliases[0].count) == (LARGEST_COUNT, LARGEST_COUNT)


def test_what_cannot_be_merged(twins: Kb) -> None:
    with pytest.raises(Rejected, match="itself"):
        merge(twins, "AC/DC", "AC/DC")
    assert isinstance(refused(twins, joining.merge_entities, "AC/DC", "nobody", None), EntityMissing)
    assert isinstance(refused(twins, joining.merge_entities, "nobody", "AC/DC", None), EntityMissing)
    assert isinstance(refused(twins, joining.merge_entities, "AC/DC", "Acca", 7), Stale)
    nothing_written(twins, Stale, merge, "AC/DC", "Acca", duplicate_base=3)
    merge(twins, "AC/DC", "Acca")
    # Into its own redirect, out of it, and once more.
    for key, duplicate in (("Acca", "AC/DC"), ("AC/DC", "Acca"), ("fan", "Acca"), ("Acca", "fan")):
        error = refused(twins, joining.merge_entities, key, duplicate, None)
        assert isinstance(error, Redirected)
        assert error.target == "AC/DC"


def test_too_many_relations_for_one_operation(twins: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MOST_REVISIONS", 3)
    assert isinstance(refused(twins, joining.merge_entities, "AC/DC", "Acca", None), TooManyEntities)
    assert isinstance(refused(twins, joining.rename_entity, "Acca", "b", None), TooManyEntities)


def test_chains_of_redirects(kb: Kb) -> None:
    for key in "abcd":
        create(kb, entity(key))
    merge(kb, "b", "a")
    merge(kb, "c", "b")
    rename(kb, "c", "e")
    assert ends(kb, *"abcde") == {"a": "e", "b": "e", "c": "e"}
    assert former(kb, "e") == ["a", "b", "c"]
    nothing_written(kb, UndoClash, undo, newest(kb, "b"))
    undo(kb, newest(kb, "e"))
    assert ends(kb, *"abcde") == {"a": "c", "b": "c"}
    undo(kb, newest(kb, "b"))
    assert ends(kb, *"abcde") == {"a": "b"}


def test_ids_never_lead_in_a_circle(kb: Kb) -> None:
    create(kb, entity("a"))
    create(kb, entity("b"))
    merge(kb, "b", "a")
    kb.load([entity("a", "Again")])
    revived = newest(kb, "a")
    merge(kb, "a", "b")
    nothing_written(kb, UndoClash, undo, revived)
    assert nothing_written(kb, RedirectCycle, undo, revived, force=True).entity_id == "a"


def test_what_is_done_to_a_former_id(twins: Kb) -> None:
    merge(twins, "AC/DC", "Acca")
    for edit, arguments in (
        (editing.patch_entity, ("Acca", {"popularity": 1}, None)),
        (editing.replace_entity, ("Acca", {"label": "x"}, None)),
        (editing.delete_entity, ("Acca", None)),
        (editing.restore_entity, ("Acca", None)),
        (joining.rename_entity, ("Acca", "b", None)),
    ):
        assert isinstance(refused(twins, edit, *arguments), Redirected)
    taken = refused(twins, editing.create_entity, entity("Acca"))
    assert isinstance(taken, IdTaken)
    assert taken.redirect == "AC/DC"


def test_a_former_id_of_what_is_deleted_leads_there_again_when_that_is_restored(twins: Kb) -> None:
    merge(twins, "AC/DC", "Acca")
    run(twins, editing.delete_entity, "AC/DC", None)
    assert ends(twins, "Acca") == {"Acca": "AC/DC"}
    error = refused(twins, editing.patch_entity, "Acca", {"popularity": 1}, None)
    assert isinstance(error, Redirected)
    run(twins, editing.restore_entity, "AC/DC", None)
    assert "Acca Dacca" in {alias.text for alias in twins.records()["AC/DC"].aliases}


def test_an_import_of_a_former_id_makes_an_entity_of_it(twins: Kb) -> None:
    merge(twins, "AC/DC", "Acca")
    twins.load([entity("Acca", "Acca")])
    assert ends(twins, "Acca") == {}
    revision = newest(twins, "Acca")
    ((before,),) = twins.sql("SELECT before FROM revision WHERE id = :id", id=revision)
    assert before == {"id": "Acca", "redirect": "AC/DC"}
    undo(twins, revision)
    assert (ends(twins, "Acca"), shown(twins, "Acca")) == ({"Acca": "AC/DC"}, None)


def test_new_relations_to_a_former_id_lead_to_the_entity(twins: Kb) -> None:
    merge(twins, "AC/DC", "Acca")
    create(twins, entity("new", relations=[{"predicate": "likes", "object": "Acca"}]))
    assert twins.records()["new"].relations == (RelationRecord("likes", "AC/DC"),)
    with pytest.raises(Rejected, match="former id of the entity itself"):
        patch(twins, "AC/DC", relations=[{"predicate": "likes", "object": "Acca"}])


def test_another_id(twins: Kb) -> None:
    before, since = twins.records(), twins.version()
    assert rename(twins, "AC/DC", "ACDC", 1) == 1
    assert shown(twins, "ACDC") == BAND | {"id": "ACDC", "text": None}
    assert shown(twins, "AC/DC") is None
    assert {edge.object for edge in twins.records()["fan"].relations} == {"Acca", "ACDC"}
    assert {edge.object for edge in twins.records()["Acca"].relations} == {"Sydney", "ACDC"}
    assert former(twins, "ACDC") == ["AC/DC"]
    assert changes(twins, since) == {"ACDC": "entity", "AC/DC": "entity_deleted", "fan": "entity", "Acca": "entity"}
    # Back to the id that it had, and there again by undoing.
    assert rename(twins, "ACDC", "AC/DC") == 3
    assert twins.records() == before
    assert (former(twins, "AC/DC"), ends(twins, "AC/DC")) == (["ACDC"], {})
    undo(twins, newest(twins, "fan"))
    assert former(twins, "ACDC") == ["AC/DC"]
    undo(twins, newest(twins, "ACDC"), force=True)
    assert former(twins, "AC/DC") == ["ACDC"]


def test_a_renaming_is_undone(twins: Kb) -> None:
    before = twins.records()
    rename(twins, "AC/DC", "ACDC")
    assert undo(twins, newest(twins, "ACDC")) == ("AC/DC", "ACDC", "Acca", "fan")
    assert (twins.records(), ends(twins, "AC/DC", "ACDC")) == (before, {})


def test_an_id_that_cannot_be_had(twins: Kb) -> None:
    create(twins, entity("gone"))
    run(twins, editing.delete_entity, "gone", None)
    merge(twins, "AC/DC", "Acca")
    for new in ("fan", "gone"):
        assert isinstance(refused(twins, joining.rename_entity, "AC/DC", new, None), IdTaken)
    assert isinstance(refused(twins, joining.rename_entity, "fan", "Acca", None), IdTaken)
    for new in ("AC/DC", "", " ", "x" * 251):
        with pytest.raises(Rejected) as caught:
            rename(twins, "AC/DC", new)
        assert caught.value.field == "id"
    # That of what was merged into it.
    rename(twins, "AC/DC", "Acca")
    assert ends(twins, "AC/DC", "Acca") == {"AC/DC": "Acca"}


def test_an_entity_that_waited_for_the_new_id_is_not_related_to_itself(kb: Kb) -> None:
    create(kb, entity("a", relations=[{"predicate": "p", "object": "b"}]))
    rename(kb, "a", "b")
    assert kb.records()["b"].relations == ()


def test_an_entity_is_split(twins: Kb) -> None:
    before, since = twins.records(), twins.version()
    share = Share(
        aliases=[("Acca Dacca", None), ("AC/DC", 2)],
        types=["band"],
        relations=[RelationRecord("twin", "Acca")],
        incoming=[("fan", "likes")],
        xrefs=["wikidata", "viaf"],
    )
    new = entity("tribute", "Tribute", description="another", types=["tribute"])
    assert split(twins, "AC/DC", new, share, 1) == 2
    left, made = shown(twins, "AC/DC"), shown(twins, "tribute")
    assert left == BAND | {
        "text": None,
        "aliases": [{"text": "AC/DC", "count": 3}],
        "types": [],
        "relations": [{"predicate": "from", "object": "Sydney"}],
        "xrefs": {},
    }
    assert made == new | {
        "text": None,
        "aliases": [
            {"text": "AC/DC", "count": 2},
            {"text": "Acca Dacca", "count": 2},
            {"text": "Tribute", "count": 0},
        ],
        "types": ["band", "tribute"],
        "relations": [{"predicate": "twin", "object": "Acca"}],
        "xrefs": {"viaf": "7", "wikidata": "Q1"},
        "popularity": 0,
    }
    assert {edge.object for edge in twins.records()["fan"].relations} == {"Acca", "tribute"}
    assert {key for key in changes(twins, since) if key} == {"AC/DC", "tribute", "fan"}
    assert undo(twins, newest(twins, "tribute")) == ("AC/DC", "fan", "tribute")
    assert twins.records() == before


@pytest.mark.parametrize(
    ("share", "field"),
    [
        (Share(aliases=[("Nobody", None)]), "move.aliases[0].text"),
        (Share(aliases=[("AC/DC", 1), ("AC/DC", 1)]), "move.aliases[1].text"),
        (Share(aliases=[("AC/DC", 6)]), "move.aliases[0].count"),
        (Share(aliases=[("AC/DC", -1)]), "move.aliases[0].count"),
        (Share(types=["band", "nothing"]), "move.types[1]"),
        (Share(relations=[RelationRecord("from", "Mars")]), "move.relations[0]"),
        (Share(relations=[RelationRecord("likes", "AC/DC")]), "move.relations[0]"),
        (Share(incoming=[("fan", "plays in")]), "move.incoming[0]"),
        (Share(incoming=[("nobody", "likes")]), "move.incoming[0]"),
        (Share(xrefs=["isni"]), "move.xrefs[0]"),
    ],
)
def test_what_is_not_there_cannot_go(twins: Kb, share: Share, field: str) -> None:
    before = twins.sizes(), twins.records()
    with pytest.raises(Rejected) as caught:
        split(twins, "AC/DC", entity("tribute"), share)
    assert caught.value.field == field
    assert (twins.sizes(), twins.records()) == before


def test_a_split_that_is_refused(twins: Kb) -> None:
    nothing = Share()
    for new, kind in ((entity("fan"), IdTaken), (entity("AC/DC"), IdTaken)):
        nothing_written(twins, kind, split, "AC/DC", new, nothing)
    nothing_written(twins, Stale, split, "AC/DC", entity("n"), nothing, 5)
    nothing_written(twins, EntityMissing, split, "nobody", entity("n"), nothing)
    nothing_written(twins, XrefTaken, split, "AC/DC", entity("n", xrefs={"isni": "9"}), nothing)
    with pytest.raises(Rejected, match="missing"):
        split(twins, "AC/DC", {"id": "n"}, nothing)


def test_versions_go_on_under_an_id(twins: Kb) -> None:
    def version(key: str) -> int:
        with Session(twins.engine) as session:
            state = lookups.entity_state(session, twins.namespace, key)
        assert state is not None
        return state.version

    merge(twins, "AC/DC", "Acca")
    assert version("Acca") == 2
    undo(twins, newest(twins, "Acca"), base=2)
    assert version("Acca") == 3
    assert issubclass(Redirected, Refused)
