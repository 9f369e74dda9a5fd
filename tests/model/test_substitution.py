"""Full names that give way to ambiguous ones: what can change, what must not, and that all offsets are right."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation import GoldMention, LabelledDocument
from model.linker import Linker
from model.training.substitution import ambiguous_parts, substitute
from model.types import Span

TEXT = "“É” Abraham Lincoln left Springfield, Illinois; the National Basketball Association 𝔸 and Mary Todd Lincoln."
LINKS = {
    "Abraham Lincoln": "Abraham_Lincoln",
    "Springfield, Illinois": "Springfield,_Illinois",
    "National Basketball Association": "National_Basketball_Association",
    "Mary Todd Lincoln": "Mary_Todd_Lincoln",
}


def document(text: str = TEXT, links: dict[str, str] | None = None, **fields: object) -> LabelledDocument:
    mentions = tuple(
        GoldMention(text.index(words), text.index(words) + len(words), entity, "anchor")
        for words, entity in (LINKS if links is None else links).items()
    )
    return LabelledDocument("wiki/Page#0", "wiki", text, mentions, **fields)  # type: ignore[arg-type]


def changed(linker: Linker, before: LabelledDocument, rate: float = 1.0, seed: int = 0) -> LabelledDocument:
    return substitute(before, linker.source, linker.store, rate, np.random.default_rng(seed))


def words_of(document: LabelledDocument) -> list[str]:
    return [document.text[mention.start : mention.end] for mention in document.mentions]


def test_full_names_become_ambiguous_ones_of_the_same_entity(training_linker: Linker) -> None:
    before = document()
    after = changed(training_linker, before)
    assert after.text == "“É” Lincoln left Springfield; the NBA 𝔸 and Mary Todd Lincoln."
    # Nobody else is called Mary Todd Lincoln, and no shorter name of hers is known.
    assert words_of(after) == ["Lincoln", "Springfield", "NBA", "Mary Todd Lincoln"]
    assert [(m.entity, m.kind) for m in after.mentions] == [(m.entity, m.kind) for m in before.mentions]
    assert (after.id, after.source) == (before.id, before.source)
    assert before == document()


def test_parts_are_ambiguous_names_with_their_counts(training_linker: Linker) -> None:
    def parts(surface: str, entity: str) -> list[tuple[str, int]]:
        ordinal = training_linker.store.ordinal(entity)
        assert ordinal is not None
        return ambiguous_parts(surface, ordinal, training_linker.source)

    assert parts("Abraham Lincoln", "Abraham_Lincoln") == [("Lincoln", 30)]
    assert parts("Abraham Lincoln", "Queen_(band)") == []
    assert parts("Élysée Palace", "Élysée_Palace") == [("Palace", 2)]
    assert parts("1860 Games", "1860_Games") == [("Games", 3)]
    assert parts("Lonely name of nobody else", "Lonely_name") == []
    assert parts("Queen", "Queen_(band)") == []
    assert parts("Lincoln " * 20, "Abraham_Lincoln") == []


def test_the_rate_and_the_seed_decide(training_linker: Linker) -> None:
    before = document()
    assert changed(training_linker, before, rate=0.0) == before
    results = [changed(training_linker, before, 0.5, seed) for seed in range(200)]
    assert results[:20] == [changed(training_linker, before, 0.5, seed) for seed in range(20)]
    short = Counter(words for result in results for words in words_of(result))
    for words in ("Lincoln", "Springfield", "NBA"):
        assert 70 < short[words] < 130


def test_what_is_not_a_clear_full_name_stays(training_linker: Linker) -> None:
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
        assert changed(training_linker, before) == before
    outside = LabelledDocument("d", "s", text, (gold,), Span(3, 20))
    assert changed(training_linker, outside) == outside


def test_the_labelled_part_moves_along(training_linker: Linker) -> None:
    start, end = TEXT.index("Springfield"), TEXT.index(" and Mary")
    after = changed(training_linker, document(evaluation_span=Span(start, end)))
    assert after.evaluation_span is not None
    assert after.text[after.evaluation_span.start : after.evaluation_span.end] == "Springfield; the NBA 𝔸"
    # Names outside the labelled part are not touched.
    assert after.text.startswith("“É” Abraham Lincoln left")
    assert words_of(after)[:2] == ["Abraham Lincoln", "Springfield"]


PIECES = st.lists(st.sampled_from([*LINKS, "äöü", " ", "\n\n", "𝔸", "x"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.integers(0, 5), st.floats(0, 1))
def test_only_the_words_of_mentions_change(training_linker: Linker, pieces: list[str], seed: int, rate: float) -> None:
    text = "|".join(pieces)
    mentions, at = [], 0
    for piece in pieces:
        if piece in LINKS:
            mentions.append(GoldMention(at, at + len(piece), LINKS[piece], "anchor"))
        at += len(piece) + 1
    before = LabelledDocument("d", "s", text, tuple(mentions))
    after = changed(training_linker, before, rate, seed)
    assert [m.entity for m in after.mentions] == [m.entity for m in before.mentions]
    assert _between(after) == _between(before)
    for old, new in zip(words_of(before), words_of(after), strict=True):
        assert new in {old, "Lincoln", "Springfield", "NBA"}


def _between(document: LabelledDocument) -> list[str]:
    edges = [0, *(at for mention in document.mentions for at in mention.key), len(document.text)]
    return [document.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
