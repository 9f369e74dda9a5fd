"""Given mentions are honoured exactly: one answer each, in their order, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.linker import Linker
from model.types import Document, Link, LinkOptions, Span

TEXT = "\U0001f600 Cafe\u0301 in New York City, Paris\u2019s ירושלים \x00 end.\n\n  \n"


def answers(linker: Linker, text: str, spans: list[tuple[int, int]], options: LinkOptions | None = None) -> list[Link]:
    document = Document("x", text, tuple(Span(start, end) for start, end in spans))
    (answer,) = linker.link([document], options or LinkOptions())
    return list(answer.links)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, len(TEXT))).map(
            lambda pair: (pair[0], min(pair[0] + pair[1], len(TEXT)))
        ),
        max_size=12,
    )
)
def test_any_spans_are_answered_one_for_one(starter_linker: Linker, spans: list[tuple[int, int]]) -> None:
    links = answers(starter_linker, TEXT, spans)
    assert [(link.start, link.end) for link in links] == spans
    for link in links:
        assert link.text == TEXT[link.start : link.end]
        assert link.mention_score == 1.0
        assert 0 <= link.confidence <= 1
        assert 0 <= link.nil_probability <= 1


def test_an_empty_list_links_nothing(starter_linker: Linker) -> None:
    assert answers(starter_linker, "Paris is the capital of France.", []) == []


def test_overlapping_mentions_are_each_answered(starter_linker: Linker) -> None:
    text = "New York City is in New York."
    spans = [(0, 13), (0, 8), (0, 13), (9, 13), (20, 28), (0, len(text))]
    links = answers(starter_linker, text, spans)
    assert [link.text for link in links] == ["New York City", "New York", "New York City", "City", "New York", text]
    assert links[0] == links[2]
    assert links[0].entity == "New_York_City"
    assert links[1].entity in {"New_York_City", "New_York_(state)"}


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x01", "\u200b\u200b"])
def test_a_text_without_words_gives_nil(starter_linker: Linker, text: str) -> None:
    spans = [(0, len(text))] if text else []
    links = answers(starter_linker, text, spans, LinkOptions(max_candidates=30))
    assert [(link.entity, link.confidence, link.nil_probability, link.candidates) for link in links] == [
        (None, 1.0, 1.0, ())
    ] * len(spans)


def test_blanks_inside_a_text_name_nothing(starter_linker: Linker) -> None:
    (link,) = answers(starter_linker, "Paris   and France", [(5, 8)])
    assert link.text == "   "
    assert link.entity is None


def test_a_mention_of_10_000_characters(starter_linker: Linker) -> None:
    text = "x" * 10_000 + " in Paris"
    whole, giant, paris = answers(starter_linker, text, [(0, len(text)), (0, 10_000), (10_004, 10_009)])
    assert (whole.end, giant.end) == (10_009, 10_000)
    assert paris.entity == "Paris"


def test_the_given_order_does_not_matter(starter_linker: Linker) -> None:
    text = "Angela Merkel met Obama in Berlin, Germany."
    spans = [(0, 13), (18, 23), (27, 33), (35, 42)]
    forward = answers(starter_linker, text, spans, LinkOptions(max_candidates=30))
    backward = answers(starter_linker, text, spans[::-1], LinkOptions(max_candidates=30))
    assert forward == backward[::-1]


@pytest.mark.parametrize(
    ("surface", "entity"),
    [
        ("cafe\u0301", None),
        ("CAFÉ", None),
        ("paris", "Paris"),
        ("Paris’s", "Paris"),
        ("the Paris", "Paris"),
        (" Paris ", "Paris"),
    ],
)
def test_spans_with_a_little_too_much_still_link(starter_linker: Linker, surface: str, entity: str | None) -> None:
    text = f"We saw {surface}, the capital of France."
    (link,) = answers(starter_linker, text, [(7, 7 + len(surface))])
    assert link.text == surface
    assert entity is None or link.entity == entity
