"""Telling a text file that is not in UTF-8, before anything of it is imported."""

from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path

from kb.importers.lines import shown_name
from kb.importers.report import ImportFailed

LOOKED_AT = 1 << 20
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
GZIP_MAGIC = b"\x1f\x8b"


def refuse_other_encoding(path: Path) -> None:
    """Look at the start of a file; a compressed one is not looked at.

    Raises:
        ImportFailed: it is not UTF-8; the message says where, and which encoding it may be.
    """
    with path.open("rb") as file:
        data = file.read(LOOKED_AT)
    if data.startswith(GZIP_MAGIC):
        return
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=False)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        where = f"line {line}, byte {column} of it: 0x{data[error.start]:02x}"
        found = _guess(data)
        remedy = f"If it is {found}, add --encoding {found}" if found else "Name its encoding with --encoding"
        raise ImportFailed(f"{shown_name(path)} is not UTF-8 ({where}). {remedy}, or save it as UTF-8.") from None


def _guess(data: bytes) -> str | None:
    """Return the encoding that a text seems to be in."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    from charset_normalizer import from_bytes

    lines = b"".join([line for line in data.splitlines(keepends=True) if not line.isascii()][:2000])
    for sample in (data[: 1 << 16], lines):
        with suppress(UnicodeError):
            best = from_bytes(sample).best()
            if best is not None and best.encoding != "ascii":
                return best.encoding
    return None
