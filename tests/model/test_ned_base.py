"""The baseline ned-base: it learns entities by heart, knows nothing else of them, and is written and read whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from test_fitting import DOCUMENTS

from model.linker import Linker, given_spans
from model.mention_vectors import mention_views
from model.ned_base import INPUT, NedBase, NedBaseError, NedBaseLinker, read_ned_base, save_ned_base
from model.prepared import Mentioned
from model.scorer import FeatureScorer, load_scorer
from model.training.ned_base_data import (
    StoredMentions,
    choose_documents,
    fingerprint,
    load_mentions,
    source_number,
    store_mentions,
)
from model.training.ned_base_task import NedBaseTask
from model.training.split import Split
from model.types import Document, LinkOptions, Span

WIDTH = 16


@pytest.fixture(scope="module")
def mentions(starter_linker: Linker, tmp_path_factory: pytest.TempPathFactory) -> StoredMentions:
    folder = tmp_path_factory.mktemp("mentions")
    store_mentions(starter_linker, DOCUMENTS, folder, lambda _done: None)
    return load_mentions(folder)


def task_of(mentions: StoredMentions, held_out: float = 0.0, rates: dict[str, float] | None = None) -> NedBaseTask:
    torch.manual_seed(0)
    return NedBaseTask(mentions, "trial", WIDTH, Split(held_out), rates or {}, batch=16, epochs=20)


@pytest.fixture(scope="module")
def trained(mentions: StoredMentions) -> NedBaseTask:
    task = task_of(mentions)
    optimiser = torch.optim.AdamW(task.module.parameters(), lr=0.02)
    for step in range(task.steps):
        optimiser.zero_grad()
        torch.autograd.backward(task.loss(step).loss)
        optimiser.step()
    return task


@pytest.fixture(scope="module")
def learned(trained: NedBaseTask, starter_linker: Linker) -> NedBase:
    network = trained.module
    entities = [starter_linker.store.entity_id(ordinal) for ordinal in trained.ordinals.tolist()]
    return NedBase(
        starter_linker.encoder.version,
        entities,
        network.vectors[:-1].detach().numpy(),
        network.projection.weight.detach().numpy(),
        network.projection.bias.detach().numpy(),
    )


def linker_of(like: Linker, learned: NedBase) -> NedBaseLinker:
    scorer = load_scorer()
    assert isinstance(scorer, FeatureScorer)
    return NedBaseLinker(like.encoder, like.source, like.store, scorer, learned)


def asked(number: int) -> Document:
    labelled = DOCUMENTS[number]
    return Document(labelled.id, labelled.text, tuple(Span(m.start, m.end) for m in labelled.mentions))


def test_what_is_stored_is_what_linking_reads(starter_linker: Linker, mentions: StoredMentions) -> None:
    assert len(mentions.gold) == len(DOCUMENTS)
    (encoded,) = starter_linker.encode([asked(0)])
    assert encoded is not None
    spans, order = given_spans(asked(0))
    prepared = starter_linker.prepare([Mentioned(asked(0), encoded, spans, order)])
    vectors = starter_linker.context(asked(0).text, encoded, spans).vectors
    np.testing.assert_allclose(mentions.views[0], mention_views(encoded, vectors)[0], atol=4e-3)
    count = len(prepared.table.ordinal)
    assert mentions.candidates[0, :count].tolist() == prepared.table.ordinal.tolist()
    assert (mentions.candidates[0, count:] == -1).all()
    gold = starter_linker.store.ordinal(str(DOCUMENTS[0].mentions[0].entity))
    assert mentions.candidates[0, mentions.gold[0]] == gold


def test_blocks_that_are_there_are_not_computed_again(starter_linker: Linker, tmp_path: Path) -> None:
    store_mentions(starter_linker, DOCUMENTS, tmp_path, lambda _done: None)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    done: list[int] = []
    store_mentions(starter_linker, DOCUMENTS, tmp_path, done.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert done == [len(DOCUMENTS)]


def test_a_smaller_rate_takes_a_part_of_the_same_documents() -> None:
    many = [replace(DOCUMENTS[0], id=f"wiki/{number}#0") for number in range(400)]
    some = choose_documents(many, {"wiki": 0.5}, 0)
    fewer = choose_documents(many, {"wiki": 0.25}, 0)
    assert 150 < len(some) < 250
    assert [document.id for document in some][: len(fewer)] == [document.id for document in fewer]
    assert len(choose_documents(many, {"wiki": 3}, 0)) == len(choose_documents(many, {}, 0)) == 400
    assert not choose_documents(many, {"wiki": 0}, 0)


def test_other_documents_have_another_fingerprint(starter_linker: Linker) -> None:
    assert fingerprint(starter_linker, DOCUMENTS) == fingerprint(starter_linker, list(DOCUMENTS))
    assert fingerprint(starter_linker, DOCUMENTS) != fingerprint(starter_linker, DOCUMENTS[1:])


def test_it_learns_its_documents_by_heart(trained: NedBaseTask, starter_linker: Linker, learned: NedBase) -> None:
    answers = linker_of(starter_linker, learned).link([asked(number) for number in range(len(DOCUMENTS))])
    right = [answer.links[0].entity == d.mentions[0].entity for answer, d in zip(answers, DOCUMENTS, strict=True)]
    assert np.mean(right) > 0.95
    assert answers[0].model_version.startswith("ned-base-")
    assert trained.steps == 20 * 3


def test_a_source_with_a_rate_of_two_is_shown_twice(mentions: StoredMentions) -> None:
    once, twice = task_of(mentions), task_of(mentions, rates={"wiki": 2})
    assert mentions.source.tolist() == [source_number("wiki")] * len(DOCUMENTS)
    assert twice.steps == 2 * once.steps
    assert once.loss(0).size == 16


def test_a_step_is_the_same_whenever_it_is_computed(mentions: StoredMentions) -> None:
    task = task_of(mentions)
    torch.nn.init.normal_(task.module.vectors)
    first, other, again = task.loss(4), task.loss(9), task.loss(4)
    assert first.names == again.names != other.names
    assert torch.equal(first.loss, again.loss)
    epoch = [name for step in range(3) for name in task.loss(step).names]
    assert sorted(epoch) == sorted(f"mention {row}" for row in range(len(DOCUMENTS)))


def test_held_out_pages_are_measured_and_give_no_vectors(mentions: StoredMentions) -> None:
    task = task_of(mentions, held_out=0.3)
    assert 0 < len(task.held_out) < len(DOCUMENTS)
    assert set(task.ordinals.tolist()) <= set(mentions.candidates[task.training].ravel().tolist())
    with torch.no_grad():
        measured = task.evaluate()
    assert set(measured) == {"accuracy", "unseen", "tail"}
    assert all(0 <= value <= 1 for value in measured.values())


def test_how_frequent_an_entity_is_does_not_help_it(starter_linker: Linker, learned: NedBase) -> None:
    nothing = replace(learned, entities=learned.entities[:1], vectors=learned.vectors[:1] * 0)
    options = LinkOptions(max_candidates=30)
    documents = [asked(number) for number in range(8)]
    answers = linker_of(starter_linker, nothing).link(documents, options)
    shipped = starter_linker.link(documents, options)
    scores = [candidate.score for answer in answers for candidate in answer.links[0].candidates]
    assert max(scores) < 1e-3
    ranked, frequent = ([[c.entity for c in a.links[0].candidates] for a in found] for found in (answers, shipped))
    assert [set(row) for row in ranked] == [set(row) for row in frequent]
    assert ranked != frequent


def test_what_is_written_is_read_again(learned: NedBase, tmp_path: Path) -> None:
    path = tmp_path / "ned-base.safetensors"
    save_ned_base(learned, path)
    again = read_ned_base(path)
    assert (again.encoder, list(again.entities)) == (learned.encoder, list(learned.entities))
    np.testing.assert_allclose(again.vectors, learned.vectors, atol=1e-2)
    np.testing.assert_allclose(again.weight, learned.weight, atol=1e-2)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_encoder_and_damaged_files_are_refused(
    starter_linker: Linker, learned: NedBase, tmp_path: Path
) -> None:
    with pytest.raises(NedBaseError, match="trained with the encoder other, this is minilm-"):
        linker_of(starter_linker, replace(learned, encoder="other"))
    path = tmp_path / "ned-base.safetensors"
    with pytest.raises(NedBaseError, match=r"cannot be read .* train it with `namesake train`"):
        read_ned_base(path)
    save_file({"other": np.zeros(3)}, path)
    with pytest.raises(NedBaseError, match="cannot be read as a file of ned-base"):
        read_ned_base(path)
    save_ned_base(replace(learned, entities=learned.entities[1:]), path)
    with pytest.raises(NedBaseError, match=f"weight \\({WIDTH}, {INPUT}\\) .* do not belong together"):
        read_ned_base(path)
