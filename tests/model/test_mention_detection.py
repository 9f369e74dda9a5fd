"""Which stretches of a text are taken for mentions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.linker import Linker
from model.mentions import (
    FEATURES,
    NAME,
    SENTENCE_START,
    Spans,
    best_disjoint,
    features,
    names_in,
    propose,
    starts_sentence,
)
from model.types import Document
from model.writing import writing_of


def linked(linker: Linker, text: str) -> list[tuple[str, str]]:
    """The words that were linked, with their entities."""
    (answer,) = linker.link([Document("x", text)])
    return [(link.text, link.entity) for link in answer.links if link.entity]


def names(text: str) -> list[str]:
    return [match.group() for match in NAME.finditer(text)]


def cue(linker: Linker, text: str, words: str, name: str) -> float:
    start = text.index(words)
    row = linker.source.alias_row(words)
    spans = Spans(*(np.array([value], dtype=np.int32) for value in (start, start + len(words), row)), np.ones(1))
    return float(features(text, spans, linker.source, linker.word_ranks)[0, FEATURES.index(name)])


@pytest.mark.parametrize(
    "text",
    [
        "They may go there one time, of course.",
        "May I ask who she is? The one that will go on with it.",
        "Of the two, the second is the best of all, and it is not that new.",
        "The. A. Of. And. In. On.",
        "It was an apple pie and a glass of java with a python in the bath.",
    ],
)
def test_common_words_are_no_mentions(starter_linker: Linker, text: str) -> None:
    assert linked(starter_linker, text) == []


@pytest.mark.parametrize(
    ("text", "words", "entity"),
    [
        ("New York City is large.", "New York City", "New_York_City"),
        ("She reads at the University of Cambridge in England.", "University of Cambridge", "University_of_Cambridge"),
        ("Michael Jordan won six titles with the Chicago Bulls.", "Chicago Bulls", "Chicago_Bulls"),
        ("Books by J. R. R. Tolkien sell well.", "J. R. R. Tolkien", "J._R._R._Tolkien"),
        ("He moved to Washington, D.C. to work.", "Washington, D.C.", "Washington,_D.C."),
    ],
)
def test_the_longest_name_wins(starter_linker: Linker, text: str, words: str, entity: str) -> None:
    found = linked(starter_linker, text)
    assert (words, entity) in found
    assert not any(other != words and other in words for other, _ in found)


@pytest.mark.parametrize(
    ("text", "words", "entity"),
    [
        ("Paris is the capital of France.", "Paris", "Paris"),
        ("She loves Paris's museums and France’s food.", "Paris", "Paris"),
        ("She loves Paris's museums and France’s food.", "France", "France"),
        ("The Berlin-based firm makes cars in Germany.", "Berlin", "Berlin"),
        ("They drink Coca-Cola.", "Coca-Cola", "Coca-Cola"),
        ("(Berlin), “Paris”; Rome!", "Paris", "Paris"),
        ("THE BEATLES TOUR THE UNITED STATES", "UNITED STATES", "United_States"),
        ("They toured \U0001f600 France \U0001f600, then Germany.", "France", "France"),
    ],
)
def test_names_are_found_beside_punctuation(starter_linker: Linker, text: str, words: str, entity: str) -> None:
    assert (words, entity) in linked(starter_linker, text)


def test_an_unknown_name_is_found_and_has_no_alias(starter_linker: Linker) -> None:
    text = "There came the traveller Zebulon Quuxington."
    spans = propose(text, starter_linker.source)
    found = {
        text[start:end]: row
        for start, end, row in zip(spans.starts.tolist(), spans.ends.tolist(), spans.rows.tolist(), strict=True)
    }
    assert found["Zebulon Quuxington"] == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He left Rome. Paris was next.", ["He", "Rome", "Paris"]),
        ("He saw St. Paul and the U.S. Army.", ["He", "St. Paul", "U.S. Army"]),
        ("After the War. Java is next, Mr. Brown.", ["After the War", "Java", "Mr. Brown"]),
        ("J. R. R. Tolkien", ["J. R. R. Tolkien"]),
        ("the Bank of England and Coca-Cola", ["Bank of England and Coca-Cola"]),
        ("Ludwig van Beethoven", ["Ludwig van Beethoven"]),
        ("New\nYork", ["New\nYork"]),
        ("New \n York", ["New \n York"]),
        ("New\n\nYork", ["New", "York"]),
        ("Émile Zola, Ångström", ["Émile Zola", "Ångström"]),
        ("no name here", []),
    ],
)
def test_runs_of_capitalised_words(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    "before", ["", "“", "End. ", "End.” ", "Really? “", "What: ", "line\n", "a\n\n(", "- ", "• ", "\n\U0001f600 "]
)
def test_starts_of_sentences(before: str) -> None:
    assert SENTENCE_START.search(before, max(0, len(before) - 8), len(before))


@pytest.mark.parametrize("before", ["in ", "the (", "a, ", "well-", "3.", "very, very long and winding road to "])
def test_middles_of_sentences(before: str) -> None:
    assert not SENTENCE_START.search(before, max(0, len(before) - 8), len(before))


@given(st.text(st.sampled_from('aZ9_ .!\n"“-•²'), max_size=10))
def test_what_is_known_at_a_glance_is_what_the_pattern_says(before: str) -> None:
    whole = SENTENCE_START.search(before, max(0, len(before) - 8), len(before)) is not None
    assert starts_sentence(before + "Paris", len(before)) is whole


@pytest.mark.parametrize("name", ["The Beatles", "the", "BBC", "1984", "New  York", "é", "\u200b", "x" * 500])
def test_how_a_name_is_written_is_the_same_the_second_time(name: str) -> None:
    assert writing_of(name) == writing_of(name) == writing_of("".join(list(name)))


def test_how_names_are_written() -> None:
    beatles, year = writing_of("The Beatles"), writing_of("1984")
    assert (beatles.word, beatles.upper, beatles.article, beatles.single_word) == ("", True, True, False)
    assert (year.word, year.number, year.lower, year.capitalised) == ("1984", True, False, False)
    assert writing_of("May").word == "may"
    assert writing_of("of the").function_word
    assert not writing_of("of May Day").function_word
    assert writing_of("UN").all_capitals
    assert not writing_of("U").all_capitals


def test_cues_of_one_name(starter_linker: Linker) -> None:
    text = "Paris fell. They left Paris for PARIS and New Paris."
    assert cue(starter_linker, text, "Paris", "starts_sentence") == 1
    assert cue(starter_linker, text, "Paris", "capitalised_in_sentence") == 0
    assert cue(starter_linker, "They left Paris.", "Paris", "capitalised_in_sentence") == 1
    assert cue(starter_linker, text, "PARIS", "all_capitals") == 1
    assert cue(starter_linker, "in New Paris today", "Paris", "part_of_name") == 1
    assert cue(starter_linker, "in Paris today", "Paris", "part_of_name") == 0
    assert cue(starter_linker, "in Rome. Paris fell", "Paris", "part_of_name") == 0
    assert cue(starter_linker, "it may be", "may", "function_word") == 1
    assert cue(starter_linker, "it may be", "may", "lower") == 1
    assert cue(starter_linker, "in 1984 it", "1984", "number") == 1
    assert cue(starter_linker, "in Paris", "Paris", "words") == pytest.approx(np.log(2))
    rare, common = (cue(starter_linker, word, word, "common_word") for word in ("paris", "the"))
    assert common > rare > 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8), st.floats(-1, 1, width=32)), max_size=9))
def test_the_best_set_of_spans_is_kept(drawn: list[tuple[int, int, float]]) -> None:
    spans = Spans(
        np.array([start for start, _, _ in drawn], dtype=np.int32),
        np.array([start + length for start, length, _ in drawn], dtype=np.int32),
        np.zeros(len(drawn), dtype=np.int32),
        np.zeros(len(drawn), dtype=np.float32),
    )
    weights = np.array([weight for _, _, weight in drawn], dtype=np.float32)
    chosen = best_disjoint(spans, weights)
    assert _disjoint(drawn, chosen)
    assert [drawn[at][0] for at in chosen] == sorted(drawn[at][0] for at in chosen)
    every = ([at for at in range(len(drawn)) if bits >> at & 1] for bits in range(1 << len(drawn)))
    best = max((sum(weights[at] for at in some) for some in every if _disjoint(drawn, some)), default=0)
    assert sum(weights[at] for at in chosen) == pytest.approx(best, abs=1e-5)


def _disjoint(drawn: list[tuple[int, int, float]], chosen: list[int]) -> bool:
    taken: set[int] = set()
    for at in chosen:
        own = set(range(drawn[at][0], drawn[at][0] + drawn[at][1]))
        if own & taken:
            return False
        taken |= own
    return True


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["Paris", "New York", "\n", "\n\n", " ", ". ", "e\u0301", "\U0001f600", "ירושלים", "\x00", "’s", "THE "]
        ),
        max_size=30,
    ).map("".join)
)
def test_detected_mentions_lie_apart_and_hold_words(starter_linker: Linker, text: str) -> None:
    (encoded,) = starter_linker.encode([Document("", text)])
    if encoded is None:
        return
    spans = starter_linker.detect(text, encoded)
    before = 0
    for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True):
        assert before <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert "\n\n" not in text[start:end]
        before = end
    assert ((spans.scores >= 0.05) & (spans.scores <= 1)).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jeanne Moreau Jeanne Moreau Moreau was born", ["Jeanne Moreau", "Jeanne Moreau", "Moreau"]),
        ("Matthew Goode Matthew William Goode is", ["Matthew Goode", "Matthew William Goode"]),
        ("Bora Bora is an island", ["Bora Bora"]),
        ("J. R. R. Tolkien wrote it", ["J. R. R. Tolkien"]),
        ("Marie Curie\nMarie Sklodowska was", ["Marie Curie", "Marie Sklodowska"]),
        ("- Paris\n- Rome", ["Paris", "Rome"]),
        ("went to the United\nStates of America", ["United\nStates of America"]),
        ("the U.N., and the U.S. Army", ["U.N.", "U.S. Army"]),
    ],
)
def test_runs_of_capitalised_words_end_where_a_name_does(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in names_in(text)] == expected


@pytest.mark.parametrize(("text", "name"), [("It is of the U.N.", "U.N."), ("She went to Rome.", "Rome")])
def test_a_full_stop_is_part_of_initials_alone(starter_linker: Linker, text: str, name: str) -> None:
    spans = propose(text, starter_linker.source)
    assert name in [text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True)]
