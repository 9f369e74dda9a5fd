"""All edits in any order, against a model in memory; and revisions, replayed, give the state that is there.

A few hundred operations run with the other tests; `NAMESAKE_TEST_OPERATIONS=10000` runs as many as it says.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from curation_model import (
    IDS,
    LISTS,
    Claim,
    Content,
    CurationModel,
    Expected,
    State,
    bulk_patches,
    claims,
    contents,
    fields,
    filters,
    live,
    names,
    normal,
)
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

from kb import bulk, editing, joining, splitting, undoing
from kb.bulk import Patch
from kb.conflicts import (
    BulkChanged,
    EntityMissing,
    IdTaken,
    MergeConflict,
    NotDeleted,
    NothingToUndo,
    RedirectCycle,
    Redirected,
    UndoClash,
    XrefTaken,
)
from kb.curation import Edit
from kb.exporters.lines import entity_json
from kb.importers.checks import Rejected
from kb.listing import Filter
from kb.records import RelationRecord
from kb.splitting import Share

OPERATIONS = int(os.environ.get("NAMESAKE_TEST_OPERATIONS", "600"))
STEPS, USUAL_STEPS = 50, 30  # most of one run, and how many it has at least on average


class Curation(CurationModel, RuleBasedStateMachine):
    """Does edits, and expects what the model says: the first reason to refuse one, or the new states."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__()
        self.kb = Kb(engine, f"model-{uuid.uuid4().hex[:12]}", folder)
        self.versions: Counter[str] = Counter()
        self.revisions: list[tuple[int, str, State, State, int]] = []  # id, key, before, after, number of the operation
        self.bulk: set[int] = set()  # operations of which a part can be undone

    def do(
        self,
        after: Mapping[str, State],
        what: Callable[..., Any],
        *arguments: Any,
        why: Expected | None = None,
        shared: Collection[Claim] = (),
        kind: str | None = None,
        **how: Any,
    ) -> None:
        """Do an operation, and expect that it is refused (`why`), or that these states come of it."""
        if why is None and self.taken(after, shared):
            why = XrefTaken
        with Session(self.kb.engine) as session:
            with pytest.raises(why) if why else nullcontext():
                what(session, self.kb.namespace, *arguments, Edit(kind or what.__name__, "me"), **how)
            if why:
                return
            session.commit()
        changed = {key: state for key, state in after.items() if state != self.now.get(key)}
        written = self.kb.sql(
            "SELECT id, entity_id FROM revision WHERE namespace = :namespace AND entity_id IS NOT NULL AND id > :last"
            " ORDER BY id",
            last=self.revisions[-1][0] if self.revisions else 0,
        )
        assert sorted(key for _, key in written) == sorted(changed)
        number = self.revisions[-1][4] + 1 if self.revisions else 0
        self.revisions += [(row, key, self.now.get(key), changed[key], number) for row, key in written]
        self.versions.update(changed.keys())
        self.now.update(after)

    # --- Operations

    @initialize(some=st.lists(contents, min_size=4, max_size=4))
    def begin(self, some: list[Content]) -> None:
        for key, content in zip(IDS, some, strict=False):
            self.put(key, {"id": key, **content, "relations": []}, editing.create_entity, create=True)

    @rule(data=st.data(), content=contents)
    def create(self, data: st.DataObject, content: Content) -> None:
        key = self.some(data, self.unused)
        self.put(key, {"id": key, **content}, editing.create_entity, create=True)

    @rule(data=st.data(), content=contents)
    def replace(self, data: st.DataObject, content: Content) -> None:
        key = self.some(data, self.there)
        self.put(key, {"id": key, **content}, editing.replace_entity)

    @rule(data=st.data(), patch=st.fixed_dictionaries({}, optional={"label": names, **fields}))
    def patch(self, data: st.DataObject, patch: Content) -> None:
        key = self.some(data, self.there)
        before = self.now.get(key)
        if before is None or not live(before):
            self.do({}, editing.patch_entity, key, patch, None, why=self.reason(key))
            return
        merged = before | patch | ({"xrefs": before["xrefs"] | patch["xrefs"]} if "xrefs" in patch else {})
        self.put(key, merged, editing.patch_entity, patch)

    def put(
        self, key: str, data: Content, what: Callable[..., Any], sent: Content | None = None, *, create: bool = False
    ) -> None:
        sent = data if sent is None else sent
        arguments = (sent,) if create else (key, sent, None)
        why = (IdTaken if key in self.now else None) if create else self.reason(key)
        if any(e["object"] == key for e in data.get("relations") or ()):
            # A new entity is checked before it is looked whether there is one.
            why = Rejected if create else why or Rejected
        if why is not None:
            self.do({}, what, *arguments, why=why)
            return
        before = self.now.get(key)
        after = self.resolved(normal(data), before if live(before) else None)
        self.do({} if after is None else {key: after}, what, *arguments, why=Rejected if after is None else None)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        key = self.some(data, self.there)
        self.do({key: None}, editing.delete_entity, key, None, why=self.reason(key))

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        key = self.some(data, lambda key: key in self.now and self.now[key] is None)
        state = self.now.get(key)
        why: Expected | None = None
        if state is not None:
            why = NotDeleted if live(state) else Redirected
        elif key not in self.now:
            why = EntityMissing
        last = next((b for _, k, b, a, _ in reversed(self.revisions) if k == key and live(b) and not live(a)), None)
        self.do({key: last}, editing.restore_entity, key, None, why=why)

    @rule(data=st.data(), choose=st.booleans())
    def merge(self, data: st.DataObject, choose: bool) -> None:
        key = self.some(data, self.there)
        duplicate = self.some(data, lambda other: other != key and self.there(other))
        why = Rejected if key == duplicate else self.reason(key) or self.reason(duplicate)
        if why is not None:
            self.do({}, joining.merge_entities, key, duplicate, None, why=why)
            return
        kept, gone = self.now[key], self.now[duplicate]
        assert kept is not None
        assert gone is not None
        clashing = {s for s, v in kept["xrefs"].items() if gone["xrefs"].get(s, v) != v}
        choices = {s: gone["xrefs"][s] for s in clashing} if choose else {}
        after = self.led(duplicate, key, {key, duplicate})
        after[duplicate] = {"id": duplicate, "redirect": key}
        after[key] = self.united(kept, gone, choices)
        why = MergeConflict if clashing and not choose else None
        self.do(after, joining.merge_entities, key, duplicate, None, why=why, choices=choices)

    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        key = self.some(data, self.there)
        new = self.some(data, lambda other: self.unused(other) or (not self.there(other) and self.end(other) == key))
        why: Expected | None = Rejected if key == new else self.reason(key)
        if why is None and new in self.now and (live(self.now[new]) or self.now[new] is None or self.end(new) != key):
            why = IdTaken
        if why is not None:
            self.do({}, joining.rename_entity, key, new, None, why=why)
            return
        before = self.now[key]
        assert before is not None
        edges = [e for e in before["relations"] if e["object"] != new]
        after = self.led(key, new, {key})
        after[key] = {"id": key, "redirect": new}
        after[new] = normal({**before, "id": new, "relations": edges})
        self.do(after, joining.rename_entity, key, new, None)

    @rule(data=st.data(), content=contents)
    def split(self, data: st.DataObject, content: Content) -> None:
        key, new = self.some(data, self.there), self.some(data, self.unused)
        content = {"id": new, **content}
        why: Expected | None = self.reason(key) or (IdTaken if new in self.now else None)
        if any(e["object"] == new for e in content.get("relations") or ()):
            why = Rejected
        if why is not None:
            self.do({}, splitting.split_entity, key, content, Share(), None, why=why)
            return
        before = self.now[key]
        assert before is not None
        moved = {name: [i for i in before[name] if data.draw(st.booleans())] for name in LISTS}
        schemes = [scheme for scheme in before["xrefs"] if data.draw(st.booleans())]
        incoming = [
            (k, e["predicate"])
            for k, s in self.now.items() if s is not None and live(s)
            for e in s["relations"] if e["object"] == key and data.draw(st.booleans())
        ]  # fmt: skip
        share = Share(
            aliases=[(a["text"], None) for a in moved["aliases"]],
            types=moved["types"],
            relations=[RelationRecord(**e) for e in moved["relations"]],
            incoming=incoming,
            xrefs=schemes,
        )
        itself = any(e["object"] == new for e in moved["relations"])
        after = None if itself else self.parts(before, normal(content), moved, schemes)
        if after is None:
            self.do({}, splitting.split_entity, key, content, share, None, why=Rejected)
            return
        after |= self.pointed(incoming, key, new)
        self.do(after, splitting.split_entity, key, content, share, None)

    @rule(which=filters, change=bulk_patches, seen=st.integers(0, 9))
    def bulk_patch(self, which: Content, change: Content, seen: int) -> None:
        filter_, patch = Filter(**which), Patch(**change)
        after = {key: self.bulk_patched(self.now[key] or {}, change) for key in self.matching(which)}
        selects = "ids" in which or "type_id" in which or which.get("missing_description")
        changes = change["put"] or any(change["add"].values()) or any(change["remove"].values())
        if not selects or not changes or None in after.values():
            self.do({}, bulk.apply_bulk, filter_, patch, "", why=Rejected)
            return
        with Session(self.kb.engine) as session:
            preview = bulk.preview_bulk(session, self.kb.namespace, filter_, patch, len(after))
        different = {key: state for key, state in after.items() if state != self.now[key]}
        assert (preview.matched, preview.changed) == (len(after), len(different))
        assert {item.before["id"]: (item.before, item.after) for item in preview.examples} == {
            key: (self.now[key], state) for key, state in different.items()
        }
        if seen == 0:  # another preview than this one
            self.do({}, bulk.apply_bulk, filter_, patch, "0" * 32, why=BulkChanged)
            return
        self.do(after, bulk.apply_bulk, filter_, patch, preview.token, kind="bulk-patch")
        if different:
            self.bulk.add(self.revisions[-1][4])

    @precondition(lambda self: self.revisions)
    @rule(data=st.data(), force=st.booleans(), whole=st.booleans())
    def undo(self, data: st.DataObject, force: bool, whole: bool) -> None:
        position = data.draw(st.integers(0, len(self.revisions) - 1))
        number, *_, group = self.revisions[position]
        part = group in self.bulk and not whole
        together = [item[1:4] for item in self.revisions if item[4] == group and (not part or item[0] == number)]
        goals = {key: self.now[key] for key, *_ in together}
        clash = False
        for key, before, after in together:
            goals[key], clashed, lasting = self.undone(goals[key], before, after)
            clash = clash or lasting or (clashed and not force)
        changed = {key: normal(goal) if goal is not None and live(goal) else goal for key, goal in goals.items()}
        changed = {key: goal for key, goal in changed.items() if goal != self.now[key]}
        why: Expected | None = UndoClash if clash else None if changed else NothingToUndo
        counts = claims(before for _, before, _ in together) if self.grouped(number) else Counter()
        shared = {claim for claim, owners in counts.items() if owners > 1}
        if why is None and not self.taken(changed, shared):
            states = {**self.now, **changed}
            why = RedirectCycle if any(self.end(key, states) is None for key in changed) else None
        self.do(changed, undoing.undo_revision, number, None, why=why, force=force, group=whole, shared=shared)

    def grouped(self, number: int) -> bool:
        return self.kb.sql("SELECT group_id FROM revision WHERE id = :id", id=number) != [(None,)]

    # --- What holds after each

    @invariant()
    def the_knowledge_base_is_as_the_model_says(self) -> None:
        found: dict[str, State] = {k: orjson.loads(orjson.dumps(entity_json(r))) for k, r in self.kb.records().items()}
        for key, target in self.kb.sql("SELECT id, target_id FROM redirect WHERE namespace = :namespace"):
            assert key not in found
            found[key] = {"id": key, "redirect": target}
        assert found == {key: state for key, state in self.now.items() if state is not None}
        versions = self.kb.sql("SELECT id, version FROM entity WHERE namespace = :namespace")
        assert dict(versions) == dict(self.versions)

    def teardown(self) -> None:
        replayed: dict[str, State] = {}
        rows = self.kb.sql(
            "SELECT entity_id, before, after FROM revision WHERE namespace = :namespace AND entity_id IS NOT NULL"
            " ORDER BY id"
        )
        for key, before, after in rows:
            assert replayed.get(key) == before
            replayed[key] = after
        assert replayed == self.now
        changes = self.kb.sql(
            "SELECT entity_id, kind FROM change WHERE namespace = :namespace AND entity_id IS NOT NULL ORDER BY version"
        )
        assert changes == [(key, "entity" if live(after) else "entity_deleted") for key, _, after in rows]


def test_all_edits_in_any_order(kb_engine: Engine, tmp_path: Path) -> None:
    run_state_machine_as_test(
        lambda: Curation(kb_engine, tmp_path),
        settings=settings(
            max_examples=max(1, OPERATIONS // USUAL_STEPS),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
