"""brat's standoff files: a zip with a text and its annotations for each document.

0000000-AC_DC.txt     the text
0000000-AC_DC.ann     mentions (T), what they mean (N) and how sure that is (#)
annotation.conf       the types that occur, without which brat shows nothing
documents.jsonl       the id of each document: the names of files can hold only a part of it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import quote
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import orjson

from app.bulk.writers.mentions import ENTITY, NIL, in_order, kind_of, on_one_line

Json = dict[str, Any]
NAME_CHARACTERS = 80  # of the id, in the name of a file

# brat reads a mention as one line, with a tab before its text, and takes whatever Python does for the end of a line.
_FRAGMENT = re.compile(r"[^\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def write_brat(documents: Iterator[Json], to: Path) -> None:
    """Write a zip; it can be unpacked where brat has its data.

    Raises:
        OSError: the disk is full, say.
    """
    kinds = {ENTITY, NIL}
    with ZipFile(to, "w", ZIP_DEFLATED) as archive, TemporaryFile(dir=to.parent) as index:
        for number, document in enumerate(documents):
            name = file_name(number, document["id"])
            _add(archive, f"{name}.txt", document["text"])
            _add(archive, f"{name}.ann", "".join(_annotations(document, kinds)))
            index.write(orjson.dumps({"file": name, "id": document["id"]}) + b"\n")
        _add(archive, "annotation.conf", _configuration(sorted(kinds)))
        index.seek(0)
        with archive.open("documents.jsonl", "w", force_zip64=True) as file:
            file.writelines(index)


def _add(archive: ZipFile, name: str, content: str) -> None:
    # A `ZipInfo` has a fixed date: the same result is the same file.
    archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)


def file_name(number: int, identity: str) -> str:
    """Return a name for the files of a document, which no other has and every file system takes."""
    return f"{number:07}-{_plain(identity)[:NAME_CHARACTERS]}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "_", text)


def _annotations(document: Json, kinds: set[str]) -> Iterator[str]:
    """Yield the lines of a document, and add the types of its mentions to `kinds`."""
    text: str = document["text"]
    number = 0
    for mention in in_order(document):
        spans = _fragments(text, mention["start"], mention["end"])
        if not spans:  # nothing but white space, which brat cannot mark
            continue
        number += 1
        kind = _plain(kind_of(mention))
        kinds.add(kind)
        places = ";".join(f"{start} {end}" for start, end in spans)
        yield f"T{number}\t{kind} {places}\t{' '.join(text[start:end] for start, end in spans)}\n"
        entity = mention["entity"]
        if entity is not None:
            identity, label = _in_one_word(entity["id"]), on_one_line(entity["label"])
            yield f"N{number}\tReference T{number} Namesake:{identity}\t{label}\n"
        yield f"#{number}\tAnnotatorNotes T{number}\tconfidence {mention['confidence']}\n"


def _fragments(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the parts of a mention that are on a line each."""
    found = []
    for fragment in _FRAGMENT.finditer(text, start, end):
        words = fragment[0].strip()
        if words:
            first = fragment.start() + fragment[0].index(words)
            found.append((first, first + len(words)))
    return found


def _in_one_word(identity: str) -> str:
    return re.sub(r"[\s%]", lambda found: quote(found[0], safe=""), identity)


def _configuration(kinds: Iterable[str]) -> str:
    return "[entities]\n" + "".join(f"{kind}\n" for kind in kinds) + "\n[relations]\n\n[events]\n\n[attributes]\n"
