"""flashtext2: the longest names of our entities in the text, in any case, each linked to what it names most.

dictionary.py build ENTITIES FOLDER
dictionary.py link FOLDER DOCUMENTS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from flashtext2 import KeywordProcessor
from knowledge import Mention, answer, lines, mention, names


def build(entities: Path, folder: Path) -> None:
    """Write down what each name means most; flashtext2 cannot save what it makes of that."""
    meant: dict[str, dict[str, int]] = {}
    for name, counts in names(entities).items():
        folded = meant.setdefault(name.lower(), {})
        for entity, count in counts.items():
            folded[entity] = folded.get(entity, 0) + count
    folder.mkdir()
    with (folder / "names.jsonl").open("w") as file:
        for name, counts in meant.items():
            file.write(json.dumps({"name": name, "entity": max(counts, key=counts.__getitem__)}) + "\n")


def link(folder: Path, documents: Path) -> Iterator[list[Mention]]:
    """Yield the links of each document."""
    processor = KeywordProcessor(case_sensitive=False)
    for line in lines(folder / "names.jsonl"):
        processor.add_keyword(line["name"], line["entity"])
    for document in lines(documents):
        found = processor.extract_keywords_with_span(document["text"])
        yield [mention(start, end, entity) for entity, start, end in found]


if __name__ == "__main__":
    first, second = map(Path, sys.argv[2:4])
    if sys.argv[1] == "build":
        build(first, second)
    else:
        answer(link(first, second))
