"""Pages of documents, and which pages and entities are held out of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation import LabelledDocument, read_documents
from model.training.documents import page_name, page_number
from model.training.split import Split

PAGES = [f"Page {number}" for number in range(400)]
ENTITIES = [f"Entity_{number}" for number in range(400)]


def document(source: str, page: str, part: int) -> LabelledDocument:
    return LabelledDocument(f"{source}/{page}#{part}", source, "", ())


def held_out_pages(split: Split, pages: list[str]) -> set[str]:
    return {page for page in pages if split.page_held_out(page_number(page))}


def held_out_entities(split: Split, entities: list[str]) -> set[str]:
    return {entity for entity in entities if split.entity_held_out(entity)}


def test_the_page_is_what_the_file_says_or_else_the_id() -> None:
    assert page_name(document("news", "Isar", 3)) == "Isar"
    assert page_name(LabelledDocument("y", "news", "Isar", (), page="The Isar")) == "The Isar"


def test_a_page_is_one_number_in_every_source() -> None:
    parts = [document(source, page, part) for source in ("prose", "lead") for page in PAGES for part in range(3)]
    numbers = {page_number(page_name(part)) for part in parts}
    assert len(numbers) == len(PAGES)
    assert page_number("The_Isar") == page_number("The Isar") != page_number("Isar")
    assert all(0 <= number < 2**64 for number in numbers)


def test_pages_are_on_one_side_whatever_else_there_is() -> None:
    held_out = held_out_pages(Split(pages=0.3, seed=4), PAGES)
    assert 0.2 < len(held_out) / len(PAGES) < 0.4
    assert held_out_pages(Split(pages=0.3, entities=0.5, seed=4), PAGES[::-2]) == held_out & set(PAGES[::-2])
    assert held_out < held_out_pages(Split(pages=0.6, seed=4), PAGES)
    assert held_out_pages(Split(pages=0.3, seed=5), PAGES) != held_out
    assert not held_out_pages(Split(pages=0), PAGES)
    assert held_out_pages(Split(pages=1), PAGES) == set(PAGES)


def test_entities_are_held_out_apart_from_pages() -> None:
    held_out = held_out_entities(Split(pages=0, entities=0.3, seed=1), ENTITIES)
    assert 0.2 < len(held_out) / len(ENTITIES) < 0.4
    assert held_out_entities(Split(pages=0.9, entities=0.3, seed=1), ENTITIES) == held_out
    assert held_out_entities(Split(pages=0, entities=0.3, seed=2), ENTITIES) != held_out
    assert not held_out_entities(Split(pages=0.5), ENTITIES)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"entities: .* is no share; give a number from 0 to 1"):
        Split(pages=0.1, entities=share)


@pytest.mark.shared
def test_a_share_of_the_shared_documents_is_held_out(shared_data: Path) -> None:
    split = Split(pages=0.2)
    documents = list(read_documents(shared_data / "corpora" / "dev.jsonl.gz"))
    held_out = [split.page_held_out(page_number(page_name(document))) for document in documents]
    assert len(documents) == 2288
    assert 0.1 < sum(held_out) / len(held_out) < 0.3
