"""What the peers read and write: entities, documents, and a line for each document that is done.

The peers have environments of their own, without Namesake's packages: here is the standard library alone.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

Names = dict[str, dict[str, int]]
Mention = dict[str, Any]
CHUNK = 100  # documents whose answers are written together, as `namesake annotate` does


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a .jsonl or .jsonl.gz file."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield from map(json.loads, file)


def names(entities: Path) -> Names:
    """Return for each name the entities that have it, with how often it named them."""
    found: Names = {}
    for entity in lines(entities):
        found.setdefault(entity["label"], {}).setdefault(entity["id"], 0)
        for alias in entity["aliases"]:
            found.setdefault(alias["text"], {})[entity["id"]] = alias["count"]
    return found


def mention(start: int, end: int, entity: str) -> Mention:
    """Return a linked span of a text."""
    return {"start": start, "end": end, "entity": entity}


def answer(linked: Iterator[list[Mention]]) -> None:
    """Write the links of each document."""
    while chunk := list(islice(linked, CHUNK)):
        sys.stdout.writelines(json.dumps({"mentions": mentions}) + "\n" for mentions in chunk)
        sys.stdout.flush()
