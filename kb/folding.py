"""A text in the form that aliases are stored in, with the way back to the offsets of the original.

`kb.normalise` folds a whole string; here the same folding is done piece by piece (a character with its combining
marks), so that each folded character knows which code points it came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from kb.normalise import normalise

_MARKS = r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe2f]"
# Spaces; plain words, which are most of most texts, as one piece; any other character with the marks on it.
PIECE = re.compile(rf"(?P<plain>(?:[!-~]|(?<=[!-~]) (?=[!-~]))+(?!{_MARKS}))|\s+|[\s\S]{_MARKS}*")
SEVERAL_SPACES = re.compile(r"\s\s")
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
# A word, or a single character that stands for itself: a symbol, a letter of a script without spaces.
UNIT = re.compile(rf"[^\W{_UNSPACED}]+|\S")


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


def fold(text: str) -> FoldedText:
    """Fold a text for alias matching."""
    if text.isascii() and not SEVERAL_SPACES.search(text):
        folded = _fold_ascii(text)
        return FoldedText(folded, range(len(text)), range(1, len(text) + 1))
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for piece in PIECE.finditer(text):
        start, end = piece.span()
        if piece.lastgroup:
            characters.append(_fold_ascii(piece.group()))
            starts.extend(range(start, end))
            ends.extend(range(start + 1, end + 1))
        else:
            folded = _fold_piece(piece.group())
            characters.append(folded)
            starts.extend([start] * len(folded))
            ends.extend([end] * len(folded))
    return FoldedText("".join(characters), starts, ends)


def boundaries(folded: str) -> tuple[list[int], bytearray]:
    """Find where aliases may start and end.

    Returns:
        Where one may start: at a word, at a symbol, or at any letter of a script without spaces; and for each position,
        the one behind the last character included, 1 where one may end before it.
    """
    starts: list[int] = []
    ends = bytearray(b"\x01") * (len(folded) + 1)
    for unit in UNIT.finditer(folded):
        start, end = unit.span()
        starts.append(start)
        ends[start + 1 : end] = bytes(end - start - 1)
    return starts, ends


def _fold_ascii(text: str) -> str:
    return text.lower().translate(_ASCII_SPACE)


@lru_cache(maxsize=65536)
def _fold_piece(piece: str) -> str:
    return " " if piece.isspace() else normalise(piece)


_ASCII_SPACE = {ord(character): " " for character in "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"} | {ord("`"): "'"}
