"""Lists of entities: what each filter lets through, page after page, and while others write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from kb_files import Kb, entity
from sqlalchemy.orm import Session
from test_undoing import now

from kb import listing
from kb.listing import Filter

ENTITIES = [
    entity("a", "Paris", description="capital", types=["city"], aliases=[{"text": "City of Light"}]),
    entity("b", "PARIS", types=["hero"]),
    entity("c", "Lyon", description="second", types=["city", "place"]),
    entity("d/e", "Troy", description="ruin", types=["ruin"], aliases=[{"text": "Ilion"}, {"text": "Wilusa"}]),
    entity("z", "Nil"),
]


@pytest.fixture
def listed(kb: Kb) -> Kb:
    types = kb.write([{"id": "city", "label": "city", "parent": "place"}, {"id": "place", "label": "p"}], "types.jsonl")
    kb.load(ENTITIES, types=types, source="mine")
    return kb


def ids(kb: Kb, which: Filter, limit: int = 100) -> list[str]:
    """Return all ids that a filter lets through, asked for in pages."""
    found: list[str] = []
    after: str | None = ""
    with Session(kb.engine) as session:
        while after is not None:
            page = listing.list_entities(session, kb.namespace, which, after, limit)
            assert len(page.entities) <= limit
            found += [item.id for item in page.entities]
            after = page.after
        assert listing.matching_ids(session, kb.namespace, which, 1000) == found
        assert listing.count_entities(session, kb.namespace, which) == len(found)
    return found


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Filter(), ["a", "b", "c", "d/e", "z"]),
        (Filter(type_id="place"), ["a", "c"]),
        (Filter(type_id="place", subtypes=False), ["c"]),
        (Filter(type_id="city"), ["a", "c"]),
        (Filter(type_id="nothing"), []),
        (Filter(missing_description=True), ["b", "z"]),
        (Filter(no_alias=True), ["b", "c", "z"]),
        (Filter(ambiguous_alias=True), ["a", "b"]),
        (Filter(ambiguous_alias=True, type_id="place"), ["a"]),
        (Filter(ids=["z", "a", "nobody"]), ["a", "z"]),
        (Filter(ids=[]), []),
        (Filter(source="mine"), ["a", "b", "c", "d/e", "z"]),
        (Filter(source="yours"), []),
        (Filter(changed_since=datetime(2000, 1, 1, tzinfo=UTC)), ["a", "b", "c", "d/e", "z"]),
        (Filter(changed_since=datetime.now(UTC) + timedelta(days=1)), []),
        (Filter(no_alias=True, missing_description=True), ["b", "z"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_each_filter(listed: Kb, which: Filter, expected: list[str], limit: int) -> None:
    assert ids(listed, which, limit) == expected


def test_a_filter_that_finds_little_looks_at_a_part_at_a_time(listed: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    end = listing._END.text.replace(str(listing.SOME_ENTITIES), "1")
    monkeypatch.setattr(listing, "_END", listing.text(end))
    with Session(listed.engine) as session:
        first = listing.list_entities(session, listed.namespace, Filter(no_alias=True), "", 10)
    assert ([item.id for item in first.entities], first.after) == (["b"], "b")
    assert ids(listed, Filter(no_alias=True)) == ["b", "c", "z"]
    assert ids(listed, Filter(ambiguous_alias=True)) == ["a", "b"]


def test_what_was_deleted_is_not_listed_and_makes_nothing_ambiguous(listed: Kb) -> None:
    moment = now(listed)
    listed.delete("b")
    assert ids(listed, Filter()) == ["a", "c", "d/e", "z"]
    assert ids(listed, Filter(ambiguous_alias=True)) == []
    listed.load([entity("c", "Lyon", description="third")])
    assert ids(listed, Filter(changed_since=moment)) == ["c"]


def test_pages_are_right_while_others_write(listed: Kb) -> None:
    with Session(listed.engine) as session:
        first = listing.list_entities(session, listed.namespace, Filter(), "", 2)
    assert first.after == "b"
    listed.load([entity("aa"), entity("bb")])
    listed.delete("a", "b", "c")
    with Session(listed.engine) as session:
        rest = listing.list_entities(session, listed.namespace, Filter(), first.after, 10)
    assert [item.id for item in rest.entities] == ["bb", "d/e", "z"]


def test_what_a_list_shows(listed: Kb) -> None:
    with Session(listed.engine) as session:
        (shown,) = listing.list_entities(session, listed.namespace, Filter(ids=["c"]), "", 10).entities
    assert (shown.label, shown.description, shown.types, shown.popularity) == ("Lyon", "second", ("city", "place"), 0)


def test_a_search_goes_with_filters(listed: Kb) -> None:
    def found(which: Filter, limit: int = 10) -> list[str]:
        hits: list[str] = []
        cursor = None
        with Session(listed.engine) as session:
            while True:
                page = listing.search_listed(session, listed.namespace, "paris", None, which, limit, cursor)
                hits += [hit.id for hit in page.hits]
                cursor = page.cursor
                if cursor is None:
                    return hits

    assert found(Filter()) == ["a", "b"]
    for limit in (1, 2, 10):
        assert found(Filter(missing_description=True), limit) == ["b"]
        assert found(Filter(type_id="city"), limit) == ["a"]
        assert found(Filter(ids=["z"]), limit) == []


def test_whether_a_filter_is_empty() -> None:
    assert Filter().is_empty
    assert Filter(subtypes=False).is_empty
    for which in (Filter(ids=[]), Filter(no_alias=True), Filter(type_id="a"), Filter(changed_since=datetime.now(UTC))):
        assert not which.is_empty
