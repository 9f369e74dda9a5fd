"""Stored documents, the division into training and held-out ones, and the order of training."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from model.evaluation import CorpusError, GoldMention, LabelledDocument, read_documents
from model.training.documents import DocumentStore, StoreError, open_documents, page_name, page_number, store_documents
from model.training.schedule import Schedule, ScheduleError
from model.training.split import Split
from model.types import Span


def document(source: str, page: int, part: int) -> LabelledDocument:
    text = f"Ünder {page} 𝔸 {part}"
    mentions = (
        GoldMention(0, 5, f"Entity_{page % 40}", "anchor"),
        GoldMention(6, 7, None, "gold"),
        GoldMention(8, 9, f"Entity_{part}", "weak"),
    )
    return LabelledDocument(f"{source}/Page_{page}#{part}", source, text, mentions)


DOCUMENTS = [document("prose", page, part) for page in range(50) for part in range(3)]
DOCUMENTS += [document("lead", page, 0) for page in range(50, 70)] + [document("list", 7, 9)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DocumentStore:
    return store_documents(DOCUMENTS, tmp_path_factory.mktemp("documents") / "store")


def numbers_of(store: DocumentStore) -> np.ndarray:
    return np.arange(len(store))


def test_documents_come_back_as_they_were(store: DocumentStore) -> None:
    assert [store[number] for number in range(len(store))] == DOCUMENTS
    assert store.sources == ("prose", "lead", "list")
    assert [store.sources[row] for row in store.source_of] == [document.source for document in DOCUMENTS]
    for number in (-1, len(store)):
        with pytest.raises(IndexError, match=f"no document {number} among 171"):
            store[number]


def test_span_and_page_are_kept(tmp_path: Path) -> None:
    plain = LabelledDocument("x", "news", "", ())
    other = LabelledDocument("y", "news", "Isar", (), Span(1, 3), "The Isar")
    store = store_documents([plain, other], tmp_path / "store")
    assert [store[0], store[1]] == [plain, other]
    assert page_name(store[1]) == "The Isar"
    assert store.pages[1] == page_number("The_Isar") != store.pages[0]


def test_a_page_is_one_number_in_every_source(store: DocumentStore) -> None:
    pages: dict[str, set[int]] = {}
    for number in range(len(store)):
        pages.setdefault(page_name(store[number]), set()).add(int(store.pages[number]))
    assert all(len(found) == 1 for found in pages.values())
    assert len(set.union(*pages.values())) == len(pages) == 70


def test_the_fingerprint_is_that_of_the_content(store: DocumentStore, tmp_path: Path) -> None:
    assert store_documents(DOCUMENTS, tmp_path / "same").fingerprint == store.fingerprint
    assert store_documents(DOCUMENTS[1:], tmp_path / "fewer").fingerprint != store.fingerprint
    assert store_documents(DOCUMENTS[::-1], tmp_path / "turned").fingerprint != store.fingerprint


def test_nothing_is_left_of_what_cannot_be_stored(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "a", "text": "", "mentions": []}\n{"id": "b"}\n')
    with pytest.raises(CorpusError, match="line 2"):
        store_documents(read_documents(bad), tmp_path / "store")
    with pytest.raises(StoreError, match="no documents to store: check the files"):
        store_documents([], tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jsonl"]


def test_a_store_is_not_overwritten_and_a_damaged_one_not_opened(tmp_path: Path) -> None:
    store_documents(DOCUMENTS[:5], tmp_path / "store")
    with pytest.raises(StoreError, match="exists already: open it with open_documents"):
        store_documents(DOCUMENTS, tmp_path / "store")
    content = tmp_path / "store" / "documents.bin"
    content.write_bytes(content.read_bytes()[:-1])
    with pytest.raises(StoreError, match="do not agree"):
        open_documents(tmp_path / "store")
    (tmp_path / "store" / "offsets.npy").write_bytes(b"")
    with pytest.raises(StoreError, match="store them again"):
        open_documents(tmp_path / "store")
    with pytest.raises(StoreError, match="store them again"):
        open_documents(tmp_path / "nowhere")


def test_pages_are_on_one_side_whatever_else_there_is(store: DocumentStore, tmp_path: Path) -> None:
    split = Split(pages=0.3, seed=4)
    train, held_out = split.divide(store)
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(len(store)))
    sides = [{page_name(store[number]) for number in side.tolist()} for side in (train, held_out)]
    assert not sides[0] & sides[1]
    assert 0.15 < len(sides[1]) / 70 < 0.45
    some = store_documents(DOCUMENTS[::2], tmp_path / "some")
    again = {page_name(some[number]) for number in split.divide(some)[1].tolist()}
    assert again <= sides[1]
    other = Split(pages=0.3, seed=5).divide(store)[1]
    assert other.tolist() != held_out.tolist()
    assert not len(Split(pages=0).divide(store)[1])
    assert not len(Split(pages=1).divide(store)[0])


def test_held_out_entities_are_never_a_training_mention(store: DocumentStore) -> None:
    split = Split(pages=0, entities=0.3, seed=1)
    before = Counter(m.entity for d in DOCUMENTS for m in d.mentions)
    after = Counter(m.entity for number in range(len(store)) for m in split.for_training(store[number]).mentions)
    gone = before - after
    assert {entity for entity in before if entity and split.entity_held_out(entity)} == set(gone)
    assert after[None] == before[None]
    assert not gone.keys() & after.keys()
    assert 0.1 < len(gone) / len(before) < 0.5
    kept = Split(pages=0).for_training(DOCUMENTS[0])
    assert kept is DOCUMENTS[0]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"entities: .* is no share; give a number from 0 to 1"):
        Split(pages=0.1, entities=share)


def test_an_epoch_shows_every_document_once_in_an_order_of_its_own(store: DocumentStore) -> None:
    schedule = Schedule(store, numbers_of(store))
    epochs = [schedule.epoch(number).tolist() for number in range(3)]
    assert all(sorted(epoch) == list(range(len(store))) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert Schedule(store, numbers_of(store)).epoch(1).tolist() == epochs[1]
    assert Schedule(store, numbers_of(store), seed=1).epoch(1).tolist() != epochs[1]


def test_rates_say_how_often_a_source_is_shown(store: DocumentStore) -> None:
    numbers = numbers_of(store)[10:]
    schedule = Schedule(store, numbers, {"prose": 0.3, "lead": 2.5, "list": 0})
    drawn: Counter[int] = Counter()
    for number in range(10):
        epoch = schedule.epoch(number).tolist()
        drawn.update(epoch)
        sources = Counter(store[number].source for number in epoch)
        assert sources == {"prose": 42, "lead": 50}
    # In ten epochs each document was seen as often as the rate says, none more often than another.
    assert {store[number].source: count for number, count in drawn.items()} == {"prose": 3, "lead": 25}
    assert {(store[number].source, count) for number, count in drawn.items()} == {("prose", 3), ("lead", 25)}


@pytest.mark.parametrize("size", [1, 7, 171, 500])
def test_training_goes_on_at_any_step(store: DocumentStore, size: int) -> None:
    schedule = Schedule(store, numbers_of(store), {"lead": 0.37, "list": 1.5})
    whole = [batch.tolist() for batch in islice(schedule.batches(size), 60)]
    assert {len(batch) for batch in whole} == {size}
    epochs = np.concatenate([schedule.epoch(number) for number in range(2)])
    assert np.concatenate(whole)[: len(epochs)].tolist() == epochs[: size * 60].tolist()
    for start in (0, 1, 23, 59):
        resumed = Schedule(store, numbers_of(store), {"lead": 0.37, "list": 1.5})
        assert [batch.tolist() for batch in islice(resumed.batches(size, start), 60 - start)] == whole[start:]
    far = 10**9
    assert [len(batch) for batch in islice(schedule.batches(size, far), 2)] == [size, size]


def test_a_source_that_is_rarely_shown_leaves_epochs_empty(store: DocumentStore) -> None:
    only_list = Schedule(store, numbers_of(store), {"prose": 0, "lead": 0, "list": 0.25})
    assert [len(only_list.epoch(number)) for number in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert [batch.tolist() for batch in islice(only_list.batches(2, 5), 1)] == [[170, 170]]


def test_schedules_that_cannot_be(store: DocumentStore) -> None:
    everything = numbers_of(store)
    with pytest.raises(ScheduleError, match="no source 'web'; name one of prose, lead, list"):
        Schedule(store, everything, {"web": 1})
    for rate in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ScheduleError, match="is no rate; give 0 or more"):
            Schedule(store, everything, {"lead": rate})
    with pytest.raises(ScheduleError, match="no documents to draw"):
        Schedule(store, everything[:0])
    with pytest.raises(ScheduleError, match="no documents to draw"):
        Schedule(store, everything, dict.fromkeys(store.sources, 0.0))


@pytest.mark.shared
def test_the_shared_documents_are_stored_whole(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "corpora" / "dev.jsonl.gz"
    done: list[int] = []
    store = store_documents(read_documents(file), tmp_path / "dev", done.append)
    assert done == [1000, 2000, 2288]
    assert [store[number] for number in range(len(store))] == list(read_documents(file))
    train, held_out = Split(pages=0.2).divide(store)
    assert 0.1 < len(held_out) / len(store) < 0.3
    assert sorted(Schedule(store, train).epoch(3).tolist()) == train.tolist()
