"""Texts and names to measure with: always the same ones."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from kb.starter import files

DOCUMENTS = 60  # of each source
SENTENCES = 6  # of a document that is made of descriptions


@dataclass(frozen=True)
class Sample:
    """Documents of one kind."""

    name: str
    texts: list[str]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a .jsonl.gz file."""
    with gzip.open(path) as file:
        yield from map(orjson.loads, file)


def starter_entities() -> list[dict[str, Any]]:
    """Return the starter KB, shuffled."""
    entities = list(lines(files().entities))
    random.Random(1).shuffle(entities)
    return entities


def starter_documents(count: int = DOCUMENTS) -> Sample:
    """Return documents that say of some entities each what the starter KB says of them."""
    told = [f"{item['label']}: {item['description']}." for item in starter_entities() if item["description"]]
    starts = range(0, count * SENTENCES, SENTENCES)
    return Sample("starter descriptions", [" ".join(told[start : start + SENTENCES]) for start in starts])


def dev_documents(shared_data: Path, count: int = DOCUMENTS) -> list[Sample]:
    """Return documents of each source of the development corpus."""
    by_source: dict[str, list[str]] = {}
    for document in lines(shared_data / "corpora/dev.jsonl.gz"):
        by_source.setdefault(document["source"], []).append(document["text"])
    return [Sample(name, random.Random(1).sample(texts, count)) for name, texts in by_source.items()]


def cut(texts: Sequence[str], words: int) -> list[str]:
    """Return the first so many words of each text that has them."""
    return [" ".join(split[:words]) for text in texts if len(split := text.split()) >= words]


def first_lines(source: Path, target: Path, count: int) -> None:
    """Write the first lines of a .gz file to another one."""
    with gzip.open(source) as whole, gzip.open(target, "wb", compresslevel=1) as part:
        part.writelines(islice(whole, count))


def typed_prefixes(names: Sequence[str]) -> list[str]:
    """Return what is in a search box while these names are typed, from the second character on."""
    return [name[:length] for name in names for length in (2, 3, 5, 8, 12, len(name)) if length <= len(name)]
