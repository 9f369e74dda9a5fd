import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.offsets import OffsetError, Offsets, OffsetUnit

# Every kind of width: ASCII, Latin, combining marks, right-to-left, CJK, emoji with joiners, NUL.
PIECES = [
    "a",
    "é",
    "e\u0301",
    "\u0301",
    "שלום",
    "العربية",
    "東京",
    "😀",
    "👩\u200d🚀",
    "\U0010ffff",
    "\0",
    "\ufeff",
    "\r\n",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=["Cs"]))).map("".join)
UNITS: list[OffsetUnit] = ["codepoint", "utf16", "utf8"]
ENCODING = {"codepoint": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}


def width(text: str, unit: OffsetUnit) -> int:
    encoding, size = ENCODING[unit]
    return len(text.encode(encoding)) // size


@given(TEXTS, st.sampled_from(UNITS))
def test_every_code_point_starts_where_the_encoded_text_before_it_ends(text: str, unit: OffsetUnit) -> None:
    offsets = Offsets(text, unit)
    for index in range(len(text) + 1):
        offset = width(text[:index], unit)
        assert offsets.from_codepoint(index) == offset
        assert offsets.to_codepoint(offset) == index
    assert offsets.length == width(text, unit)


@given(TEXTS, st.sampled_from(UNITS))
def test_an_offset_is_taken_exactly_when_a_character_starts_there(text: str, unit: OffsetUnit) -> None:
    offsets = Offsets(text, unit)
    starts = {width(text[:index], unit) for index in range(len(text) + 1)}
    for offset in range(-1, offsets.length + 2):
        if offset in starts:
            offsets.to_codepoint(offset)
        else:
            with pytest.raises(OffsetError):
                offsets.to_codepoint(offset)


@given(TEXTS, st.data())
def test_a_span_cut_in_any_unit_is_the_same_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    for unit in UNITS:
        encoding, size = ENCODING[unit]
        offsets = Offsets(text, unit)
        cut = text.encode(encoding)[offsets.from_codepoint(start) * size : offsets.from_codepoint(end) * size]
        assert cut.decode(encoding) == text[start:end]


def test_the_error_names_the_character_and_where_to_cut_instead() -> None:
    with pytest.raises(OffsetError, match="1 is inside a surrogate pair that reaches from 0 to 2: send 0 or 2"):
        Offsets("😀", "utf16").to_codepoint(1)
    with pytest.raises(OffsetError, match="3 is inside a character of 4 bytes that reaches from 1 to 5: send 1 or 5"):
        Offsets("a😀", "utf8").to_codepoint(3)
    with pytest.raises(OffsetError, match="9 is outside the text, which has 4 UTF-8 bytes: send an offset from 0 to 4"):
        Offsets("😀", "utf8").to_codepoint(9)


def test_offsets_larger_than_any_machine_number_are_refused() -> None:
    with pytest.raises(OffsetError, match="outside the text"):
        Offsets("é", "utf8").to_codepoint(10**40)
