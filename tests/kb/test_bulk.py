"""Bulk patches: previewed, applied as previewed or not at all, and taken back as one."""

from __future__ import annotations

from typing import Any

import pytest
from kb_files import Kb, entity
from sqlalchemy.orm import Session
from test_editing import patch as patch_one
from test_editing import shown
from test_joining import merge
from test_undoing import listed, newest, nothing_written, undo

from kb import bulk
from kb.bulk import Applied, Patch, Preview
from kb.conflicts import BulkChanged, TooManyEntities
from kb.curation import Edit
from kb.importers.checks import Rejected
from kb.listing import Filter
from kb.redirects import resolve_redirects

CITIES = Filter(type_id="city")
PATCH = Patch(
    put={"description": "a city", "popularity": None},
    add={
        "types": ["place"],
        "aliases": [{"text": "Town"}, {"text": "Lyon", "count": 9}],
        "relations": [{"predicate": "in", "object": "a"}],
    },
    remove={
        "types": ["city"],
        "aliases": ["Old", "Paris"],
        "relations": [{"predicate": "was", "object": "b"}],
        "xrefs": ["viaf"],
    },
)


@pytest.fixture
def cities(kb: Kb) -> Kb:
    kb.load(
        [
            entity("a", "Paris", types=["city"], xrefs={"viaf": "1", "wikidata": "Q1"}, popularity=3),
            entity(
                "c",
                "Lyon",
                types=["city"],
                aliases=[{"text": "Old", "count": 2}, {"text": "Lyon", "count": 4, "language": "fr"}],
                relations=[{"predicate": "was", "object": "b"}],
            ),
            entity("d", "Troy", types=["ruin"]),
        ]
    )
    return kb


def preview(kb: Kb, which: Filter = CITIES, patch: Patch = PATCH, examples: int = 10) -> Preview:
    with Session(kb.engine) as session:
        return bulk.preview_bulk(session, kb.namespace, which, patch, examples)


def apply(kb: Kb, token: str, which: Filter = CITIES, patch: Patch = PATCH) -> Applied:
    with Session(kb.engine) as session, session.begin():
        return bulk.apply_bulk(session, kb.namespace, which, patch, token, Edit("bulk-patch", "me"))


def test_what_is_applied_is_what_was_previewed(cities: Kb) -> None:
    before = cities.records()
    found = preview(cities)
    assert (found.matched, found.changed, len(found.examples)) == (2, 2, 2)
    assert found.examples[0].before == shown(cities, "a")
    assert cities.records() == before
    done = apply(cities, found.token)
    assert (done.matched, done.changed) == (2, 2)
    assert [item.after for item in found.examples] == [shown(cities, "a"), shown(cities, "c")]
    assert shown(cities, "a") == entity(
        "a",
        "Paris",
        description="a city",
        text=None,
        aliases=[{"text": "Lyon", "count": 9}, {"text": "Paris", "count": 0}, {"text": "Town", "count": 0}],
        types=["place"],
        relations=[],
        xrefs={"wikidata": "Q1"},
        popularity=0,
    )
    lyon = shown(cities, "c")
    assert lyon is not None
    assert lyon["aliases"] == [{"text": "Lyon", "count": 9, "language": "fr"}, {"text": "Town", "count": 0}]
    assert lyon["relations"] == [{"predicate": "in", "object": "a"}]
    assert {r.entity_id for r in listed(cities, group_id=done.group) if r.entity_id} == {"a", "c"}
    assert done.revision is not None
    assert undo(cities, done.revision, group=True) == ("a", "c")
    assert cities.records() == before


def test_one_entity_of_a_bulk_patch_is_undone_alone(cities: Kb) -> None:
    apply(cities, preview(cities).token)
    assert undo(cities, newest(cities, "a")) == ("a",)
    assert cities.records()["a"].types == ("city",)
    assert cities.records()["c"].types == ("place",)


@pytest.mark.parametrize("meanwhile", ["edited", "deleted", "created", "other patch", "other filter", "another token"])
def test_what_changed_since_the_preview_is_not_patched(cities: Kb, meanwhile: str) -> None:
    how: dict[str, Any] = {}
    token = preview(cities).token[:: -1 if meanwhile == "another token" else 1]
    if meanwhile == "edited":
        patch_one(cities, "c", text="x")
    elif meanwhile == "deleted":
        cities.delete("c")
    elif meanwhile == "created":
        cities.load([entity("e", types=["city"], description="x")])
    elif meanwhile == "other patch":
        how = {"patch": Patch(put={"description": "another"})}
    if meanwhile == "other filter":
        how = {"which": Filter(ids=["a"])}
    nothing_written(cities, BulkChanged, apply, token, **how)


def test_what_others_do_elsewhere_does_not_matter(cities: Kb) -> None:
    token = preview(cities).token
    patch_one(cities, "d", text="x")
    assert apply(cities, token).changed == 2


def test_nothing_to_change(cities: Kb) -> None:
    nothing = Patch(remove={"types": ["none"]})
    found = preview(cities, patch=nothing)
    assert (found.matched, found.changed, found.examples) == (2, 0, [])
    version = cities.version()
    assert apply(cities, found.token, patch=nothing) == Applied(2, 0, None, None)
    assert cities.version() == version


def test_what_cannot_be(cities: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    for which, patch, field in (
        (Filter(), PATCH, "filter"),
        (CITIES, Patch(), "patch"),
        (CITIES, Patch(add={"types": []}), "patch"),
        (CITIES, Patch(add={"types": ["x" * 251]}), "patch.add.types"),
        (CITIES, Patch(add={"aliases": [{"text": "..."}]}), "patch.add.aliases"),
        (CITIES, Patch(put={"popularity": -1}), "patch.set.popularity"),
        (CITIES, Patch(put={"description": "a\0"}), "patch.set.description"),
    ):
        with pytest.raises(Rejected) as caught:
            preview(cities, which, patch)
        assert str(caught.value.field).startswith(field)
    monkeypatch.setattr(bulk, "MOST_REVISIONS", 1)
    with pytest.raises(TooManyEntities) as too_many:
        preview(cities)
    assert (too_many.value.most, too_many.value.count) == (1, 2)


def test_a_relation_to_a_former_id_leads_to_the_entity(cities: Kb) -> None:
    merge(cities, "d", "c")
    with Session(cities.engine) as session:
        assert resolve_redirects(session, cities.namespace, ["c"]) == {"c": "d"}
    which = Filter(ids=["a"])
    patch = Patch(add={"relations": [{"predicate": "near", "object": "c"}]})
    apply(cities, preview(cities, which, patch).token, which, patch)
    assert [edge.object for edge in cities.records()["a"].relations] == ["d"]
