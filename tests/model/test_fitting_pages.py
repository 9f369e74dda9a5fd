"""Leaving a page out of the counts: what it taught itself is not there when it is learned from."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation import GoldMention, LabelledDocument
from model.fitting.examples import examples
from model.fitting.pages import Discounter, PageCounts, page_of
from model.linker import Linker


def document(name: str, text: str, *links: tuple[str, str], kind: str = "anchor") -> LabelledDocument:
    mentions = tuple(
        GoldMention(text.index(words), text.index(words) + len(words), entity, kind) for words, entity in links
    )
    return LabelledDocument(name, "wiki", text, mentions)


ON_TROY = document(
    "wiki/Troy#0", "Ilium fell for Paris of Troy.", ("Ilium", "Troy"), ("Paris", "Paris_(mythology)"), ("Troy", "Troy")
)
MORE_ON_TROY = document("wiki/Troy#1", "The ruins of Ilium.", ("Ilium", "Troy"))
WEAK = document("wiki/Troy#2", "Paris again.", ("Paris", "Paris_(mythology)"), kind="weak")
ELSEWHERE = document("wiki/France#0", "Paris is its capital.", ("Paris", "Paris"))


@pytest.fixture
def pages(tiny_linker: Linker) -> PageCounts:
    counts = PageCounts(tiny_linker.source, tiny_linker.store, {"Troy", "Empty"})
    counts.add([ON_TROY, MORE_ON_TROY, WEAK, ELSEWHERE])
    return counts


def bearers(linker: Linker, without: Discounter | None, alias: str) -> list[tuple[str, int]]:
    row = linker.source.alias_row(alias)
    ordinals, counts = linker.source.bearers(row)
    if without is not None:
        ordinals, counts = without(row, ordinals, counts)
    return [(linker.store.entity_id(at), count) for at, count in zip(ordinals.tolist(), counts.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("name", "page"),
    [("wiki-prose/Troy#8", "Troy"), ("wiki/AC/DC#0", "AC/DC"), ("wiki/C##1", "C#"), ("plain", "plain"), ("a/b", "a/b")],
)
def test_the_page_of_a_document(name: str, page: str) -> None:
    assert page_of(name) == page


def test_the_pages_own_links_are_subtracted(tiny_linker: Linker, pages: PageCounts) -> None:
    assert bearers(tiny_linker, None, "Paris") == [("Paris", 90), ("Paris_(mythology)", 10), ("Paris,_Texas", 0)]
    # One link of the page itself; the weak one was never counted, and the other page is not left out.
    assert bearers(tiny_linker, pages.without("Troy"), "Paris") == [
        ("Paris", 90),
        ("Paris_(mythology)", 9),
        ("Paris,_Texas", 0),
    ]
    assert bearers(tiny_linker, pages.without("Empty"), "Paris") == bearers(tiny_linker, None, "Paris")


def test_a_name_that_only_the_page_knew_is_gone(tiny_linker: Linker, pages: PageCounts) -> None:
    assert bearers(tiny_linker, None, "Ilium") == [("Troy", 2)]
    assert bearers(tiny_linker, pages.without("Troy"), "Ilium") == []
    # Its label is its name whoever links it.
    only = PageCounts(tiny_linker.source, tiny_linker.store, {"Troy"})
    only.add([document(f"wiki/Troy#{number}", "Troy", ("Troy", "Troy")) for number in range(7)])
    assert bearers(tiny_linker, only.without("Troy"), "Troy") == [("Troy", 0)]


def test_bearers_stay_sorted_by_what_is_left(tiny_linker: Linker) -> None:
    counts = PageCounts(tiny_linker.source, tiny_linker.store, {"France"})
    counts.add([document(f"wiki/France#{number}", "Paris", ("Paris", "Paris")) for number in range(85)])
    assert bearers(tiny_linker, counts.without("France"), "Paris") == [
        ("Paris_(mythology)", 10),
        ("Paris", 5),
        ("Paris,_Texas", 0),
    ]


def test_popularity_without_the_page(tiny_linker: Linker, pages: PageCounts) -> None:
    ordinals = np.array([tiny_linker.store.ordinal(name) for name in ("Troy", "Paris", "Paris_(mythology)")], np.int32)
    assert tiny_linker.store.popularity(ordinals).tolist() == [9, 90, 10]
    assert pages.without("Troy").popularity(ordinals).tolist() == [6, 90, 9]


def test_links_to_unknown_entities_and_by_unknown_names_teach_nothing(tiny_linker: Linker) -> None:
    counts = PageCounts(tiny_linker.source, tiny_linker.store, {"Troy"})
    counts.add([document("wiki/Troy#0", "Atlantis and Wilusa", ("Atlantis", "Atlantis"), ("Wilusa", "Troy"))])
    assert bearers(tiny_linker, counts.without("Troy"), "Troy") == bearers(tiny_linker, None, "Troy")


def test_examples_look_as_a_new_page_would(tiny_linker: Linker, pages: PageCounts) -> None:
    made = [next(iter(examples(tiny_linker, [ON_TROY], pages, seed))) for seed in range(12)]
    for example in made:
        assert example.table.mentions == 3
        assert example.table.rows[0] == -1  # without the page, "Ilium" is nobody's name
        ordinals = [tiny_linker.store.ordinal(name) for name in ("Troy", "Paris_(mythology)", "Troy")]
        for mention, right in enumerate(ordinals):
            at = int(example.gold[mention])
            total = example.table.totals[mention]
            if at >= 0:
                assert (example.table.mention[at], example.table.ordinal[at]) == (mention, right)
                assert total == (0, 99, 6)[mention]
            else:  # an entity that the KB does not have leaves nothing behind in the counts
                assert right not in example.table.ordinal.tolist()
                assert total < (1, 99, 6)[mention]
    # Some right entities are treated as absent, so that NIL is learned, and the same ones for a seed.
    hidden = np.concatenate([example.gold[1:] < 0 for example in made])
    assert 0 < hidden.mean() < 0.5
    again = next(iter(examples(tiny_linker, [ON_TROY], pages, 0)))
    np.testing.assert_array_equal(again.gold, made[0].gold)
    np.testing.assert_array_equal(again.values.candidates, made[0].values.candidates)


def test_mentions_that_the_kb_lacks_teach_nil_unless_they_count_for_nothing(
    tiny_linker: Linker, pages: PageCounts
) -> None:
    text = "Paris met Helen, and he fled."
    spans = [("Paris", None, "anchor"), ("Helen", None, "gold"), ("he", None, "coref")]
    mentions = tuple(
        GoldMention(text.index(words), text.index(words) + len(words), entity, kind) for words, entity, kind in spans
    )
    (made,) = examples(tiny_linker, [LabelledDocument("wiki/Empty#0", "wiki", text, mentions)], pages, 0)
    assert made.gold.tolist() == [-1, -1]
    assert made.counts.tolist() == [True, True]
    assert (made.table.mention == 0).any()


def test_documents_without_links_or_words_make_no_examples(tiny_linker: Linker, pages: PageCounts) -> None:
    documents = [document("wiki/A#0", "No link here."), document("wiki/B#0", ""), document("wiki/C#0", "\x00")]
    assert list(examples(tiny_linker, documents, pages, 0)) == []
