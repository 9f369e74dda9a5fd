"""Alias keys."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.normalise import normalise

ALPHABET = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(" '\"`\u00b4\u2019\u201c\u2013\u2212\u0301\u0345\u00adßŉǰİ\u0131ΐ\u017fﬃ½№㎏ｶﾞ각가ाเ\u3099"),
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Lincoln", "lincoln"),
        ("  New\t\n York ", "new york"),
        ("Café\u2013Bar", "cafe-bar"),
        ("AC/DC", "ac/dc"),
        ("C++", "c++"),
        ("C#", "c#"),
        (".NET", ".net"),
        ("O\u2019Neill", "o'neill"),
        ("O`Neill", "o'neill"),
        ("\u201cWeird Al\u201d Yankovic", 'weird al" yankovic'),
        ('"Still Life"', "still life"),
        ("Straße", "strasse"),
        ("\uff29\uff22\uff2d", "ibm"),
        ("ﬁnal", "final"),
        ("İstanbul", "istanbul"),
        ("Ångström", "angstrom"),
        ("각", "각"),
        ("がん", "がん"),
        ("हिन्दी", unicodedata.normalize("NFKC", "हिन्दी")),
        ("H₂O", "h2o"),
        ('"', '"'),
        ("\u201c", '"'),
        ("''", "''"),
        ("\u0301", "\u0301"),
        ("  ", ""),
        ("", ""),
        ("!!!", "!!!"),
        ("😀", "😀"),
    ],
)
def test_known_keys(text: str, key: str) -> None:
    assert normalise(text) == key


@settings(max_examples=500)
@given(st.text(ALPHABET))
def test_a_key_is_its_own_key(text: str) -> None:
    key = normalise(text)
    assert normalise(key) == key
    assert key == key.strip()
    assert "  " not in key
    assert bool(key) or not text.strip() or not unicodedata.normalize("NFKC", text).strip()


@given(st.text(st.characters(codec="ascii")))
def test_the_short_way_for_ascii_agrees_with_the_long_way(text: str) -> None:
    # A trailing letter with an accent forces the long way.
    assert normalise(text + "x\u0301") == normalise(text + "x")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_composed_and_decomposed_text_have_one_key(text: str) -> None:
    assert normalise(unicodedata.normalize("NFC", text)) == normalise(unicodedata.normalize("NFD", text))
