"""Offsets of one text in code points, UTF-16 code units and UTF-8 bytes.

Inside Namesake offsets are code points, as Python counts them. JavaScript, Java and C# count UTF-16 code units, Go and
Rust bytes of UTF-8. A caller says which it uses and gets answers in the same unit.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

OffsetUnit = Literal["codepoint", "utf16", "utf8"]

UNIT_NAMES: dict[OffsetUnit, str] = {
    "codepoint": "code points",
    "utf16": "UTF-16 code units",
    "utf8": "UTF-8 bytes",
}


class OffsetError(ValueError):
    """An offset does not point between two characters of the text.

    Attributes:
        detail: what is wrong with the offset.
        remedy: what to send instead.
    """

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}: {remedy}")
        self.detail = detail
        self.remedy = remedy


class Offsets:
    """Translates the offsets of one text between code points and another unit.

    Attributes:
        length: the text's length in `unit`, which is the largest offset allowed.
    """

    def __init__(self, text: str, unit: OffsetUnit) -> None:
        self.unit = unit
        self._starts = _starts(text, unit)
        self.length = len(text) if self._starts is None else int(self._starts[-1])

    def to_codepoint(self, offset: int) -> int:
        """Return the code point that starts at `offset`, which is in this text's unit.

        Raises:
            OffsetError: the offset is outside the text or inside a character.
        """
        if not 0 <= offset <= self.length:
            name = UNIT_NAMES[self.unit]
            raise OffsetError(
                f"{offset} is outside the text, which has {self.length} {name}",
                f"send an offset from 0 to {self.length}, or set offset_unit to the unit that you count in",
            )
        if self._starts is None:
            return offset
        index = int(np.searchsorted(self._starts, offset))
        if int(self._starts[index]) == offset:
            return index
        before, after = int(self._starts[index - 1]), int(self._starts[index])
        what = "a surrogate pair" if self.unit == "utf16" else f"a character of {after - before} bytes"
        raise OffsetError(
            f"{offset} is inside {what} that reaches from {before} to {after}",
            f"send {before} or {after}, or set offset_unit to the unit that you count in",
        )

    def from_codepoint(self, index: int) -> int:
        """Return the offset, in this text's unit, at which code point `index` starts."""
        return index if self._starts is None else int(self._starts[index])


def _starts(text: str, unit: OffsetUnit) -> npt.NDArray[np.int64] | None:
    """Return where each code point and the end lie in `unit`; None where that is the code point's own index."""
    if unit == "codepoint" or text.isascii():
        return None
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    widths = 1 + (codes > 0xFFFF).astype(np.int64)
    if unit == "utf8":
        widths += (codes > 0x7F).astype(np.int64) + (codes > 0x7FF)
    starts = np.zeros(len(codes) + 1, dtype=np.int64)
    np.cumsum(widths, out=starts[1:])
    return None if int(starts[-1]) == len(codes) else starts
