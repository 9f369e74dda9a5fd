"""How a name is written, which says much of whether it is one: cues that depend on nothing but its characters."""

from __future__ import annotations

import re
from functools import lru_cache
from math import log1p
from typing import NamedTuple

WORD = re.compile(r"\w+")
ARTICLE = re.compile(r"(?:the|a|an)\s+", re.IGNORECASE)
LONGEST_KEPT = 100  # characters of a name whose writing is kept in memory
# fmt: off
FUNCTION_WORDS = frozenset([
    "a", "an", "the", "of", "in", "on", "at", "by", "for", "to", "from", "with", "and", "or", "but", "as", "is",
    "are", "was", "were", "be", "been", "being", "he", "she", "it", "they", "we", "you", "i", "his", "her", "its",
    "their", "our", "your", "my", "me", "him", "them", "us", "this", "that", "these", "those", "there", "here", "who",
    "whom", "whose", "which", "what", "when", "where", "why", "how", "not", "no", "nor", "so", "if", "then", "than",
    "too", "very", "can", "will", "just", "should", "would", "could", "may", "might", "must", "do", "does", "did",
    "has", "have", "had", "more", "most", "some", "any", "all", "both", "each", "few", "other", "such", "only", "own",
    "same", "also", "into", "over", "under", "after", "before", "between", "during", "about", "against", "out", "up",
    "down", "off", "again", "further", "once", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "first", "second", "third", "new", "old",
])
# fmt: on


class Writing(NamedTuple):
    """What a name's characters say.

    Attributes:
        word: the word in lower case, if it is a single one, else nothing.
        upper: whether there is an upper-case letter in it.
        words: the logarithm of how many words there are, and one.
        The others are what `model.mentions.FEATURES` names so.
    """

    word: str
    upper: bool
    capitalised: bool
    all_capitals: bool
    lower: bool
    words: float
    single_word: bool
    number: bool
    function_word: bool
    article: bool


def writing_of(name: str) -> Writing:
    """Return how a name is written; the same ones come again and again, so that it is kept."""
    return _kept(name) if len(name) <= LONGEST_KEPT else _read(name)


def _read(name: str) -> Writing:
    lowered = name.lower()
    upper = name != lowered
    words = WORD.findall(lowered)
    number = not any(map(str.isalpha, name))
    return Writing(
        word=lowered if len(words) == 1 else "",
        upper=upper,
        capitalised=name[:1].isupper(),
        all_capitals=upper and len(name) > 1 and name.isupper(),
        lower=not upper and not number,
        words=log1p(len(words)),
        single_word=len(words) == 1,
        number=number,
        function_word=all(word in FUNCTION_WORDS for word in words),
        article=ARTICLE.match(name) is not None,
    )


_kept = lru_cache(maxsize=65536)(_read)
