"""Lines of a file or of standard input, plain, gzip or bzip2, with their numbers and how much of the file was read."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import sys
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from typing import cast

CHUNK_BYTES = 1 << 16
LONGEST_LINE = 1 << 24
FINGERPRINT_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
BZIP2_MAGIC = b"BZh"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
STDIN = Path("-")


class LineReader:
    """Reads the lines of one file, once.

    A file that ends too early or is damaged does not raise: the lines up to there are given, and `damage` says what is
    wrong.

    Attributes:
        name: what the file is called in messages.
        damage: None, or what is wrong with the file and what to do about it; known when all lines were read.
        open_line: number of the last line if no line break ends it; it may be cut off.
    """

    def __init__(self, path: Path, *, encoding: str | None = None, blank: bool = False) -> None:
        """Open a file.

        Args:
            path: the file; `-` is standard input.
            encoding: what to make UTF-8 of; None for files that are in UTF-8 already.
            blank: give blank lines, too.
        """
        self.name = shown_name(path)
        self._encoding = encoding
        self._blank = blank
        self._seekable = path != STDIN
        self.damage: str | None = None
        self.open_line: int | None = None
        self._raw = _standard_input() if path == STDIN else path.open("rb")
        start = self._raw.peek(4)[:4]
        self._packing = "gzip" if start[:2] == GZIP_MAGIC else "bzip2" if start[:3] == BZIP2_MAGIC else None
        # One read at a time (read1) hands over all that was unpacked before a damaged place.
        self._data = _unpacked(self._raw, self._packing)

    @property
    def done_bytes(self) -> int:
        """How much of the file was read, in bytes on disk; 0 where that is not known."""
        return self._raw.tell() if self._seekable and not self._raw.closed else 0

    def close(self) -> None:
        """Close the file."""
        if self._data is not self._raw:
            self._data.close()
        if self._seekable:
            self._raw.close()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number, from 1, and the bytes in UTF-8 of each line; not of blank ones, unless asked for.

        Of a line longer than 16 MiB only its start is given, with one byte more than a line may have.
        """
        number = 0
        rest = b""
        for chunk in self._chunks():
            head, *others = chunk.split(b"\n")
            if len(rest) <= LONGEST_LINE:
                rest += head
            for line in others:
                number += 1
                if self._blank or (rest and not rest.isspace()):
                    yield number, rest[: LONGEST_LINE + 1]
                rest = line
        if rest and not rest.isspace():
            if self.damage is None:
                self.open_line = number + 1
                yield number + 1, rest[: LONGEST_LINE + 1]
            else:
                self.damage += f" Line {number + 1} is cut off and was left out."

    def whole(self) -> bytes:
        """Return all of the file in the place of its lines; `damage` says whether it is whole."""
        return b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        """Yield the unpacked bytes; note damage and stop there."""
        first = True
        decoder = getincrementaldecoder(self._encoding)("surrogateescape") if self._encoding else None
        try:
            while chunk := self._data.read1(CHUNK_BYTES):
                if decoder is not None:
                    # What means nothing in the encoding stays as it is, so that its line can be told.
                    chunk = decoder.decode(chunk).encode(errors="surrogateescape")
                yield chunk.removeprefix(BYTE_ORDER_MARK) if first else chunk
                first = False
            if decoder is not None:
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            place = f"its byte 0x{error.object[error.start]:02x}" if error.start < len(error.object) else "its end"
            self.damage = f"{self.name} is not {self._encoding}: {place} means nothing there. Check --encoding."
        except EOFError:
            self.damage = (
                f"{self.name} ends in the middle of its {self._packing} data: copy or download the whole file again."
            )
        except (gzip.BadGzipFile, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, not the file
            self.damage = f"{self.name} is damaged ({error}): copy or download the file again."


def _unpacked(raw: io.BufferedReader, packing: str | None) -> io.BufferedReader | gzip.GzipFile | bz2.BZ2File:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=raw)
    return bz2.BZ2File(raw) if packing == "bzip2" else raw


def _standard_input() -> io.BufferedReader:
    stream = sys.stdin.buffer
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))


def shown_name(path: Path) -> str:
    """Return what a file is called in messages."""
    return "standard input" if path == STDIN else str(path)


def total_bytes(path: Path) -> int | None:
    """Return the size of a file as it lies on disk, None for standard input."""
    return None if path == STDIN else path.stat().st_size


def fingerprint(path: Path) -> str | None:
    """Return what tells a file from others without reading all of it: a hash of its first MiB and its size.

    None for standard input, which cannot be told from others.
    """
    if path == STDIN:
        return None
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(FINGERPRINT_BYTES))
    return f"{digest.hexdigest()}-{path.stat().st_size}"
