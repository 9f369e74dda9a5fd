"""WordNet's database files of nouns (wndb(5WN)): `data.noun`, with `index.noun` and the counts of senses beside it.

A synset is an entity, called as NLTK calls it (`mercury.n.02`: the second sense of the noun). Its hypernyms are its
types, and types have their first hypernym as parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.importers.checks import Rejected
from kb.importers.formats import Reading
from kb.importers.lines import LineReader
from kb.importers.reading import NO_CLASSES, Classes, Line, checked_entity
from kb.importers.report import ImportFailed
from kb.records import EntityRecord, PredicateRecord, TypeRecord

PREDICATES = {
    "@": "hypernym",
    "@i": "instance hypernym",
    "#p": "part of",
    "#m": "member of",
    "#s": "substance of",
    ";c": "topic domain",
    ";r": "region domain",
}
"""Pointers that are kept, each in the one direction that tells more of the synset."""
HYPERNYMS = ("@", "@i")
COUNTS = ("cntlist.rev", "index.sense")  # both begin with a sense key and end with its count


@dataclass(frozen=True, slots=True)
class Synset:
    """A line of `data.noun`: words as (form, sense key), pointers as (symbol, offset)."""

    offset: str
    words: tuple[tuple[str, str], ...]
    pointers: tuple[tuple[str, str], ...]
    gloss: str

    @property
    def hypernyms(self) -> list[str]:
        """Offsets of broader synsets."""
        return [offset for symbol, offset in self.pointers if symbol in HYPERNYMS]


class WordNetReader:
    """The nouns of a WordNet.

    Raises:
        ImportFailed: `index.noun` is not beside the file.
    """

    def __init__(self, path: Path, how: Reading) -> None:
        self._lines = LineReader(path)
        self._how = how
        self._scheme = "wordnet"
        self._classes = NO_CLASSES
        try:
            self._senses = _sense_numbers(path.with_name("index.noun"))
        except FileNotFoundError:
            self._lines.close()
            raise ImportFailed(f"There is no index.noun beside {path}: put both into one folder.") from None
        self._counts = _sense_counts(path.parent)

    @property
    def damage(self) -> str | None:
        """What is wrong with the file."""
        return self._lines.damage

    @property
    def done_bytes(self) -> int:
        """How much of the file was read."""
        return self._lines.done_bytes

    def __iter__(self) -> Iterator[Line[EntityRecord]]:
        """Yield the synsets; all are read first, since any may name any other."""
        found = list(self._parsed())
        synsets = {synset.offset: synset for _, _, synset in found if isinstance(synset, Synset)}
        names = {offset: self._name(synset) for offset, synset in synsets.items()}
        self._classes = _classes(synsets, names)
        for number, raw, synset in found:
            if isinstance(synset, Rejected):
                yield Line(number, raw, synset)
            elif not self._how.instances or any(symbol == "@i" for symbol, _ in synset.pointers):
                try:
                    yield Line(number, raw, checked_entity(self._entity(synset, names), self._how.source))
                except Rejected as reason:
                    yield Line(number, raw, reason)

    def classes(self) -> Classes:
        """Return the synsets that are hypernyms, and the kinds of pointers, once."""
        found, self._classes = self._classes, NO_CLASSES
        return found

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _parsed(self) -> Iterator[tuple[int, bytes, Synset | Rejected]]:
        for number, raw in self._lines:
            if raw.startswith(b"  "):  # the licence
                version = re.search(rb"WordNet (\d[\d.]*\d)", raw)
                if version:
                    self._scheme = f"wordnet-{version[1].decode()}"
                continue
            try:
                yield number, raw, _synset(raw.decode())
            except (ValueError, IndexError):
                cut = number == self._lines.open_line
                if cut:
                    self._lines.damage = f"{self._lines.name} ends in the middle of line {number}: copy it again."
                remedy = "compare it with the original file; wndb(5WN) describes its lines"
                yield number, raw, Rejected(None, "the line is no synset of nouns", remedy)

    def _name(self, synset: Synset) -> str:
        lemma = synset.words[0][0].lower()
        senses = self._senses.get(lemma, [])
        # One that the index does not know is called by its offset, which no two synsets share.
        return f"{lemma}.n.{senses.index(synset.offset) + 1:02}" if synset.offset in senses else f"{synset.offset}-n"

    def _entity(self, synset: Synset, names: dict[str, str]) -> dict[str, Any]:
        definition, quote, _ = synset.gloss.partition('; "')
        aliases = [{"text": form.replace("_", " "), "count": self._counts.get(key, 0)} for form, key in synset.words]
        return {
            "id": names[synset.offset],
            "label": aliases[0]["text"],
            "description": definition,
            "text": synset.gloss if quote else None,
            "aliases": aliases,
            "types": [names[offset] for offset in synset.hypernyms if offset in names],
            "relations": [
                {"predicate": PREDICATES[symbol], "object": names[offset]}
                for symbol, offset in synset.pointers
                if symbol in PREDICATES and offset in names and offset != synset.offset
            ],
            "xrefs": {self._scheme: f"{synset.offset}-n"},
            "popularity": sum(alias["count"] for alias in aliases),
        }


def _synset(line: str) -> Synset:
    """Return what a line of `data.noun` says.

    Raises:
        ValueError, IndexError: it is no such line.
    """
    fields, bar, gloss = line.partition(" | ")
    offset, file, kind, size, *rest = fields.split(" ")
    if not bar or kind != "n" or not re.fullmatch(r"\d{8}", offset):
        raise ValueError(line)
    count = int(size, 16)
    forms, lexical_ids = rest[: 2 * count : 2], rest[1 : 2 * count : 2]
    words = tuple(
        (form, f"{form.lower()}%1:{int(file):02}:{int(key, 16):02}::")
        for form, key in zip(forms, lexical_ids, strict=True)
    )
    pointers, start = [], 2 * count + 1
    for place in range(start, start + 4 * int(rest[2 * count]), 4):
        symbol, target, part, ends = rest[place : place + 4]
        if part == "n" and ends == "0000":  # from synset to synset
            pointers.append((symbol, target))
    if len(words) != count or not words:
        raise ValueError(line)
    return Synset(offset, words, tuple(pointers), gloss.strip())


def _classes(synsets: dict[str, Synset], names: dict[str, str]) -> Classes:
    broader = {target for synset in synsets.values() for target in synset.hypernyms if target in synsets}
    types = []
    for offset in sorted(broader):
        synset = synsets[offset]
        parents = [names[target] for target in synset.hypernyms if target in names and target != offset]
        types.append(TypeRecord(names[offset], synset.words[0][0].replace("_", " "), next(iter(parents), None)))
    return Classes(tuple(types), tuple(PredicateRecord(label, label) for label in PREDICATES.values()))


def _sense_numbers(path: Path) -> dict[str, list[str]]:
    """Return the offsets of each lemma's synsets, in the order of its senses."""
    found = {}
    with closing(LineReader(path)) as lines:
        for _, raw in lines:
            lemma, *rest = raw.decode(errors="replace").split()
            if not raw.startswith(b"  ") and len(rest) > 1 and rest[1].isdigit():
                found[lemma] = rest[-int(rest[1]) :]
    return found


def _sense_counts(folder: Path) -> dict[str, int]:
    """Return how often each sense of a noun was tagged, by its key; nothing where no such file is there."""
    found: dict[str, int] = {}
    path = next((folder / name for name in COUNTS if (folder / name).is_file()), None)
    if path is not None:
        with closing(LineReader(path)) as lines:
            for _, raw in lines:
                fields = raw.decode(errors="replace").split()
                if "%1:" in fields[0] and fields[-1].isdigit():
                    found[fields[0]] = int(fields[-1])
    return found
