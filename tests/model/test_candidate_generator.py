"""Where candidates come from: by name, by a similar or shorter name, by meaning."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_kb
from hypothesis import given
from hypothesis import strategies as st

from model.candidates import (
    ALIAS,
    DENSE,
    FUZZY,
    MAX_CANDIDATES,
    CandidateGenerator,
    CandidateTable,
    found_by,
)
from model.encoder import unit
from model.fitting.lacking import Lacking, Without
from model.linker import Linker
from model.short_forms import is_short_form, short_forms


def generate(linker: Linker, *surfaces: str) -> CandidateTable:
    queries = unit(linker.encoder.embed(list(surfaces)))
    rows = np.full(len(surfaces), -1, dtype=np.int32)
    return CandidateGenerator(linker.source).generate(surfaces, rows, queries)


def found(linker: Linker, *surfaces: str) -> list[dict[str, tuple[str, ...]]]:
    """For each surface, its candidates and where they were found."""
    table = generate(linker, *surfaces)
    result: list[dict[str, tuple[str, ...]]] = [{} for _ in surfaces]
    for mention, ordinal, bits in zip(
        table.mention.tolist(), table.ordinal.tolist(), table.found.tolist(), strict=True
    ):
        result[mention][linker.store.entity_id(ordinal)] = found_by(bits)
    return result


@pytest.mark.parametrize(
    ("surface", "entity"), [("Paris", "Paris"), ("paris", "Paris"), ("AC/DC", "AC/DC"), ("JFK", "John_F._Kennedy")]
)
def test_by_alias(starter_linker: Linker, surface: str, entity: str) -> None:
    (candidates,) = found(starter_linker, surface)
    assert "alias" in candidates[entity]
    assert "fuzzy" not in candidates[entity]


@pytest.mark.parametrize(
    ("surface", "entity"),
    [
        ("Abrahm Lincoln", "Abraham_Lincoln"),
        ("Abraham Lincolm", "Abraham_Lincoln"),
        ("Angela Merkle", "Angela_Merkel"),
        ("Micheal Jordan", "Michael_Jordan"),
        ("the Berlin’s", "Berlin"),
        ("“Germany”", "Germany"),
        ("Germanys", "Germany"),
        ("Coca–Cola", "Coca-Cola"),
    ],
)
def test_by_a_similar_name(starter_linker: Linker, surface: str, entity: str) -> None:
    assert starter_linker.source.alias_row(surface) < 0 or surface in {"“Germany”", "Coca–Cola"}
    (candidates,) = found(starter_linker, surface)
    assert {"fuzzy", "alias"} & set(candidates[entity])


@pytest.mark.parametrize(
    ("longer", "short", "entity"),
    [
        ("Angela Merkel", "Angela", "Angela_Merkel"),
        ("Angela Merkel", "Merkel", "Angela_Merkel"),
        ("International Business Machines", "IBM", "IBM"),
        ("International Business Machines", "I.B.M.", "IBM"),
    ],
)
def test_by_a_longer_name_before(starter_linker: Linker, longer: str, short: str, entity: str) -> None:
    first, second = found(starter_linker, longer, short)
    assert "alias" in first[entity]
    assert "fuzzy" not in first[entity]
    assert "fuzzy" in second[entity]
    table = generate(starter_linker, longer, short)
    inherited = {starter_linker.store.entity_id(at) for at in table.ordinal[table.short_form > 0].tolist()}
    assert entity in inherited
    before, _ = found(starter_linker, short, longer)  # a short form looks back, not ahead
    assert "fuzzy" not in before.get(entity, ()) or starter_linker.source.alias_row(short) < 0


def test_many_longer_names_leave_room_for_the_names_own_bearers(tiny_linker: Linker) -> None:
    """Eight longer names with five bearers each stand before: they do not crowd out the city."""
    places = [f"Paris {word}" for word in tiny_kb.PARIS_NAMES]
    candidates = found(tiny_linker, *places, "Paris")[-1]
    assert "Paris" in candidates
    assert len(candidates) <= MAX_CANDIDATES
    heirs = {entity.rpartition("_")[0] for entity, where in candidates.items() if where == ("fuzzy",)}
    assert heirs == {name.replace(" ", "_") for name in places[-3:]}  # of the latest names


def test_by_meaning(starter_linker: Linker) -> None:
    (candidates,) = found(starter_linker, "the planet nearest the Sun")
    assert candidates["Mercury_(planet)"] == ("dense",)
    table = generate(starter_linker, "the planet nearest the Sun")
    assert (table.found == DENSE).all()
    assert (table.dense > 0).all()
    assert len(table.ordinal) == 10


def test_meaning_is_asked_where_a_name_has_bearers_too(starter_linker: Linker) -> None:
    table = generate(starter_linker, "Springfield")
    assert (table.found & ALIAS > 0).sum() >= 5
    assert (table.found & DENSE > 0).sum() == 10
    assert (table.found == DENSE).any()


def test_a_mention_without_a_name_has_no_alias(starter_linker: Linker) -> None:
    table = generate(starter_linker, "Zebulon Quuxington", "Paris")
    assert table.rows[0] == -1
    assert table.totals[0] == 0
    assert table.rows[1] == starter_linker.source.alias_row("Paris")
    assert table.totals[1] == table.count[(table.mention == 1) & (table.found & ALIAS > 0)].sum()


def test_of_a_similar_name_the_prior_is_a_share_too(starter_linker: Linker) -> None:
    table = generate(starter_linker, "Abrahm Lincoln")
    similar = (table.found & FUZZY) > 0
    assert table.rows[0] == -1
    assert table.totals[0] >= table.count[similar].sum() > 0


def test_an_entity_that_is_to_be_absent_leaves_no_trace(starter_linker: Linker) -> None:
    city = starter_linker.store.ordinal("Paris")
    assert city is not None
    queries = unit(starter_linker.encoder.embed(["Paris", "the capital of France"]))
    generator, rows = CandidateGenerator(starter_linker.source), np.full(2, -1, dtype=np.int32)
    surfaces = ["Paris", "the capital of France"]
    lacking = CandidateGenerator(Lacking(starter_linker.source, Without(absent=frozenset([city]))))
    whole, without = (
        generator.generate(surfaces, rows, queries),
        lacking.generate(surfaces, rows, queries),
    )
    assert city in whole.ordinal[whole.mention == 0]
    assert city in whole.ordinal[whole.mention == 1]
    assert city not in without.ordinal
    assert without.totals[0] == whole.totals[0] - whole.count[(whole.mention == 0) & (whole.ordinal == city)].sum()
    assert ((without.found & DENSE > 0).sum(), (whole.found & DENSE > 0).sum()) == (20, 20)


def test_candidates_are_few_distinct_and_in_a_fixed_order(starter_linker: Linker) -> None:
    surfaces = [
        "Jordan",
        "Michael Jordan",
        "Jordan",
        "Washington",
        "Paris",
        "Victoria",
        "Springfield",
        "",
        " ",
        "\x00",
        "🎉",
    ]
    first, again = generate(starter_linker, *surfaces), generate(starter_linker, *surfaces)
    for name in ("mention", "ordinal", "count", "found", "short_form", "dense", "totals", "rows"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (np.diff(first.mention) >= 0).all()
    for mention in range(first.mentions):
        ordinals = first.ordinal[first.mention == mention]
        assert len(ordinals) <= MAX_CANDIDATES
        assert len(set(ordinals.tolist())) == len(ordinals)
    # Within a mention: heirs of a longer name, then by falling count, then what is only near in meaning.
    rank = np.column_stack([-first.short_form, first.found == DENSE, -first.count]).tolist()
    for mention in range(first.mentions):
        own = [row for row, at in zip(rank, first.mention.tolist(), strict=True) if at == mention]
        assert own == sorted(own)


def test_short_forms_look_back_in_their_own_document_only(starter_linker: Linker) -> None:
    surfaces = ["Angela Merkel", "Merkel", "Merkel"]
    rows, queries = np.full(3, -1, dtype=np.int32), unit(starter_linker.encoder.embed(surfaces))
    generator = CandidateGenerator(starter_linker.source)
    together = generator.generate(surfaces, rows, queries, documents=[0, 0, 1])
    assert together.short_form[together.mention == 1].any()
    assert not together.short_form[together.mention == 2].any()
    for run in ((0, 2), (2, 3)):
        part, alone = (
            together.of_mentions(*run),
            generator.generate(surfaces[slice(*run)], rows[: run[1] - run[0]], queries[slice(*run)]),
        )
        for name in ("mention", "ordinal", "count", "found", "short_form", "dense", "totals", "rows"):
            np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))


def test_no_mentions_no_candidates(starter_linker: Linker) -> None:
    table = CandidateGenerator(starter_linker.source).generate(
        [], np.zeros(0, np.int32), np.zeros((0, 384), np.float32)
    )
    assert table.mentions == len(table.ordinal) == 0


def test_a_run_of_mentions_can_be_taken_out(starter_linker: Linker) -> None:
    table = generate(starter_linker, "Jordan", "Paris", "Zebulon Quuxington", "Rome")
    part = table.of_mentions(1, 3)
    rows = (table.mention >= 1) & (table.mention < 3)
    assert part.mentions == 2
    np.testing.assert_array_equal(part.mention, table.mention[rows] - 1)
    np.testing.assert_array_equal(part.ordinal, table.ordinal[rows])
    np.testing.assert_array_equal(part.rows, table.rows[1:3])


def test_where_a_candidate_was_found_in_words() -> None:
    assert found_by(ALIAS | DENSE) == ("alias", "dense")
    assert found_by(FUZZY) == ("fuzzy",)
    assert found_by(0) == ()


@pytest.mark.parametrize(
    ("surface", "longer", "expected"),
    [
        ("Merkel", "Angela Merkel", True),
        ("Angela", "Angela Merkel", True),
        ("IBM", "International Business Machines", True),
        ("I.B.M.", "International Business Machines", True),
        ("UK", "United Kingdom", True),
        ("merkel", "Angela Merkel", False),
        ("Merk", "Angela Merkel", False),
        ("Angela Merkel", "Angela Merkel", False),
        ("Angela Merkel", "Merkel", False),
        ("B", "B C", True),
        ("IB", "International Business Machines", False),
        ("", "Angela Merkel", False),
    ],
)
def testshort_forms(surface: str, longer: str, expected: bool) -> None:
    assert is_short_form(surface, longer) is expected


@given(st.lists(st.sampled_from(["Angela", "Merkel", "of", "New", "York", "Ó"]), min_size=1, max_size=5).map(" ".join))
def test_every_short_form_is_looked_up(longer: str) -> None:
    assert all(is_short_form(form, longer) for form in short_forms(longer) if form[:1].isupper() and len(form) > 1)
    words = longer.split(" ")
    outer = {" ".join(words[:n]) for n in range(1, len(words))} | {" ".join(words[n:]) for n in range(1, len(words))}
    assert outer <= set(short_forms(longer))
