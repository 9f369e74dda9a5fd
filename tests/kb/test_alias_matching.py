"""Names in running text: what folding does to offsets, and which aliases are found where."""

from __future__ import annotations

from itertools import pairwise

import marisa_trie
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kb.folding import fold
from kb.matching import match_aliases
from kb.normalise import normalise

# Letters whose folding changes their number, marks on letters, quotes, dashes, spaces, and scripts without spaces.
ODD = (
    " \t\n\u00a0\u3000.,-/'\"`\u2019\u201c\u2013+#&aAbBeEsSzZiI09_"
    "\u0301\u0308\u0327\u0345\u20dd\ufe0f\u200d\u00adßŉǰİ\u0131ΐſﬃ½№㎏ｶﾞéÉöçñøÅ각가ᄀ가がハ\u3099東京ไทยहिन्दीعربيשלום😀👍🏽\U0001d400"
)
CHARACTERS = st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"]))
TEXT = st.text(CHARACTERS, max_size=30)
NAME = st.text(st.one_of(st.sampled_from(ODD), st.characters(categories=["L", "N"])), min_size=1, max_size=6)


def found(names: list[str], text: str) -> list[tuple[str, str]]:
    """Return what stands in the text where an alias matches, and the alias."""
    trie = marisa_trie.Trie([normalise(name) for name in names])
    matches = match_aliases([(trie, 0)], text)
    return [
        (text[start:end], trie.restore_key(int(row)))
        for start, end, row in zip(matches.starts, matches.ends, matches.rows, strict=True)
    ]


@settings(max_examples=500)
@given(TEXT)
def test_offsets_lead_back_into_the_text(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    spans = list(zip(folded.starts, folded.ends, strict=True))
    for start, end in spans:
        assert 0 <= start < end <= len(text)
    # Pieces come in order and do not overlap: two folded characters have the same piece, or one after the other.
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert (start, end) == (next_start, next_end) or end <= next_start


@settings(max_examples=500)
@given(TEXT)
def test_each_folded_piece_is_the_fold_of_its_piece(text: str) -> None:
    folded = fold(text)
    position = 0
    while position < len(folded.text):
        start, end = folded.starts[position], folded.ends[position]
        size = sum((a, b) == (start, end) for a, b in zip(folded.starts, folded.ends, strict=True))
        piece = text[start:end]
        assert folded.text[position : position + size] == (" " if piece.isspace() else normalise(piece))
        position += size


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_the_short_way_for_ascii_agrees_with_the_long_way(text: str) -> None:
    short = fold(text)
    long = fold(text + " \u00e9")
    size = len(fold(text.rstrip()).text)
    assert long.text[:size] == short.text[:size]
    assert list(long.starts)[:size] == list(short.starts)[:size]
    assert list(long.ends)[:size] == list(short.ends)[:size]


@settings(max_examples=400)
@given(TEXT, st.lists(NAME, max_size=4), st.data())
def test_every_match_folds_to_its_alias(text: str, names: list[str], data: st.DataObject) -> None:
    """Also where the alias was cut out of the text itself."""
    if text:
        start = data.draw(st.integers(0, len(text) - 1))
        names = [*names, text[start : data.draw(st.integers(start + 1, len(text)))]]
    names = [name for name in names if normalise(name)]
    assume(names)
    for surface, alias in found(names, text):
        assert fold(surface).text.strip() == alias.strip()
        assert surface == surface.strip() or not alias.strip()


@settings(max_examples=300)
@given(st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=1, max_size=12), TEXT, TEXT)
def test_a_word_is_found_between_spaces(name: str, before: str, after: str) -> None:
    """Whatever stands around it, in capitals or not, with its accents or without."""
    alias = normalise(name)
    assume("ŉ" not in name)  # it starts with an apostrophe, which is not part of a name
    for surface in (name, name.upper(), name.lower()):
        if normalise(surface) == alias:
            assert (surface, alias) in found([name], f"{before} {surface} {after}")


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        (["Paris"], "Paris is in PARIS, not parish.", ["Paris", "PARIS"]),
        (["New York", "York"], "New  York,\nNew\tYork", ["New  York", "York", "New\tYork", "York"]),
        (["cafe"], "Le Café; cafe\u0301s; cafe\u0301!", ["Café", "cafe\u0301"]),
        (["straße"], "STRASSE, Straße", ["STRASSE", "Straße"]),
        (["final"], "a ﬁnal word", ["ﬁnal"]),
        (["C++", "C#", "C", ".NET"], "C++ and C# and .NET", ["C", "C++", "C", "C#", ".NET"]),
        (["AC/DC", "AC"], "AC/DC ACDC", ["AC", "AC/DC"]),
        (["O'Neill"], "O\u2019Neill O`Neill ONeill", ["O\u2019Neill", "O`Neill"]),
        (["東京"], "東京都は東京です", ["東京", "東京"]),
        (["กรุงเทพ"], "ไปกรุงเทพวันนี้", ["กรุงเทพ"]),
        (["القاهرة"], "في القاهرة اليوم", ["القاهرة"]),
        (["שלום"], "(שלום)", ["שלום"]),
        (["😀"], "a😀b 😀", ["😀", "😀"]),
        (["Ann"], "Anna's Ann's", ["Ann"]),
        (["x"], "x_y x-y", ["x"]),
        (["may"], "", []),
        (["may"], "   ", []),
    ],
)
def test_known_texts(names: list[str], text: str, expected: list[str]) -> None:
    assert [surface for surface, _ in found(names, text)] == expected


def test_an_alias_may_be_long_but_not_endless() -> None:
    assert found(["n" * 120], "n" * 120) == [("n" * 120, "n" * 120)]
    assert found(["n" * 121], "n" * 121) == []


def test_a_long_text_is_searched_in_one_go() -> None:
    text = "Émile " * 20_000
    assert found(["Emile"], text) == [("Émile", "emile")] * 20_000
