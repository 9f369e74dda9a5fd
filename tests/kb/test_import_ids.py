"""Ids and names of any text go in, are found, and come out as they were."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kb_files import Kb, entity
from sqlalchemy.orm import Session

from kb import queries
from kb.records import EntityRecord, RelationRecord
from kb.search import search_entities

IDS = [
    "AC/DC",
    "Café de Paris",
    "Cafe\u0301 de Paris",  # decomposed: another id
    "a" * 250,
    "😀" * 250,
    "العربية",
    "שלום עולם",
    "\u202eright to left\u202c",
    "👨‍👩‍👧 family",
    "100% _literally_ \\ 'quoted' \"twice\"",
    "'; DROP TABLE entity; --",
    "a,b;c\td",
    " leading and trailing ",
    "line\nbreak",
    "null",
    "..",
    "-",
    "0",
    "\\N",
    "\\.",
    "\x7f\x1b[31m",
    "\ufeffmark",
    "\U0010ffff",
]


def test_ids_of_any_text(kb: Kb) -> None:
    edges = [{"predicate": key[:125], "object": key} for key in IDS[1:]]
    lines = [entity(key, types=[key], aliases=[{"text": key, "count": 1}], xrefs={key: key}, source=key) for key in IDS]
    lines[0]["relations"] = edges
    report = kb.load(lines)
    assert (report.rejected, report.entities.added, report.pending_relations) == (0, len(IDS), 0)
    records = kb.records()
    assert list(records) == sorted(IDS)
    for key in IDS:
        record = records[key]
        assert (record.label, record.types, record.xrefs, record.source) == (key, (key,), {key: key}, key)
    assert records[IDS[0]].relations == tuple(RelationRecord(key[:125], key) for key in sorted(IDS[1:]))
    with Session(kb.engine) as session:
        for key in IDS:
            found = queries.get_entity(session, kb.namespace, key)
            assert found is not None
            assert found.record == records[key]
            hits = [hit.id for hit in search_entities(session, kb.namespace, key, limit=100).hits]
            assert key in hits, key
            typed = search_entities(session, kb.namespace, key, type_id=key, limit=100).hits
            assert [hit.id for hit in typed] == [key]


@pytest.mark.parametrize("character", ["a", "é", "語", "😀"])
def test_everything_may_be_as_long_as_it_may_be_at_once(kb: Kb, character: str) -> None:
    """The longest ids share index entries, whose size is limited, too; nothing here compresses."""
    width = len(character.encode())
    alphabet = [chr(ord(character) + step) for step in range(20)]

    def long(seed: int, size: int) -> str:
        return "".join(random.Random(seed).choices(alphabet, k=size))

    lines = [
        entity(
            long(seed, 250),
            long(seed + 1, 1400 // width),
            aliases=[{"text": long(seed + 2, 1400 // width), "count": 2**31 - 1}],
            types=[long(seed + 3, 250)],
            relations=[{"predicate": long(seed + 4, 500 // width), "object": long(seed + 5, 250)}],
            xrefs={long(seed + 6, 1000 // width): long(seed + 7, 1000 // width)},
            source=long(seed + 8, 1000 // width),
            popularity=2**31 - 1,
        )
        for seed in (0, 10)
    ]
    assert kb.load(lines).entities.added == 2
    assert kb.load(lines, restart=True).entities.unchanged == 2


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda value: not value.isspace()
)


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8, unique=True))
def test_any_ids_and_names(kb_engine: object, tmp_path_factory: pytest.TempPathFactory, keys: list[str]) -> None:
    kb = Kb(kb_engine, "any-ids", tmp_path_factory.getbasetemp())  # type: ignore[arg-type]
    with kb.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entity WHERE namespace = 'any-ids'")
    kb.put(*(EntityRecord(key, key, types=(key,), xrefs={key: key}) for key in keys))
    assert list(kb.records()) == sorted(keys)
    with Session(kb.engine) as session:
        for key in keys:
            assert key in [hit.id for hit in search_entities(session, kb.namespace, key, limit=100).hits]
