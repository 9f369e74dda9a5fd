"""Edits in any order, against a model of a few lines; and revisions, replayed, give the state that is there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kb_files import Kb
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from test_editing import shown

from kb import editing, lookups, undoing
from kb.conflicts import EntityMissing, IdTaken, NotDeleted, NothingToUndo, Refused, Stale, UndoClash, XrefTaken
from kb.curation import Edit
from kb.curation import stage as staged
from kb.importers.checks import entity_record

IDS = ("a", "b/c", "d\\\t")
Content = dict[str, Any]

names = st.sampled_from(["One", "Two", "Þrír", "4\\"])
aliases = st.lists(st.fixed_dictionaries({"text": names, "count": st.integers(0, 2)}), max_size=2)
types = st.lists(st.sampled_from(["t", "u"]), max_size=2)
relations = st.lists(
    st.fixed_dictionaries({"predicate": st.just("p"), "object": st.sampled_from(["x", "y"])}), max_size=2
)
xrefs = st.dictionaries(st.sampled_from(["viaf", "wikidata"]), st.sampled_from(["1", "2"]), max_size=2)
fields: dict[str, st.SearchStrategy[Any]] = {
    "description": st.none() | names,
    "aliases": aliases,
    "types": types,
    "relations": relations,
    "xrefs": xrefs,
    "popularity": st.integers(0, 2),
}
contents = st.fixed_dictionaries({"label": names}, optional=fields)
patches = st.fixed_dictionaries({}, optional={"label": names, **fields})
ids = st.sampled_from(IDS)


def normal(content: Content) -> Content:
    return dict(orjson.loads(staged(entity_record(content)).line))


class Editing(RuleBasedStateMachine):
    """The model: the content of each entity (None: deleted), its version, and what each revision changed."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__()
        self.kb = Kb(engine, f"model-{uuid.uuid4().hex[:12]}", folder)
        self.now: dict[str, Content | None] = {}
        self.versions: dict[str, int] = {}
        self.revisions: list[tuple[str, Content | None, Content | None]] = []

    @initialize(content=contents)
    def begin(self, content: Content) -> None:
        self.create("a", content)

    def write(self, key: str, after: Content | None, what: Callable[..., Any], *arguments: Any, **how: Any) -> None:
        """Do an edit, and expect what the model says of it: the first reason to refuse it, or the new state."""
        reason = self.taken(key, after)
        with Session(self.kb.engine) as session:
            expected = pytest.raises(reason) if reason else nullcontext()
            with expected:
                what(session, self.kb.namespace, *arguments, Edit(what.__name__, "me"), **how)
            if reason:
                return
            session.commit()
        if after != self.now.get(key):
            self.revisions.append((key, self.now.get(key), after))
            self.versions[key] = self.versions.get(key, 0) + 1
        self.now[key] = after

    def taken(self, key: str, after: Content | None) -> type[Refused] | None:
        had = (self.now.get(key) or {}).get("xrefs", {})
        new = {item for item in (after or {}).get("xrefs", {}).items() if had.get(item[0]) != item[1]}
        others = [content for other, content in self.now.items() if other != key and content is not None]
        return XrefTaken if any(new & set(content["xrefs"].items()) for content in others) else None

    def refused(self, reason: type[Refused], what: Callable[..., Any], *arguments: Any, **how: Any) -> None:
        with Session(self.kb.engine) as session, pytest.raises(reason):
            what(session, self.kb.namespace, *arguments, Edit("edit"), **how)

    @rule(key=ids, content=contents)
    def create(self, key: str, content: Content) -> None:
        data = {"id": key} | content
        if key in self.now:
            self.refused(IdTaken, editing.create_entity, data)
        else:
            self.write(key, normal(data), editing.create_entity, data)

    @rule(key=ids, content=contents)
    def replace(self, key: str, content: Content) -> None:
        if self.now.get(key) is None:
            self.refused(EntityMissing, editing.replace_entity, key, content, None)
        else:
            after = normal({"id": key} | content)
            self.write(key, after, editing.replace_entity, key, content, self.versions[key])

    @rule(key=ids, patch=patches)
    def patch(self, key: str, patch: Content) -> None:
        before = self.now.get(key)
        if before is None:
            self.refused(EntityMissing, editing.patch_entity, key, patch, None)
        else:
            merged = before | patch | ({"xrefs": before["xrefs"] | patch["xrefs"]} if "xrefs" in patch else {})
            self.write(key, normal(merged), editing.patch_entity, key, patch, self.versions[key])

    @rule(key=ids)
    def delete(self, key: str) -> None:
        if self.now.get(key) is None:
            self.refused(EntityMissing, editing.delete_entity, key, None)
        else:
            self.write(key, None, editing.delete_entity, key, self.versions[key])

    @rule(key=ids)
    def restore(self, key: str) -> None:
        if self.now.get(key) is not None:
            self.refused(NotDeleted, editing.restore_entity, key, None)
        elif key in self.now:
            last = next(before for k, before, after in reversed(self.revisions) if k == key and after is None)
            self.write(key, last, editing.restore_entity, key, self.versions[key])
        else:
            self.refused(EntityMissing, editing.restore_entity, key, None)

    @rule(key=ids, off=st.sampled_from([-1, 1]))
    def edit_from_another_version(self, key: str, off: int) -> None:
        if self.now.get(key) is not None:
            self.refused(Stale, editing.patch_entity, key, {"label": "New"}, self.versions[key] + off)

    @precondition(lambda self: self.revisions)
    @rule(data=st.data(), force=st.booleans())
    def undo(self, data: st.DataObject, force: bool) -> None:
        position = data.draw(st.integers(0, len(self.revisions) - 1))
        key, before, after = self.revisions[position]
        current = self.now[key]
        number = self.revision_ids()[position]
        if before is None or after is None:
            goal, clash = before, current not in (before, after)
        elif current is None:
            self.refused(UndoClash, undoing.undo_revision, number, None, force=True)
            return
        else:
            differing = [name for name in before if before[name] != after[name] and current[name] != before[name]]
            goal = normal(current | {name: before[name] for name in differing})
            clash = any(current[name] != after[name] for name in differing)
        if clash and not force:
            self.refused(UndoClash, undoing.undo_revision, number, None)
        elif goal == current:
            self.refused(NothingToUndo, undoing.undo_revision, number, None, force=force)
        else:
            self.write(key, goal, undoing.undo_revision, number, self.versions[key], force=force)

    def revision_ids(self) -> list[int]:
        statement = "SELECT id FROM revision WHERE namespace = :namespace AND entity_id IS NOT NULL ORDER BY id"
        return [number for (number,) in self.kb.sql(statement)]

    @invariant()
    def the_knowledge_base_is_as_the_model_says(self) -> None:
        assert {key: shown(self.kb, key) for key in self.now} == self.now
        with Session(self.kb.engine) as session:
            states = {key: lookups.entity_state(session, self.kb.namespace, key) for key in self.now}
        assert {key: state and state.version for key, state in states.items()} == self.versions

    def teardown(self) -> None:
        replayed: dict[str, Content | None] = {}
        rows = self.kb.sql(
            "SELECT entity_id, before, after FROM revision WHERE namespace = :namespace AND entity_id IS NOT NULL"
            " ORDER BY id"
        )
        for key, before, after in rows:
            assert replayed.get(key) == before
            replayed[key] = after
        assert replayed == self.now
        assert [(key, before, after) for key, before, after in rows] == self.revisions


def test_edits_in_any_order(kb_engine: Engine, tmp_path: Path) -> None:
    run_state_machine_as_test(
        lambda: Editing(kb_engine, tmp_path),
        settings=settings(
            max_examples=75, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
