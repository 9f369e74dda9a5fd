"""Windows hold every wordpiece once, see their surroundings, and lead back to the text they came from."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from encoder_texts import EMPTY, TEXTS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from model.encoder import Wordpieces
from model.encoder_weights import find_weights
from model.windows import CONTEXT, SHORT, WINDOW, Window, join, split

TOKENIZER = Tokenizer.from_file(str(find_weights() / "tokenizer.json"))
TOKENIZER.no_padding()
TOKENIZER.no_truncation()

SENTENCE = "The Jordan flows from Mount Hermon to the Dead Sea. "
PIECES = st.sampled_from(
    [
        SENTENCE,
        "Paris",
        " ",
        "\n",
        "\n\n",
        ".\n",
        "!” ",
        "x" * 300,
        "e\u0301",
        "\U0001f600",
        "ירושלים ",
        "\x00",
        "word " * 40,
    ]
)
DROPPED = "\u200d\u0301\u0302\ue000"  # joiners, accents and characters without a meaning: the encoder leaves them out
TEXT = st.lists(PIECES, max_size=120).map("".join)


def wordpieces(text: str) -> Wordpieces:
    encoding = TOKENIZER.encode(text, add_special_tokens=False)
    return Wordpieces(encoding.ids, encoding.offsets)


def windows_of(text: str) -> list[Window]:
    return split(text, wordpieces(text))


@settings(max_examples=80, deadline=None)
@given(TEXT)
@example(SENTENCE * 200)
@example("\n\n".join(["One."] * 300))
@example("x" * 10_000)
def test_every_wordpiece_is_in_one_core(text: str) -> None:
    pieces = wordpieces(text)
    cores = [index for window in split(text, pieces) for index in range(window.core_start, window.core_end)]
    assert cores == list(range(len(pieces.ids)))


@settings(max_examples=80, deadline=None)
@given(TEXT)
@example(SENTENCE * 200)
@example("word " * 2000)
def test_windows_fit_and_overlap_inside_paragraphs(text: str) -> None:
    windows = windows_of(text)
    for window in windows:
        assert 0 <= window.start <= window.core_start < window.core_end <= window.end
        assert window.end - window.start <= WINDOW
    for left, right in pairwise(windows):
        if left.end == left.core_end:  # a paragraph ends here: neither side sees the other
            assert right.start == right.core_start
        else:
            assert right.core_start - right.start == CONTEXT
            assert left.end - left.core_end <= CONTEXT


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_offsets_lead_back_to_the_text(text: str) -> None:
    pieces = wordpieces(text)
    windows = split(text, pieces)
    if not windows:
        return
    hidden = [np.full((window.end - window.start + 2, 4), 0, np.float32) for window in windows]
    for window, states in zip(windows, hidden, strict=True):
        states[1:-1, 0] = np.arange(window.start, window.end)
    encoded = join(pieces, windows, hidden)
    assert encoded.hidden[:, 0].tolist() == list(range(len(pieces.ids)))
    spans = list(zip(encoded.starts.tolist(), encoded.ends.tolist(), strict=True))
    assert spans == [tuple(offset) for offset in pieces.offsets]
    for start, end in spans:
        assert 0 <= start < end <= len(text)
    for index, which in enumerate(encoded.window_of.tolist()):
        assert windows[which].core_start <= index < windows[which].core_end
    assert encoded.seen_from.tolist() == [window.start for window in windows]
    assert encoded.seen_to.tolist() == [window.end for window in windows]


@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_every_kind_are_covered(name: str) -> None:
    text = TEXTS[name]
    covered = {at for start, end in wordpieces(text).offsets for at in range(start, end)}
    missed = {text[at] for at in range(len(text)) if at not in covered}
    assert all(character.isspace() or character in DROPPED for character in missed), missed


@pytest.mark.parametrize("text", EMPTY.values())
def test_blank_texts_have_no_windows(text: str) -> None:
    assert windows_of(text) == []


def test_a_text_that_fits_is_one_window() -> None:
    text = "\n\n".join(["river " * 12] * 21)
    assert windows_of(text) == [Window(0, 252, 0, 252)]
    assert windows_of("river " * 254) == [Window(0, 254, 0, 254)]


def test_paragraphs_of_a_long_text_stand_alone() -> None:
    text = "river " * 100 + "\n\n" + "sea " * 120 + "end.\n" + "lake " * 60
    assert windows_of(text) == [Window(0, 100, 0, 100), Window(100, 222, 100, 222), Window(222, 282, 222, 282)]


def test_a_line_broken_to_fit_a_page_goes_on() -> None:
    text = ("river " * 10 + "\n") * 30
    windows = windows_of(text)
    assert len(windows) == 2
    assert windows[0].end > windows[0].core_end


def test_a_heading_is_read_with_what_follows() -> None:
    text = "Rivers\n\n" + "river " * 150 + "\n\nSeas\n\n" + "sea " * 150
    assert [(window.core_start, window.core_end) for window in windows_of(text)] == [(0, 151), (151, 302)]
    assert len(wordpieces("Rivers").ids) < SHORT


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    text = SENTENCE * 60
    pieces = wordpieces(text)
    for window in split(text, pieces)[:-1]:
        assert text[: pieces.offsets[window.core_end][0]].endswith(". ")


def test_where_a_window_ends_depends_on_the_text_before_it_only() -> None:
    text = SENTENCE * 100
    short, long = windows_of(text[:5000]), windows_of(text)
    assert short[:-1] == [window for window in long if window.end <= short[-2].end]
