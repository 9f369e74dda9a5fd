"""A text of a megabyte is linked in bounded memory."""

from __future__ import annotations

import tracemalloc

from test_long_texts import PARTS

from model.linker import Linker
from model.types import Document, LinkOptions, Span


def test_a_megabyte_of_text(starter_linker: Linker) -> None:
    """Mostly unknown words, which cost the encoder little, with names at its beginning, middle and end."""
    names = "\n\n".join(PARTS)
    filler = ("x" * 119 + " ") * 4_100 + "\n\n"
    text = names + "\n\n" + filler + names + "\n\n" + filler + names
    assert len(text) > 980_000
    (answer,) = starter_linker.link([Document("x", text)], LinkOptions())
    (alone,) = starter_linker.link([Document("x", names)])
    shift = len(names) + 2 + len(filler)
    expected = {
        (link.start + times * shift, link.text, link.entity)
        for link in alone.links
        if link.entity
        for times in range(3)
    }
    found = {(link.start, link.text, link.entity) for link in answer.links if link.entity}
    assert len(found) > 60
    assert len(found & expected) >= 0.9 * len(expected)


def test_memory_does_not_grow_with_the_candidates(starter_linker: Linker) -> None:
    """2,520 mentions with some 45,000 candidates, whose vectors alone would take 70 MB a feature."""
    part = " and ".join(["Jordan", "Washington", "Springfield", "Paris", "Georgia", "Victoria", "Mercury"] * 4)
    text = "\n\n".join([part + " meet."] * 90)
    spans = []
    at = 0
    for word in text.split(" "):
        for piece in word.split("\n\n"):
            name = piece.rstrip(".")
            if name[:1].isupper():
                spans.append(Span(at, at + len(name)))
            at += len(piece) + 2
        at -= 1
    assert {text[span.start : span.end] for span in spans} >= {"Jordan", "Mercury"}
    document = Document("x", text, tuple(spans))
    starter_linker.link([Document("warm", part)])
    tracemalloc.start()
    try:
        (answer,) = starter_linker.link([document])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answer.links) == len(spans) > 2_500
    assert peak < 150e6, f"{peak / 1e6:.0f} MB"


def test_a_short_form_in_a_text_of_many_names(starter_linker: Linker) -> None:
    """Thousands of names before it cost a short form nothing, and the latest longer name is the one it takes."""
    names = [f"Person{number} Merkel" for number in range(3000)]
    table = starter_linker.generator.generate(
        [*names, "Angela Merkel", "Angela"],
        *_nothing(len(names) + 2),
    )
    last = table.mention == len(names) + 1
    entities = {starter_linker.store.entity_id(ordinal) for ordinal in table.ordinal[last & (table.short_form > 0)]}
    assert entities == {"Angela_Merkel"}


def _nothing(count: int) -> tuple[object, object]:
    import numpy as np

    queries = np.zeros((count, 384), dtype=np.float32)
    queries[:, 0] = 1
    return np.full(count, -1, dtype=np.int32), queries
