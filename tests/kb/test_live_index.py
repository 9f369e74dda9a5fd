"""The live index: a snapshot and what changed since answer as a snapshot that is built anew."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from kb_files import Kb
from live_answers import entity_facts, name_facts, nearest_facts, text_facts
from snapshots import Builder
from sqlalchemy.orm import Session

from app.assembly import build_index
from app.settings import Settings
from kb import curation, joining, queries
from kb.candidates import SnapshotSearch
from kb.curation import Edit
from kb.database import snapshot_session
from kb.index import SnapshotFolders
from kb.live.index import DeltaFull, KbReplaced, LiveIndex
from kb.namespaces import delete_namespace
from kb.queries import AliasOccurrenceRecord
from kb.records import AliasRecord, EntityRecord, RelationRecord, TypeRecord
from kb.usage import Usage, replace_usage
from model.encoder import Encoder
from model.linker import Linker
from model.scorer import load_scorer
from model.types import Document

IDS = [f"{name}_({number})" for name in ("Mercury", "Paris", "Jordan", "Lincoln") for number in range(5)]
NAMES = ["Mercury", "Paris", "Jordan", "Lincoln", "City of Light", "Père Lachaise", "Honest Abe", "Merkury", "River"]
TEXTS = [
    "Mercury is near the sun, and Paris lies on the river Seine.",
    "In Paris, Honest Abe met Jordan; Lincoln was the City of Light.",
    "Père Lachaise is a graveyard in Paris (3).",
    "Jordan (2) and a planet called Merkury, the smallest one of quartz.",
]
SAYINGS = ["a planet near the sun", "a city on a river", "a president of quartz", "a basketball player", None]
TYPES = ["place", "city", "person", "planet", "athlete"]


class World:
    """A knowledge base, a snapshot of it, and the index that follows it from there."""

    def __init__(self, kb: Kb, encoder: Encoder, builder: Builder, home: Path) -> None:
        self.kb = kb
        self.encoder = encoder
        self.payloads = builder.payloads
        self.settings = Settings(home=home, namespace=kb.namespace)
        self.index = LiveIndex(self.fresh(), self.payloads, 1000)

    def fresh(self) -> SnapshotSearch:
        """Build a snapshot of the knowledge base as it is now."""
        build_index(self.settings, self.kb.engine, self.encoder, lambda *_: None)
        return SnapshotSearch(SnapshotFolders(self.settings.home / "snapshots", self.kb.namespace).open_current())

    def refresh(self) -> bool:
        with snapshot_session(self.kb.engine) as session:
            return self.index.refresh(session)

    def assert_as_fresh(self) -> None:
        """Check that the followed index answers as a new snapshot does."""
        live, fresh = self.index.search, self.fresh()
        assert live.kb_version == fresh.kb_version
        assert entity_facts(live, IDS) == entity_facts(fresh, IDS)
        names = [*NAMES, *IDS, "Mercuri", "Lincon", "Honest Ade", "Pere Lachaise"]
        assert name_facts(live, names) == name_facts(fresh, names)
        assert text_facts(live, TEXTS) == text_facts(fresh, TEXTS)
        assert self.links(live) == self.links(fresh)

    def assert_usage_as_fresh(self, ids: list[str]) -> None:
        """Check that what is known of entities is what a new snapshot says."""
        assert entity_facts(self.index.search, ids) == entity_facts(self.fresh(), ids)

    def links(self, search: object) -> list[list[tuple[object, ...]]]:
        linker = Linker(self.encoder, search, search, load_scorer())  # type: ignore[arg-type]
        answers = linker.link([Document(str(number), text) for number, text in enumerate(TEXTS)])
        return [
            [
                (link.start, link.end, link.entity, round(link.confidence, 2), [c.entity for c in link.candidates])
                for link in answer.links
            ]
            for answer in answers
        ]


@pytest.fixture
def world(kb: Kb, encoder: Encoder, builder: Builder, tmp_path: Path) -> World:
    put_types(kb, [TypeRecord(name, name.title(), "place" if name == "city" else None) for name in TYPES])
    rng = random.Random(0)
    kb.put(*[some_entity(rng, key) for key in IDS[::2]], *[EntityRecord(key, key) for key in IDS[1::2]])
    put_usage(kb, builder.payloads.model_version, IDS[1::3])
    kb.delete(*IDS[1::2])
    return World(kb, encoder, builder, tmp_path / "home")


def put_usage(kb: Kb, model_version: str, ids: list[str]) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(ids), 384)).astype(np.float16) / 20
    usage = Usage(ids, np.arange(1, len(ids) + 1, dtype=np.int32), vectors)
    with Session(kb.engine) as session, session.begin():
        replace_usage(session, kb.namespace, model_version, usage)


def put_types(kb: Kb, types: Iterable[TypeRecord]) -> None:
    with Session(kb.engine) as session, session.begin():
        curation.put_types(session, kb.namespace, list(types), Edit("type"))


def some_entity(rng: random.Random, key: str) -> EntityRecord:
    return EntityRecord(
        key,
        rng.choice([key.partition("_")[0], *NAMES[:2]]),
        rng.choice(SAYINGS),
        rng.choice([None, "Its text tells of quartz and moons."]),
        tuple(AliasRecord(name, rng.randrange(9)) for name in rng.sample(NAMES, 2)),
        tuple(rng.sample(TYPES, rng.randrange(3))),
        tuple(
            RelationRecord(rng.choice(["near", "part of"]), other)
            for other in rng.sample(IDS, rng.randrange(4))
            if other != key
        ),
        {"wikidata": f"Q{rng.randrange(10**9)}"},
        rng.randrange(50),
    )


@pytest.mark.parametrize("seed", range(4))
def test_after_any_edits_it_answers_as_a_new_snapshot(world: World, seed: int) -> None:
    rng = random.Random(seed)
    for step in range(24):
        choice = rng.random()
        if choice < 0.65:
            world.kb.put(*[some_entity(rng, key) for key in rng.sample(IDS, rng.randrange(1, 4))])
        elif choice < 0.9:
            world.kb.delete(*rng.sample(sorted(world.kb.records()), 1))
        else:
            name = rng.choice([*TYPES, "star"])
            put_types(world.kb, [TypeRecord(name, f"{name} {step}", None if name == "place" else "place")])
        if rng.random() < 0.7:
            world.refresh()
        if step % 8 == 7:
            world.refresh()
            world.assert_as_fresh()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most_unused", [None, 30])
def test_change_after_change_it_answers_as_when_all_come_at_once(
    world: World, seed: int, most_unused: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if most_unused is not None:
        monkeypatch.setattr("kb.live.index.MOST_UNUSED", most_unused)
    rng = random.Random(seed)
    for step in range(60):
        if rng.random() < 0.7:
            world.kb.put(*[some_entity(rng, key) for key in rng.sample(IDS, rng.randrange(1, 4))])
        else:
            world.kb.delete(*rng.sample(sorted(world.kb.records()), min(rng.randrange(1, 3), len(world.kb.records()))))
        world.refresh()
        if step % 6 == 5:
            other = LiveIndex(world.index.base, world.payloads, 1000)
            with snapshot_session(world.kb.engine) as session:
                other.refresh(session)
            live, fresh = world.index.search, other.search
            assert len(live) == len(fresh) == len(world.kb.records())
            assert entity_facts(live, IDS) == entity_facts(fresh, IDS)
            names = [*NAMES, *IDS, "Mercuri", "Lincon", "Honest Ade"]
            assert name_facts(live, names) == name_facts(fresh, names)
            assert text_facts(live, TEXTS) == text_facts(fresh, TEXTS)


def test_names_that_nobody_bears_any_more_are_let_go_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.live.index.MOST_UNUSED", 20)
    held = []
    for number in range(40):
        world.kb.put(EntityRecord("A", f"Anton {number}th"))
        world.refresh()
        held.append(world.index.search.unused)
    assert 10 < max(held) <= 20
    assert world.index.search.alias_row("Anton 38th") == -1
    row = world.index.search.alias_row("Anton 39th")
    assert world.index.search.bearers(row)[0].tolist() == [world.index.search.ordinal("A")]


def test_nothing_new_changes_nothing(world: World) -> None:
    before = world.index.search
    assert not world.refresh()
    assert world.index.search is before


def test_what_was_given_before_stays_as_it_was(world: World) -> None:
    before = world.index.search
    facts = entity_facts(before, IDS)
    world.kb.put(some_entity(random.Random(5), IDS[0]), some_entity(random.Random(6), IDS[1]))
    world.kb.delete(IDS[2])
    assert world.refresh()
    assert entity_facts(before, IDS) == facts
    assert world.index.search.ordinal(IDS[2]) is None


def test_a_new_entity_is_found_by_name_and_by_meaning(world: World) -> None:
    saying = "a lighthouse that warns ships of a reef"
    vector = world.payloads.embed([saying]).astype(np.float32)
    world.kb.put(EntityRecord("Bell_Rock", "Bell Rock", saying, aliases=(AliasRecord("Inchcape Light", 3),)))
    world.refresh()
    search = world.index.search
    row = search.alias_row("inchcape light")
    ordinal = search.ordinal("Bell_Rock")
    assert search.bearers(row)[0].tolist() == [ordinal]
    assert [search.similar_aliases(name) for name in ("Inchcape Ligth", "Bel Rock")] == [
        [row],
        [search.alias_row("Bell Rock")],
    ]
    assert search.nearest(vector, 1)[0].tolist() == [[ordinal]]
    world.kb.delete("Bell_Rock")
    world.refresh()
    assert world.index.search.alias_row("Inchcape Light") == -1
    assert "Bell_Rock" not in nearest_facts(world.index.search, vector, 20)[0]


def test_the_nearest_are_those_of_a_new_snapshot(world: World) -> None:
    world.kb.put(*[some_entity(random.Random(number), key) for number, key in enumerate(IDS[::3])])
    world.kb.delete(IDS[4])
    world.refresh()
    vectors = world.payloads.embed([text for text in SAYINGS if text]).astype(np.float32)
    there = len(world.kb.records())
    live, fresh = (nearest_facts(search, vectors, there + 5) for search in (world.index.search, world.fresh()))
    assert live == fresh == [set(world.kb.records())] * len(vectors)


def test_a_relation_that_waited_for_its_object_is_an_edge_once_that_is_there(world: World) -> None:
    world.kb.put(EntityRecord("A", "Anton", relations=(RelationRecord("knows", "B"),)))
    world.refresh()
    assert entity_facts(world.index.search, ["A"])["A"]["neighbours"] == []
    world.kb.put(EntityRecord("B", "Berta"))
    world.refresh()
    facts = entity_facts(world.index.search, ["A", "B"])
    assert (facts["A"]["neighbours"], facts["B"]["neighbours"]) == (["B"], ["A"])
    world.assert_as_fresh()


def test_a_type_that_is_new_selects(world: World) -> None:
    put_types(world.kb, [TypeRecord("lighthouse", "Lighthouse", "place")])
    world.kb.put(EntityRecord("Bell_Rock", "Bell Rock", types=("lighthouse",)))
    world.refresh()
    search = world.index.search
    ordinals = np.array([search.ordinal("Bell_Rock"), 0], dtype=np.int32)
    assert search.has_type(ordinals, search.type_rows(["lighthouse"])).tolist() == [True, False]
    assert search.has_type(ordinals, search.type_rows(["place"]))[0]
    assert search.types(ordinals)[1][0]


def test_counts_of_a_corpus_want_a_new_snapshot(world: World) -> None:
    assert not world.index.outdated
    with Session(world.kb.engine) as session, session.begin():
        curation.replace_alias_occurrences(session, world.kb.namespace, [AliasOccurrenceRecord("anton", 9, 3, 2, 1)])
    world.refresh()
    assert world.index.outdated
    world.kb.put(EntityRecord("A", "Anton"))
    world.refresh()
    row = np.array([world.index.search.alias_row("Anton")], dtype=np.int32)
    assert world.index.search.alias_statistics(row).tolist() == [[0, 9, 3, 2, 1]]


def test_encoded_links_want_a_new_snapshot_and_are_there_for_what_changes(world: World) -> None:
    put_usage(world.kb, world.payloads.model_version, IDS[:3])
    world.refresh()
    assert world.index.outdated
    world.kb.put(some_entity(random.Random(3), IDS[2]))
    world.refresh()
    assert entity_facts(world.index.search, IDS[2:3])[IDS[2]]["usage_links"] == [3]
    world.assert_usage_as_fresh(IDS[2:3])


def test_links_that_another_model_encoded_are_left_out_and_told_of(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    put_usage(world.kb, "another-model", IDS[:3])
    fresh = world.fresh()
    assert "Links were encoded with another-model" in capsys.readouterr().err
    assert entity_facts(fresh, IDS[:1])[IDS[0]]["usage_links"] == [0]
    put_usage(world.kb, world.payloads.model_version, IDS[:3])
    assert entity_facts(world.fresh(), IDS[:1])[IDS[0]]["usage_links"] == [1]
    assert capsys.readouterr().err == ""


def test_a_merged_entity_is_written_about_as_both_were(world: World) -> None:
    first, second = IDS[4], IDS[10]
    assert [entity_facts(world.index.search, [key])[key]["usage_links"] for key in (first, second)] == [[2], [4]]
    chosen = world.kb.records()[first].xrefs
    with Session(world.kb.engine) as session, session.begin():
        joining.merge_entities(session, world.kb.namespace, first, second, None, Edit("merge"), choices=chosen)
    world.refresh()
    assert entity_facts(world.index.search, [first])[first]["usage_links"] == [6]
    world.assert_usage_as_fresh([first])


def test_more_changes_than_it_may_hold(world: World) -> None:
    index = LiveIndex(world.fresh(), world.payloads, 3)
    world.kb.put(*[EntityRecord(f"X{number}", f"X {number}") for number in range(4)])
    before = index.search
    with snapshot_session(world.kb.engine) as session, pytest.raises(DeltaFull, match="new snapshot"):
        index.refresh(session)
    assert index.search is before


def test_a_knowledge_base_that_was_made_anew_is_another_one(world: World) -> None:
    before = world.index.search
    with Session(world.kb.engine) as session, session.begin():
        delete_namespace(session, world.kb.namespace, force=True)
    with pytest.raises(KbReplaced, match="deleted"):
        world.refresh()
    world.kb.put(EntityRecord("A", "Anton"))
    with pytest.raises(KbReplaced, match="deleted"):
        world.refresh()
    assert world.index.search is before


def test_changes_of_other_namespaces_are_not_taken_in(world: World) -> None:
    other = Kb(world.kb.engine, f"{world.kb.namespace}-2", world.kb.folder)
    other.put(EntityRecord("A", "Anton"))
    assert not world.refresh()
    with Session(world.kb.engine) as session:
        assert queries.kb_version(session, world.kb.namespace) == world.index.kb_version
