"""The knowledge base as it would be without a page and some entities: nothing of them is left to learn from."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.corpus import GoldMention, LabelledDocument
from model.fitting.detection import own_statistics
from model.fitting.lacking import Lacking, Without
from model.fitting.pages import PageCounts
from model.linker import Linker

TEXT = "Paris carried Helen off to Troy. In Paris, France, nobody minded."


@pytest.fixture
def page(tiny_linker: Linker) -> PageCounts:
    """A page that named the city ninety times and Troy twice as Ilium, which is all that the counts have of these."""
    names = [("Paris", "Paris")] * 90 + [("Ilium", "Troy")] * 2
    text = " ".join(name for name, _ in names)
    mentions, at = [], 0
    for name, entity in names:
        mentions.append(GoldMention(at, at + len(name), entity, "anchor"))
        at += len(name) + 1
    counts = PageCounts(tiny_linker.source, tiny_linker.store, {"Helen"})
    counts.add([LabelledDocument("wiki/Helen#0", "wiki", text, tuple(mentions))])
    return counts


def lacking(linker: Linker, page: PageCounts, *absent: str, own: dict[int, np.ndarray] | None = None) -> Lacking:
    ordinals = [ordinal for entity in absent if (ordinal := linker.store.ordinal(entity)) is not None]
    assert len(ordinals) == len(absent)
    return Lacking(linker.source, Without(page.without("Helen"), frozenset(ordinals), own or {}))


def bearers(linker: Linker, source: Lacking, name: str) -> dict[str, int]:
    ordinals, counts = source.bearers(linker.source.alias_row(name))
    ids = [linker.store.entity_id(ordinal) for ordinal in ordinals.tolist()]
    return dict(zip(ids, counts.tolist(), strict=True))


def test_the_page_is_off_the_counts(tiny_linker: Linker, page: PageCounts) -> None:
    source = lacking(tiny_linker, page)
    assert bearers(tiny_linker, source, "Paris") == {"Paris_(mythology)": 10, "Paris": 0, "Paris,_Texas": 0}
    assert source.alias_statistics(np.array([tiny_linker.source.alias_row("Paris")], dtype=np.int32))[0, 0] == 10


def test_a_name_that_only_the_page_knew_is_none(tiny_linker: Linker, page: PageCounts) -> None:
    source = lacking(tiny_linker, page)
    assert tiny_linker.source.alias_row("Ilium") >= 0
    assert source.alias_row("Ilium") == -1
    assert not bearers(tiny_linker, source, "Ilium")
    assert "Ilium" not in [TEXT[start:end] for start, end in spans(source)]


def spans(source: Lacking, text: str = TEXT) -> list[tuple[int, int]]:
    matches = source.match(text)
    return list(zip(matches.starts.tolist(), matches.ends.tolist(), strict=True))


def test_an_absent_entity_leaves_no_name_behind(tiny_linker: Linker, page: PageCounts) -> None:
    assert "Troy" in [TEXT[start:end] for start, end in spans(lacking(tiny_linker, page))]
    source = lacking(tiny_linker, page, "Troy", "Paris")
    found = [TEXT[start:end] for start, end in spans(source)]
    assert "Troy" not in found
    assert found.count("Paris") == 2  # the prince bears that name, too
    assert "Paris" not in bearers(tiny_linker, source, "Paris")
    assert source.alias_row("Troy") == -1
    assert tiny_linker.source.alias_row("Troy") not in source.similar_aliases("Troi")


def test_an_absent_entity_is_near_to_nothing(tiny_linker: Linker, page: PageCounts) -> None:
    query = tiny_linker.store.titles(np.array([tiny_linker.store.ordinal("Troy")], dtype=np.int32))
    (whole,), _ = tiny_linker.source.nearest(query, 3)
    (ordinals,), (products,) = lacking(tiny_linker, page, "Troy").nearest(query, 3)
    assert tiny_linker.store.ordinal("Troy") in whole
    assert tiny_linker.store.ordinal("Troy") not in ordinals
    assert (ordinals >= 0).all()
    assert (np.diff(products) <= 0).all()


def test_what_the_document_itself_added_is_left_out(tiny_linker: Linker, page: PageCounts) -> None:
    own = own_statistics(TEXT, tiny_linker.source.match(TEXT), {(0, 5)})
    row = tiny_linker.source.alias_row("Paris")
    assert own[row].tolist() == [0, 1, 1, 0, 0]  # once for the document, however often it says so
    statistics = lacking(tiny_linker, page, own=own).alias_statistics(np.array([row], dtype=np.int32))
    assert (statistics >= 0).all()


def test_a_text_without_aliases_has_no_matches(tiny_linker: Linker, page: PageCounts) -> None:
    assert spans(lacking(tiny_linker, page), "Nothing to see here") == []


def test_where_nobody_counted_no_occurrence_is_known(tiny_linker: Linker) -> None:
    class Counted:
        def alias_statistics(self, rows: np.ndarray) -> np.ndarray:
            return np.full((len(rows), 5), 7, dtype=np.int32)

        def __getattr__(self, name: str) -> object:
            return getattr(tiny_linker.source, name)

    rows = np.array([tiny_linker.source.alias_row("Paris")], dtype=np.int32)
    counted = Lacking(Counted(), Without())  # type: ignore[arg-type]
    assert counted.alias_statistics(rows).tolist() == [[100, 7, 7, 7, 7]]
    uncounted = Lacking(Counted(), Without(counted=False))  # type: ignore[arg-type]
    assert uncounted.alias_statistics(rows).tolist() == [[100, 0, 0, 0, 0]]
