"""What each word teaches mention detection."""

from __future__ import annotations

import re

import numpy as np

from model.evaluation.corpus import GoldMention, LabelledDocument
from model.training.tags import wordpiece_tags

LETTERS = "?OBI"  # UNKNOWN, OUTSIDE, BEGIN, INSIDE


def tags(text: str, *mentions: str, exhaustive: bool, source: str = "wiki-prose") -> str:
    """Return a letter for each word."""
    spans = [(text.index(name), text.index(name) + len(name)) for name in mentions]
    gold = tuple(GoldMention(start, end, "E", "anchor") for start, end in spans)
    words = [match.span() for match in re.finditer(r"\w+", text)]
    starts, ends = np.array(words, dtype=np.int64).T
    found = wordpiece_tags(LabelledDocument("1", source, text, gold), starts, ends, exhaustive)
    return "".join(LETTERS[tag + 1] for tag in found)


def test_where_every_mention_is_marked_the_rest_is_outside() -> None:
    assert tags("They saw New York and Rome", "New York", exhaustive=True) == "OOBIOO"


def test_where_only_some_are_a_name_without_a_mark_teaches_nothing() -> None:
    assert tags("They saw New York and Rome", "New York", exhaustive=False) == "OOBIO?"
    assert tags("The old Rome", exhaustive=False) == "OO?"


def test_what_stands_beside_a_mention_is_outside_it() -> None:
    assert tags("Old New York City sleeps", "New York", exhaustive=False) == "OBIOO"


def test_an_article_is_no_part_of_a_name() -> None:
    assert tags("In the United Nations", "the United Nations", exhaustive=True) == "OOBI"


def test_a_repeat_that_was_passed_over_teaches_nothing() -> None:
    assert tags("Rome sleeps and Rome wakes", "Rome", exhaustive=True) == "BOO?O"


def test_cells_of_tables_teach_only_what_is_marked() -> None:
    assert tags("rank one Rome", "Rome", exhaustive=False, source="wiki-table") == "???"


def test_a_link_of_common_words_is_no_name() -> None:
    assert tags("a glass of water", "water", exhaustive=False) == "OOO?"
