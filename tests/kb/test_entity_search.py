"""Search as one types: what is found, in which order, and page by page."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from kb_files import Kb, entity
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from kb import search
from kb import search_sql as sql
from kb.curation import Edit
from kb.editing import patch_entity
from kb.search import BadCursor, SearchPage, search_entities
from kb.undoing import undo_since

TYPES = [("place", None), ("city", "place"), ("capital", "city"), ("company", None), ("bank", "company")]
ENTITIES = [
    entity("Q1", "Paris", description="capital of France", types=["capital"], popularity=100),
    entity("Q2", "Paris", types=["city"], popularity=20, aliases=[{"text": "Paris, Texas", "count": 3}]),
    entity("Q3", "Paris Hilton", popularity=50),
    entity("Q4", "Parisian Bank", types=["bank"], popularity=50),
    entity("Q5", "Café de Paris", types=["company", "place"], popularity=5),
    entity("Q6", "100% Wolf", popularity=3),
    entity("Q7", "100 Wolves", popularity=4),
    entity("Q8", "snake_case", popularity=2),
    entity("Q9", "snakeXcase", popularity=9),
    entity("Q10", "back\\slash", popularity=1),
    entity("Q11", 'O\u2019Neill\'s "Place"', popularity=1),
    entity("Q12", "Mississippi", types=["place"], popularity=8),
    entity("Q13", "Dortmund", types=["city"], popularity=8),
    entity("Q14", "München", types=["city"], aliases=[{"text": "Munich", "count": 9}], popularity=8),
    entity("AC/DC", "AC/DC", popularity=7),
    entity("Q15", "Barack Obama", popularity=90),
    entity("Q16", "Достоевский", popularity=9),
    entity("Q17", "موسكو", popularity=9),
    entity("Q18", "東京都", popularity=9),
]


@pytest.fixture(scope="module")
def kb(kb_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Kb:
    """A knowledge base that the tests of this module only read."""
    made = Kb(kb_engine, "search", tmp_path_factory.mktemp("search"))
    types = made.write([{"id": key, "label": key, "parent": parent} for key, parent in TYPES], "types")
    made.load([*ENTITIES, entity("gone", "Paris gone", popularity=99)], types=types)
    made.delete("gone")
    return made


def find(kb: Kb, q: str, **how: Any) -> SearchPage:
    with Session(kb.engine) as session:
        return search_entities(session, kb.namespace, q, **how)


def found(kb: Kb, q: str, **how: Any) -> list[tuple[str, str]]:
    return [(hit.id, hit.match) for hit in find(kb, q, **how).hits]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("Paris", [("Q1", "exact"), ("Q2", "exact"), ("Q3", "prefix"), ("Q4", "prefix")]),
        ("  PARIS ", [("Q1", "exact"), ("Q2", "exact"), ("Q3", "prefix"), ("Q4", "prefix")]),
        ("pari", [("Q1", "prefix"), ("Q3", "prefix"), ("Q4", "prefix"), ("Q2", "prefix")]),
        ("paris, t", [("Q2", "prefix")]),
        ("cafe de paris", [("Q5", "exact")]),
        ("munchen", [("Q14", "exact")]),
        ("Munich", [("Q14", "exact")]),
        ("ac/dc", [("AC/DC", "exact")]),
        ("o'neill's \"place", [("Q11", "exact")]),
        ("достоевский", [("Q16", "exact")]),
        ("Дост", [("Q16", "prefix")]),
        ("موس", [("Q17", "prefix")]),
        ("東", [("Q18", "prefix")]),
        ("Q1", [("Q1", "exact")]),
        ("Q13", [("Q13", "exact")]),
    ],
)
def test_names_ids_and_starts_of_names(kb: Kb, q: str, expected: list[tuple[str, str]]) -> None:
    assert found(kb, q) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("Missisippi", "Q12"),
        ("Misissippi", "Q12"),
        ("Dortmnud", "Q13"),
        ("Dotmund", "Q13"),
        ("hilton paris", "Q3"),
        ("Barak Obma", "Q15"),
        ("Barak Ob", "Q15"),
        ("Достоевкий", "Q16"),
        ("موسكوو", "Q17"),
    ],
)
def test_names_with_a_slip(kb: Kb, q: str, expected: str) -> None:
    assert found(kb, q)[0] == (expected, "similar")


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("100%", ["Q6"]),
        ("100%w", []),
        ("snake_", ["Q8"]),
        ("back\\", ["Q10"]),
        ("%", []),
        ("...!?", []),
        ("-" * 500, []),
        ("_", []),
        ("\\", []),
        ("_____", []),
        ("%%%", []),
        ("Par%", []),
        ("P_ris", []),
        ("' OR 1=1 --", []),
        (".*", []),
        ("[", []),
        ("", []),
        (" \t ", []),
        ("x" * 10_000, []),
        ("😀", []),
        ("\u0301", []),
        ("\U0010ffff", []),
        (":name", []),
        ("%(name)s %s {0}", []),
    ],
)
def test_odd_text_means_itself(kb: Kb, q: str, expected: list[str]) -> None:
    """Nothing is a wildcard or a part of a statement; similar names may be found besides."""
    hits = find(kb, q).hits
    assert [hit.id for hit in hits if hit.match != "similar"] == expected


def test_what_a_hit_says(kb: Kb) -> None:
    hit = find(kb, "Paris").hits[0]
    assert (hit.label, hit.description, hit.types, hit.popularity) == ("Paris", "capital of France", ("capital",), 100)
    assert find(kb, "café de paris").hits[0].types == ("company", "place")


@pytest.mark.parametrize(
    ("type_id", "expected"),
    [
        ("place", ["Q1", "Q2"]),
        ("city", ["Q1", "Q2"]),
        ("capital", ["Q1"]),
        ("company", ["Q4"]),
        ("bank", ["Q4"]),
        ("no such type", []),
        ("'; --", []),
    ],
)
def test_only_of_a_type_and_of_types_below_it(kb: Kb, type_id: str, expected: list[str]) -> None:
    hits = find(kb, "paris", type_id=type_id).hits
    assert [hit.id for hit in hits if hit.match != "similar"] == expected
    assert [hit.id for hit in find(kb, "Misissippi", type_id=type_id).hits] == (["Q12"] if type_id == "place" else [])


def test_other_namespaces_are_not_searched(kb: Kb) -> None:
    with Session(kb.engine) as session:
        assert search_entities(session, "another", "Paris") == SearchPage([], None)


def pages(kb: Kb, q: str, limit: int, **how: Any) -> Iterator[SearchPage]:
    cursor = None
    while True:
        page = find(kb, q, limit=limit, cursor=cursor, **how)
        yield page
        if page.cursor is None:
            return
        assert len(page.hits) == limit
        cursor = page.cursor


@pytest.fixture(scope="module")
def crowd(kb_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Kb:
    """Many entities with names that are, start with, or are like `Springfield`; many are equally popular."""
    made = Kb(kb_engine, "crowd", tmp_path_factory.mktemp("crowd"))
    numbers = random.Random(1)
    names = ["Springfield", "Springfield Town {}", "Springfeld {}", "Spring {}", "Autumn {}"]
    made.load(
        [
            entity(f"é{number:03}", names[number % 5].format(number), types=[["even", "odd"][number % 2]])
            | {"popularity": numbers.choice([0, 0, 1, 5, 10, 12, 99, 100, 3000])}
            for number in range(200)
        ]
    )
    return made


@pytest.mark.parametrize("limit", [1, 7, 20, 40, 41, 100])
@pytest.mark.parametrize("q", ["springfield", "spring", "s", "sprngfield", "é007"])
@pytest.mark.parametrize("type_id", [None, "odd"])
@pytest.mark.parametrize("few", [10, 2500])
def test_pages_hold_everything_once(
    crowd: Kb, monkeypatch: pytest.MonkeyPatch, q: str, limit: int, type_id: str | None, few: int
) -> None:
    """Whichever way the search goes: name by name, or down the list of popular entities."""
    monkeypatch.setattr(search, "FEW_NAMES", few)
    whole = find(crowd, q, limit=1000, type_id=type_id)
    assert whole.cursor is None
    hits = [hit for page in pages(crowd, q, limit, type_id=type_id) for hit in page.hits]
    assert hits == whole.hits
    ids = [hit.id for hit in hits]
    assert len(set(ids)) == len(ids) > 0
    if q in {"s", "spring"}:
        assert len(ids) == (160 if type_id is None else 80)
    for tier in ("exact", "prefix"):
        popularity = [-hit.popularity for hit in hits if hit.match == tier]
        assert popularity == sorted(popularity)


def test_pages_go_on_while_the_knowledge_base_changes(kb: Kb, crowd: Kb) -> None:
    """What was on a page does not come again, and what stays is not left out."""
    made = Kb(crowd.engine, "changing", crowd.folder)
    made.load([entity(f"e{number}", f"Name {number}", popularity=10) for number in range(9)])
    first = find(made, "name", limit=3)
    made.delete("e1", "e5")
    made.load([entity("a0", "Name new", popularity=99)])
    rest = find(made, "name", limit=100, cursor=first.cursor)
    assert [hit.id for hit in first.hits] == ["e0", "e1", "e2"]
    assert [hit.id for hit in rest.hits] == ["e3", "e4", "e6", "e7", "e8"]


def test_names_follow_the_popularity_of_their_entity(kb: Kb, crowd: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was changed: the best known are found by what stands in the rows of names."""
    made = Kb(crowd.engine, "rising", crowd.folder)
    monkeypatch.setattr(search, "FEW_NAMES", 1)
    made.load([entity(f"e{number}", f"Name {number}", popularity=number) for number in range(5)])
    before = datetime.now(UTC)
    made.load([entity("e1", "Name 1", popularity=1000)])
    with Session(made.engine) as session, session.begin():
        patch_entity(session, made.namespace, "e2", {"popularity": 50}, None, Edit("patch"))
    assert [hit.id for hit in find(made, "name").hits] == ["e1", "e2", "e4", "e3", "e0"]
    with Session(made.engine) as session, session.begin():
        undo_since(session, made.namespace, before, None, Edit("undo"))
    assert [hit.id for hit in find(made, "name").hits] == ["e4", "e3", "e2", "e1", "e0"]


@pytest.mark.parametrize("q", ["par", "Missisippi"])
def test_a_search_that_takes_too_long_says_so(kb: Kb, monkeypatch: pytest.MonkeyPatch, q: str) -> None:
    """What was found before that is answered, and the session can be used again."""
    with Session(kb.engine) as session:
        with monkeypatch.context() as slow:
            slow.setattr(search, "PATIENCE", 50)
            slow.setattr(sql, "PREFIX_OF_FEW" if q == "par" else "SIMILAR", text("SELECT pg_sleep(30)"))
            assert search_entities(session, kb.namespace, q) == SearchPage([], None, complete=False)
        assert search_entities(session, kb.namespace, "Paris", limit=2).complete


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode()


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "nonsense",
        "é",
        "AAAA",
        base64.urlsafe_b64encode(b"5").decode(),
        base64.urlsafe_b64encode(b"[0,0,0,\xff]").decode(),
        cursor(),
        cursor(0, 0, 0),
        cursor(4, 0, 0, "a"),
        cursor(-1, 0, 0, "a"),
        cursor("x", 0, 0, "a"),
        cursor(0, "x", 0, "a"),
        cursor(0, 0, -1, "a"),
        cursor(0, 0, 1e300, "a"),
        cursor(0, 0, 2**63, "a"),
        cursor(0, 0, 0, "a\0"),
        cursor(0, None, 0, "a"),
    ],
)
def test_cursors_that_are_none(kb: Kb, forged: str) -> None:
    with pytest.raises(BadCursor, match="leave it out"):
        find(kb, "paris", cursor=forged)


@pytest.mark.parametrize("strange", [cursor(0, 0, 0, ""), cursor(2, -1e308, 2**62, "😀"), cursor(1, 5, 5, "'; --")])
def test_cursors_that_no_search_returned_do_no_harm(kb: Kb, strange: str) -> None:
    assert len(find(kb, "paris", cursor=strange).hits) < 10
