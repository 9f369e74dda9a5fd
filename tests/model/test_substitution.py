"""Full names that give way to ambiguous ones: what can change, what must not, and that all offsets are right."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_kb import ENTITIES

from model.entity_encoder import title_text
from model.evaluation.corpus import GoldMention, LabelledDocument
from model.substitution import Names, substitute
from model.types import Span

TEXT = "“É” Abraham Lincoln left Springfield, Illinois; the National Basketball Association 𝔸 and Mary Todd Lincoln."
LINKS = {
    "Abraham Lincoln": "Abraham_Lincoln",
    "Springfield, Illinois": "Springfield,_Illinois",
    "National Basketball Association": "National_Basketball_Association",
    "Mary Todd Lincoln": "Mary_Todd_Lincoln",
}
NAMES = Names()
for one in ENTITIES:
    NAMES.add(one.id, title_text(one.id, one.label), [(alias.text, alias.count) for alias in one.aliases])


def document(evaluation_span: Span | None = None) -> LabelledDocument:
    mentions = tuple(
        GoldMention(TEXT.index(words), TEXT.index(words) + len(words), entity, "anchor")
        for words, entity in LINKS.items()
    )
    return LabelledDocument("wiki/Page#0", "wiki", TEXT, mentions, evaluation_span)


def changed(before: LabelledDocument, rate: float = 1.0, seed: int = 0) -> LabelledDocument:
    return substitute(before, NAMES, rate, seed)


def words_of(document: LabelledDocument) -> list[str]:
    return [document.text[mention.start : mention.end] for mention in document.mentions]


def test_full_names_become_ambiguous_ones_of_the_same_entity() -> None:
    before = document()
    after = changed(before)
    # Mary Todd Lincoln bears no shorter name, but her last word is that of Abraham Lincoln, too.
    assert words_of(after) == ["Lincoln", "Springfield", "NBA", "Lincoln"]
    assert after.text == "“É” Lincoln left Springfield; the NBA 𝔸 and Lincoln."
    assert [(m.entity, m.kind) for m in after.mentions] == [(m.entity, m.kind) for m in before.mentions]
    assert (after.id, after.source) == (before.id, before.source)
    assert before == document()


@pytest.mark.parametrize(
    ("surface", "entity", "expected"),
    [
        ("Abraham Lincoln", "Abraham_Lincoln", ["Lincoln"]),
        ("Abraham Lincoln", "Queen_(band)", []),
        ("Abraham Lincolns", "Abraham_Lincoln", []),
        ("Mary Todd Lincoln", "Mary_Todd_Lincoln", ["Lincoln"]),
        ("mary todd lincoln", "Mary_Todd_Lincoln", []),
        ("Élysée Palace", "Élysée_Palace", ["Palace"]),
        ("1860 Games", "1860_Games", ["Games"]),
        ("In Rainbows", "In_Rainbows", []),
        ("Lonely name of nobody else", "Lonely_name", []),
        ("Queen", "Queen_(band)", []),
        ("National Bar Association", "National_Bar_Association", ["NBA", "Association"]),
        ("Lincoln " * 20, "Abraham_Lincoln", []),
    ],
)
def test_what_can_stand_for_a_full_name(surface: str, entity: str, expected: list[str]) -> None:
    assert NAMES.shorter(surface, NAMES.ordinals[entity]) == expected


@pytest.mark.parametrize(
    ("name", "entity", "expected"),
    [
        ("lincoln", "Abraham_Lincoln", ["Lincoln,_Nebraska"]),
        ("Lincoln", "Mary_Todd_Lincoln", ["Abraham_Lincoln", "Lincoln,_Nebraska"]),
        ("Association", "National_Bar_Association", ["National_Basketball_Association"]),
        ("Nobody", "Abraham_Lincoln", []),
    ],
)
def test_others_of_a_name_come_the_most_frequent_first(name: str, entity: str, expected: list[str]) -> None:
    ids = list(NAMES.ordinals)
    assert [ids[ordinal] for ordinal in NAMES.others(name, NAMES.ordinals[entity], 8)] == expected
    assert [ids[ordinal] for ordinal in NAMES.others(name, NAMES.ordinals[entity], 1)] == expected[:1]


def test_the_rate_and_the_seed_decide() -> None:
    before = document()
    assert changed(before, rate=0.0) == before
    results = [changed(before, 0.5, seed) for seed in range(200)]
    assert results[:20] == [changed(before, 0.5, seed) for seed in range(20)]
    short = Counter(words for result in results for words in words_of(result))
    for words in ("Springfield", "NBA"):
        assert 70 < short[words] + (short["Association"] if words == "NBA" else 0) < 130


def test_what_is_not_a_clear_full_name_stays() -> None:
    text = "Abraham Lincoln saw Abraham Lincoln."
    gold = GoldMention(0, 15, "Abraham_Lincoln", "gold")
    for mentions in (
        (GoldMention(0, 15, None, "gold"),),
        (GoldMention(0, 15, "Nowhere", "gold"),),
        (GoldMention(0, 15, "Queen_(band)", "gold"),),
        (GoldMention(0, 15, "Abraham_Lincoln", "coref"),),
        (gold, GoldMention(8, 15, "Lincoln,_Nebraska", "nested")),
        (gold, GoldMention(0, 15, "Queen_(band)", "optional")),
    ):
        before = LabelledDocument("d", "s", text, mentions)
        assert changed(before) == before
    outside = LabelledDocument("d", "s", text, (gold,), Span(3, 20))
    assert changed(outside) == outside


def test_the_labelled_part_moves_along() -> None:
    start, end = TEXT.index("Springfield"), TEXT.index(" and Mary")
    after = changed(document(evaluation_span=Span(start, end)))
    assert after.evaluation_span is not None
    labelled = after.text[after.evaluation_span.start : after.evaluation_span.end]
    assert labelled.startswith("Springfield; the ")
    assert labelled.endswith(" 𝔸")
    # Names outside the labelled part are not touched.
    assert after.text.startswith("“É” Abraham Lincoln left")
    assert words_of(after)[:2] == ["Abraham Lincoln", "Springfield"]


PIECES = st.lists(st.sampled_from([*LINKS, "äöü", " ", "\n\n", "𝔸", "x"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.integers(0, 5), st.floats(0, 1))
def test_only_the_words_of_mentions_change(pieces: list[str], seed: int, rate: float) -> None:
    text = "|".join(pieces)
    mentions, at = [], 0
    for piece in pieces:
        if piece in LINKS:
            mentions.append(GoldMention(at, at + len(piece), LINKS[piece], "anchor"))
        at += len(piece) + 1
    before = LabelledDocument("d", "s", text, tuple(mentions))
    after = changed(before, rate, seed)
    assert [m.entity for m in after.mentions] == [m.entity for m in before.mentions]
    assert _between(after) == _between(before)
    for old, new in zip(words_of(before), words_of(after), strict=True):
        assert new in {old, "Lincoln", "Springfield", "NBA", "Association"}


def _between(document: LabelledDocument) -> list[str]:
    edges = [0, *(at for mention in document.mentions for at in mention.key), len(document.text)]
    return [document.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
