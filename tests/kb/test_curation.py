"""Edits and what is read afterwards: entities, revisions, changes, counts."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg
import pytest
from kb_files import Kb, entity
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from kb import curation, queries
from kb.curation import CHANNEL, Edit, Outcome
from kb.database import snapshot_session
from kb.exporters.lines import entity_json
from kb.queries import AliasOccurrenceRecord
from kb.records import AliasRecord, EntityRecord, PredicateRecord, RelationRecord, TypeRecord

ANNA = EntityRecord(
    "anna",
    "Anna",
    description="A person",
    aliases=(AliasRecord("Ann", 2, "en"), AliasRecord("Anna", 5)),
    types=("person",),
    relations=(RelationRecord("knows", "bert"),),
    xrefs={"wikidata": "Q1"},
    popularity=7,
    source="Notes",
)
BERT = EntityRecord("bert", "Bert", aliases=(AliasRecord("Bert"),))


def detail(kb: Kb, key: str) -> queries.EntityDetail | None:
    with Session(kb.engine) as session:
        return queries.get_entity(session, kb.namespace, key)


def changes(kb: Kb, version: int = 0, limit: int = 10_000) -> list[queries.ChangeRecord]:
    with Session(kb.engine) as session:
        return queries.changes_since(session, kb.namespace, version, limit)


def revisions(kb: Kb) -> list[tuple[Any, ...]]:
    return kb.sql(
        "SELECT entity_id, kind, before, after, actor, comment FROM revision"
        " WHERE namespace = :namespace AND entity_id IS NOT NULL ORDER BY id"
    )


def stored(record: EntityRecord) -> dict[str, Any]:
    return dict(orjson.loads(orjson.dumps(entity_json(record))))


def test_an_entity_in_detail(kb: Kb) -> None:
    kb.put(ANNA, BERT)
    found = detail(kb, "anna")
    assert found is not None
    assert (found.record, found.version, found.incoming_relations) == (ANNA, 1, 0)
    assert found.created_at == found.updated_at
    bert = detail(kb, "bert")
    assert bert is not None
    assert bert.incoming_relations == 1
    assert detail(kb, "nobody") is None
    assert detail(kb, "") is None


def test_an_edit_has_a_revision_and_a_change(kb: Kb) -> None:
    assert kb.put(ANNA, actor="me", comment="first") == Outcome(added=1, types=["person"], predicates=["knows"])
    edited = EntityRecord("anna", "Anna", aliases=ANNA.aliases[1:], popularity=8)
    version = kb.version()
    assert kb.put(edited, actor="you") == Outcome(changed=1)
    assert kb.put(edited) == Outcome(unchanged=1)
    assert revisions(kb) == [
        ("anna", "edit", None, stored(ANNA), "me", "first"),
        ("anna", "edit", stored(ANNA), stored(edited), "you", None),
    ]
    (change,) = changes(kb, version)
    assert (change.kind, change.entity_id, change.item_id) == ("entity", "anna", None)
    assert change.version == kb.version() > version
    found = detail(kb, "anna")
    assert found is not None
    assert (found.record, found.version) == (edited, 2)
    assert found.updated_at > found.created_at


def test_a_deletion(kb: Kb) -> None:
    kb.put(ANNA, BERT)
    version = kb.version()
    assert kb.delete("bert", "nobody") == 1
    assert kb.delete("bert") == 0
    assert detail(kb, "bert") is None
    assert list(kb.records()) == ["anna"]
    assert [(c.kind, c.entity_id) for c in changes(kb, version)] == [("entity_deleted", "bert")]
    assert revisions(kb)[-1] == ("bert", "delete", stored(BERT), None, None, None)
    with Session(kb.engine) as session:
        assert queries.pending_relations(session, kb.namespace, 3) == (1, [("anna", "knows", "bert")])
        assert queries.existing_ids(session, kb.namespace, ["anna", "bert"]) == {"anna"}
        assert queries.count_entities(session, kb.namespace) == 1
    assert kb.sizes()["alias"] == 2
    kb.put(BERT)
    found = detail(kb, "bert")
    assert found is not None
    assert (found.version, found.incoming_relations) == (3, 1)
    assert revisions(kb)[-1][2:4] == (None, stored(BERT))


def test_a_deletion_takes_everything_that_hangs_on_the_entity(kb: Kb) -> None:
    kb.put(ANNA)
    kb.delete("anna")
    sizes = kb.sizes()
    assert [sizes[table] for table in ("alias", "entity_type", "relation", "xref")] == [0, 0, 0, 0]
    assert sizes["entity"] == 1


def test_an_edit_that_is_rolled_back_leaves_nothing(kb: Kb) -> None:
    kb.put(BERT)
    before = kb.sizes(), kb.version(), kb.records()
    with Session(kb.engine) as session:
        curation.put_entities(session, kb.namespace, [curation.stage(ANNA)], Edit("edit"))
        curation.delete_entities(session, kb.namespace, ["bert"], Edit("delete"))
        session.rollback()
    assert (kb.sizes(), kb.version(), kb.records()) == before


def test_stored_form() -> None:
    record = EntityRecord(
        "x",
        "L",
        aliases=(AliasRecord("b", 1), AliasRecord("a"), AliasRecord("b", 3), AliasRecord("b", 2), AliasRecord("L", 4)),
        types=("t2", "t1", "t2"),
        relations=(RelationRecord("q", "1"), RelationRecord("p", "2"), RelationRecord("q", "1")),
        xrefs={"b": "1", "a": "2"},
    )
    staged = curation.stage(record)
    assert staged.record.aliases == (AliasRecord("L", 4), AliasRecord("a"), AliasRecord("b", 3))
    assert staged.record.types == ("t1", "t2")
    assert staged.record.relations == (RelationRecord("p", "2"), RelationRecord("q", "1"))
    assert list(staged.record.xrefs) == ["a", "b"]
    assert curation.stage(staged.record) == staged
    assert orjson.loads(staged.line)["xrefs"] == {"a": "2", "b": "1"}


def test_changes_come_in_order_and_in_pieces(kb: Kb) -> None:
    for key in "cab":
        kb.put(EntityRecord(key, key))
    everything = changes(kb)
    assert [change.entity_id for change in everything] == ["c", "a", "b"]
    assert [change.version for change in everything] == sorted(change.version for change in everything)
    assert everything[-1].version == kb.version()
    assert changes(kb, limit=2) == everything[:2]
    assert changes(kb, everything[0].version, limit=1) == everything[1:2]
    assert changes(kb, kb.version()) == []
    other = Kb(kb.engine, f"{kb.namespace}-other", kb.folder)
    other.put(BERT)
    assert changes(kb) == everything


def test_types_and_predicates_of_their_own(kb: Kb) -> None:
    with Session(kb.engine) as session, session.begin():
        types = [TypeRecord("city", "City", "place")]
        assert curation.put_types(session, kb.namespace, types, Edit("edit")) == Outcome(added=1, types=["place"])
        assert curation.put_types(session, kb.namespace, types, Edit("edit")) == Outcome(unchanged=1)
        predicates = [PredicateRecord("p", "P")]
        assert curation.put_predicates(session, kb.namespace, predicates, Edit("edit")) == Outcome(added=1)
        assert queries.read_types(session, kb.namespace, ["city", "place", "x"]) == {
            "city": types[0],
            "place": TypeRecord("place", "place"),
        }
        assert queries.read_predicates(session, kb.namespace, ["p", "x"]) == {"p": predicates[0]}
    assert [(c.kind, c.item_id) for c in changes(kb)] == [("type", "place"), ("type", "city"), ("predicate", "p")]
    assert [kind for (kind,) in kb.sql("SELECT kind FROM revision WHERE namespace = :namespace")] == ["edit"] * 3


def test_occurrences_are_replaced_as_a_whole(kb: Kb) -> None:
    first = [AliasOccurrenceRecord("may", 10, 2, 300, 1), AliasOccurrenceRecord("of", 1, 0, 900, 0)]
    for records in (first, [AliasOccurrenceRecord("é", 1, 1, 0, 0)]):
        before = kb.version()
        with Session(kb.engine) as session, session.begin():
            assert curation.replace_alias_occurrences(session, kb.namespace, iter(records)) == len(records)
        with Session(kb.engine) as session:
            assert list(queries.stream_alias_occurrences(session, kb.namespace)) == records
        assert [change.kind for change in changes(kb, before)] == ["alias_occurrence"]


def test_statistics(kb: Kb) -> None:
    with Session(kb.engine) as session:
        assert queries.stats(session, kb.namespace).entities == 0
    kb.load(
        [
            entity("a", "One", description="d", types=["t"], relations=[{"predicate": "p", "object": "b"}]),
            entity("b", "one", aliases=[{"text": "ONE"}, {"text": "Two"}]),
            entity("c", "Three", relations=[{"predicate": "p", "object": "x"}, {"predicate": "q", "object": "gone"}]),
            entity("gone", description="d", types=["t"]),
        ]
    )
    kb.delete("gone")
    with Session(kb.engine) as session:
        found = queries.stats(session, kb.namespace)
    assert found == queries.KbStats(
        kb_version=kb.version(),
        entities=3,
        with_description=1,
        with_types=1,
        with_relations=2,
        aliases=5,
        distinct_aliases=3,
        ambiguous_aliases=1,
        types=1,
        predicates=2,
        relations=3,
        pending_relations=2,
    )
    told = kb.command("kb", "stats", "--json")
    assert orjson.loads(told.stdout)["ambiguous_aliases"] == 1


def test_a_reader_sees_one_moment(kb: Kb) -> None:
    kb.put(ANNA)
    with snapshot_session(kb.engine) as session:
        before = queries.kb_version(session, kb.namespace)
        kb.put(BERT, EntityRecord("anna", "Changed"))
        assert queries.kb_version(session, kb.namespace) == before < kb.version()
        assert list(queries.stream_entities(session, kb.namespace)) == [ANNA]
        assert queries.get_entity(session, kb.namespace, "bert") is None
        with pytest.raises(DBAPIError, match="read-only"):
            curation.ensure_namespace(session, "x")
    found = detail(kb, "anna")
    assert found is not None
    assert found.record.label == "Changed"


def test_streams_are_cut_into_pieces_without_a_trace(kb: Kb) -> None:
    records = [
        EntityRecord(f"{chr(0x61 + n % 7)}{n:03}", f"N{n}", aliases=(AliasRecord(f"N{n}"),), types=(f"t{n % 3}",))
        for n in range(100)
    ]
    kb.put(*records)
    expected = sorted(records, key=lambda record: record.id)
    with snapshot_session(kb.engine) as session:
        for batch in (1, 7, 100, 1000):
            assert list(queries.stream_entities(session, kb.namespace, batch)) == expected


def test_readers_hear_of_an_edit_when_it_is_committed(kb: Kb) -> None:
    url = kb.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}".encode())
        with Session(kb.engine) as session, session.begin():
            curation.put_entities(session, kb.namespace, [curation.stage(BERT)], Edit("edit"))
            assert list(listener.notifies(timeout=0, stop_after=1)) == []
        (heard,) = listener.notifies(timeout=30, stop_after=1)
        assert orjson.loads(heard.payload) == {"namespace": kb.namespace, "version": kb.version()}
        kb.put(BERT)  # unchanged: nothing to hear of
        assert list(listener.notifies(timeout=0, stop_after=1)) == []
