"""A text in the form that aliases are stored in, with the way back to the offsets of the original.

`kb.normalise` folds a whole string; here the same folding is done piece by piece (a character with its combining
marks), so that each folded character knows which code points it came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from kb.normalise import normalise

CLUSTER = re.compile(
    r"\s+|[\s\S][\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe2f]*"
)
SEVERAL_SPACES = re.compile(r"\s\s")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A folded text.

    Attributes:
        text: the folded characters.
        starts: for each folded character, where its piece starts in the original (code points).
        ends: for each folded character, where its piece ends in the original, combining marks included.
    """

    text: str
    starts: range | list[int]
    ends: range | list[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the original span of the folded span `start`:`end`, which must not be empty."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> FoldedText:
    """Fold a text for alias matching."""
    if text.isascii() and not SEVERAL_SPACES.search(text):
        folded = _fold_ascii(text)
        return FoldedText(folded, range(len(text)), range(1, len(text) + 1))
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for piece in CLUSTER.finditer(text):
        folded = _fold_piece(piece.group())
        characters.append(folded)
        starts.extend([piece.start()] * len(folded))
        ends.extend([piece.end()] * len(folded))
    return FoldedText("".join(characters), starts, ends)


def word_starts(folded: str) -> list[int]:
    """Return where an alias may start: at a word, at a symbol, or at any letter of a script without spaces."""
    return [index for index, character in enumerate(folded) if not character.isspace() and is_boundary(folded, index)]


def is_boundary(folded: str, index: int) -> bool:
    """Tell whether a word may start or end before `index`."""
    if index == 0 or index == len(folded):
        return True
    before, after = folded[index - 1], folded[index]
    if not (_in_word(before) and _in_word(after)):
        return True
    return bool(UNSPACED.match(before) or UNSPACED.match(after))


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _fold_ascii(text: str) -> str:
    return text.lower().translate(_ASCII_SPACE)


@lru_cache(maxsize=65536)
def _fold_piece(piece: str) -> str:
    return " " if piece.isspace() else normalise(piece)


_ASCII_SPACE = {ord(character): " " for character in "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"} | {ord("`"): "'"}
